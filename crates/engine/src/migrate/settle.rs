//! How a move ended: found out by asking both hosts, mended where that is safe, and recorded as it is.

use super::{prepare, work::Data};
use crate::{
    jobs::{Halt, Run},
    provision,
};
use bellwether_decide::migrate::{self, Said, Whereabouts};
use bellwether_hypervisor::{HypervisorError, MigrationFigures};
use bellwether_model::{
    Error, HostId,
    migration::{Migration, MigrationOutcome, MigrationProgress},
    migration_policy::Phase,
    states::State,
    vm::{Vm, VmState},
};
use bellwether_store::Tx;
use std::time::Duration;

/// What both hosts say of the VM.
pub(super) struct Answers {
    source: Said,
    target: Said,
    /// The source reports a migration under way.
    moving: bool,
}

impl Answers {
    /// Asks them. Where nothing can be concluded because one does not answer, the job comes back later.
    pub async fn of(run: &mut Run, data: &Data) -> Result<Self, Halt> {
        let (source, target) = (
            said(run, data, data.source).await?,
            said(run, data, data.target).await?,
        );
        let answers = Self {
            moving: matches!(source, Ok((_, true))),
            source: source.as_ref().map_or(Said::Silent, |(said, _)| *said),
            target: target.as_ref().map_or(Said::Silent, |(said, _)| *said),
        };
        match (answers.whereabouts(), source, target) {
            (Whereabouts::Unknown, Err(error), _) | (Whereabouts::Unknown, _, Err(error)) => {
                Err(Halt::Again(Duration::from_secs(5), error))
            }
            _ => Ok(answers),
        }
    }

    pub fn whereabouts(&self) -> Whereabouts {
        migrate::whereabouts(self.source, self.target, self.moving)
    }

    /// In words: what each says.
    async fn words(&self, run: &Run, data: &Data) -> Result<String, Halt> {
        let store = run.engine.store();
        let (source, target) = (
            store.host(data.source).await?.name,
            store.host(data.target).await?.name,
        );
        Ok(format!(
            "{source} {}, {target} {}",
            self.source.words(),
            self.target.words()
        ))
    }
}

/// What one host says of the VM, and whether it moves away from there; an error where the host is silent.
async fn said(
    run: &mut Run,
    data: &Data,
    host: HostId,
) -> Result<Result<(Said, bool), Error>, Halt> {
    if run.is_declared_off(host).await? {
        return Ok(Ok((Said::DeclaredOff, false)));
    }
    let there = match run.host(host).await {
        Ok(there) => there,
        Err(Halt::Again(_, error)) => return Ok(Err(error)),
        Err(halt) => return Err(halt),
    };
    let asked = async {
        let moving = host == data.source
            && match there.migration_progress(data.vm.0).await {
                Err(HypervisorError::NoSuchVm) => false,
                other => other?.is_some(),
            };
        let power = there.power(data.vm.0).await?;
        Ok::<_, HypervisorError>((power.map_or(Said::NotThere, Said::Shows), moving))
    };
    match asked.await {
        Ok(said) => Ok(Ok(said)),
        Err(error) => match Halt::from(error) {
            Halt::Again(_, error) => Ok(Err(error)),
            halt => Err(halt),
        },
    }
}

/// Finds out how it ended, mends what can be mended safely, and records what is true. Where that can't be known, or not
/// be mended, that is recorded and a person is called: the VM must not be left as moving by a job that has ended.
pub(super) async fn settle(run: &mut Run, data: &Data) -> Result<(), Halt> {
    let whereabouts = match mended(run, data).await {
        Ok(whereabouts) => whereabouts,
        Err(Halt::Fail(error) | Halt::Person(error)) => {
            unknown(run, data, &error.message).await?;
            return Err(Halt::Person(error));
        }
        Err(halt) => return Err(halt),
    };
    let outcome = migrate::outcome(whereabouts, run.cancelled().await?);
    // libvirt keeps what it measured of the last move that was completed, on the host to which it went.
    let measured = match (outcome, run.engine.host(data.target)) {
        (MigrationOutcome::Completed, Ok(host)) => {
            host.migration_figures(data.vm.0).await.ok().flatten()
        }
        _ => None,
    };
    let mut tx = run.begin().await?;
    let recorded = record(run, &mut tx, data, whereabouts, outcome, measured).await?;
    tx.commit().await?;
    run.engine.inner.fleet_changed.notify_waiters();
    match outcome {
        MigrationOutcome::Completed => prepare::clear(run, data, data.source).await,
        MigrationOutcome::Cancelled => Err(Halt::Cancelled(stayed(&recorded))),
        _ => {
            prepare::clear(run, data, data.target).await?;
            Err(Halt::Fail(stayed(&recorded)))
        }
    }
}

