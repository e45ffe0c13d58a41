//! A plan: moves in order, made by the engine one after the other as links and room allow.
//!
//! ```text
//! running ──► done
//!    │
//!    └──────► cancelled
//! ```
//! - running → done: every move that could be made was made, or is known to be impossible.
//! - running → cancelled: somebody stopped it; what was under way came to its end, and nothing new began.

use crate::{HostId, MigrationId, PlanId, Timestamp, UserId, VmId, state_machine};
use serde::{Deserialize, Serialize};

state_machine! {
    /// State of a plan.
    PlanState, "plan" {
        /// Its moves are made.
        Running = "running" => [Done, Cancelled],
        /// All was done that could be.
        Done = "done" => [],
        /// Somebody stopped it.
        Cancelled = "cancelled" => [],
    }
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    /// A host is emptied.
    Drain,
    /// VMs go back to a host that was emptied.
    Return,
}

impl PlanKind {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            PlanKind::Drain => "drain",
            PlanKind::Return => "return",
        }
    }
}

/// How a move of a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Its turn is still to come.
    Waiting,
    /// It is under way.
    Moving,
    /// The VM is there.
    Done,
    /// It is not made, and why is said.
    Left,
}

/// A move of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The VM.
    pub vm: VmId,
    /// Its name when the plan was made.
    pub name: String,
    /// From.
    pub from: HostId,
    /// To; may change while it waits, as room does.
    pub to: HostId,
    /// How it stands.
    pub state: StepState,
    /// Milliseconds from the beginning of the plan at which it is to begin, or began.
    pub start_ms: u64,
    /// At which it is to end, or ended.
    pub end_ms: u64,
    /// What it takes by its forecast, milliseconds.
    pub forecast_ms: u64,
    /// Its last migration, once it began.
    pub migration: Option<MigrationId>,
    /// Attempts that failed.
    pub failures: u32,
    /// Why it is not made, or failed last.
    pub why: Option<String>,
}

/// A VM that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The VM.
    pub vm: VmId,
    /// Its name.
    pub name: String,
    /// Why it can't leave, host by host.
    pub why: Vec<String>,
    /// What would let it.
    pub unblock: String,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Identifier.
    pub id: PlanId,
    /// What it is for.
    pub kind: PlanKind,
    /// The host it is about.
    pub host: HostId,
    /// How it stands.
    pub state: PlanState,
    /// Who asked.
    pub asked_by: Option<UserId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Milliseconds it was expected to take.
    pub forecast_ms: u64,
    /// Milliseconds no plan for the same moves takes less than: what the busiest direction of a link carries.
    pub bound_ms: u64,
    /// Its moves, by their start.
    pub steps: Vec<PlanStep>,
    /// VMs that can't leave.
    pub blocked: Vec<Blocked>,
    /// Somebody wants no more moves begun.
    pub stopping: bool,
}

impl Plan {
    /// Whether a move of it is under way.
    pub fn is_moving(&self) -> bool {
        let mut steps = self.steps.iter();
        steps.any(|step| step.state == StepState::Moving)
    }
}
