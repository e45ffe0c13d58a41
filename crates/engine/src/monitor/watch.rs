//! One host's loop: connect if need be → sample by one bulk call, within a deadline → make rates of it and the last one →
//! show it, keep it and say so. What costs the host more is asked for seldomer.

use super::{
    STALE_AFTER, keep,
    pace::{Hints, Pace, Turn},
    rates::{Lasting, Moment, Rates},
};
use crate::{Engine, Live, export, links::is_the_same};
use bellwether_hypervisor::{Groups, Host, HostPlaces, HostSample, HypervisorError, VmSample};
use bellwether_model::{
    HostId,
    host::{Host as HostRecord, HostHealth, NoConnection},
    observed::{HostFacts, HostSeen},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// A sample that takes longer than this counts as none.
const SAMPLE_DEADLINE: Duration = Duration::from_secs(15);
/// What was seen is kept for the next start at least this often, and whenever a VM came, went or changed its state.
const SAVE_EVERY: Duration = Duration::from_secs(60);
/// What is looked at seldomer counts for this many of its turns.
const TURNS_LASTING: u32 = 3;

/// Samples the host until `end`.
pub(super) async fn watch_until(
    engine: Engine,
    host: HostRecord,
    offset: Duration,
    end: CancellationToken,
) {
    tokio::select! {
        () = Watch::new(&engine, &host).run(offset) => {}
        () = end.cancelled() => {}
    }
}

/// The sampling of one host.
struct Watch<'a> {
    engine: &'a Engine,
    record: &'a HostRecord,
    rates: Rates,
    memory: Turn,
    disks: Turn,
    places: Turn,
    saved: Option<Instant>,
    failures: u32,
}

impl<'a> Watch<'a> {
    fn new(engine: &'a Engine, record: &'a HostRecord) -> Self {
        let (period, paces) = (engine.settings().period, engine.settings().paces);
        let turn = |every| Turn::new(every, period);
        Self {
            engine,
            record,
            rates: Rates::default(),
            memory: turn(paces.memory),
            disks: turn(paces.disks),
            places: turn(paces.places),
            saved: None,
            failures: 0,
        }
    }

    /// Samples for ever.
    async fn run(mut self, offset: Duration) {
        let (engine, record) = (self.engine, self.record);
        engine.observe(|observed| {
            observed
                .hosts
                .entry(record.id)
                .or_insert_with(|| HostSeen::nothing(record.id).into());
        });
        let mut pace = Pace::new(engine.settings().period, offset);
        let mut hints = Hints {
            waker: engine.links().waker(record.id),
            events: None,
        };
        loop {
            let looked = match engine.links().ensure(record).await {
                Ok(host) => {
                    if hints.events.is_none() {
                        hints.events = Some(host.events());
                    }
                    self.look(&host).await
                }
                Err(error) => Err(error),
            };
            match looked {
                Ok(()) => self.failures = 0,
                Err(error) => {
                    self.failures += 1;
                    trouble(engine, record.id, &error, self.failures);
                }
            }
            pace.rest(&mut hints).await;
        }
    }

    async fn look(&mut self, host: &Arc<dyn Host>) -> Result<(), HypervisorError> {
        let (engine, id) = (self.engine, self.record.id);
        let before = engine.observed().hosts.get(&id).cloned();
        let around = self.around(host, before.as_deref()).await?;
        let began = Instant::now();
        let (sample, groups) = self.sample(host).await?;
        let latency = began.elapsed();
        let now = Moment {
            wall: engine.now(),
            // The counters were read while the call took place.
            tick: began + latency / 2,
        };
        let mut seen = self.seen(sample, groups, now, before.as_deref());
        seen.latency_ms = u64::try_from(latency.as_millis()).ok();
        match (around, &before) {
            (Some((facts, places)), _) => {
                seen.facts = Some(facts);
                seen.pools = places.pools;
                seen.carriers = places.carriers;
            }
            (None, Some(before)) => {
                seen.facts = before.facts.clone();
                seen.pools = before.pools.clone();
                seen.carriers = before.carriers.clone();
            }
            (None, None) => {}
        }
        engine.links().watched(id, Some(now.wall));
        let changed = before
            .as_ref()
            .is_none_or(|before| shape(before) != shape(&seen));
        let observed = engine.observed();
        let elsewhere = |vm| {
            let others = observed
                .sightings(vm)
                .filter(|(host, _)| *host != seen.host);
            others.into_iter().any(|(_, vm)| vm.power.is_live())
        };
        let values = keep::measured(&seen, elsewhere);
        keep::remember(engine, now.wall, &values).await;
        export::measured(engine, &seen, &values).await;
        if changed || self.saved.is_none_or(|saved| saved.elapsed() >= SAVE_EVERY) {
            keep::save(engine, &seen).await;
            self.saved = Some(Instant::now());
        }
        engine.observe(|observed| {
            observed.put(seen);
        });
        if changed {
            engine.inner.fleet_changed.notify_waiters();
            engine.inner.fleet_changed.notify_one();
        }
        let _ = engine.inner.live.send(Live::Sampled(id));
        Ok(())
    }

