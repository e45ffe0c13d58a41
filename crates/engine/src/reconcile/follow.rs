//! The record follows what the VM's host says.

use crate::Engine;
use bellwether_model::{
    Error, Result, VmId,
    observed::PowerState,
    states::State,
    storage::StorageKind,
    vm::{Vm, VmState, WantedPower},
};
use bellwether_store::AuditQuery;
use std::time::Duration;

/// Writes `state` and `note`, with a line in the audit log where it is worth one.
pub(super) async fn write(
    engine: &Engine,
    mut vm: Vm,
    state: VmState,
    note: Option<String>,
    audit: Option<(&str, String)>,
) -> Result<Vm> {
    if vm.state.is_in_hands() {
        // A job has taken it since it was looked at, which the version of its record does not show: it was read after that.
        return Err(Error::conflict(format!(
            "The VM is {} meanwhile.",
            vm.state
        )));
    }
    vm.state = vm.state.step(state)?;
    vm.note = note;
    let mut tx = engine.store().begin().await?;
    tx.update_vm(&mut vm).await?;
    if let Some((action, text)) = audit {
        engine
            .audit(&mut tx, None, action, "vm", vm.id, text)
            .await?;
    }
    engine.emit(&mut tx, "vm", vm.id, Some(vm.owner)).await?;
    tx.commit().await?;
    engine.tell().await;
    engine.inner.fleet_changed.notify_waiters();
    Ok(vm)
}

/// Its host does not answer.
pub(super) async fn unreachable(engine: &Engine, id: VmId) -> Result<()> {
    let mut vm = engine.store().vm(id).await?;
    let name = engine.store().host(vm.host).await?.name;
    if vm.note.as_deref() == Some(SHUT_ITSELF_DOWN) && went_off_lately(engine, &vm).await? {
        // A host that goes down in order shuts its guests down first: that was not their wish.
        vm.wanted = WantedPower::On;
    }
    let note = format!("Its host {name} does not answer; what the VM is doing is not known.");
    write(engine, vm, VmState::HostUnreachable, Some(note), None)
        .await
        .map(drop)
}

/// What its host says it is, it is.
pub(super) async fn follow(engine: &Engine, id: VmId) -> Result<()> {
    let vm = engine.store().vm(id).await?;
    let Some(power) = engine.host(vm.host)?.power(id.0).await? else {
        return Ok(());
    };
    let state = VmState::of_power(power);
    if vm.state == state {
        return Ok(());
    }
    let note = (power == PowerState::Crashed).then(|| "Its guest or emulator crashed.".to_owned());
    write(engine, vm, state, note, None).await.map(drop)
}

/// What is said of a guest that went off while its host stayed in sight.
const SHUT_ITSELF_DOWN: &str = "Its guest shut itself down.";
/// A host that goes down in order has shut its guests down within this time before: libvirt-guests gives each five
/// minutes.
const GOING_DOWN: Duration = Duration::from_secs(600);

/// Whether its guest went off so shortly ago that its host may have been going down.
async fn went_off_lately(engine: &Engine, vm: &Vm) -> Result<bool> {
    let about = Some(("vm".into(), vm.id.to_string()));
    let lines = engine
        .store()
        .audit(AuditQuery {
            about,
            limit: 20,
            ..AuditQuery::default()
        })
        .await?;
    let off = lines.iter().find(|line| line.action == WENT_OFF);
    Ok(off.is_some_and(|line| engine.now().since(line.at) < GOING_DOWN))
}

/// The audit log's word for a guest that went off.
const WENT_OFF: &str = "vm.off";

/// A guest that went off while its host stayed in sight shut itself down.
pub(super) async fn accept_off(engine: &Engine, id: VmId) -> Result<()> {
    let mut vm = engine.store().vm(id).await?;
    if engine.host(vm.host)?.power(id.0).await? != Some(PowerState::ShutOff) {
        return Ok(());
    }
    vm.wanted = WantedPower::Off;
    let said = format!("\"{}\": its guest shut itself down", vm.name);
    let note = Some(SHUT_ITSELF_DOWN.to_owned());
    write(engine, vm, VmState::ShutOff, note, Some((WENT_OFF, said)))
        .await
        .map(drop)
}

/// Its host is declared off, so it is off. What is wanted of it stays: on a shared storage it is started elsewhere, on a
/// local one when its host is back.
pub(super) async fn give_up(engine: &Engine, id: VmId) -> Result<()> {
    let vm = engine.store().vm(id).await?;
    let name = engine.store().host(vm.host).await?.name;
    let shared = engine.store().storage(vm.storage).await?.kind == StorageKind::Shared;
    let note = match (shared, vm.wanted) {
        (true, WantedPower::On) => {
            format!("Its host {name} was declared off; it is started on another one that has room.")
        }
        (true, WantedPower::Off) => {
            format!("Its host {name} was declared off; it can be started on another one.")
        }
        (false, _) => format!(
            "Its host {name} was declared off and its disk is there; it can be started when the host is back."
        ),
    };
    let said = format!("\"{}\": its host {name} was declared off", vm.name);
    write(
        engine,
        vm,
        VmState::ShutOff,
        Some(note),
        Some(("vm.given_up", said)),
    )
    .await
    .map(drop)
}
