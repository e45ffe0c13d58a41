//! What emptying a host would take, and who stands in the way; nothing is changed.

use super::steps::{Ordered, ordered};
use crate::{Admin, Engine};
use bellwether_decide::reconcile::strangers;
use bellwether_model::{
    HostId, PlanId, Result, VmId,
    plan::{Blocked, Plan, PlanKind, PlanState},
    vm::{Vm, VmState},
};
use std::collections::BTreeSet;

/// The plan by which `host` would be emptied now, not kept. VMs that are off stay there, and stand in nobody's way.
pub async fn prospect(engine: &Engine, admin: &Admin, host: HostId) -> Result<Plan> {
    engine.store().host(host).await?;
    let records = engine.store().records().await?;
    let leaving: Vec<Vm> = records
        .vms
        .iter()
        .filter(|vm| vm.host == host && !stays(vm))
        .cloned()
        .collect();
    // Those on their way there hold it too; they are told of once they have arrived.
    let found = ordered(engine, admin, &leaving, |_, target| target != host, &[]).await?;
    let ours: BTreeSet<VmId> = records.vms.iter().map(|vm| vm.id).collect();
    let observed = engine.observed();
    let not_ours = strangers(&observed, &ours)
        .into_iter()
        .filter(|(on, seen)| *on == host && seen.power.is_live())
        .map(|(_, seen)| Blocked {
            vm: VmId(seen.uuid),
            name: seen.name.clone(),
            why: vec!["It was not made by Bellwether, which does not touch it.".into()],
            unblock: "Move it or shut it down by hand.".into(),
        });
    let mut plan = plan(engine, admin, PlanKind::Drain, host, found);
    plan.blocked.extend(not_ours);
    Ok(plan)
}

/// Whether it stays with the host: it is off, and off it harms nobody.
fn stays(vm: &Vm) -> bool {
    matches!(
        vm.state,
        VmState::ShutOff | VmState::Ended | VmState::Gone | VmState::Deleting
    )
}

/// A plan that was just made.
pub(super) fn plan(
    engine: &Engine,
    admin: &Admin,
    kind: PlanKind,
    host: HostId,
    found: Ordered,
) -> Plan {
    Plan {
        id: PlanId::new(),
        kind,
        host,
        state: PlanState::Running,
        asked_by: Some(admin.user),
        created_at: engine.now(),
        ended_at: None,
        forecast_ms: found.makespan_ms,
        bound_ms: found.bound_ms,
        steps: found.steps,
        blocked: found.blocked,
        stopping: false,
    }
}
