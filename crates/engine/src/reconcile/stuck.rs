//! Migrations that needed a person: once the hosts agree again on where the VM is, the job goes on and records it.

use crate::{Engine, jobs};
use bellwether_decide::migrate::{Said, Whereabouts, whereabouts};
use bellwether_model::{
    HostId, Result,
    host::HostHealth,
    job::{Job, JobKind},
    vm::VmState,
};

/// Has each such job ask its hosts again when both answer and what they show leaves nothing to be mended.
pub(super) async fn go_on(engine: &Engine) -> Result<()> {
    for job in engine.store().jobs_for_a_person().await? {
        if job.kind == JobKind::Migrate && settled(engine, &job).await? {
            jobs::resume(engine, job, None).await?;
        }
    }
    Ok(())
}

async fn settled(engine: &Engine, job: &Job) -> Result<bool> {
    let (Some(id), Some(target)) = (job.subject.vm, job.subject.host) else {
        return Ok(false);
    };
    let vm = engine.store().vm(id).await?;
    if vm.state != VmState::Migrating {
        return Ok(false);
    }
    let observed = engine.observed();
    let said = |host: HostId| match observed.hosts.get(&host) {
        Some(seen) if seen.health == HostHealth::Ready => seen
            .vm(id.0)
            .map_or(Said::NotThere, |there| Said::Shows(there.power)),
        _ => Said::Silent,
    };
    let (source, target) = (said(vm.host), said(target));
    Ok(source != Said::Silent
        && target != Said::Silent
        && matches!(
            whereabouts(source, target, false),
            Whereabouts::OnTarget
                | Whereabouts::OnSource
                | Whereabouts::OffOnSource
                | Whereabouts::OffOnTarget
        ))
}
