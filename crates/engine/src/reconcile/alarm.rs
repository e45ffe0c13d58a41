//! One UUID that shows on two hosts: said, loudly where both live, and nothing is overwritten.

use crate::Engine;
use bellwether_decide::reconcile::Repair;
use bellwether_model::{HostId, Result, VmId, observed::PowerState, vm::Vm};

/// How the note of a VM begins that lives twice.
const ALARM: &str = "ALARM: it lives on more than one host";
/// How the note of a VM begins that shows where it does not belong.
const TWIN: &str = "It shows on another host too";

fn begins(vm: &Vm, words: &str) -> bool {
    vm.note
        .as_deref()
        .is_some_and(|note| note.starts_with(words))
}

/// What each host says of it now, in words: sights may be a period apart. None where one of them does not have it so.
async fn confirmed(
    engine: &Engine,
    id: VmId,
    hosts: &[HostId],
    so: impl Fn(PowerState) -> bool,
) -> Result<Option<String>> {
    let mut said = Vec::new();
    for host in hosts {
        let Some(power) = engine.host(*host)?.power(id.0).await? else {
            return Ok(None);
        };
        if !so(power) {
            return Ok(None);
        }
        let name = engine.store().host(*host).await?.name;
        said.push(format!("{} on {name}", power.as_str()));
    }
    Ok(Some(said.join(" and ")))
}

/// Raises the alarm, once, after each host confirmed that the VM lives there.
pub(super) async fn raise(engine: &Engine, id: VmId, hosts: &[HostId]) -> Result<()> {
    let vm = engine.store().vm(id).await?;
    if begins(&vm, ALARM) {
        return Ok(());
    }
    let Some(said) = confirmed(engine, id, hosts, PowerState::is_live).await? else {
        return Ok(());
    };
    let text =
        format!("{ALARM}: {said}. Stop one of them by hand, at once; its disk may be damaged.");
    tracing::error!(vm = %id, on = said, "one VM lives on two hosts");
    write(engine, vm, text, "vm.alarm").await
}

/// Notes, once, that the VM shows where it does not belong.
pub(super) async fn note(engine: &Engine, id: VmId, hosts: &[HostId]) -> Result<()> {
    let vm = engine.store().vm(id).await?;
    let Some(said) = confirmed(engine, id, hosts, |_| true).await? else {
        return Ok(());
    };
    let text = format!(
        "{TWIN}: {said}. Nothing is done to that one; remove it by hand if it is not needed."
    );
    if vm.note.as_ref() == Some(&text) {
        return Ok(());
    }
    write(engine, vm, text, "vm.twin").await
}

async fn write(engine: &Engine, mut vm: Vm, text: String, action: &str) -> Result<()> {
    vm.note = Some(text.clone());
    let mut tx = engine.store().begin().await?;
    tx.update_vm(&mut vm).await?;
    engine
        .audit(&mut tx, None, action, "vm", vm.id, text)
        .await?;
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

/// Takes back what no longer holds.
pub(super) async fn clear(engine: &Engine, vms: &[Vm], repairs: &[Repair]) -> Result<()> {
    let stands = |id: VmId, twin: bool| {
        repairs.iter().any(|repair| match repair {
            Repair::Alarm { vm, .. } => *vm == id,
            Repair::Twin { vm, .. } => twin && *vm == id,
            _ => false,
        })
    };
    let over = |vm: &&Vm| {
        begins(vm, ALARM) && !stands(vm.id, false) || begins(vm, TWIN) && !stands(vm.id, true)
    };
    for vm in vms.iter().filter(over) {
        let mut tx = engine.store().begin().await?;
        let mut vm = tx.vm(vm.id).await?;
        vm.note = None;
        tx.update_vm(&mut vm).await?;
        engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
        tx.commit().await?;
    }
    Ok(())
}
