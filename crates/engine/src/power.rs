//! Power: a person switches their VM. What they want is recorded first (an intent `reconcile` carries out even when
//! this process dies), then a job does it.

mod work;

pub use work::PowerWork;

use crate::{Actor, Engine, again, jobs::new_job};
use bellwether_model::{
    Error, Result, VmId,
    host::HostMode,
    job::{Job, JobKind, JobSubject},
    vm::{Vm, VmState, WantedPower},
};
use serde::{Deserialize, Serialize};

/// What somebody asks of a VM's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerAction {
    /// Start it.
    Start,
    /// Ask the guest to shut down.
    Shutdown,
    /// Take its power away.
    ForceOff,
    /// Ask the guest to reboot.
    Reboot,
}

impl PowerAction {
    /// The word in the audit log and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::ForceOff => "force_off",
            Self::Reboot => "reboot",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Data {
    vm: VmId,
    action: PowerAction,
}

/// A job that switches the VM, to be inserted by the caller.
pub(crate) fn job(
    engine: &Engine,
    vm: &Vm,
    action: PowerAction,
    by: Option<&Actor>,
) -> Result<Job> {
    let subject = JobSubject {
        vm: Some(vm.id),
        host: Some(vm.host),
        ..JobSubject::default()
    };
    new_job(
        engine,
        JobKind::Power,
        subject,
        Some(vm.owner),
        by,
        &Data { vm: vm.id, action },
    )
}

/// What a power job does; none for any other kind.
pub(crate) fn action_of(job: &Job) -> Option<PowerAction> {
    let data = (job.kind == JobKind::Power).then(|| job.data.clone())?;
    serde_json::from_value(data)
        .ok()
        .map(|data: Data| data.action)
}

/// Whether the job got as far as telling the VM.
pub(crate) fn was_told(job: &Job) -> bool {
    job.step > 0
}

/// Asks for a change of power; answers the job that does it.
pub async fn ask(engine: &Engine, actor: &Actor, id: VmId, action: PowerAction) -> Result<Job> {
    again::when_overtaken(|| ask_once(engine, actor, id, action)).await
}

async fn ask_once(engine: &Engine, actor: &Actor, id: VmId, action: PowerAction) -> Result<Job> {
    let mut vm = engine.store().vm(id).await?;
    actor.may_see(vm.owner, "VM")?;
    allowed(engine, actor, &vm, action)?;
    let host = engine.store().host(vm.host).await?;
    if action == PowerAction::Start && host.mode == HostMode::DeclaredOff {
        return crate::reconcile::elsewhere(engine, vm, Some(actor)).await;
    }
    let job = job(engine, &vm, action, Some(actor))?;
    let generation = match action {
        // One that is wanted on holds its room already.
        PowerAction::Start if vm.wanted == WantedPower::Off => {
            crate::place::room_to_start(engine, &vm).await?
        }
        _ => engine.store().fleet_generation().await?,
    };
    let mut tx = engine.store().begin().await?;
    let wanted = match action {
        PowerAction::Start | PowerAction::Reboot => WantedPower::On,
        PowerAction::Shutdown | PowerAction::ForceOff => WantedPower::Off,
    };
    if vm.wanted != wanted {
        if wanted == WantedPower::On {
            // A start claims memory again: nobody may take it in between.
            tx.advance_generation(generation).await?;
        }
        vm.wanted = wanted;
        tx.update_vm(&mut vm).await?;
    }
    tx.insert_job(&job).await?;
    engine
        .audit(
            &mut tx,
            Some(actor),
            &format!("vm.{}", action.as_str()),
            "vm",
            id,
            format!("\"{}\"", vm.name),
        )
        .await?;
    engine.emit(&mut tx, "vm", id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok(job)
}

fn allowed(engine: &Engine, actor: &Actor, vm: &Vm, action: PowerAction) -> Result<()> {
    let possible = match action {
        PowerAction::Start => matches!(
            vm.state,
            VmState::ShutOff | VmState::Paused | VmState::Running
        ),
        PowerAction::Shutdown | PowerAction::Reboot => matches!(vm.state, VmState::Running),
        PowerAction::ForceOff => matches!(
            vm.state,
            VmState::Running | VmState::Paused | VmState::ShutOff
        ),
    };
    if vm.state == VmState::Ended {
        return Err(Error::conflict(
            "The lease of this VM is over; extend it to use it again.",
        ));
    }
    if !possible {
        return Err(Error::conflict(format!(
            "The VM is {} and can't do that now.",
            vm.state
        )));
    }
    if action == PowerAction::Start && engine.today() > vm.lease_until && !actor.is_admin() {
        return Err(Error::conflict(
            "The lease of this VM is over; extend it to use it again.",
        ));
    }
    Ok(())
}
