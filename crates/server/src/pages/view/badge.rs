//! States as colour and word and shape. Red is for what needs a person.

use bellwether_model::{
    host::{HostHealth, HostMode},
    image::ImageState,
    job::JobState,
    migration::{Convergence, MigrationOutcome, Verdict},
    observed::PowerState,
    people::AccountState,
    plan::{PlanState, StepState},
    request::RequestState,
    vm::VmState,
};

/// A state to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Badge {
    /// Colour role: good, warn, bad, busy, idle.
    pub tone: &'static str,
    /// Shape in front of the word.
    pub shape: &'static str,
    /// The word.
    pub word: &'static str,
}

const fn badge(tone: &'static str, shape: &'static str, word: &'static str) -> Badge {
    Badge { tone, shape, word }
}

impl From<VmState> for Badge {
    fn from(state: VmState) -> Self {
        match state {
            VmState::Provisioning => badge("busy", "half", "being made"),
            VmState::Running => badge("good", "disc", "running"),
            VmState::Paused => badge("warn", "bars", "paused"),
            VmState::ShutOff => badge("idle", "ring", "shut off"),
            VmState::Migrating => badge("busy", "arrow", "migrating"),
            VmState::HostUnreachable => badge("bad", "triangle", "host unreachable"),
            VmState::Ended => badge("idle", "square", "ended"),
            VmState::Deleting => badge("busy", "cross", "being deleted"),
            VmState::Gone => badge("idle", "cross", "gone"),
        }
    }
}

impl From<PowerState> for Badge {
    fn from(state: PowerState) -> Self {
        match state {
            PowerState::Running => badge("good", "disc", "running"),
            PowerState::Paused => badge("warn", "bars", "paused"),
            PowerState::ShuttingDown => badge("busy", "half", "in shutdown"),
            PowerState::ShutOff => badge("idle", "ring", "shut off"),
            PowerState::Crashed => badge("bad", "triangle", "crashed"),
        }
    }
}

impl From<RequestState> for Badge {
    fn from(state: RequestState) -> Self {
        match state {
            RequestState::Pending => badge("warn", "half", "pending"),
            RequestState::Approved => badge("busy", "tick", "approved"),
            RequestState::WaitingForRoom => badge("warn", "bars", "waiting for room"),
            RequestState::Placed => badge("busy", "half", "being made"),
            RequestState::Fulfilled => badge("good", "tick", "fulfilled"),
            RequestState::Withdrawn => badge("idle", "square", "withdrawn"),
            RequestState::Refused => badge("idle", "cross", "refused"),
            RequestState::Failed => badge("bad", "triangle", "failed"),
        }
    }
}

impl From<HostHealth> for Badge {
    fn from(health: HostHealth) -> Self {
        match health {
            HostHealth::Connecting => badge("busy", "half", "connecting"),
            HostHealth::Ready => badge("good", "disc", "ready"),
            HostHealth::Stale => badge("warn", "bars", "stale"),
            HostHealth::Unreachable => badge("bad", "triangle", "unreachable"),
        }
    }
}

/// What an admin set speaks before what is seen.
pub fn host(mode: HostMode, health: HostHealth) -> Badge {
    match mode {
        HostMode::Active => health.into(),
        HostMode::Maintenance => badge("warn", "square", "put aside"),
        HostMode::DeclaredOff => badge("idle", "cross", "declared off"),
    }
}

impl From<JobState> for Badge {
    fn from(state: JobState) -> Self {
        match state {
            JobState::Queued => badge("idle", "ring", "queued"),
            JobState::Running => badge("busy", "half", "running"),
            JobState::Undoing => badge("warn", "half", "undoing"),
            JobState::Done => badge("good", "tick", "done"),
            JobState::Undone => badge("idle", "square", "undone"),
            JobState::Failed => badge("bad", "triangle", "failed"),
            JobState::NeedsPerson => badge("bad", "triangle", "needs a person"),
        }
    }
}

impl From<MigrationOutcome> for Badge {
    fn from(outcome: MigrationOutcome) -> Self {
        match outcome {
            MigrationOutcome::Running => badge("busy", "arrow", "under way"),
            MigrationOutcome::Completed => badge("good", "tick", "completed"),
            MigrationOutcome::Failed => badge("bad", "triangle", "failed"),
            MigrationOutcome::Cancelled => badge("idle", "square", "cancelled"),
            MigrationOutcome::Unknown => badge("warn", "bars", "not yet known"),
        }
    }
}

impl From<StepState> for Badge {
    fn from(state: StepState) -> Self {
        match state {
            StepState::Waiting => badge("idle", "ring", "waiting"),
            StepState::Moving => badge("busy", "arrow", "moving"),
            StepState::Done => badge("good", "tick", "moved"),
            StepState::Left => badge("warn", "triangle", "left"),
        }
    }
}

impl From<PlanState> for Badge {
    fn from(state: PlanState) -> Self {
        match state {
            PlanState::Running => badge("busy", "half", "under way"),
            PlanState::Done => badge("good", "tick", "done"),
            PlanState::Cancelled => badge("idle", "square", "cancelled"),
        }
    }
}

impl From<ImageState> for Badge {
    fn from(state: ImageState) -> Self {
        match state {
            ImageState::Listed => badge("idle", "ring", "listed"),
            ImageState::Fetching => badge("busy", "half", "fetching"),
            ImageState::Ready => badge("good", "tick", "ready"),
            ImageState::Failed => badge("bad", "triangle", "failed"),
        }
    }
}

impl From<AccountState> for Badge {
    fn from(state: AccountState) -> Self {
        match state {
            AccountState::Waiting => badge("warn", "half", "waiting"),
            AccountState::Active => badge("good", "disc", "active"),
            AccountState::Disabled => badge("idle", "cross", "disabled"),
        }
    }
}

impl From<Verdict> for Badge {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => badge("good", "tick", "fine"),
            Verdict::Warn => badge("warn", "triangle", "worth knowing"),
            Verdict::Fail => badge("bad", "cross", "not possible"),
            Verdict::Unknown => badge("idle", "ring", "not known"),
        }
    }
}

impl From<Convergence> for Badge {
    fn from(convergence: Convergence) -> Self {
        match convergence {
            Convergence::Converges => badge("good", "tick", "ends by itself"),
            Convergence::NeedsThrottling => badge("warn", "triangle", "only if held back"),
            Convergence::WillNot => badge("bad", "cross", "does not end"),
        }
    }
}

/// Proven shared, or not yet.
pub fn proven(yes: bool) -> Badge {
    if yes {
        badge("good", "tick", "proven")
    } else {
        badge("warn", "half", "not yet proven")
    }
}

/// Started, or not.
pub fn started(yes: bool) -> Badge {
    if yes {
        badge("good", "disc", "active")
    } else {
        badge("idle", "ring", "inactive")
    }
}

/// Not to be seen at the moment; libvirt shows a bridge only while a VM uses it.
pub fn unseen() -> Badge {
    badge("idle", "ring", "not seen")
}
