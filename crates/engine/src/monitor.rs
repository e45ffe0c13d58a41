//! Monitor: every host is sampled on a period by a loop of its own, so that a dead or slow host delays nobody else.
//!
//! What a loop sees is shown ([`crate::Engine::observed`]), kept (history and the last sight of each host) and told.

mod keep;
mod pace;
mod rates;
mod watch;

pub use keep::HistoryTrouble;

use crate::{Engine, Live};
use bellwether_model::{
    HostId,
    host::{Host as HostRecord, HostHealth},
    observed::HostSeen,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Samples after which an unseen host is stale, and unreachable.
const STALE_AFTER: u32 = 3;
const UNREACHABLE_AFTER: u32 = 10;
/// Who did nothing for longer than this was not merely busy.
const LONGEST_NAP: Duration = Duration::from_secs(5);

/// The sampling of one host.
struct Sampling {
    uri: String,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Sampling {
    /// Ends it, and returns when it changes nothing any more.
    async fn stop(self) {
        self.end.cancel();
        // One that panicked has ended too.
        let _ = self.task.await;
    }
}

/// Keeps one loop running for each host there is; ends with the engine.
pub async fn run(engine: Engine, stop: CancellationToken) {
    tokio::join!(keep_hosts(&engine, &stop), age_hosts(&engine));
}

async fn keep_hosts(engine: &Engine, stop: &CancellationToken) {
    let mut loops = BTreeMap::new();
    let mut news = engine.store().news();
    loop {
        let mut longest = Duration::MAX;
        match engine.store().hosts().await {
            Ok(hosts) => loops = keep_up(engine, loops, hosts, stop).await,
            Err(error) => {
                tracing::warn!(error = %error, context = error.context(), "can't read the list of hosts");
                longest = Duration::ZERO;
            }
        }
        tokio::select! {
            () = news.come(longest) => {}
            () = engine.inner.hosts_changed.notified() => {}
        }
    }
}

/// Every second, for ever, has the hosts of which nothing was seen for long look as they are.
async fn age_hosts(engine: &Engine) {
    let mut awake = Awake::at(Instant::now());
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if awake.lately(Instant::now(), silent_after(engine)) {
            age(engine);
        }
    }
}

/// Whether this process was awake all the time lately. One that was stopped, or whose machine slept, has itself to blame
/// that it saw nothing meanwhile: its hosts are not called silent before they were asked again.
struct Awake {
    last: Instant,
    woke: Option<Instant>,
}

impl Awake {
    fn at(now: Instant) -> Self {
        Self {
            last: now,
            woke: None,
        }
    }
    /// Told every second or so; whether there was no gap within `time` before `now`.
    fn lately(&mut self, now: Instant, time: Duration) -> bool {
        if now.duration_since(self.last) > LONGEST_NAP {
            self.woke = Some(now);
        }
        self.last = now;
        self.woke
            .is_none_or(|woke| now.duration_since(woke) >= time)
    }
}

/// One loop for each of `hosts`, at the address it has now.
async fn keep_up(
    engine: &Engine,
    mut loops: BTreeMap<HostId, Sampling>,
    hosts: Vec<HostRecord>,
    stop: &CancellationToken,
) -> BTreeMap<HostId, Sampling> {
    let mut kept = BTreeMap::new();
    let count = u32::try_from(hosts.len().max(1)).unwrap_or(u32::MAX);
    for (at, host) in (0_u32..).zip(hosts) {
        let id = host.id;
        let running = match loops.remove(&id) {
            Some(running) if running.uri == host.uri => Some(running),
            // Another address: two loops would take the connection from each other for ever.
            Some(running) => {
                running.stop().await;
                None
            }
            None => None,
        };
        let running = running.unwrap_or_else(|| {
            let (uri, end) = (host.uri.clone(), stop.child_token());
            // Spread over the period, so that all hosts are not asked in the same instant.
            let offset = engine.settings().period / count * at;
            let task = watch::watch_until(engine.clone(), host, offset, end.clone());
            let task = tokio::spawn(task);
            Sampling { uri, end, task }
        });
        kept.insert(id, running);
    }
    for (id, running) in loops {
        running.stop().await;
        engine.links().close(id);
        engine.observe(|observed| {
            observed.hosts.remove(&id);
        });
    }
    kept
}

/// Has the host sampled now and waits until that is seen, for as long as `patience` at most: for acts that must not be
/// judged on what was true some seconds ago. Whether it was.
pub(crate) async fn look_now(engine: &Engine, host: HostId, patience: Duration) -> bool {
    let asked = engine.now();
    let until = tokio::time::Instant::now() + patience;
    engine.links().wake(host);
    while tokio::time::Instant::now() < until {
        let at = engine.observed().hosts.get(&host).and_then(|seen| seen.at);
        if at.is_some_and(|at| at > asked) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// How long ago a host must have been seen to count as silent.
pub(crate) fn silent_after(engine: &Engine) -> Duration {
    engine.settings().period * (STALE_AFTER + 1)
}

/// Hosts whose last sample grew old are shown as what they are, even while their loop waits for an answer.
fn age(engine: &Engine) {
    let now = engine.now();
    let period = engine.settings().period;
    let health_of = |seen: &HostSeen| {
        let age = now.since(seen.at?);
        (age > period * UNREACHABLE_AFTER)
            .then_some(HostHealth::Unreachable)
            .or((age > period * STALE_AFTER).then_some(HostHealth::Stale))
    };
    let worse = |seen: &HostSeen| health_of(seen).filter(|health| *health > seen.health);
    let observed = engine.observed();
    let aged: Vec<HostId> = observed
        .hosts
        .values()
        .filter(|seen| worse(seen).is_some())
        .map(|seen| seen.host)
        .collect();
    if aged.is_empty() {
        return;
    }
    engine.observe(|observed| {
        for host in &aged {
            let seen = observed.host_mut(*host);
            if let Some((seen, health)) =
                seen.and_then(|seen| worse(seen).map(|health| (seen, health)))
            {
                seen.health = health;
            }
        }
    });
    engine.inner.fleet_changed.notify_waiters();
    for host in aged {
        // No listener is fine.
        let _ = engine.inner.live.send(Live::Sampled(host));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_slept_first_looks_again() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let time = Duration::from_secs(4);
        let mut awake = Awake::at(began);
        assert!(
            awake.lately(at(1), time),
            "hosts that fell silent before the start"
        );
        assert!(!awake.lately(at(100), time), "it has just woken");
        assert!(!awake.lately(at(103), time));
        assert!(awake.lately(at(104), time));
    }
}
