//! The job that switches a VM.

use super::{Data, PowerAction};
use crate::{
    jobs::{Halt, Run, Step, Work},
    provision,
};
use async_trait::async_trait;
use bellwether_model::{
    Error, VmId,
    observed::PowerState,
    states::State,
    vm::{Vm, VmState},
};
use std::time::Duration;

/// Between two presses of the power button.
const PRESS_AGAIN: Duration = Duration::from_secs(15);

/// The work.
pub struct PowerWork;

#[async_trait]
impl Work for PowerWork {
    fn steps(&self) -> &'static [Step] {
        &[
            Step {
                name: "switch",
                doing: "telling the VM",
            },
            Step {
                name: "see",
                doing: "waiting until it is so",
            },
        ]
    }
    fn point_of_no_return(&self) -> usize {
        0
    }
    fn uncancellable(&self, _step: usize) -> Option<&'static str> {
        None
    }
    async fn run(&self, at: usize, run: &mut Run) -> Result<(), Halt> {
        let data: Data = run.data()?;
        let vm = run.engine.store().vm(data.vm).await?;
        let done = match at {
            0 => switch(run, &vm, data.action).await,
            _ => wait(run, &vm, data.action).await,
        };
        match done {
            // What is wanted is recorded: reconcile sees to it when the host is back. Until then nothing holds the VM.
            Err(Halt::Again(_, error)) if provision::host_is_away(&run.engine, vm.host) => {
                Err(Halt::Fail(error))
            }
            other => other,
        }
    }
}

async fn switch(run: &mut Run, vm: &Vm, action: PowerAction) -> Result<(), Halt> {
    if run.cancelled().await? {
        return Err(Halt::Fail(Error::conflict("Cancelled.")));
    }
    let host = run.host(vm.host).await?;
    let id = vm.id.0;
    let power = host.power(id).await?;
    if action == PowerAction::Start && power != Some(PowerState::Running) {
        // Whoever asked before may have asked a while ago. Where one does not answer, the wish stands and reconcile sees to it.
        let asked = crate::reconcile::nobody_runs(&run.engine, vm).await;
        asked.map_err(Halt::Fail)?;
    }
    match action {
        PowerAction::Start if power == Some(PowerState::Paused) => host.resume(id).await?,
        PowerAction::Start => {
            if power.is_none() {
                define(run, vm).await?;
            }
            host.start(id).await?;
        }
        PowerAction::Shutdown if power == Some(PowerState::ShutOff) => {}
        PowerAction::Shutdown => host.ask_shutdown(id).await?,
        PowerAction::ForceOff => host.force_off(id).await?,
        PowerAction::Reboot => host.reboot(id).await?,
    }
    Ok(())
}

/// Defines the VM anew on its host, from its record, where the host does not know it: it was given up with another host,
/// or somebody removed it. Its disk must be there.
async fn define(run: &mut Run, vm: &Vm) -> Result<(), Halt> {
    let engine = run.engine.clone();
    let host = run.host(vm.host).await?;
    let pool = provision::pool_of(&engine, vm, vm.host).await?;
    if host.volume(&pool, &vm.disk_volume()).await?.is_none() {
        return Err(Halt::Fail(Error::conflict(
            "Its disk is not there any more; it can't be started.",
        )));
    }
    let definition = provision::definition(&engine, vm, &run.job.id.to_string()).await?;
    host.define(&definition).await?;
    Ok(())
}

/// Waits until the VM is as asked; a guest that does not heed the power button is no fault of the job but is said.
async fn wait(run: &mut Run, vm: &Vm, action: PowerAction) -> Result<(), Halt> {
    let (policy, _) = run.engine.store().policy().await?;
    let patience = Duration::from_secs(match action {
        PowerAction::Shutdown => u64::from(policy.shutdown_grace_seconds),
        _ => 30,
    });
    let until = run
        .engine
        .now()
        .plus(patience)
        .0
        .min(run.job.created_at.plus(patience * 2).0);
    let mut pressed = run.now();
    loop {
        let seen = run
            .host(vm.host)
            .await?
            .power(vm.id.0)
            .await?
            .unwrap_or(PowerState::ShutOff);
        let reached = match action {
            PowerAction::Start | PowerAction::Reboot => seen == PowerState::Running,
            PowerAction::Shutdown | PowerAction::ForceOff => !seen.is_live(),
        };
        if reached {
            run.engine.inner.reach.forget(vm.id);
            settle(run, vm.id, seen).await?;
            run.engine.links().wake(vm.host);
            return Ok(());
        }
        if run.cancelled().await? {
            return Err(Halt::Fail(Error::conflict(
                "Cancelled; the guest may still act on what it was told.",
            )));
        }
        if run.now().0 > until {
            return Err(Halt::Fail(match action {
                PowerAction::Shutdown => Error::conflict(format!(
                    "The guest did not shut down within {} s: one without an operating system that listens never does. \
                     Its power can be taken instead: force it off.",
                    patience.as_secs()
                )),
                _ => Error::conflict(format!("The VM is still {}.", seen.as_str())),
            }));
        }
        // A guest that was still starting did not hear it.
        if action == PowerAction::Shutdown && run.now().since(pressed) >= PRESS_AGAIN {
            pressed = run.now();
            // It was asked once; that this did not reach it changes nothing.
            if let Err(error) = run.host(vm.host).await?.ask_shutdown(vm.id.0).await {
                tracing::debug!(%error, vm = %vm.id, "the guest could not be asked again");
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Writes the power state that was just seen, where the VM's state follows what is seen.
async fn settle(run: &Run, id: VmId, seen: PowerState) -> Result<(), Halt> {
    let mut tx = run.begin().await?;
    let mut vm = tx.vm(id).await?;
    let state = VmState::of_power(seen);
    let follows = matches!(
        vm.state,
        VmState::Running | VmState::Paused | VmState::ShutOff | VmState::HostUnreachable
    );
    if !follows || vm.state == state {
        return Ok(());
    }
    vm.state = vm.state.step(state)?;
    vm.note = (seen == PowerState::Crashed).then(|| "Its guest or emulator crashed.".into());
    tx.update_vm(&mut vm).await?;
    run.engine.emit(&mut tx, "vm", id, Some(vm.owner)).await?;
    tx.commit().await?;
    run.engine.tell().await;
    Ok(())
}