fn stayed(migration: &Migration) -> Error {
    let reason = migration.reason.clone();
    Error::conflict(reason.unwrap_or_else(|| STAYED.into()))
}

const STAYED: &str = "The VM stayed on its host.";

/// Where the VM is once what is safe to mend was mended.
async fn mended(run: &mut Run, data: &Data) -> Result<Whereabouts, Halt> {
    let mut answers = Answers::of(run, data).await?;
    if data.post_copy && in_two_parts(answers.whereabouts()) {
        return Err(Halt::Person(Error::conflict(format!(
            "Post-copy broke off: {}, and each has a part of its memory. Nothing was changed; `virsh migrate \
             --postcopy-resume` on its source takes it up again. Before it is given up, both copies have to be stopped: it \
             starts anew from its disk then.",
            answers.words(run, data).await?
        ))));
    }
    if answers.whereabouts() == Whereabouts::PausedOnSource {
        // Proven absent from the target, a moment ago, by the target itself.
        run.host(data.source).await?.resume(data.vm.0).await?;
        answers = Answers::of(run, data).await?;
    }
    if answers.whereabouts() == Whereabouts::HandedOver {
        // The target runs it, by its own word; the paused copy on the source would be the second one.
        let source = run.host(data.source).await?;
        source
            .force_off(data.vm.0)
            .await
            .or_else(provision::ignore_absent)?;
        source
            .undefine(data.vm.0)
            .await
            .or_else(provision::ignore_absent)?;
        answers = Answers::of(run, data).await?;
    }
    match answers.whereabouts() {
        Whereabouts::Moving | Whereabouts::HandedOver => Err(Halt::Again(
            Duration::from_secs(2),
            Error::conflict("The hosts are still handing over."),
        )),
        Whereabouts::Nowhere => Err(Halt::Person(Error::conflict(
            "Neither host knows the VM any more; its disk is untouched.",
        ))),
        Whereabouts::Contradiction => Err(Halt::Person(Error::conflict(format!(
            "Where the VM runs is not clear: {}. Nothing was changed: look at both before anything is started.",
            answers.words(run, data).await?
        )))),
        found => Ok(found),
    }
}

/// Whether, after a switch to post-copy, neither host has all of the guest's memory, or the source has an old copy of it:
/// going on from that would write over what the guest wrote at the target.
fn in_two_parts(whereabouts: Whereabouts) -> bool {
    matches!(
        whereabouts,
        Whereabouts::HandedOver | Whereabouts::Contradiction | Whereabouts::PausedOnSource
    )
}

