//! One host's loop: connect if need be → sample by one bulk call, within a deadline → make rates of it and the last one →
//! show it, keep it and say so.

use super::{
    STALE_AFTER,
    keep::keep,
    pace::{Hints, Pace},
    rates::Rates,
};
use crate::{Engine, Live, links::is_the_same};
use bellwether_hypervisor::{Host, HypervisorError};
use bellwether_model::{
    HostId,
    host::{Host as HostRecord, HostHealth, NoConnection},
    observed::HostSeen,
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A sample that takes longer than this counts as none.
const SAMPLE_DEADLINE: Duration = Duration::from_secs(15);
/// Facts and places are looked at again after this many samples.
const FACTS_EVERY: u32 = 30;

/// Samples the host until `end`.
pub(super) async fn watch_until(
    engine: Engine,
    host: HostRecord,
    offset: Duration,
    end: CancellationToken,
) {
    tokio::select! {
        () = watch(&engine, &host, offset) => {}
        () = end.cancelled() => {}
    }
}

/// Samples one host for ever.
async fn watch(engine: &Engine, record: &HostRecord, offset: Duration) {
    let mut rates = Rates::default();
    let mut turn = 0_u32;
    let mut failures = 0_u32;
    engine.observe(|observed| {
        observed
            .hosts
            .entry(record.id)
            .or_insert_with(|| HostSeen::nothing(record.id));
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
                sample(engine, record, &host, &mut rates, turn).await
            }
            Err(error) => Err(error),
        };
        match looked {
            Ok(()) => {
                failures = 0;
                turn = turn.wrapping_add(1);
            }
            Err(error) => {
                failures += 1;
                trouble(engine, record.id, &error, failures);
            }
        }
        pace.rest(&mut hints).await;
    }
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
            .or_insert_with(|| HostSeen::nothing(id));
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

async fn sample(
    engine: &Engine,
    record: &HostRecord,
    host: &Arc<dyn Host>,
    rates: &mut Rates,
    turn: u32,
) -> Result<(), HypervisorError> {
    let late =
        |_| HypervisorError::TimedOut(format!("no sample within {} s", SAMPLE_DEADLINE.as_secs()));
    let before = engine.observed().hosts.get(&record.id).cloned();
    let fresh = before.as_ref().filter(|seen| {
        seen.facts.is_some()
            && seen.health == HostHealth::Ready
            && !turn.is_multiple_of(FACTS_EVERY)
    });
    let (facts, places) = match fresh {
        Some(seen) => (seen.facts.clone(), None),
        None => {
            let both = async { tokio::try_join!(host.facts(), host.places()) };
            let (facts, places) = tokio::time::timeout(SAMPLE_DEADLINE, both)
                .await
                .map_err(late)??;
            is_the_same(record, &facts)?;
            (Some(facts), Some(places))
        }
    };
    let began = tokio::time::Instant::now();
    let sample = tokio::time::timeout(SAMPLE_DEADLINE, host.sample())
        .await
        .map_err(late)??;
    let latency = began.elapsed();
    let now = engine.now();
    let mut seen = rates.seen(record.id, sample, now);
    seen.latency_ms = u64::try_from(latency.as_millis()).ok();
    seen.facts = facts;
    match places {
        Some(places) => {
            seen.pools = places.pools;
            seen.carriers = places.carriers;
        }
        None => {
            seen.pools = before
                .as_ref()
                .map(|seen| seen.pools.clone())
                .unwrap_or_default();
            seen.carriers = before
                .as_ref()
                .map(|seen| seen.carriers.clone())
                .unwrap_or_default();
        }
    }
    engine.links().watched(record.id, Some(now));
    let changed = before
        .as_ref()
        .is_none_or(|before| shape(before) != shape(&seen));
    keep(engine, &seen).await;
    engine.observe(|observed| {
        observed.hosts.insert(record.id, seen);
    });
    if changed {
        engine.inner.fleet_changed.notify_waiters();
        engine.inner.fleet_changed.notify_one();
    }
    let _ = engine.inner.live.send(Live::Sampled(record.id));
    Ok(())
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
