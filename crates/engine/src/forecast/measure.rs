//! How much VMs write, asked of their hosts in the background: one VM of a host at a time, those first that somebody looks
//! at to move them, then those of which it is longest ago.

use crate::Engine;
use bellwether_decide::forecast::{Sample, Writes, fit};
use bellwether_model::{
    HostId, Result, Timestamp,
    host::HostHealth,
    observed::{PowerState, VmSeen},
    vm::{Vm, VmState},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use uuid::Uuid;

/// Times over which it is measured, seconds: what is written again and again shows in the short one, how much there is of
/// it in the long one, and when it is whole between them.
const TIMES: [u32; 3] = [1, 3, 10];

/// One that was started just now reads its system in, which says little of what it will do.
const SETTLED: Duration = Duration::from_secs(60);

/// The longest a measurement may take beyond its time.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was measured.
#[derive(Default)]
pub(crate) struct Written {
    of: Mutex<BTreeMap<Uuid, (Timestamp, Option<Writes>)>>,
    wanted: Mutex<BTreeSet<Uuid>>,
    /// Somebody wants one at once.
    now: Notify,
}

impl Written {
    fn of(&self) -> MutexGuard<'_, BTreeMap<Uuid, (Timestamp, Option<Writes>)>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn wanted(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What was measured last, and when.
    pub fn last(&self, vm: Uuid) -> Option<(Writes, Timestamp)> {
        let (at, writes) = *self.of().get(&vm)?;
        Some((writes?, at))
    }
    /// Somebody thinks of moving this one.
    pub fn want(&self, vm: Uuid) {
        self.wanted().insert(vm);
        self.now.notify_one();
    }
}

/// Measures one VM of each host, all hosts at once.
pub(crate) async fn run(engine: &Engine) -> Result<()> {
    let records = engine.store().records().await?;
    let observed = engine.observed();
    let mut due: BTreeMap<HostId, Vec<&Vm>> = BTreeMap::new();
    for vm in records.vms.iter().filter(|vm| vm.state == VmState::Running) {
        due.entry(vm.host).or_default().push(vm);
    }
    let chosen = due.into_iter().filter_map(|(host, vms)| {
        let seen = observed.host(host)?;
        if seen.health != HostHealth::Ready {
            return None;
        }
        let one = first(engine, &vms, |vm| seen.vm(vm))?;
        Some((host, one))
    });
    let measuring = chosen.map(|(host, vm)| measure(engine, host, vm));
    futures::future::join_all(measuring).await;
    // None is kept of what is gone.
    let there: BTreeSet<Uuid> = records.vms.iter().map(|vm| vm.id.0).collect();
    engine.inner.written.of().retain(|vm, _| there.contains(vm));
    engine
        .inner
        .written
        .wanted()
        .retain(|vm| there.contains(vm));
    Ok(())
}

/// Which of a host's VMs comes next, if any is due.
fn first<'a>(
    engine: &Engine,
    vms: &[&Vm],
    seen: impl Fn(Uuid) -> Option<&'a VmSeen>,
) -> Option<Uuid> {
    let (now, every) = (engine.now(), engine.settings().paces.writes);
    let written = &engine.inner.written;
    let (last, wanted) = (written.of(), written.wanted());
    let due = |vm: &&&Vm| {
        let Some(seen) = seen(vm.id.0) else {
            return false;
        };
        if seen.power != PowerState::Running || seen.migrating {
            return false;
        }
        let asked = wanted.contains(&vm.id.0);
        match last.get(&vm.id.0) {
            // Looked at again and again, it is not measured again and again.
            Some((at, _)) => now.since(*at) > if asked { every / 10 } else { every },
            None => asked || seen.up_since.is_none_or(|up| now.since(up) > SETTLED),
        }
    };
    let order = |vm: &&&Vm| {
        let at = last.get(&vm.id.0).map(|(at, _)| *at);
        (!wanted.contains(&vm.id.0), at, vm.id)
    };
    vms.iter().filter(due).min_by_key(order).map(|vm| vm.id.0)
}

async fn measure(engine: &Engine, host: HostId, vm: Uuid) {
    let mut samples = Vec::new();
    for seconds in TIMES {
        let Ok(there) = engine.host(host) else { break };
        let within = PATIENCE + Duration::from_secs(seconds.into());
        match tokio::time::timeout(within, there.written(vm, seconds)).await {
            Ok(Ok(Some(bytes))) => samples.push(Sample {
                seconds: seconds.into(),
                bytes: bytes as f64,
            }),
            Ok(Ok(None)) | Err(_) => break,
            Ok(Err(error)) => {
                tracing::debug!(%vm, %error, "what it writes could not be measured");
                break;
            }
        }
    }
    let written = &engine.inner.written;
    let writes = match samples.len() == TIMES.len() {
        true => fit(&samples),
        // What was known stays known, though it is no newer.
        false => written.of().get(&vm).and_then(|(_, writes)| *writes),
    };
    written.of().insert(vm, (engine.now(), writes));
    written.wanted().remove(&vm);
    engine.inner.fleet_changed.notify_waiters();
}

impl Written {
    /// Waits until somebody wants one at once.
    pub async fn called(&self) {
        self.now.notified().await;
    }
}
