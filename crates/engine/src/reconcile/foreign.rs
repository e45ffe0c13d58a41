//! Moves by others: one begun with virsh or virt-manager is noticed while it runs, ours wait for it, and it ends in the
//! ledger.

use super::{gather::held, missing};
use crate::Engine;
use bellwether_decide::reconcile::{Arriving, Foreign, arriving, foreign};
use bellwether_model::{
    HostId, Result, VmId,
    migration::{Migration, MigrationOutcome},
    vm::Vm,
};
use bellwether_store::{MigrationQuery, Tx};
use std::time::Duration;

/// Notices those that began, and closes those that came to nothing. One that arrived is closed where the record follows it.
pub(super) async fn watch(engine: &Engine) -> Result<()> {
    let store = engine.store();
    let records = store.records().await?;
    let held = held(engine).await?;
    let observed = engine.observed();
    let recent = store.recent_migrations(engine.now().minus(LATELY)).await?;
    let open = open(engine).await?;
    for one in arriving(&records.vms, &observed, &held, &recent) {
        if moves_away(engine, one).await {
            begin(engine, one).await?;
        }
    }
    for migration in open {
        let vm = records.vms.iter().find(|vm| vm.id == migration.vm);
        match foreign(vm, &migration, &observed) {
            Foreign::UnderWay => {}
            Foreign::Arrived if vm.is_some_and(|vm| vm.host == migration.target) => {
                arrived(engine, migration.vm, migration.source, migration.target).await?;
            }
            Foreign::Arrived => missing::rebind(engine, migration.vm, migration.target).await?,
            Foreign::CameToNothing => {
                let why = "It came to nothing; the VM stayed where it was.";
                end(engine, migration, MigrationOutcome::Failed, Some(why)).await?;
            }
            Foreign::Lost => {
                let why = "The VM is gone.";
                end(engine, migration, MigrationOutcome::Unknown, Some(why)).await?;
            }
        }
    }
    Ok(())
}

/// Moves that ended so long ago explain nothing any more.
const LATELY: Duration = Duration::from_secs(300);

/// Whether its host says that a move of it is under way.
async fn moves_away(engine: &Engine, found: Arriving) -> bool {
    let Ok(source) = engine.host(found.from) else {
        return false;
    };
    matches!(source.migration_progress(found.vm.0).await, Ok(Some(_)))
}

/// Moves by others that are under way.
async fn open(engine: &Engine) -> Result<Vec<Migration>> {
    let recent = engine.store().recent_migrations(engine.now()).await?;
    let open = recent
        .iter()
        .filter(|migration| migration.is_foreign_and_open());
    Ok(open.cloned().collect())
}

async fn begin(engine: &Engine, found: Arriving) -> Result<()> {
    let Arriving { vm, from, to } = found;
    let migration = Migration::begun(vm, from, to, engine.now());
    let (here, there) = (
        engine.store().host(from).await?.name,
        engine.store().host(to).await?.name,
    );
    let mut tx = engine.store().begin().await?;
    let mut vm = tx.vm(vm).await?;
    if vm.state.is_in_hands() || vm.host != from {
        return Ok(());
    }
    vm.note = Some(format!(
        "Somebody else is moving it from {here} to {there}."
    ));
    tx.insert_migration(&migration).await?;
    tx.update_vm(&mut vm).await?;
    let text = format!(
        "\"{}\": somebody else began to move it from {here} to {there}",
        vm.name
    );
    engine
        .audit(&mut tx, None, "vm.moving_by_others", "vm", vm.id, text)
        .await?;
    tell(engine, &mut tx, &vm, &migration).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

/// Keeps that somebody else moved the VM, with what libvirt measured of it: also of one that was over before it was
/// noticed, unless that is what it measured of the last one we know.
pub(super) async fn arrived(
    engine: &Engine,
    vm: VmId,
    source: HostId,
    target: HostId,
) -> Result<()> {
    let figures = match engine.host(target) {
        Ok(host) => host.migration_figures(vm.0).await.ok().flatten(),
        Err(_) => None,
    };
    let noticed = open(engine)
        .await?
        .into_iter()
        .find(|migration| migration.vm == vm);
    let query = MigrationQuery {
        vm: Some(vm),
        outcome: Some(MigrationOutcome::Completed),
        limit: 1,
        ..MigrationQuery::default()
    };
    let last = engine.store().migrations(query).await?.into_iter().next();
    let known = last.is_some_and(|last| {
        figures
            .as_ref()
            .is_none_or(|figures| (last.total_ms, last.bytes) == (figures.total_ms, figures.bytes))
    });
    let mut migration = match noticed {
        Some(noticed) => noticed,
        // It was stopped here and started there, or nothing can be told of how it came there.
        None if known || figures.is_none() => return Ok(()),
        None => {
            let migration = Migration::begun(vm, source, target, engine.now());
            let mut tx = engine.store().begin().await?;
            tx.insert_migration(&migration).await?;
            tx.commit().await?;
            migration
        }
    };
    let figures = figures.filter(|_| !known).unwrap_or_default();
    (migration.total_ms, migration.downtime_ms) = (figures.total_ms, figures.downtime_ms);
    (migration.bytes, migration.rounds) = (figures.bytes, figures.rounds);
    migration.zero_bytes = figures.zero_bytes;
    end(engine, migration, MigrationOutcome::Completed, None).await
}

async fn end(
    engine: &Engine,
    mut migration: Migration,
    outcome: MigrationOutcome,
    why: Option<&str>,
) -> Result<()> {
    migration.outcome = outcome;
    migration.reason = why.map(Into::into);
    migration.ended_at = Some(engine.now());
    let mut tx = engine.store().begin().await?;
    tx.update_migration(&migration).await?;
    let mut vm = tx.vm(migration.vm).await?;
    if vm
        .note
        .as_ref()
        .is_some_and(|note| note.starts_with("Somebody else is moving it"))
    {
        vm.note = None;
        tx.update_vm(&mut vm).await?;
    }
    tell(engine, &mut tx, &vm, &migration).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

async fn tell(engine: &Engine, tx: &mut Tx, vm: &Vm, migration: &Migration) -> Result<()> {
    engine.emit(tx, "vm", vm.id, Some(vm.owner)).await?;
    engine.emit(tx, "migration", migration.id, None).await
}
