//! Asking for a migration: asks the hosts what only they know, checks, reserves room on the target, makes the job.

use super::{
    choices::{Gathered, MigrationChoices, TargetChoice},
    compatibility::Known,
    work::Data,
};
use crate::{Admin, Engine, again, jobs::new_job, monitor};
use bellwether_decide::migrate::is_about_the_vm;
use bellwether_model::{
    Error, HostId, Refusal, Result, VmId,
    job::{Job, JobKind, JobSubject},
    migration::{Check, Migration, Verdict},
    states::State,
    vm::VmState,
};
use std::time::Duration;

/// How long a fresh look at the VM's host is waited for.
const LOOK_PATIENCE: Duration = Duration::from_secs(3);

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// This host.
    Host(HostId),
    /// The best of those that can take it.
    Best,
}

/// Where to, and by which policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Where to.
    pub target: Target,
    /// The name of the policy; none for the VM's own.
    pub policy: Option<String>,
}

impl From<Target> for Wish {
    fn from(target: Target) -> Self {
        Self {
            target,
            policy: None,
        }
    }
}

/// Starts moving the VM; refused with each failed check in words.
pub async fn ask(
    engine: &Engine,
    admin: &Admin,
    id: VmId,
    wish: impl Into<Wish>,
) -> Result<(Job, Migration)> {
    let Wish { target, policy } = wish.into();
    let vm = engine.store().vm(id).await?;
    let mut hosts = engine.store().hosts().await?;
    let source = hosts.iter().find(|host| host.id == vm.host).cloned();
    match target {
        Target::Host(host) if host == vm.host => {
            return Err(Error::field(
                "target",
                "the VM is on that host already; choose another one",
            ));
        }
        Target::Host(only) => hosts.retain(|host| host.id == only),
        Target::Best => hosts.retain(|host| host.id != vm.host),
    }
    if hosts.is_empty() {
        return Err(Error::field(
            "target",
            match target {
                Target::Host(_) => "there is no such host; choose one of the fleet, or \"best\"",
                Target::Best => "there is no other host",
            },
        ));
    }
    // A VM that was started a moment ago may not have been seen yet.
    if !monitor::look_now(engine, vm.host, LOOK_PATIENCE).await {
        return Err(Error::unavailable(format!(
            "{} does not answer: what the VM is doing is not known.",
            source.map_or_else(|| "Its host".into(), |source| source.name)
        )));
    }
    let known = Known::asked(engine, &vm, &hosts).await;
    again::when_overtaken(async || {
        let gathered = Gathered::read(engine, id, policy.as_deref()).await?;
        let generation = gathered.generation();
        let choices = gathered.judge(engine, &known, hosts.clone());
        match chosen(&choices, target).cloned() {
            Ok(chosen) => begin(engine, admin, generation, choices, chosen)
                .await
                .map(Ok),
            // A refusal is an answer; it would be the same again.
            Err(refused) => Ok(Err(refused)),
        }
    })
    .await?
}

/// The host that takes it, or why none does.
fn chosen(choices: &MigrationChoices, target: Target) -> Result<&TargetChoice> {
    let first = choices
        .targets
        .first()
        .ok_or_else(|| Error::not_found("host"))?;
    if first.possible {
        return Ok(first);
    }
    // What is the matter with the VM is the same whatever the target.
    let hindrances: Vec<&str> = failures(first)
        .filter(|check| is_about_the_vm(check))
        .map(|check| check.text.as_str())
        .collect();
    if !hindrances.is_empty() {
        return Err(Error::conflict(hindrances.join(" ")));
    }
    let refusals: Vec<Refusal> = choices.targets.iter().map(refusal).collect();
    match target {
        Target::Best => Err(Error::no_capacity(
            "No host can take this VM now.",
            refusals,
        )),
        Target::Host(_) => {
            let message = format!(
                "{} can't take the VM: {}",
                first.host.name,
                refusals[0].reasons.join(" ")
            );
            let mut error = Error::conflict(message);
            error.refusals = refusals;
            Err(error)
        }
    }
}

/// Reserves the room and makes the job, unless the fleet or the VM has changed since it was judged.
async fn begin(
    engine: &Engine,
    admin: &Admin,
    generation: i64,
    choices: MigrationChoices,
    chosen: TargetChoice,
) -> Result<(Job, Migration)> {
    let (mut vm, source) = (choices.vm, choices.source);
    let now = engine.now();
    let how = chosen.chosen;
    let migration = Migration {
        copy_disk: chosen.copy_disk,
        asked_by: Some(admin.user),
        forecast: how.as_ref().map(|how| how.forecast.clone()),
        intent: Some(choices.policy),
        mechanism: how.map(|how| how.mechanism),
        ..Migration::begun(vm.id, vm.host, chosen.host.id, now)
    };
    let data = Data {
        migration: migration.id,
        vm: vm.id,
        source: vm.host,
        target: chosen.host.id,
        copy_disk: chosen.copy_disk,
        begun: false,
        post_copy: false,
    };
    let subject = JobSubject {
        vm: Some(vm.id),
        host: Some(chosen.host.id),
        ..JobSubject::default()
    };
    let job = new_job(
        engine,
        JobKind::Migrate,
        subject,
        Some(vm.owner),
        Some(admin),
        &data,
    )?;
    let migration = Migration {
        job: Some(job.id),
        ..migration
    };
    vm.state = vm.state.step(VmState::Migrating)?;
    let mut tx = engine.store().begin().await?;
    // Room on the target is judged on a fleet nobody changed since; the running migration holds it from now on.
    tx.advance_generation(generation).await?;
    tx.insert_job(&job).await?;
    tx.insert_migration(&migration).await?;
    // What an earlier move or job may have left there is no leftover from now on.
    tx.delete_tombstone(vm.id, migration.target).await?;
    tx.update_vm(&mut vm).await?;
    let text = format!(
        "\"{}\" from {} to {}",
        vm.name, source.name, chosen.host.name
    );
    engine
        .audit(&mut tx, Some(admin), "vm.migrate", "vm", vm.id, text)
        .await?;
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    engine
        .emit(&mut tx, "migration", migration.id, None)
        .await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok((job, migration))
}

fn failures(choice: &TargetChoice) -> impl Iterator<Item = &Check> {
    let checks = choice.checks.iter();
    checks.filter(|check| check.verdict == Verdict::Fail)
}

fn refusal(choice: &TargetChoice) -> Refusal {
    Refusal {
        host: choice.host.id,
        host_name: choice.host.name.clone(),
        reasons: failures(choice).map(|check| check.text.clone()).collect(),
    }
}
