//! The job that removes a VM.

use super::Data;
use crate::{
    jobs::{Halt, Run, Step, Work},
    provision::{ignore_absent, pool_of},
};
use async_trait::async_trait;
use bellwether_hypervisor::Host;
use bellwether_model::{
    Error, ErrorKind, HostId,
    states::State,
    storage::StorageKind,
    vm::{Vm, VmState},
};
use bellwether_store::Tx;
use std::sync::Arc;

/// The work. There is no way back once the VM was told to go: every step is past the point of no return.
pub struct Delete;

#[async_trait]
impl Work for Delete {
    fn steps(&self) -> &'static [Step] {
        &[
            Step {
                name: "look",
                doing: "checking that nothing else needs it",
            },
            Step {
                name: "off",
                doing: "taking its power away",
            },
            Step {
                name: "undefine",
                doing: "removing the definition",
            },
            Step {
                name: "disk",
                doing: "deleting the disk",
            },
            Step {
                name: "free",
                doing: "freeing address and name",
            },
        ]
    }
    fn point_of_no_return(&self) -> usize {
        0
    }
    async fn run(&self, at: usize, run: &mut Run) -> Result<(), Halt> {
        let data: Data = run.data()?;
        let vm = run.engine.store().vm(data.vm).await?;
        let declared_off = run.is_declared_off(vm.host).await?;
        if declared_off {
            // Whatever was done while it answered: what is still there goes when it is back.
            run.leave_tombstone(vm.id, vm.host).await?;
        }
        match at {
            0 => look(run, &vm).await,
            1 | 2 if declared_off => Ok(()),
            1 => Ok(run
                .host(vm.host)
                .await?
                .force_off(vm.id.0)
                .await
                .or_else(ignore_absent)?),
            2 => Ok(run
                .host(vm.host)
                .await?
                .undefine(vm.id.0)
                .await
                .or_else(ignore_absent)?),
            3 => delete_disks(run, &vm).await,
            _ => free(run, vm).await,
        }
    }
    fn uncancellable(&self, _step: usize) -> Option<&'static str> {
        Some("the VM was told to go, and what is deleted can't be brought back")
    }
    async fn failed(&self, run: &Run, tx: &mut Tx, why: &str) -> Result<(), Halt> {
        let data: Data = run.data()?;
        let mut vm = tx.vm(data.vm).await?;
        if vm.state == VmState::Deleting {
            // Until the first look was done nothing of it was touched.
            let whole = run.job.step == 0;
            let before = whole.then_some(data.before);
            vm.state = before
                .and_then(|state| vm.state.step(state).ok())
                .unwrap_or(VmState::ShutOff);
            if whole {
                vm.wanted = data.wanted;
            }
            vm.note = Some(format!("{NOT_DELETED}{why}"));
            tx.update_vm(&mut vm).await?;
            run.engine.emit(tx, "vm", vm.id, Some(vm.owner)).await?;
        }
        Ok(())
    }
}

/// How the note of a VM begins that could not be deleted.
pub(crate) const NOT_DELETED: &str = "It could not be deleted: ";

