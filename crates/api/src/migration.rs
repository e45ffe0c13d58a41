//! Live migrations: the choice, the progress, what came of it.

use crate::{
    Moment, Names, Ref,
    common::{host_ref, user_ref, vm_ref},
    job::Job,
    migration_policy::{Mechanism, MigrationPolicy, Phase},
};
use bellwether_model::migration;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// How a migration ended.
    MigrationOutcome from migration::MigrationOutcome {
        /// Under way.
        Running = "running",
        /// Runs on the target.
        Completed = "completed",
        /// Runs on the source; nothing is left on the target.
        Failed = "failed",
        /// Somebody cancelled; runs on the source.
        Cancelled = "cancelled",
        /// Not yet known: a host that must be asked does not answer.
        Unknown = "unknown",
    }
}

words! {
    /// What a pre-flight check found.
    Verdict from migration::Verdict {
        /// Fine.
        Pass = "pass",
        /// Possible, with a consequence worth knowing.
        Warn = "warn",
        /// Not possible.
        Fail = "fail",
        /// Nobody could tell; it stands in no way.
        Unknown = "unknown",
    }
}

words! {
    /// Whether copying gets ahead of what the guest writes.
    Convergence from migration::Convergence {
        /// It does.
        Converges = "converges",
        /// It does if the guest is held back.
        NeedsThrottling = "needs_throttling",
        /// Not even then.
        WillNot = "will_not",
    }
}

/// What a figure is expected to be: the middle, and between which two half of all cases lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Expected {
    /// A quarter are less.
    pub low: f64,
    /// As many are less as more.
    pub middle: f64,
    /// A quarter are more.
    pub high: f64,
}

impl From<migration::Expected> for Expected {
    fn from(expected: migration::Expected) -> Self {
        let migration::Expected { low, middle, high } = expected;
        Self { low, middle, high }
    }
}

/// What a migration is expected to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// When it was made.
    pub at: Moment,
    /// Milliseconds from start to finish.
    pub total_ms: Expected,
    /// Milliseconds the guest stands still.
    pub downtime_ms: Expected,
    /// Bytes sent.
    pub sent_bytes: Expected,
    /// Rounds over memory.
    pub rounds: u32,
    /// Whether it ends by itself.
    pub convergence: Convergence,
    /// What it rests on, in sentences.
    pub basis: Vec<String>,
}

impl From<&migration::Forecast> for Forecast {
    fn from(forecast: &migration::Forecast) -> Self {
        Self {
            at: forecast.at.into(),
            total_ms: forecast.total_ms.into(),
            downtime_ms: forecast.downtime_ms.into(),
            sent_bytes: forecast.bytes.into(),
            rounds: forecast.rounds,
            convergence: forecast.convergence.into(),
            basis: forecast.basis.clone(),
        }
    }
}

/// How right the forecasts of the last migrations were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MigrationAccuracy {
    /// Migrations that were forecast and completed.
    pub migrations: u64,
    /// Half of the forecasts of the whole time were off by less than this part of it; none where there is none to look at.
    pub median_error: Option<f64>,
    /// Nine of ten were.
    pub p90_error: Option<f64>,
    /// Share of migrations that ended within their range: half would be as forecast.
    pub within_range: Option<f64>,
    /// Share of pauses that were forecast within a factor of 1.5, of those that were measured.
    pub downtime_near: Option<f64>,
    /// Share of migrations that kept to what their policy allows, of those of which that can be told.
    pub intents_kept: Option<f64>,
    /// Each of them, newest first.
    pub items: Vec<ForecastOutcome>,
}

/// A forecast beside what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ForecastOutcome {
    /// The migration.
    pub migration: Uuid,
    /// The VM.
    pub vm: Ref,
    /// From.
    pub source: Ref,
    /// To.
    pub target: Ref,
    /// Whether its disk was copied too.
    pub copy_disk: bool,
    /// When it began.
    pub started_at: Moment,
    /// Milliseconds it was expected to take.
    pub forecast_total_ms: Expected,
    /// Milliseconds it took.
    pub total_ms: f64,
    /// By which part of what it took the forecast was off.
    pub error: f64,
    /// Milliseconds the guest was expected to stand still.
    pub forecast_downtime_ms: Expected,
    /// Milliseconds it stood still, as libvirt measured; none where it did not.
    pub downtime_ms: Option<u64>,
}

/// One pre-flight check in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// Stable short name: `target_reachable`, `cpu`, `memory`, …
    pub name: String,
    /// What was found.
    pub verdict: Verdict,
    /// In words, with figures.
    pub text: String,
}

impl From<&migration::Check> for Check {
    fn from(check: &migration::Check) -> Self {
        Self {
            name: check.name.clone(),
            verdict: check.verdict.into(),
            text: check.text.clone(),
        }
    }
}

/// Where a VM could move to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MigrationChoices {
    /// The VM.
    pub vm: Ref,
    /// Where it runs.
    pub source: Ref,
    /// What the move may cost.
    pub policy: MigrationPolicy,
    /// Every other host, the best first.
    pub targets: Vec<TargetChoice>,
}