/// Records that where the VM runs is not known, and why.
async fn unknown(run: &Run, data: &Data, why: &str) -> Result<(), Halt> {
    let mut tx = run.begin().await?;
    let mut migration = tx.migration(data.migration).await?;
    if migration.outcome != MigrationOutcome::Running {
        return Ok(());
    }
    migration.outcome = MigrationOutcome::Unknown;
    migration.reason = Some(why.into());
    tx.update_migration(&migration).await?;
    let mut vm = tx.vm(data.vm).await?;
    vm.note = Some(why.into());
    tx.update_vm(&mut vm).await?;
    let text = format!("\"{}\": {why}", vm.name);
    tell(run, &mut tx, &vm, &migration, "vm.migration_unknown", text).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes that the move was undone: it had not begun, or was cancelled.
pub(super) async fn undone(run: &Run, tx: &mut Tx, data: &Data, why: &str) -> Result<(), Halt> {
    let outcome = match run.job.cancel {
        true => MigrationOutcome::Cancelled,
        false => MigrationOutcome::Failed,
    };
    let mut migration = tx.migration(data.migration).await?;
    migration.reason = migration.reason.or_else(|| Some(why.into()));
    tx.update_migration(&migration).await?;
    record(run, tx, data, Whereabouts::OnSource, outcome, None)
        .await
        .map(drop)
}

/// Keeps why it did not get through, unless that is known already.
pub(super) async fn note_reason(run: &Run, data: &Data, reason: &str) -> Result<(), Halt> {
    let mut tx = run.begin().await?;
    let mut migration = tx.migration(data.migration).await?;
    migration.reason = Some(reason.into());
    tx.update_migration(&migration).await?;
    tx.commit().await?;
    Ok(())
}

/// Keeps how far it came, and what happened.
pub(super) async fn note_progress(
    run: &Run,
    data: &Data,
    last: Option<&MigrationProgress>,
    phases: Vec<Phase>,
) -> Result<(), Halt> {
    if last.is_none() && phases.is_empty() {
        return Ok(());
    }
    let mut tx = run.begin().await?;
    let mut migration = tx.migration(data.migration).await?;
    if let Some(last) = last {
        (migration.bytes, migration.rounds) = (Some(last.bytes_done), Some(last.rounds));
    }
    migration.phases.extend(phases);
    tx.update_migration(&migration).await?;
    tx.commit().await?;
    Ok(())
}

/// Writes how it ended, once; answers what is recorded.
async fn record(
    run: &Run,
    tx: &mut Tx,
    data: &Data,
    whereabouts: Whereabouts,
    outcome: MigrationOutcome,
    measured: Option<MigrationFigures>,
) -> Result<Migration, Halt> {
    let engine = &run.engine;
    let now = run.now();
    let mut migration = tx.migration(data.migration).await?;
    if !matches!(
        migration.outcome,
        MigrationOutcome::Running | MigrationOutcome::Unknown
    ) {
        return Ok(migration);
    }
    let measured = measured.unwrap_or_default();
    migration.outcome = outcome;
    migration.reason = match outcome {
        MigrationOutcome::Completed => None,
        MigrationOutcome::Cancelled => Some("Cancelled; the VM stayed on its host.".into()),
        _ => migration.reason.or_else(|| Some(STAYED.into())),
    };
    migration.ended_at = Some(now);
    let ours = u64::try_from(now.since(migration.started_at).as_millis()).ok();
    migration.total_ms = measured.total_ms.or(ours);
    migration.downtime_ms = measured.downtime_ms;
    migration.bytes = measured.bytes.or(migration.bytes);
    migration.rounds = measured.rounds.or(migration.rounds);
    migration.zero_bytes = measured.zero_bytes;
    migration.phases.push(Phase {
        at_ms: ours.unwrap_or_default(),
        what: match outcome {
            MigrationOutcome::Completed => "it runs on the target".into(),
            _ => "it goes on where it was".into(),
        },
    });
    let target = tx.host(data.target).await?.name;
    let mut vm = tx.vm(data.vm).await?;
    tx.update_migration(&migration).await?;
    if vm.state == VmState::Migrating || vm.state == VmState::HostUnreachable {
        vm.state = vm.state.step(match whereabouts {
            Whereabouts::OffOnSource | Whereabouts::OffOnTarget => VmState::ShutOff,
            _ => VmState::Running,
        })?;
        if outcome == MigrationOutcome::Completed {
            vm.host = data.target;
        }
        vm.note = None;
        tx.update_vm(&mut vm).await?;
    }
    let text = match outcome {
        MigrationOutcome::Completed => format!("\"{}\" runs on {target}", vm.name),
        _ => format!(
            "\"{}\" did not move to {target}: {}",
            vm.name,
            migration.reason.as_deref().unwrap_or_default()
        ),
    };
    tell(run, tx, &vm, &migration, "vm.migrated", text).await?;
    engine.links().wake(data.source);
    engine.links().wake(data.target);
    Ok(migration)
}

async fn tell(
    run: &Run,
    tx: &mut Tx,
    vm: &Vm,
    migration: &Migration,
    action: &str,
    text: String,
) -> Result<(), Halt> {
    let engine = &run.engine;
    engine.audit(tx, None, action, "vm", vm.id, text).await?;
    engine.emit(tx, "vm", vm.id, Some(vm.owner)).await?;
    engine.emit(tx, "migration", migration.id, None).await?;
    Ok(())
}
