//! A VM that its host no longer knows.

use super::{follow::write, foreign};
use crate::{Engine, delete};
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
    if here.mode != HostMode::DeclaredOff {
        let power = engine.host(here.id)?.power(id.0).await?;
        if power.is_some_and(PowerState::is_live) {
            return Ok(());
        }
    }
    let state = match engine.host(to)?.power(id.0).await? {
        Some(PowerState::Paused) => VmState::Paused,
        Some(power) if power.is_live() => VmState::Running,
        _ => return Ok(()),
    };
    let from = vm.host;
    vm.host = to;
    let text = format!(
        "\"{}\" was moved from {} to {} by somebody else",
        vm.name, here.name, there.name
    );
    write(engine, vm, state, None, Some(("vm.moved_by_others", text))).await?;
    foreign::arrived(engine, id, from, to).await
}

/// It is nowhere: said, and nothing is deleted. A person may start it again from its disk, or delete it.
pub(super) async fn missing(engine: &Engine, id: VmId) -> Result<()> {
    let mut vm = engine.store().vm(id).await?;
    let here = engine.store().host(vm.host).await?.name;
    let text = format!(
        "{here} does not know this VM any more; somebody removed it there. Its disk was not touched by us."
    );
    let said = |note: &String| *note == text || note.starts_with(delete::NOT_DELETED);
    if vm.note.as_ref().is_some_and(said) {
        return Ok(());
    }
    // Made a moment ago it is not in the last sample; the host itself knows.
    if engine.host(vm.host)?.power(id.0).await?.is_some() {
        return Ok(());
    }
    let line = format!("\"{}\" is not on {here} any more", vm.name);
    let state = match vm.state {
        VmState::Running | VmState::Paused | VmState::HostUnreachable => VmState::ShutOff,
        other => other,
    };
    // Not to be started by itself: what was removed by hand is not put back without a word.
    vm.wanted = WantedPower::Off;
    write(engine, vm, state, Some(text), Some(("vm.missing", line)))
        .await
        .map(drop)
}
