//! Asking for a host to be emptied, or filled again; and for that to stop.

use super::{
    prospect::{plan, prospect},
    steps::ordered,
};
use crate::{Admin, Engine, hosts, jobs, monitor};
use bellwether_model::{
    Error, HostId, PlanId, Refusal, Result,
    host::{Host, HostMode},
    plan::{Plan, PlanKind, StepState},
};
use bellwether_store::Tx;
use std::time::Duration;

/// How long a fresh look at the host is waited for.
const LOOK_PATIENCE: Duration = Duration::from_secs(3);

/// Plans that are looked through for where VMs came from.
const LOOK_BACK: u32 = 200;

/// Puts the host aside and has its VMs leave. Refused, with each VM that can't and why, unless it is to be emptied as far
/// as that goes; and where none can.
pub async fn drain(engine: &Engine, admin: &Admin, host: HostId, anyway: bool) -> Result<Plan> {
    // What has just arrived may not have been seen to run yet.
    monitor::look_now(engine, host, LOOK_PATIENCE).await;
    let plan = prospect(engine, admin, host).await?;
    let name = engine.store().host(host).await?.name;
    if !plan.blocked.is_empty() && (!anyway || plan.steps.is_empty()) {
        let names: Vec<&str> = plan.blocked.iter().map(|one| one.name.as_str()).collect();
        let mut error = Error::conflict(format!(
            "{name} can't be emptied: {} can't leave. Nothing was moved.",
            names.join(", ")
        ));
        error.refusals = plan
            .blocked
            .iter()
            .map(|one| Refusal {
                host,
                host_name: one.name.clone(),
                reasons: one
                    .why
                    .iter()
                    .cloned()
                    .chain([one.unblock.clone()])
                    .collect(),
            })
            .collect();
        return Err(error);
    }
    let mut tx = engine.store().begin().await?;
    let mut record = tx.host(host).await?;
    if record.mode == HostMode::DeclaredOff {
        return Err(Error::conflict(format!(
            "{name} is declared off: nothing runs there by that word."
        )));
    }
    record.mode = HostMode::Maintenance;
    tx.update_host(&record).await?;
    let text = format!(
        "{name}: {} to leave, {} that can't",
        plan.steps.len(),
        plan.blocked.len()
    );
    keep(engine, admin, &mut tx, &plan, "host.drain", text).await?;
    tx.commit().await?;
    hosts::changed(engine).await;
    Ok(plan)
}

async fn keep(
    engine: &Engine,
    admin: &Admin,
    tx: &mut Tx,
    plan: &Plan,
    action: &str,
    text: String,
) -> Result<()> {
    tx.insert_plan(plan).await?;
    engine
        .audit(tx, Some(admin), action, "host", plan.host, text)
        .await?;
    engine.emit(tx, "plan", plan.id, None).await?;
    engine.emit(tx, "host", plan.host, None).await
}

/// Has the host take VMs again; with `bring_home` those go back that the last drain took away and that still can.
pub async fn resume(
    engine: &Engine,
    admin: &Admin,
    host: HostId,
    bring_home: bool,
) -> Result<(Host, Option<Plan>)> {
    let record = hosts::set_mode(engine, admin, host, HostMode::Active, None).await?;
    if !bring_home {
        return Ok((record, None));
    }
    let past = engine.store().plans(LOOK_BACK).await?;
    let last = past
        .iter()
        .find(|plan| plan.host == host && plan.kind == PlanKind::Drain);
    let records = engine.store().records().await?;
    let away: Vec<_> = last
        .iter()
        .flat_map(|plan| &plan.steps)
        .filter(|step| step.state == StepState::Done)
        .filter_map(|step| records.vms.iter().find(|vm| vm.id == step.vm))
        .filter(|vm| vm.host != host)
        .cloned()
        .collect();
    if away.is_empty() {
        return Ok((record, None));
    }
    let found = ordered(engine, admin, &away, |_, target| target == host, &[]).await?;
    let plan = plan(engine, admin, PlanKind::Return, host, found);
    let mut tx = engine.store().begin().await?;
    let text = format!("{}: {} go back", record.name, plan.steps.len());
    keep(engine, admin, &mut tx, &plan, "host.return", text).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok((record, Some(plan)))
}

/// Has no more moves of a plan begun. What is under way comes to its end, or is cancelled with `moves_too`.
pub async fn cancel(engine: &Engine, admin: &Admin, id: PlanId, moves_too: bool) -> Result<Plan> {
    let plan = engine.store().plan(id).await?;
    let mut tx = engine.store().begin().await?;
    if !tx.stop_plan(id).await? {
        return Err(Error::conflict("The plan is over."));
    }
    engine
        .audit(
            &mut tx,
            Some(admin),
            "plan.cancel",
            "host",
            plan.host,
            "no more moves are begun",
        )
        .await?;
    engine.emit(&mut tx, "plan", id, None).await?;
    tx.commit().await?;
    engine.tell().await;
    if moves_too {
        for step in &plan.steps {
            let (StepState::Moving, Some(migration)) = (step.state, step.migration) else {
                continue;
            };
            let job = engine.store().migration(migration).await?.job;
            // One that is over by now, or that can't be stopped any more, comes to its end.
            if let Some(job) = job
                && let Err(error) = jobs::cancel(engine, admin, job).await
            {
                tracing::debug!(%error, "a move of a plan goes on");
            }
        }
    }
    engine.store().plan(id).await
}
