//! The job that removes a VM.

use super::Data;
use crate::{
    jobs::{Halt, Run, Step, Work},
    provision::{ignore_absent, pool_of},
};
use async_trait::async_trait;
use bellwether_hypervisor::HypervisorError;
use bellwether_model::{
    Error, ErrorKind,
    states::State,
    storage::StorageKind,
    vm::{Vm, VmState},
};
use bellwether_store::Tx;

/// The work. There is no way back once the VM was told to go: every step is past the point of no return.
pub struct Delete;

#[async_trait]
impl Work for Delete {
    fn steps(&self) -> &'static [Step] {
        &[
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
        match at {
            0 if declared_off => run.leave_tombstone(vm.id, vm.host).await,
            0 => Ok(run
                .host(vm.host)
                .await?
                .force_off(vm.id.0)
                .await
                .or_else(ignore_absent)?),
            1 if declared_off => Ok(()),
            1 => Ok(run
                .host(vm.host)
                .await?
                .undefine(vm.id.0)
                .await
                .or_else(ignore_absent)?),
            2 => delete_disks(run, &vm, declared_off).await,
            _ => free(run, vm).await,
        }
    }
    async fn failed(&self, run: &Run, tx: &mut Tx, why: &str) -> Result<(), Halt> {
        let data: Data = run.data()?;
        let mut vm = tx.vm(data.vm).await?;
        if vm.state == VmState::Deleting {
            vm.state = vm.state.step(VmState::ShutOff)?;
            vm.note = Some(format!("It could not be deleted: {why}"));
            tx.update_vm(&mut vm).await?;
            run.engine.emit(tx, "vm", vm.id, Some(vm.owner)).await?;
        }
        Ok(())
    }
}

/// Deletes disk and seed, after asking every reachable host that can see them whether it still runs or knows the VM.
async fn delete_disks(run: &mut Run, vm: &Vm, declared_off: bool) -> Result<(), Halt> {
    let engine = run.engine.clone();
    let storage = engine.store().storage(vm.storage).await?;
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
        if host.power(vm.id.0).await?.is_some() {
            let name = engine.store().host(member).await?.name;
            return Err(Halt::Fail(Error::conflict(format!(
                "The host {name} still knows the VM; its disk was not deleted."
            ))));
        }
        if through.is_none() || member == vm.host {
            through = Some((host, member));
        }
    }
    let Some((host, member)) = through else {
        // Local to a host that is declared off: its disk is there when it comes back, and the tombstone too.
        return if declared_off {
            Ok(())
        } else {
            Err(Halt::Fail(Error::conflict("No host can reach the disk.")))
        };
    };
    let pool = match pool_of(&engine, vm, member).await {
        Ok(pool) => pool,
        Err(error) if error.kind == ErrorKind::Conflict => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // An overlay somebody made on this disk still needs it.
    let path = host
        .volume(&pool, &vm.disk_volume())
        .await?
        .map(|volume| volume.path);
    if let Some(path) = path {
        let on_it: Vec<String> = host
            .volumes(&pool)
            .await?
            .into_iter()
            .filter(|volume| volume.backing.as_deref() == Some(path.as_str()))
            .map(|volume| volume.name)
            .collect();
        if !on_it.is_empty() {
            return Err(Halt::Fail(Error::conflict(format!(
                "Other volumes are overlays of its disk ({}); it was not deleted.",
                on_it.join(", ")
            ))));
        }
    }
    for volume in [vm.disk_volume(), vm.seed_volume()] {
        match host.delete_volume(&pool, &volume).await {
            Ok(()) | Err(HypervisorError::NoSuchPool(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
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