/// One host it could move to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TargetChoice {
    /// The host.
    pub host: Ref,
    /// Whether it is possible: no check failed.
    pub possible: bool,
    /// Whether the disk would be copied too.
    pub copy_disk: bool,
    /// How good it is: higher is better; to compare targets of this answer only.
    pub score: f64,
    /// Each check with what was found.
    pub checks: Vec<Check>,
    /// How it would be done; absent where anything but its policy stands in the way.
    #[serde(default)]
    pub mechanism: Option<Mechanism>,
    /// What it would take so; absent as above.
    #[serde(default)]
    pub forecast: Option<Forecast>,
    /// What other ways would take that the policy allows.
    #[serde(default)]
    pub other_ways: Vec<OtherWay>,
}

/// Another way to move it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OtherWay {
    /// Its name.
    pub name: String,
    /// What it would take so.
    pub forecast: Forecast,
}

/// By which policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MigrationTargetsQuery {
    /// The name of the policy; absent for the VM's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// A migration to make.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationInput {
    /// The host to move to; absent for the best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Uuid>,
    /// The name of the policy by which it moves; absent for the VM's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
}

/// A migration that was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MigrationStarted {
    /// The job that does it; follow its progress there.
    pub job: Job,
    /// The migration.
    pub migration: Migration,
}

/// How far the copy is; every figure as QEMU last reported it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MigrationProgress {
    /// Bytes of memory and disk sent so far.
    pub done_bytes: u64,
    /// Bytes still to send.
    pub remaining_bytes: u64,
    /// Bytes of memory and disk in all.
    pub total_bytes: u64,
    /// Bytes a second, now.
    pub rate_bytes_per_second: u64,
    /// Bytes a second the guest dirties, where known.
    pub dirty_bytes_per_second: Option<u64>,
    /// Rounds over memory so far.
    pub rounds: u64,
    /// Milliseconds since the start.
    pub elapsed_ms: u64,
    /// Milliseconds left at this pace; none while the guest dirties faster than the link carries.
    pub left_ms: Option<u64>,
    /// Per cent of its time for which the guest is held back; 0 where it is not.
    #[serde(default)]
    pub held_percent: u64,
}

impl From<&migration::MigrationProgress> for MigrationProgress {
    fn from(p: &migration::MigrationProgress) -> Self {
        Self {
            done_bytes: p.bytes_done,
            remaining_bytes: p.bytes_remaining,
            total_bytes: p.bytes_total,
            rate_bytes_per_second: p.rate,
            dirty_bytes_per_second: p.dirty_rate,
            rounds: p.rounds,
            elapsed_ms: p.elapsed_ms,
            left_ms: p.left_ms,
            held_percent: p.held_percent,
        }
    }
}

/// A migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Migration {
    /// Identifier.
    pub id: Uuid,
    /// The job that did it; none for one made by others.
    pub job: Option<Uuid>,
    /// The VM.
    pub vm: Ref,
    /// From.
    pub source: Ref,
    /// To.
    pub target: Ref,
    /// Whether its disk is copied too.
    pub copy_disk: bool,
    /// Who asked.
    pub asked_by: Option<Ref>,
    /// How it ended.
    pub outcome: MigrationOutcome,
    /// Why it failed, in words.
    pub reason: Option<String>,
    /// When it began.
    pub started_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Milliseconds from start to finish, as libvirt measured; ours where libvirt did not.
    pub total_ms: Option<u64>,
    /// Milliseconds the guest stood still, as libvirt measured; none where it did not.
    pub downtime_ms: Option<u64>,
    /// Bytes sent.
    pub sent_bytes: Option<u64>,
    /// Rounds over memory.
    pub rounds: Option<u64>,
    /// What it was expected to take; none of one made by others, or before there were forecasts.
    #[serde(default)]
    pub forecast: Option<Forecast>,
    /// What it may cost: the policy as it was when it was asked for, with what was changed of it on the way; none as above.
    #[serde(default)]
    pub intent: Option<MigrationPolicy>,
    /// Whether it kept to that; absent where that can't be told, or it did not get through.
    #[serde(default)]
    pub intent_kept: Option<bool>,
    /// How it is done; none as above.
    #[serde(default)]
    pub mechanism: Option<Mechanism>,
    /// What happened when.
    #[serde(default)]
    pub phases: Vec<Phase>,
}

impl Migration {
    /// From the inside, with names.
    pub fn new(migration: &migration::Migration, names: &dyn Names) -> Self {
        Self {
            id: migration.id.into(),
            job: migration.job.map(Into::into),
            vm: vm_ref(names, migration.vm),
            source: host_ref(names, migration.source),
            target: host_ref(names, migration.target),
            copy_disk: migration.copy_disk,
            asked_by: migration.asked_by.map(|id| user_ref(names, id)),
            outcome: migration.outcome.into(),
            reason: migration.reason.clone(),
            started_at: migration.started_at.into(),
            ended_at: migration.ended_at.map(Moment),
            total_ms: migration.total_ms,
            downtime_ms: migration.downtime_ms,
            sent_bytes: migration.bytes,
            rounds: migration.rounds,
            forecast: migration.forecast.as_ref().map(Into::into),
            intent: migration.intent.as_ref().map(Into::into),
            intent_kept: migration.kept_its_intent(),
            mechanism: migration.mechanism.as_ref().map(Into::into),
            phases: migration.phases.iter().map(Into::into).collect(),
        }
    }
}

/// Which migrations to list; newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MigrationQuery {
    /// Only of this VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<Uuid>,
    /// Only those under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}