/// Fails while anything is as it was, where the disk can't be deleted afterwards: another host knows the VM, or other
/// volumes are overlays of its disk.
async fn look(run: &mut Run, vm: &Vm) -> Result<(), Halt> {
    let Some((host, member)) = disk_through(run, vm, false).await? else {
        return Ok(());
    };
    let pool = match pool_of(&run.engine, vm, member).await {
        Ok(pool) => pool,
        Err(error) if error.kind == ErrorKind::Conflict => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match disk_is_free(&*host, &pool, vm).await {
        Err(Halt::Fail(error)) if error.kind == ErrorKind::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// A host that reaches the VM's disk, once every one that does, and is not declared off, said that it does not know the
/// VM; its own host may know it unless `gone`. None where no host reaches the disk.
async fn disk_through(
    run: &mut Run,
    vm: &Vm,
    gone: bool,
) -> Result<Option<(Arc<dyn Host>, HostId)>, Halt> {
    let storage = run.engine.store().storage(vm.storage).await?;
    let members: Vec<_> = match storage.kind {
        StorageKind::Shared => storage.members.iter().map(|member| member.host).collect(),
        StorageKind::Local => vec![vm.host],
    };
    let mut through = None;
    for member in members {
        if run.is_declared_off(member).await? {
            continue;
        }
        let host = run.host(member).await?;
        if (gone || member != vm.host) && host.power(vm.id.0).await?.is_some() {
            let name = run.engine.store().host(member).await?.name;
            return Err(Halt::Fail(Error::conflict(format!(
                "The host {name} knows the VM too; its disk was not deleted."
            ))));
        }
        if through.is_none() || member == vm.host {
            through = Some((host, member));
        }
    }
    Ok(through)
}

/// Whether the disk is there; fails where an overlay somebody made on it still needs it.
async fn disk_is_free(host: &dyn Host, pool: &str, vm: &Vm) -> Result<bool, Halt> {
    let Some(disk) = host.volume(pool, &vm.disk_volume()).await? else {
        return Ok(false);
    };
    let on_it: Vec<String> = host
        .volumes(pool)
        .await?
        .into_iter()
        .filter(|volume| volume.backing.as_deref() == Some(disk.path.as_str()))
        .map(|volume| volume.name)
        .collect();
    if on_it.is_empty() {
        return Ok(true);
    }
    Err(Halt::Fail(Error::conflict(format!(
        "Other volumes are overlays of its disk ({}); it was not deleted.",
        on_it.join(", ")
    ))))
}

/// Deletes disk and seed, and says in the journal what became of them.
async fn delete_disks(run: &mut Run, vm: &Vm) -> Result<(), Halt> {
    let engine = run.engine.clone();
    let storage = engine.store().storage(vm.storage).await?;
    let Some((host, member)) = disk_through(run, vm, true).await? else {
        if !run.is_declared_off(vm.host).await? {
            return Err(Halt::Fail(Error::conflict("No host can reach the disk.")));
        }
        // The tombstone sees to it.
        let name = engine.store().host(vm.host).await?.name;
        let text = format!(
            "{name} is declared off and the disk is there: it is deleted when {name} is back"
        );
        return run.note(&text).await;
    };
    let no_pool = format!(
        "the storage \"{}\" has no pool there any more: a disk that lies there was not touched",
        storage.name
    );
    let pool = match pool_of(&engine, vm, member).await {
        Ok(pool) => pool,
        Err(error) if error.kind == ErrorKind::Conflict => return run.note(&no_pool).await,
        Err(error) => return Err(error.into()),
    };
    let deleted = async {
        let there = disk_is_free(&*host, &pool, vm).await?;
        for volume in [vm.disk_volume(), vm.seed_volume()] {
            host.delete_volume(&pool, &volume).await?;
        }
        Ok::<_, Halt>(there)
    };
    let text = match deleted.await {
        Ok(true) => format!("the disk {} is deleted", vm.disk_volume()),
        Ok(false) => "there was no disk any more".into(),
        Err(Halt::Fail(error)) if error.kind == ErrorKind::NotFound => no_pool,
        Err(halt) => return Err(halt),
    };
    run.note(&text).await
}

async fn free(run: &mut Run, vm: Vm) -> Result<(), Halt> {
    let engine = run.engine.clone();
    let mut tx = run.begin().await?;
    let mut vm = tx.vm(vm.id).await?;
    if vm.state != VmState::Gone {
        vm.state = vm.state.step(VmState::Gone)?;
        vm.note = None;
        tx.update_vm(&mut vm).await?;
        engine
            .audit(
                &mut tx,
                None,
                "vm.gone",
                "vm",
                vm.id,
                format!("\"{}\"; {} is free again", vm.name, vm.address),
            )
            .await?;
    }
    tx.release_address(vm.id, run.now()).await?;
    tx.take_first_password(vm.id).await?;
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.links().wake(vm.host);
    engine.inner.fleet_changed.notify_waiters();
    Ok(())
}
