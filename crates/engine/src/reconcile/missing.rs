//! A VM that its host no longer knows.

use super::follow::write;
use crate::Engine;
use bellwether_model::{
    HostId, Result, VmId,
    host::HostMode,
    observed::PowerState,
    vm::{VmState, WantedPower},
};

/// Somebody moved it: it is followed to where it lives, after both hosts were asked.
pub(super) async fn rebind(engine: &Engine, id: VmId, to: HostId) -> Result<()> {
    let mut vm = engine.store().vm(id).await?;
    let (here, there) = (
        engine.store().host(vm.host).await?,
        engine.store().host(to).await?,
    );
    if here.mode != HostMode::DeclaredOff && engine.host(here.id)?.power(id.0).await?.is_some() {
        return Ok(());
    }
    let state = match engine.host(to)?.power(id.0).await? {
        Some(PowerState::Paused) => VmState::Paused,
        Some(power) if power.is_live() => VmState::Running,
        _ => return Ok(()),
    };
    vm.host = to;
    let text = format!(
        "\"{}\" was moved from {} to {} by somebody else",
        vm.name, here.name, there.name
    );
    write(engine, vm, state, None, Some(("vm.moved_by_others", text)))
        .await
        .map(drop)
}

/// It is nowhere: said, and nothing is deleted. A person may start it again from its disk, or delete it.
pub(super) async fn missing(engine: &Engine, id: VmId) -> Result<()> {
    let mut vm = engine.store().vm(id).await?;
    let here = engine.store().host(vm.host).await?.name;
    let note = format!(
        "{here} does not know this VM any more; somebody removed it there. Its disk was not touched by us."
    );
    if vm.note.as_deref() == Some(note.as_str()) {
        return Ok(());
    }
    // Made a moment ago it is not in the last sample; the host itself knows.
    if engine.host(vm.host)?.power(id.0).await?.is_some() {
        return Ok(());
    }
    let text = format!("\"{}\" is not on {here} any more", vm.name);
    let state = match vm.state {
        VmState::Running | VmState::Paused | VmState::HostUnreachable => VmState::ShutOff,
        other => other,
    };
    // Not to be started by itself: what was removed by hand is not put back without a word.
    vm.wanted = WantedPower::Off;
    write(engine, vm, state, Some(note), Some(("vm.missing", text)))
        .await
        .map(drop)
}
