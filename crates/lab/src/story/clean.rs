//! Everything goes again: the VM by its owner's word, then server and lab.

use anyhow::bail;
use bellwether_api::vm::VmState;

use super::cast::Cast;
use super::{Options, Stage, blocking};
use crate::lifecycle;

/// Cleans up as far as the story came. `whole` says it came to its end, so that the VM can be removed the proper way.
pub(super) async fn clean(
    options: &Options,
    stage: &mut Stage,
    whole: bool,
) -> anyhow::Result<((), String)> {
    let removed = match &stage.cast {
        Some(cast) if whole => remove_vm(cast).await,
        _ => Ok(()),
    };
    // Server and lab go, whatever became of the VM.
    if let Some(server) = stage.server.take() {
        blocking(move || server.stop()).await?;
    }
    // Also where the lab is not known to be up: it may have been interrupted on its way.
    if options.existing.is_none() {
        let lab = options.lab.clone();
        blocking(move || lifecycle::down(&lab.base, &lab.name)).await?;
    }
    removed?;
    Ok(((), "VM, server and lab are gone".into()))
}

async fn remove_vm(cast: &Cast) -> anyhow::Result<()> {
    let (Some(vm), client) = (&cast.vm, &cast.user.client) else {
        return Ok(());
    };
    let job = client.delete_vm(vm.id, &vm.name).await?.value;
    let job = client.wait_for_job(job.id, |_| ()).await?.value;
    let state = client.vm(vm.id).await?.value.state;
    if state != VmState::Gone {
        bail!(
            "the VM should be gone, and is {state}: {}",
            job.error.unwrap_or_default()
        );
    }
    Ok(())
}
