//! A VM moving live, as it is kept: from, to, how, and what came of it.

use crate::{
    HostId, JobId, MigrationId, Timestamp, UserId, VmId,
    migration_policy::{Mechanism, MigrationPolicy, Phase},
};
use serde::{Deserialize, Serialize};

/// How far the copy is; every figure as QEMU last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MigrationProgress {
    /// Bytes of memory and disk sent so far.
    pub bytes_done: u64,
    /// Bytes still to send.
    pub bytes_remaining: u64,
    /// Bytes of memory and disk in all.
    pub bytes_total: u64,
    /// Bytes a second, now.
    pub rate: u64,
    /// Bytes a second the guest dirties, where known.
    pub dirty_rate: Option<u64>,
    /// Rounds over memory so far.
    pub rounds: u64,
    /// Milliseconds since the start.
    pub elapsed_ms: u64,
    /// Milliseconds left at this pace; none while the guest dirties faster than the link carries.
    pub left_ms: Option<u64>,
    /// Percent of its time for which the guest is held back; 0 where it is not.
    #[serde(default)]
    pub held_percent: u64,
}

/// How a migration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationOutcome {
    /// Under way.
    Running,
    /// Runs on the target.
    Completed,
    /// Runs on the source; nothing is left on the target.
    Failed,
    /// Somebody cancelled; runs on the source.
    Cancelled,
    /// Not yet known: a host that must be asked does not answer.
    Unknown,
}

impl MigrationOutcome {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            MigrationOutcome::Running => "running",
            MigrationOutcome::Completed => "completed",
            MigrationOutcome::Failed => "failed",
            MigrationOutcome::Cancelled => "cancelled",
            MigrationOutcome::Unknown => "unknown",
        }
    }
}

/// What a figure is expected to be: the middle, and between which two half of all cases lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// A quarter are less.
    pub low: f64,
    /// As many are less as more.
    pub middle: f64,
    /// A quarter are more.
    pub high: f64,
}

/// Whether copying gets ahead of what the guest writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convergence {
    /// It does.
    Converges,
    /// It does if the guest is held back.
    NeedsThrottling,
    /// Not even then.
    WillNot,
}

impl Convergence {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Convergence::Converges => "converges",
            Convergence::NeedsThrottling => "needs_throttling",
            Convergence::WillNot => "will_not",
        }
    }
}

/// What a migration is expected to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// When it was made.
    pub at: Timestamp,
    /// Milliseconds from start to finish.
    pub total_ms: Expected,
    /// Milliseconds the guest stands still.
    pub downtime_ms: Expected,
    /// Bytes sent.
    pub bytes: Expected,
    /// Rounds over memory.
    pub rounds: u32,
    /// Whether it ends by itself.
    pub convergence: Convergence,
    /// What the model alone says of the whole time, before earlier outcomes correct it; milliseconds.
    pub model_ms: f64,
    /// The same of the pause.
    pub model_downtime_ms: f64,
    /// What it rests on, in sentences.
    pub basis: Vec<String>,
}

/// A migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    /// Identifier.
    pub id: MigrationId,
    /// The job that did it; none for one made by others.
    pub job: Option<JobId>,
    /// The VM.
    pub vm: VmId,
    /// From.
    pub source: HostId,
    /// To.
    pub target: HostId,
    /// Whether its disk is copied too.
    pub copy_disk: bool,
    /// Who asked.
    pub asked_by: Option<UserId>,
    /// How it ended.
    pub outcome: MigrationOutcome,
    /// Why it failed, in words.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Milliseconds from start to finish, as libvirt measured; ours where libvirt did not.
    pub total_ms: Option<u64>,
    /// Milliseconds the guest stood still, as libvirt measured; none where it did not.
    pub downtime_ms: Option<u64>,
    /// Bytes sent.
    pub bytes: Option<u64>,
    /// Rounds over memory.
    pub rounds: Option<u64>,
    /// Bytes of memory that were found to be zero and did not travel; none where that is not known.
    pub zero_bytes: Option<u64>,
    /// What it was expected to take; none of one made by others, or before there were forecasts.
    pub forecast: Option<Forecast>,
    /// What it may cost: the policy as it was when it was asked for, with what was changed of it on the way. None of one
    /// made by others, or before there were policies.
    pub intent: Option<MigrationPolicy>,
    /// How it is done, and why so; none as above.
    pub mechanism: Option<Mechanism>,
    /// What happened when.
    pub phases: Vec<Phase>,
}

impl Migration {
    /// One that begins at `at`, and of which nothing else is known.
    pub fn begun(vm: VmId, source: HostId, target: HostId, at: Timestamp) -> Self {
        Self {
            id: MigrationId::new(),
            job: None,
            vm,
            source,
            target,
            copy_disk: false,
            asked_by: None,
            outcome: MigrationOutcome::Running,
            reason: None,
            started_at: at,
            ended_at: None,
            total_ms: None,
            downtime_ms: None,
            bytes: None,
            rounds: None,
            zero_bytes: None,
            forecast: None,
            intent: None,
            mechanism: None,
            phases: Vec::new(),
        }
    }

    /// Whether somebody else makes it, not yet to its end.
    pub fn is_foreign_and_open(&self) -> bool {
        self.job.is_none() && self.outcome == MigrationOutcome::Running
    }

    /// Whether the guest stood still no longer, and it was over no later, than its policy says; none where that can't be
    /// told, or it did not get through.
    pub fn kept_its_intent(&self) -> Option<bool> {
        let intent = self.intent.as_ref()?;
        if self.outcome != MigrationOutcome::Completed {
            return None;
        }
        let pause = self.downtime_ms? <= u64::from(intent.longest_pause_ms);
        let in_time = intent.finish_within_seconds.is_none_or(|most| {
            self.total_ms
                .is_some_and(|took| took <= u64::from(most) * 1_000)
        });
        Some(pause && in_time)
    }
}

/// What a pre-flight check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Fine.
    Pass,
    /// Possible, with a consequence worth knowing.
    Warn,
    /// Not possible.
    Fail,
    /// Nobody could tell; it stands in no way.
    Unknown,
}

/// One pre-flight check in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable short name: `target_reachable`, `cpu`, `memory`, …
    pub name: String,
    /// What was found.
    pub verdict: Verdict,
    /// In words, with figures.
    pub text: String,
}
