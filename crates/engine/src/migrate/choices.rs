//! Where a VM could go, and what stands in the way, host by host; no host is asked.

use super::compatibility::Known;
use crate::{Admin, Engine, forecast::Ledger, place};
use bellwether_decide::migrate::{self, Chosen, CpuMatch, PreflightFacts, Route};
use bellwether_model::{
    Error, HostId, Result, VmId,
    host::Host,
    image::{Image, ImageCopy},
    job::JobKind,
    migration::{Check, Migration},
    migration_policy::{MigrationPolicies, MigrationPolicy},
    observed::Observed,
    storage::{Storage, StorageKind},
    text::shown,
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
    /// What the move may cost.
    pub policy: MigrationPolicy,
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
    /// How it would be done and what it would take; none where anything but its policy stands in the way.
    pub chosen: Option<Chosen>,
}

/// Where the VM could go, from what was last observed; by the policy of this name, or the VM's own.
pub async fn consider(
    engine: &Engine,
    _admin: &Admin,
    id: VmId,
    policy: Option<&str>,
) -> Result<MigrationChoices> {
    let gathered = Gathered::read(engine, id, policy).await?;
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
    moves_by: MigrationPolicy,
}

impl Gathered {
    pub async fn read(engine: &Engine, id: VmId, policy: Option<&str>) -> Result<Self> {
        let store = engine.store();
        let fleet = place::gather(engine).await?;
        let records = &fleet.look.records;
        let vm = store.vm_of(records, id).await?;
        let moves_by = policy_of(&fleet.policy().migration, &vm, policy)?;
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
            moves_by,
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
        let mut targets: Vec<TargetChoice> = migrate::in_order(judged)
            .into_iter()
            .filter_map(|mut target| {
                let host = targets.iter().find(|host| host.id == target.host)?.clone();
                let way = (&self.source, &host);
                let chosen = target.possible.then(|| {
                    self.ledger
                        .choose(engine, &self.vm, way, target.copy_disk, &self.moves_by)
                });
                target
                    .checks
                    .extend(chosen.as_ref().map(|chosen| chosen.check.clone()));
                Some(TargetChoice {
                    host,
                    chosen,
                    possible: migrate::possible(&target.checks),
                    checks: target.checks,
                    copy_disk: target.copy_disk,
                    score: target.score,
                })
            })
            .collect();
        // Those that only the policy refuses come before those that are refused anyway.
        targets.sort_by_key(|target| (!target.possible, target.chosen.is_none()));
        MigrationChoices {
            vm: self.vm,
            source: self.source,
            policy: self.moves_by,
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

/// The policy of this name, or the one by which the VM moves.
fn policy_of(policies: &MigrationPolicies, vm: &Vm, name: Option<&str>) -> Result<MigrationPolicy> {
    let Some(name) = name else {
        return Ok(policies.of(vm.migration_policy.as_deref(), &vm.labels));
    };
    policies
        .named(name)
        .cloned()
        .ok_or_else(|| unknown_policy("policy", name, policies))
}

/// Names those there are.
pub(super) fn unknown_policy(field: &str, name: &str, policies: &MigrationPolicies) -> Error {
    let names: Vec<String> = policies
        .named
        .iter()
        .map(|policy| format!("\"{}\"", policy.name))
        .collect();
    Error::field(
        field,
        format!(
            "there is no policy \"{}\" for moves; there are {}",
            shown(name),
            names.join(", ")
        ),
    )
}

/// What is being done to the VM, in words.
async fn held_by(engine: &Engine, vm: &Vm) -> Result<Option<String>> {
    let jobs = engine.store().open_jobs().await?;
    let job = jobs.iter().find(|job| job.subject.vm == Some(vm.id));
    let moves = engine.store().recent_migrations(engine.now()).await?;
    let foreign = |migration: &Migration| migration.vm == vm.id && migration.is_foreign_and_open();
    if job.is_none() && moves.iter().any(foreign) {
        return Ok(Some("somebody else is moving it".into()));
    }
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
