//! Plans: a host is emptied, and filled again, by moves in order.

use crate::{Moment, Names, Ref, common::host_ref, common::user_ref, host::Host};
use bellwether_model::plan;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// How a plan stands.
    PlanState from plan::PlanState {
        /// Its moves are made.
        Running = "running",
        /// All was done that could be.
        Done = "done",
        /// Somebody stopped it.
        Cancelled = "cancelled",
    }
}

words! {
    /// What a plan is for.
    PlanKind from plan::PlanKind {
        /// A host is emptied.
        Drain = "drain",
        /// VMs go back to a host that was emptied.
        Return = "return",
    }
}

words! {
    /// How a move of a plan stands.
    StepState from plan::StepState {
        /// Its turn is still to come.
        Waiting = "waiting",
        /// It is under way.
        Moving = "moving",
        /// The VM is there.
        Done = "done",
        /// It is not made, and why is said.
        Left = "left",
    }
}

/// A move of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlanStep {
    /// The VM.
    pub vm: Ref,
    /// From.
    pub from: Ref,
    /// To; may change while it waits, as room does.
    pub to: Ref,
    /// How it stands.
    pub state: StepState,
    /// Milliseconds from the beginning of the plan at which it is to begin, or began.
    pub start_ms: u64,
    /// At which it is to end, or ended.
    pub end_ms: u64,
    /// What it takes by its forecast, milliseconds.
    pub forecast_ms: u64,
    /// Its last migration, once it began.
    pub migration: Option<Uuid>,
    /// Attempts that failed.
    pub failures: u32,
    /// Why it is not made, or failed last.
    pub why: Option<String>,
}

/// A VM that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Blocked {
    /// The VM.
    pub vm: Ref,
    /// Why it can't leave.
    pub why: Vec<String>,
    /// What would let it.
    pub unblock: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Identifier.
    pub id: Uuid,
    /// What it is for.
    pub kind: PlanKind,
    /// The host it is about.
    pub host: Ref,
    /// How it stands.
    pub state: PlanState,
    /// Who asked.
    pub asked_by: Option<Ref>,
    /// When it began.
    pub created_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Milliseconds it was expected to take.
    pub forecast_ms: u64,
    /// Milliseconds no plan for the same moves takes less than: what the busiest direction of a link carries.
    pub bound_ms: u64,
    /// Whether no more moves are begun.
    pub stopping: bool,
    /// Its moves, by their start.
    pub steps: Vec<PlanStep>,
    /// VMs that can't leave.
    pub blocked: Vec<Blocked>,
}

impl Plan {
    /// From the inside, with names.
    pub fn new(plan: &plan::Plan, names: &dyn Names) -> Self {
        Self {
            id: plan.id.into(),
            kind: plan.kind.into(),
            host: host_ref(names, plan.host),
            state: plan.state.into(),
            asked_by: plan.asked_by.map(|id| user_ref(names, id)),
            created_at: plan.created_at.into(),
            ended_at: plan.ended_at.map(Moment),
            forecast_ms: plan.forecast_ms,
            bound_ms: plan.bound_ms,
            stopping: plan.stopping,
            steps: plan
                .steps
                .iter()
                .map(|step| PlanStep {
                    vm: Ref::new(step.vm, Some(step.name.clone())),
                    from: host_ref(names, step.from),
                    to: host_ref(names, step.to),
                    state: step.state.into(),
                    start_ms: step.start_ms,
                    end_ms: step.end_ms,
                    forecast_ms: step.forecast_ms,
                    migration: step.migration.map(Into::into),
                    failures: step.failures,
                    why: step.why.clone(),
                })
                .collect(),
            blocked: plan
                .blocked
                .iter()
                .map(|one| Blocked {
                    vm: Ref::new(one.vm, Some(one.name.clone())),
                    why: one.why.clone(),
                    unblock: one.unblock.clone(),
                })
                .collect(),
        }
    }
}

/// How a host is to be emptied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrainInput {
    /// Although some VMs can't leave.
    #[serde(default)]
    pub anyway: bool,
}

/// How a host is to take VMs again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResumeInput {
    /// Those go back that the last drain took away.
    #[serde(default)]
    pub bring_home: bool,
}

/// The host that takes VMs again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resumed {
    /// The host.
    pub host: Host,
    /// The plan by which its VMs go back; absent where none do.
    pub plan: Option<Plan>,
}

/// How a plan is to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanCancelInput {
    /// What is under way is cancelled too, instead of coming to its end.
    #[serde(default)]
    pub moves_too: bool,
}

/// Which plans to list; newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PlanQuery {
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}
