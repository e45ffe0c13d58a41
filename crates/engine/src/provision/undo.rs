//! Undoing what was made of a VM that is not to be.

use super::{DEFINE, DISK, Data, SEED, START, ignore_absent, pool_of, unreachable};
use crate::jobs::{Halt, Run};
use bellwether_hypervisor::{Host, HypervisorError};
use bellwether_model::{
    ErrorKind,
    host::HostMode,
    request::RequestState,
    states::State,
    vm::{Vm, VmState},
};
use bellwether_store::Tx;
use std::sync::Arc;

/// Undoes one step, which may have been done, half done or never begun.
pub(super) async fn undo(at: usize, run: &mut Run) -> Result<(), Halt> {
    let data: Data = run.data()?;
    let vm = run.engine.store().vm(data.vm).await?;
    if run.is_declared_off(vm.host).await? {
        // What is there goes when the host is back, or through another member of its storage.
        return run.leave_tombstone(vm.id, vm.host).await;
    }
    let undone = match at {
        START => {
            if let Some(host) = host_if_ever_reached(run, &vm, &data).await? {
                host.force_off(vm.id.0).await.or_else(ignore_absent)?;
            }
            Ok(())
        }
        DEFINE => undefine(run, &vm, &data).await,
        SEED => delete_volume(run, &vm, vm.seed_volume()).await,
        DISK => delete_volume(run, &vm, vm.disk_volume()).await,
        // An image that arrived stays: the next VM wants it too.
        _ => Ok(()),
    };
    match undone {
        // The host is away and nothing can have been defined there: the volumes it may hold are removed by
        // reconcile through the tombstone when it comes back.
        Err(Halt::Again(..)) if !data.may_be_defined => run.leave_tombstone(vm.id, vm.host).await,
        Err(Halt::Again(after, error)) => {
            unreachable(run, vm, &error).await?;
            Err(Halt::Again(after, error))
        }
        other => other,
    }
}

/// What is true then: the VM is gone with all it held, and its request failed, or waits for room elsewhere.
pub(super) async fn undone(run: &Run, tx: &mut Tx, why: &str) -> Result<(), Halt> {
    let data: Data = run.data()?;
    let engine = &run.engine;
    let mut vm = tx.vm(data.vm).await?;
    let declared_off = tx.host(vm.host).await?.mode == HostMode::DeclaredOff;
    if vm.state != VmState::Gone {
        vm.state = vm.state.step(VmState::Gone)?;
        vm.note = Some(why.into());
        tx.update_vm(&mut vm).await?;
    }
    tx.release_address(vm.id, run.now()).await?;
    tx.take_first_password(vm.id).await?;
    let mut request = tx.request(data.request).await?;
    if request.state == RequestState::Placed && request.vm == Some(vm.id) {
        // A dead host is no fault of the request: it waits for room elsewhere.
        let host_away = (data.host_went_away || declared_off) && !run.job.cancel;
        request.state = request.state.step(match host_away {
            true => RequestState::WaitingForRoom,
            false => RequestState::Failed,
        })?;
        request.reason = Some(match host_away {
            true => format!("Its host can't make it any more: {why}"),
            false => why.into(),
        });
        request.vm = None;
        if host_away {
            // Whoever chose the host did not choose a dead one.
            request.wanted_host = None;
        }
        tx.update_request(&request, RequestState::Placed).await?;
        let text = format!(
            "\"{}\": {}",
            request.spec.name,
            request.reason.as_deref().unwrap_or_default()
        );
        engine
            .audit(tx, None, "request.not_made", "request", request.id, text)
            .await?;
        engine
            .emit(tx, "request", request.id, Some(request.owner))
            .await?;
    }
    engine.emit(tx, "vm", vm.id, Some(vm.owner)).await?;
    Ok(())
}

async fn undefine(run: &mut Run, vm: &Vm, data: &Data) -> Result<(), Halt> {
    // The tombstone comes first: a call of a runner that sleeps may still define the VM after we removed it.
    run.leave_tombstone(vm.id, vm.host).await?;
    if let Some(host) = host_if_ever_reached(run, vm, data).await? {
        host.force_off(vm.id.0).await.or_else(ignore_absent)?;
        host.undefine(vm.id.0).await.or_else(ignore_absent)?;
    }
    Ok(())
}

async fn delete_volume(run: &mut Run, vm: &Vm, volume: String) -> Result<(), Halt> {
    let pool = match pool_of(&run.engine, vm, vm.host).await {
        Ok(pool) => pool,
        Err(error) if error.kind == ErrorKind::Conflict => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    match run.host(vm.host).await?.delete_volume(&pool, &volume).await {
        Err(HypervisorError::NoSuchPool(_)) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The host, unless `define` can't have reached it and it is away: then there is nothing to do there.
async fn host_if_ever_reached(
    run: &mut Run,
    vm: &Vm,
    data: &Data,
) -> Result<Option<Arc<dyn Host>>, Halt> {
    if data.may_be_defined {
        Ok(Some(run.host(vm.host).await?))
    } else {
        Ok(None)
    }
}
