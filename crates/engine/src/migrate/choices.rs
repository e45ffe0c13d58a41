//! Where a VM could go, and what stands in the way, host by host; no host is asked.

use super::compatibility::Known;
use crate::{Admin, Engine, forecast::Ledger, place};
use bellwether_decide::migrate::{self, CpuMatch, PreflightFacts, Route};
use bellwether_model::{
    Error, HostId, Result, VmId,
    host::Host,
    image::{Image, ImageCopy},
    job::JobKind,
    migration::{Check, Forecast},
    observed::Observed,
    storage::{Storage, StorageKind},
    vm::Vm,
};
use std::{collections::BTreeMap, sync::Arc};

/// The VM with other hosts, best first.
#[derive(Clone, Debug)]
pub struct MigrationChoices {
    /// The VM.
    pub vm: Vm,
    /// Where it is.
    pub source: Host,
    /// Other hosts.
    pub targets: Vec<TargetChoice>,
}

/// One host as a target.
#[derive(Clone, Debug)]
pub struct TargetChoice {
    /// The host.
    pub host: Host,
    /// Each check in plain words.
    pub checks: Vec<Check>,
    /// No check fails.
    pub possible: bool,
    /// The disk would be copied too.
    pub copy_disk: bool,
    /// Room left there afterwards, in millionths.
    pub score: u64,
    /// What it would take; none where it is not possible.
    pub forecast: Option<Forecast>,
}

/// Where the VM could go, from what was last observed.
pub async fn consider(engine: &Engine, _admin: &Admin, id: VmId) -> Result<MigrationChoices> {
    let gathered = Gathered::read(engine, id).await?;
    let hosts = gathered.others();
    let known = Known::remembered(engine, &gathered.vm, &hosts);
    // Who looks where it could go may want it to go.
    engine.inner.written.want(id.0);
    Ok(gathered.judge(engine, &known, hosts))
}

/// Everything the choices are made on.
pub(super) struct Gathered {
    pub vm: Vm,
    source: Host,
    fleet: place::Gathered,
    storage: Storage,
    image: Image,
    copies: Vec<ImageCopy>,
    observed: Arc<Observed>,
    held_by: Option<String>,
    routes: BTreeMap<HostId, Route>,
    ledger: Ledger,
}

impl Gathered {
    pub async fn read(engine: &Engine, id: VmId) -> Result<Self> {
        let store = engine.store();
        let fleet = place::gather(engine).await?;
        let records = &fleet.look.records;
        let vm = store.vm_of(records, id).await?;
        let gone = Error::not_found;
        let source = records.host(vm.host).ok_or_else(|| gone("host"))?.clone();
        let storage = records.storage(vm.storage);
        let storage = storage.ok_or_else(|| gone("storage"))?.clone();
        let image = records
            .image(vm.image)
            .ok_or_else(|| gone("image"))?
            .clone();
        let routes = store.past_moves(vm.host).await?.into_iter().map(|past| {
            let route = Route {
                succeeded: past.succeeded,
                failed: past.failed,
            };
            (past.target, route)
        });
        Ok(Self {
            routes: routes.collect(),
            ledger: Ledger::read(engine).await?,
            storage,
            image,
            copies: store.image_copies(vm.image).await?,
            observed: engine.observed(),
            held_by: held_by(engine, &vm).await?,
            vm,
            source,
            fleet,
        })
    }

    /// Every host but the VM's own.
    pub fn others(&self) -> Vec<Host> {
        let hosts = self.fleet.look.records.hosts.iter();
        let others = hosts.filter(|host| host.id != self.vm.host);
        others.cloned().collect()
    }

    /// The generation of the fleet it was read at.
    pub fn generation(&self) -> i64 {
        self.fleet.generation
    }

    /// `targets`, each with its checks.
    pub fn judge(self, engine: &Engine, known: &Known, targets: Vec<Host>) -> MigrationChoices {
        let judged = targets
            .iter()
            .filter_map(|target| self.judge_one(known, target))
            .collect();
        let targets = migrate::in_order(judged)
            .into_iter()
            .filter_map(|target| {
                let host = targets.iter().find(|host| host.id == target.host)?.clone();
                let forecast = target.possible.then(|| {
                    self.ledger
                        .forecast(engine, &self.vm, target.host, target.copy_disk)
                });
                Some(TargetChoice {
                    host,
                    forecast,
                    checks: target.checks,
                    possible: target.possible,
                    copy_disk: target.copy_disk,
                    score: target.score,
                })
            })
            .collect();
        MigrationChoices {
            vm: self.vm,
            source: self.source,
            targets,
        }
    }

    fn judge_one(&self, known: &Known, target: &Host) -> Option<migrate::Target> {
        let vm = &self.vm;
        let brought = self
            .copies
            .iter()
            .any(|copy| copy.complete && copy.storage == self.storage.id && copy.host == target.id);
        let image_bytes = if self.storage.kind == StorageKind::Shared || brought {
            0
        } else {
            self.image.file_bytes.unwrap_or(0)
        };
        let unasked = CpuMatch::NotChecked("it is checked when the move is asked for".into());
        let description = known.description.as_deref();
        migrate::judge(&PreflightFacts {
            vm,
            source: &self.source,
            target: Some(target),
            source_seen: self.observed.host(vm.host),
            target_seen: self.observed.host(target.id),
            fleet: self.fleet.fleet(),
            storage: Some(&self.storage),
            network: self
                .fleet
                .networks()
                .iter()
                .find(|network| network.id == vm.network),
            image_bytes,
            policy: self.fleet.policy(),
            cpu: known.cpus.get(&target.id).unwrap_or(&unasked),
            route: self.routes.get(&target.id).unwrap_or(&Route::default()),
            held_by: self.held_by.as_deref(),
            passthrough: description.map(|description| description.passthrough.as_slice()),
            snapshots: description.map(|description| description.snapshots),
        })
    }
}

/// What is being done to the VM, in words.
async fn held_by(engine: &Engine, vm: &Vm) -> Result<Option<String>> {
    let jobs = engine.store().open_jobs().await?;
    let job = jobs.iter().find(|job| job.subject.vm == Some(vm.id));
    Ok(job.map(|job| {
        match job.kind {
            JobKind::Provision => "it is being made",
            JobKind::Power => "it is being switched on or off",
            JobKind::Delete => "it is being deleted",
            JobKind::Migrate => "it is being moved already",
            JobKind::FetchImage => "its image is being fetched",
        }
        .into()
    }))
}
