//! A host is emptied: who goes where and who can't, before anything moves; and how far it is.

use super::{
    gather,
    site::{AdminVisit, again, done, go, show, typed_wrong},
    typed::Typed,
    view::{
        Form,
        plans::{BlockedRow, DrainPage, Gantt, PlanPage, PlanRow, Plans, StepRow},
        words,
    },
};
use crate::{error::Result, extract::Path, names::Directory};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::plan as engine_plan;
use bellwether_model::{
    HostId, PlanId,
    plan::{Blocked, Plan, PlanKind, PlanState, StepState},
};

/// Height of a row in the picture, in its own units.
const ROW: usize = 20;
/// Plans in the list.
const SHOWN: u32 = 100;

fn name(names: &Directory, host: HostId) -> String {
    gather::or_removed(names.host(host), "host")
}

fn gantt(plan: &Plan, names: &Directory, elapsed_ms: Option<u64>) -> Gantt {
    let ends = plan.steps.iter().map(|step| step.end_ms);
    let whole = ends.chain(elapsed_ms).max().unwrap_or(0).max(1);
    let part = |ms: u64| ms as f64 / whole as f64 * 1000.0;
    let steps = plan.steps.iter().enumerate().map(|(at, step)| StepRow {
        vm: step.name.clone(),
        href: format!("/vms/{}", step.vm),
        way: format!("{} → {}", name(names, step.from), name(names, step.to)),
        badge: step.state.into(),
        x: part(step.start_ms),
        // Too short to be seen is wider than it is.
        width: (part(step.end_ms) - part(step.start_ms)).max(3.0),
        y: at * ROW,
        begins: words::milliseconds(step.start_ms).text(),
        ends: words::milliseconds(step.end_ms).text(),
        migration: step.migration.map(|id| format!("/migrations/{id}")),
        why: step.why.clone(),
    });
    Gantt {
        steps: steps.collect(),
        height: plan.steps.len() * ROW,
        length: words::milliseconds(whole).text(),
        now: elapsed_ms.map(part),
    }
}

fn blocked(one: &Blocked, names: &Directory) -> BlockedRow {
    BlockedRow {
        vm: one.name.clone(),
        href: names
            .vm(one.vm)
            .is_some()
            .then(|| format!("/vms/{}", one.vm)),
        why: one.why.clone(),
        unblock: one.unblock.clone(),
    }
}

async fn drain_page(visit: &AdminVisit, id: HostId, form: Form) -> Result<DrainPage> {
    let engine = visit.engine();
    let plan = engine_plan::prospect(engine, &visit.admin, id).await?;
    let stuck = plan.blocked.iter().map(|one| one.vm).collect();
    let names = Directory::load(engine)
        .await?
        .with_vms(engine, stuck)
        .await?;
    let host = name(&names, id);
    let moves = words::count(plan.steps.len(), "machine leaves", "machines leave");
    let mut said = format!(
        "{moves} in about {}; the links allow no plan that takes less than {}.",
        words::milliseconds(plan.forecast_ms).text(),
        words::milliseconds(plan.bound_ms).text()
    );
    if plan.steps.is_empty() {
        said = "No machine that runs here can leave, or none runs.".into();
    }
    Ok(DrainPage {
        frame: visit.page(format!("Empty {host}"), "/hosts").await?,
        id: id.to_string(),
        name: host,
        gantt: gantt(&plan, &names, None),
        blocked: plan
            .blocked
            .iter()
            .map(|one| blocked(one, &names))
            .collect(),
        words: said,
        form,
    })
}

/// What emptying a host would take.
pub async fn prospect(visit: AdminVisit, Path(id): Path<HostId>) -> Result<Response> {
    show(&drain_page(&visit, id, Form::default()).await?)
}

/// Empties it.
pub async fn drain(visit: AdminVisit, Path(id): Path<HostId>, typed: Typed) -> Result<Response> {
    let anyway = typed.ticked("anyway");
    match engine_plan::drain(visit.engine(), &visit.admin, id, anyway).await {
        Ok(plan) => Ok(go(&format!("/plans/{}", plan.id))),
        Err(error) => {
            // Each that can't leave is told of on the page itself.
            let mut error = typed_wrong(error)?;
            error.refusals.clear();
            again(&drain_page(&visit, id, typed.form().refused(&error)).await?)
        }
    }
}

