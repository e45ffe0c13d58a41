//! Making the moves of plans: each as soon as it can, anew from what is seen after every one that ended.

use super::steps::{UnderWay, ordered};
use crate::{Actor, Admin, Engine, migrate};
use bellwether_model::{
    Error, ErrorKind, HostId, PlanId, Result, VmId,
    migration::{Migration, MigrationOutcome},
    plan::{Plan, PlanKind, PlanState, PlanStep, StepState},
    states::State,
    vm::{Vm, VmState},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// A move that failed is tried once more, perhaps to another host.
const TRIES: u32 = 2;
/// A plan that waits for nothing of its own looks again after so long.
const AGAIN: Duration = Duration::from_secs(5);
/// How long nothing has to be written for plans to be looked at all the same.
const LONGEST: Duration = Duration::from_secs(10);

/// For ever: looks at the plans whose moves are being made whenever something was written.
pub(crate) async fn run(engine: Engine) {
    let mut news = engine.store().news();
    let mut planned = BTreeMap::new();
    loop {
        if let Err(error) = all(&engine, &mut planned).await {
            tracing::warn!(%error, "plans could not be gone on with");
        }
        news.come(LONGEST).await;
    }
}

/// When each plan was last put in order.
type Planned = BTreeMap<PlanId, Instant>;

async fn all(engine: &Engine, planned: &mut Planned) -> Result<()> {
    let plans = engine.store().running_plans().await?;
    planned.retain(|id, _| plans.iter().any(|plan| plan.id == *id));
    let mut outcome = Ok(());
    for plan in plans {
        match one(engine, plan, planned).await {
            // Changed under our hands: the next look sees.
            Err(error) if error.kind == ErrorKind::Conflict => {}
            other => outcome = outcome.and(other),
        }
    }
    outcome
}

async fn one(engine: &Engine, before: Plan, planned: &mut Planned) -> Result<()> {
    let mut plan = before.clone();
    let now = Now::read(engine, &plan).await?;
    for step in &mut plan.steps {
        now.follow(step);
    }
    if plan.kind == PlanKind::Drain && !plan.stopping {
        let host = plan.host;
        let came = now.came(&plan);
        plan.steps
            .extend(came.iter().map(|vm| late(vm, host, now.elapsed_ms)));
    }
    if plan.stopping {
        for step in waiting(&mut plan) {
            leave(step, "The plan was cancelled.");
        }
    }
    let due = planned.get(&plan.id).is_none_or(|at| at.elapsed() > AGAIN);
    if waiting(&mut plan).next().is_some() && (plan != before || due) {
        planned.insert(plan.id, Instant::now());
        // What ended is kept before anything new begins.
        if plan != before {
            save(engine, &plan).await?;
        }
        order_and_begin(engine, &mut plan, &now).await?;
    }
    let over = !plan.is_moving() && waiting(&mut plan).next().is_none();
    if over && (plan.stopping || !now.comes(&plan)) {
        let state = match plan.stopping {
            true => PlanState::Cancelled,
            false => PlanState::Done,
        };
        plan.state = plan.state.step(state)?;
        plan.ended_at = Some(engine.now());
    }
    match plan == before {
        true => Ok(()),
        false => save(engine, &plan).await,
    }
}

async fn save(engine: &Engine, plan: &Plan) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    tx.update_plan(plan).await?;
    engine.emit(&mut tx, "plan", plan.id, None).await?;
    if plan.state != PlanState::Running {
        let count = |state| plan.steps.iter().filter(|step| step.state == state).count();
        let text = format!(
            "{} moved, {} left",
            count(StepState::Done),
            count(StepState::Left)
        );
        engine
            .audit(&mut tx, None, "plan.ended", "host", plan.host, text)
            .await?;
        engine.emit(&mut tx, "host", plan.host, None).await?;
    }
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

fn waiting(plan: &mut Plan) -> impl Iterator<Item = &mut PlanStep> {
    let steps = plan.steps.iter_mut();
    steps.filter(|step| step.state == StepState::Waiting)
}

fn leave(step: &mut PlanStep, why: &str) {
    step.state = StepState::Left;
    step.why.get_or_insert_with(|| why.into());
}

/// One that came to the host after the plan was made: begun before it was put aside, or brought by others.
fn late(vm: &Vm, from: HostId, at_ms: u64) -> PlanStep {
    PlanStep {
        vm: vm.id,
        name: vm.name.clone(),
        from,
        to: from,
        state: StepState::Waiting,
        start_ms: at_ms,
        end_ms: at_ms,
        forecast_ms: 0,
        migration: None,
        failures: 0,
        why: None,
    }
}

/// What is true now of a plan's VMs.
struct Now {
    vms: BTreeMap<VmId, Vm>,
    /// The move that is under way of a VM, whoever makes it.
    moving: BTreeMap<VmId, Migration>,
    /// Those of the plan's steps.
    made: Vec<Migration>,
    elapsed_ms: u64,
}

impl Now {
    async fn read(engine: &Engine, plan: &Plan) -> Result<Self> {
        let store = engine.store();
        let records = store.records().await?;
        let recent = store.recent_migrations(engine.now()).await?;
        let mut made = Vec::new();
        for step in &plan.steps {
            if let (StepState::Moving, Some(migration)) = (step.state, step.migration) {
                made.push(store.migration(migration).await?);
            }
        }
        let of_plan =
            |vm: &&Vm| vm.host == plan.host || plan.steps.iter().any(|step| step.vm == vm.id);
        let vms = records.vms.iter().filter(of_plan);
        let running = recent
            .iter()
            .filter(|migration| migration.outcome == MigrationOutcome::Running);
        Ok(Self {
            vms: vms.map(|vm| (vm.id, vm.clone())).collect(),
            moving: running
                .map(|migration| (migration.vm, migration.clone()))
                .collect(),
            made,
            elapsed_ms: u64::try_from(engine.now().since(plan.created_at).as_millis())
                .unwrap_or(u64::MAX),
        })
    }

    /// VMs that run on the plan's host and that it does not know of.
    fn came(&self, plan: &Plan) -> Vec<Vm> {
        let known = |vm: &Vm| {
            let mut steps = plan.steps.iter().filter(|step| step.vm == vm.id);
            steps.any(|step| step.state != StepState::Done)
        };
        let blocked = |vm: &Vm| plan.blocked.iter().any(|one| one.vm == vm.id);
        let vms = self.vms.values();
        vms.filter(|vm| vm.host == plan.host && vm.state == VmState::Running)
            .filter(|vm| !known(vm) && !blocked(vm))
            .cloned()
            .collect()
    }

    /// Whether one is on its way to the plan's host, which is to be emptied.
    fn comes(&self, plan: &Plan) -> bool {
        let mut moves = self.moving.values();
        plan.kind == PlanKind::Drain && moves.any(|migration| migration.target == plan.host)
    }

    /// How a step stands by that.
    fn follow(&self, step: &mut PlanStep) {
        if step.state == StepState::Moving {
            let of_step = |migration: &&Migration| Some(migration.id) == step.migration;
            if let Some(migration) = self.made.iter().find(of_step) {
                self.ended(step, migration);
            }
        }
        if step.state != StepState::Waiting {
            return;
        }
        let Some(vm) = self.vms.get(&step.vm) else {
            return leave(step, "The VM is gone.");
        };
        if vm.host != step.from {
            if vm.host == step.to {
                step.state = StepState::Done;
                step.end_ms = self.elapsed_ms;
            } else {
                leave(step, "Somebody else moved it.");
            }
        } else if let Some(migration) = self.moving.get(&step.vm) {
            // Begun by a process that died before it wrote that down, or by somebody else: it goes, in any case.
            step.state = StepState::Moving;
            step.migration = Some(migration.id);
            step.to = migration.target;
        } else if matches!(vm.state, VmState::ShutOff | VmState::Ended) {
            leave(step, "It was shut off meanwhile, and stays.");
        }
    }

    fn ended(&self, step: &mut PlanStep, migration: &Migration) {
        match migration.outcome {
            MigrationOutcome::Running => return,
            MigrationOutcome::Completed => {
                step.state = StepState::Done;
                step.why = None;
            }
            MigrationOutcome::Failed => {
                step.failures += 1;
                step.why = migration.reason.clone();
                step.state = match step.failures < TRIES {
                    true => StepState::Waiting,
                    false => StepState::Left,
                };
            }
            MigrationOutcome::Cancelled => {
                step.why = migration.reason.clone();
                leave(step, "Its move was cancelled.");
            }
            MigrationOutcome::Unknown => {
                step.why = migration.reason.clone();
                leave(step, "Where it runs is not known: a person must look.");
            }
        }
        step.end_ms = self.elapsed_ms;
    }

    /// What is on its way, of this plan and of others.
    fn under_way(&self, plan: &Plan) -> Vec<UnderWay> {
        let left = |migration: &Migration| {
            let mut steps = plan.steps.iter();
            let step = steps.find(|step| step.migration == Some(migration.id));
            let end = step.map_or(0, |step| step.start_ms + step.forecast_ms);
            // One that is late ends any moment.
            end.saturating_sub(self.elapsed_ms).max(500)
        };
        let moves = self.moving.values();
        moves
            .map(|migration| UnderWay {
                from: migration.source,
                to: migration.target,
                left_ms: left(migration),
            })
            .collect()
    }
}

/// Puts what waits in order anew, and begins what can begin now.
async fn order_and_begin(engine: &Engine, plan: &mut Plan, now: &Now) -> Result<()> {
    let Some(admin) = asked_by(engine, plan).await? else {
        for step in waiting(plan) {
            leave(step, "Who asked for it is no administrator any more.");
        }
        return Ok(());
    };
    let vms: Vec<Vm> = waiting(plan)
        .filter_map(|step| now.vms.get(&step.vm).cloned())
        .collect();
    let (kind, home) = (plan.kind, plan.host);
    let may_take = |_: &Vm, target: HostId| match kind {
        PlanKind::Drain => target != home,
        PlanKind::Return => target == home,
    };
    let under_way = now.under_way(plan);
    let found = ordered(engine, &admin, &vms, may_take, &under_way).await?;
    let moving = !under_way.is_empty();
    for blocked in &found.blocked {
        // What is under way may make room for it yet.
        if moving {
            continue;
        }
        if let Some(step) = waiting(plan).find(|step| step.vm == blocked.vm) {
            step.why = Some(format!("{} {}", blocked.why.join(" "), blocked.unblock));
            step.state = StepState::Left;
        }
    }
    for next in found.steps {
        let Some(step) = waiting(plan).find(|step| step.vm == next.vm) else {
            continue;
        };
        step.to = next.to;
        step.forecast_ms = next.forecast_ms;
        step.start_ms = now.elapsed_ms + next.start_ms;
        step.end_ms = now.elapsed_ms + next.end_ms;
        if next.start_ms == 0 {
            begin(engine, &admin, step, now.elapsed_ms).await?;
        }
    }
    plan.steps.sort_by_key(|step| (step.start_ms, step.vm));
    Ok(())
}

async fn begin(engine: &Engine, admin: &Admin, step: &mut PlanStep, at_ms: u64) -> Result<()> {
    let target = migrate::Target::Host(step.to);
    match migrate::ask(engine, admin, step.vm, target).await {
        Ok((_, migration)) => {
            step.state = StepState::Moving;
            step.migration = Some(migration.id);
            step.start_ms = at_ms;
            step.end_ms = at_ms + step.forecast_ms;
            Ok(())
        }
        // It filled up, fell silent, or something else is being done to the VM: next time it may go, or elsewhere.
        Err(error) if is_for_later(&error) => {
            step.failures += u32::from(error.kind != ErrorKind::Unavailable);
            step.why = Some(error.message);
            if step.failures >= TRIES {
                step.state = StepState::Left;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn is_for_later(error: &Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Conflict
            | ErrorKind::NoCapacity
            | ErrorKind::Unavailable
            | ErrorKind::Invalid
            | ErrorKind::NotFound
    )
}

/// Who asked, if they still may.
async fn asked_by(engine: &Engine, plan: &Plan) -> Result<Option<Admin>> {
    let Some(user) = plan.asked_by else {
        return Ok(None);
    };
    match engine.store().user(user).await {
        Ok(user) => Ok(Actor::of(&user).admin().ok()),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
