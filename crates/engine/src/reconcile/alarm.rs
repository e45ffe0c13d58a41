//! One UUID that runs on two hosts: said, loudly, and nothing is overwritten.

use crate::Engine;
use bellwether_decide::reconcile::Repair;
use bellwether_model::{HostId, Result, VmId, observed::PowerState, vm::Vm};

/// How such a VM's note begins.
const ALARM: &str = "ALARM: it runs on more than one host";

fn alarmed(vm: &Vm) -> bool {
    vm.note
        .as_deref()
        .is_some_and(|note| note.starts_with(ALARM))
}

/// Raises the alarm, once, after each host confirmed that it runs the VM: sights may be a period apart.
pub(super) async fn raise(engine: &Engine, id: VmId, hosts: &[HostId]) -> Result<()> {
    let mut vm = engine.store().vm(id).await?;
    if alarmed(&vm) {
        return Ok(());
    }
    let mut names = Vec::new();
    for host in hosts {
        if engine.host(*host)?.power(id.0).await? != Some(PowerState::Running) {
            return Ok(());
        }
        names.push(engine.store().host(*host).await?.name);
    }
    let text = format!(
        "{ALARM}: {}. Stop one of them by hand, at once; its disk may be damaged.",
        names.join(" and ")
    );
    tracing::error!(vm = %id, hosts = names.join(", "), "one VM runs on two hosts");
    vm.note = Some(text.clone());
    let mut tx = engine.store().begin().await?;
    tx.update_vm(&mut vm).await?;
    engine
        .audit(&mut tx, None, "vm.alarm", "vm", id, text)
        .await?;
    engine.emit(&mut tx, "vm", id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

/// Takes alarms back that no longer hold.
pub(super) async fn clear(engine: &Engine, vms: &[Vm], repairs: &[Repair]) -> Result<()> {
    let stands = |id: VmId| {
        let mut repairs = repairs.iter();
        repairs.any(|repair| matches!(repair, Repair::Alarm { vm, .. } if *vm == id))
    };
    for vm in vms.iter().filter(|vm| alarmed(vm) && !stands(vm.id)) {
        let mut tx = engine.store().begin().await?;
        let mut vm = tx.vm(vm.id).await?;
        vm.note = None;
        tx.update_vm(&mut vm).await?;
        engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
        tx.commit().await?;
    }
    Ok(())
}