    /// What changes seldom, when it is its turn: what the host is, and what is there to put disks on and plug into.
    async fn around(
        &mut self,
        host: &Arc<dyn Host>,
        before: Option<&HostSeen>,
    ) -> Result<Option<(HostFacts, HostPlaces)>, HypervisorError> {
        let known =
            before.is_some_and(|seen| seen.facts.is_some() && seen.health == HostHealth::Ready);
        let now = Instant::now();
        if known && !self.places.is_due(now) {
            return Ok(None);
        }
        let both = async { tokio::try_join!(host.facts(), host.places()) };
        let (facts, places) = timeout(SAMPLE_DEADLINE, both).await.map_err(late)??;
        is_the_same(self.record, &facts)?;
        self.places.taken(now);
        Ok(Some((facts, places)))
    }

    async fn sample(
        &mut self,
        host: &Arc<dyn Host>,
    ) -> Result<(HostSample, Groups), HypervisorError> {
        let now = Instant::now();
        let mut groups = Groups {
            memory: self.memory.is_due(now),
            disks: self.disks.is_due(now),
        };
        let ask = async |groups| {
            let sample = timeout(SAMPLE_DEADLINE, host.sample(groups));
            sample.await.map_err(late)?
        };
        let mut sample = ask(groups).await?;
        if !groups.memory && self.rates.misses_sizes(&sample) {
            groups = Groups::ALL;
            sample = ask(groups).await?;
        }
        if groups.memory {
            self.memory.taken(now);
        }
        if groups.disks {
            self.disks.taken(now);
        }
        Ok((sample, groups))
    }

    fn seen(
        &mut self,
        sample: HostSample,
        groups: Groups,
        now: Moment,
        before: Option<&HostSeen>,
    ) -> HostSeen {
        // What has just begun, or come, is looked at twice soon: rates need two looks.
        let new = self.rates.misses_running(&sample);
        let (engine, id) = (self.engine, self.record.id);
        let paces = engine.settings().paces;
        let lasting = Lasting {
            memory: paces.memory * TURNS_LASTING,
            disks: paces.disks * TURNS_LASTING,
        };
        let observed = engine.observed();
        let first = self.rates.is_empty();
        let up_since = |vm: &VmSample| {
            // Of the same emulator, seen by an earlier process, or where it came from.
            let here = before.and_then(|seen| seen.vm(vm.uuid));
            let here = here.filter(|seen| seen.counters.cpu_ns <= vm.counters.cpu_ns);
            let elsewhere = || {
                let mut sightings = observed.sightings(vm.uuid);
                let found = sightings.find(|(host, seen)| *host != id && seen.power.is_live());
                found.map(|(_, seen)| seen)
            };
            match here.or_else(elsewhere) {
                Some(seen) => seen.up_since,
                None => (!first).then_some(now.wall),
            }
        };
        let seen = self.rates.seen(id, sample, now, lasting, up_since);
        if new || seen.vms.iter().any(|vm| vm.up_since == Some(now.wall)) {
            self.memory.soon(groups.memory);
            self.disks.soon(groups.disks);
        }
        seen
    }
}

fn late(_: tokio::time::error::Elapsed) -> HypervisorError {
    HypervisorError::TimedOut(format!("no sample within {} s", SAMPLE_DEADLINE.as_secs()))
}

fn trouble(engine: &Engine, id: HostId, error: &HypervisorError, failures: u32) {
    engine.links().watched(id, None);
    if let HypervisorError::NoConnection {
        why: NoConnection::OtherMachine,
        ..
    } = error
    {
        // Jobs must not act on it either.
        engine.links().close(id);
    }
    if failures == 1 {
        tracing::warn!(host = %id, %error, "the host does not answer");
    }
    engine.observe(|observed| {
        let seen = observed
            .hosts
            .entry(id)
            .or_insert_with(|| HostSeen::nothing(id).into());
        let seen = Arc::make_mut(seen);
        seen.trouble = Some(error.to_string());
        seen.why = match error {
            HypervisorError::NoConnection { why, .. } => Some(*why),
            _ => None,
        };
        if seen.at.is_none() || (error.is_passing() && failures >= STALE_AFTER) {
            seen.health = HostHealth::Unreachable;
        } else if seen.health == HostHealth::Ready {
            seen.health = HostHealth::Stale;
        }
    });
    if failures == STALE_AFTER {
        engine.inner.fleet_changed.notify_waiters();
    }
    let _ = engine.inner.live.send(Live::Sampled(id));
}

/// What of a sight matters to others than graphs: whether it answers, and which VMs are in which state.
fn shape(seen: &HostSeen) -> (HostHealth, Vec<(uuid::Uuid, &'static str, bool)>) {
    let mut vms: Vec<_> = seen
        .vms
        .iter()
        .map(|vm| (vm.uuid, vm.power.as_str(), vm.migrating))
        .collect();
    vms.sort();
    (seen.health, vms)
}
