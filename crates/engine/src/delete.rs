//! Delete: removes a VM with its disk, address and MAC, after somebody typed its name.

mod work;

pub use work::Delete;
pub(crate) use work::NOT_DELETED;

use crate::{Actor, Engine, again, jobs::new_job};
use bellwether_model::{
    Error, Result, VmId,
    job::{Job, JobKind, JobSubject},
    states::State,
    vm::{VmState, WantedPower},
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Data {
    vm: VmId,
    /// What it was, and what was wanted of it, before it was told to go.
    before: VmState,
    wanted: WantedPower,
}

/// Asks for the VM to be removed with its disk; `typed_name` must be its name.
pub async fn ask(engine: &Engine, actor: &Actor, id: VmId, typed_name: &str) -> Result<Job> {
    again::when_overtaken(|| ask_once(engine, actor, id, typed_name)).await
}

async fn ask_once(engine: &Engine, actor: &Actor, id: VmId, typed_name: &str) -> Result<Job> {
    let mut vm = engine.store().vm(id).await?;
    actor.may_see(vm.owner, "VM")?;
    if typed_name.trim() != vm.name {
        return Err(Error::field(
            "name",
            format!(
                "type the VM's name, \"{}\", to delete it with its disk",
                vm.name
            ),
        ));
    }
    if matches!(vm.state, VmState::Deleting | VmState::Gone) {
        return Err(Error::conflict(format!("The VM is {} already.", vm.state)));
    }
    let subject = JobSubject {
        vm: Some(id),
        host: Some(vm.host),
        ..JobSubject::default()
    };
    let job = new_job(
        engine,
        JobKind::Delete,
        subject,
        Some(vm.owner),
        Some(actor),
        &Data {
            vm: id,
            before: vm.state,
            wanted: vm.wanted,
        },
    )?;
    vm.state = vm.state.step(VmState::Deleting)?;
    vm.wanted = WantedPower::Off;
    let mut tx = engine.store().begin().await?;
    // First the job: a VM that another job holds must not be marked.
    tx.insert_job(&job).await?;
    tx.update_vm(&mut vm).await?;
    engine
        .audit(
            &mut tx,
            Some(actor),
            "vm.delete",
            "vm",
            id,
            format!("\"{}\" with its disk", vm.name),
        )
        .await?;
    engine.emit(&mut tx, "vm", id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok(job)
}
