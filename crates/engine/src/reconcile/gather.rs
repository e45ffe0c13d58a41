//! What is compared: intent from the database, sights from the monitor.

use crate::Engine;
use bellwether_decide::reconcile::{Facts, Leftover};
use bellwether_model::{HostId, Result, Timestamp, VmId, observed::Observed};
use bellwether_store::{Records, Tombstone};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Everything one round is decided on.
pub(super) struct Gathered {
    pub records: Arc<Records>,
    observed: Arc<Observed>,
    held: BTreeSet<VmId>,
    watched_since: BTreeMap<HostId, Timestamp>,
    leftovers: Vec<Leftover>,
}

/// Reads it. VMs before jobs: a VM whose job begins in between counts as held, and one whose job ends in between was
/// read too early to be written.
pub(super) async fn gather(engine: &Engine) -> Result<Gathered> {
    let store = engine.store();
    let records = store.records().await?;
    let held = held(engine).await?;
    let watched_since = records
        .hosts
        .iter()
        .filter_map(|host| Some((host.id, engine.links().watched_since(host.id)?)))
        .collect();
    let leftovers = store.tombstones().await?.iter().map(leftover).collect();
    Ok(Gathered {
        records,
        observed: engine.sights().await?,
        held,
        watched_since,
        leftovers,
    })
}

/// What a tombstone speaks of.
pub(super) fn leftover(tombstone: &Tombstone) -> Leftover {
    Leftover {
        vm: tombstone.vm,
        host: tombstone.host,
    }
}

/// VMs that an open job holds.
pub(crate) async fn held(engine: &Engine) -> Result<BTreeSet<VmId>> {
    let jobs = engine.store().open_jobs().await?;
    Ok(jobs.iter().filter_map(|job| job.subject.vm).collect())
}

impl Gathered {
    /// As the decision takes it.
    pub fn facts(&self, engine: &Engine) -> Facts<'_> {
        Facts {
            vms: &self.records.vms,
            hosts: &self.records.hosts,
            storages: &self.records.storages,
            observed: &self.observed,
            held: &self.held,
            watched_since: &self.watched_since,
            leftovers: &self.leftovers,
            now: engine.now(),
            period: engine.settings().period,
            today: engine.today(),
        }
    }
}