/// Has it take machines again, and those go back that left, if that is wanted.
pub async fn resume(visit: AdminVisit, Path(id): Path<HostId>, typed: Typed) -> Result<Response> {
    let home = typed.ticked("bring_home");
    match engine_plan::resume(visit.engine(), &visit.admin, id, home).await {
        Ok((_, Some(plan))) => Ok(go(&format!("/plans/{}", plan.id))),
        Ok((host, None)) => Ok(done(
            &format!("/hosts/{id}"),
            &format!("{} takes machines again.", host.name),
        )),
        Err(error) => {
            let said = typed_wrong(error)?.message;
            Ok(done(&format!("/hosts/{id}"), &said))
        }
    }
}

fn title(plan: &Plan, host: &str) -> String {
    match plan.kind {
        PlanKind::Drain => format!("Empty {host}"),
        PlanKind::Return => format!("Back to {host}"),
    }
}

fn moved(plan: &Plan) -> usize {
    let steps = plan.steps.iter();
    steps.filter(|step| step.state == StepState::Done).count()
}

/// One plan.
pub async fn one(visit: AdminVisit, Path(id): Path<PlanId>) -> Result<Response> {
    let engine = visit.engine();
    let plan = engine.store().plan(id).await?;
    let stuck = plan.blocked.iter().map(|one| one.vm).collect();
    let names = Directory::load(engine)
        .await?
        .with_vms(engine, stuck)
        .await?;
    let host = name(&names, plan.host);
    let running = plan.state == PlanState::Running;
    let until = plan.ended_at.unwrap_or_else(|| engine.now());
    let elapsed = u64::try_from(until.since(plan.created_at).as_millis()).unwrap_or(u64::MAX);
    let took = words::milliseconds(elapsed).text();
    let expected = words::milliseconds(plan.forecast_ms).text();
    let (all, moved) = (plan.steps.len(), moved(&plan));
    let said = match (running, plan.stopping) {
        (true, true) => format!("{moved} of {all} moved; no more are begun."),
        (true, false) => {
            format!("{moved} of {all} moved after {took}; about {expected} were expected in all.")
        }
        (false, _) => format!("{moved} of {all} moved in {took}; about {expected} were expected."),
    };
    let asked = plan.asked_by.map_or("the system".into(), |by| {
        gather::or_removed(names.user(by), "person")
    });
    let mut facts = vec![
        ("Asked by", asked),
        ("Began", words::moment(plan.created_at, engine.zone())),
    ];
    if let Some(ended) = plan.ended_at {
        facts.push(("Ended", words::moment(ended, engine.zone())));
    }
    let bound = words::milliseconds(plan.bound_ms).text();
    facts.push(("Links allow no less than", bound));
    show(&PlanPage {
        frame: visit.page(title(&plan, &host), "/migrations").await?,
        href: format!("/plans/{id}"),
        title: title(&plan, &host),
        host_href: format!("/hosts/{}", plan.host),
        host,
        badge: plan.state.into(),
        running,
        stopping: plan.stopping,
        words: said,
        gantt: gantt(&plan, &names, running.then_some(elapsed)),
        blocked: plan
            .blocked
            .iter()
            .map(|one| blocked(one, &names))
            .collect(),
        facts,
    })
}

/// Has no more moves of it begun.
pub async fn cancel(visit: AdminVisit, Path(id): Path<PlanId>) -> Result<Response> {
    let page = format!("/plans/{id}");
    match engine_plan::cancel(visit.engine(), &visit.admin, id, false).await {
        Ok(_) => Ok(done(&page, "No more moves are begun.")),
        Err(error) => Ok(done(&page, &typed_wrong(error)?.message)),
    }
}

/// Plans, newest first.
pub async fn list(visit: AdminVisit) -> Result<Response> {
    let engine = visit.engine();
    let plans = engine.store().plans(SHOWN).await?;
    let names = Directory::load(engine).await?;
    let rows = plans.iter().map(|plan| PlanRow {
        href: format!("/plans/{}", plan.id),
        when: words::moment(plan.created_at, engine.zone()),
        what: title(plan, &name(&names, plan.host)),
        badge: plan.state.into(),
        moved: format!("{} of {}", moved(plan), plan.steps.len()),
        took: plan.ended_at.map_or(String::new(), |ended| {
            let took = ended.since(plan.created_at).as_millis();
            words::milliseconds(u64::try_from(took).unwrap_or(u64::MAX)).text()
        }),
    });
    show(&Plans {
        rows: rows.collect(),
        frame: visit.page("Plans", "/migrations").await?,
    })
}
