//! History of what was measured.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// From when to when, and how fine. Absent: the last hour, about 300 points.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MetricsQuery {
    /// First moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub from: Option<Moment>,
    /// Last moment; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub until: Option<Moment>,
    /// Seconds from point to point; chosen to fit if absent, never finer than what is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1)]
    pub step_seconds: Option<u32>,
    /// Only these signals, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signals: Option<String>,
}

/// The history of one VM or host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// First moment asked for.
    pub from: Moment,
    /// Last moment asked for.
    pub until: Moment,
    /// Seconds from point to point.
    pub step_seconds: u32,
    /// One for each signal.
    pub series: Vec<Series>,
    /// What happened meanwhile, to be marked on the graph.
    pub marks: Vec<Mark>,
}

/// One signal's points, as columns of equal length. A moment nothing is known of is not there: a gap stays a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// `cpu`, `contention`, `memory`, `disk_read`, `net_rx`, …
    pub signal: String,
    /// `cores`, `mib`, `bytes`, `bytes_per_second`, `per_second`, `seconds` or `count`.
    pub unit: String,
    /// What it measures, in words; empty from a server that does not tell it yet.
    #[serde(default)]
    pub meaning: String,
    /// Seconds since 1970-01-01 UTC at which each point begins.
    pub at_unix_seconds: Vec<i64>,
    /// Average over each point.
    pub average: Vec<f64>,
    /// Smallest within each point.
    pub minimum: Vec<f64>,
    /// Largest within each point.
    pub maximum: Vec<f64>,
}

/// Something that happened, for the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Mark {
    /// When; of what lasts, when it began.
    pub at: Moment,
    /// When it ended, for what lasts and is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// `migration`, `power`, `lease`, `decision` or `act`.
    pub kind: String,
    /// In a word or three; empty from a server that does not tell it yet.
    #[serde(default)]
    pub label: String,
    /// In words.
    pub text: String,
    /// Who did it; empty where nobody did.
    #[serde(default)]
    pub who: String,
}

/// Of what, from when to when, and how fine. Absent: CPU, the last hour, about 300 points.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SharesQuery {
    /// `cpu` or `memory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// First moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub from: Option<Moment>,
    /// Last moment; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub until: Option<Moment>,
    /// Seconds from point to point; chosen to fit if absent, never finer than what is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1)]
    pub step_seconds: Option<u32>,
    /// This many VMs by name, those that took most; the others in one. 7 if absent, 100 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 100)]
    pub most: Option<u16>,
}

/// Which VM took how much of a host, while it was there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Shares {
    /// First moment asked for.
    pub from: Moment,
    /// Last moment asked for.
    pub until: Moment,
    /// Seconds from point to point.
    pub step_seconds: u32,
    /// `cores` or `mib`.
    pub unit: String,
    /// The VMs that took most, the largest first; then the others in one, if there are any; then the host in all.
    pub series: Vec<ShareSeries>,
}

/// One part, as columns of equal length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ShareSeries {
    /// The VM's identifier, `others` or `whole`.
    pub signal: String,
    /// The VM; absent for `others` and `whole`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<Uuid>,
    /// What it is called.
    pub name: String,
    /// Seconds since 1970-01-01 UTC at which each point begins.
    pub at_unix_seconds: Vec<i64>,
    /// Average over each point.
    pub average: Vec<f64>,
}

/// From when to when. Absent: the last hour.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HeatQuery {
    /// First moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub from: Option<Moment>,
    /// Last moment; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>)]
    pub until: Option<Moment>,
}

/// How hot every host was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FleetHeat {
    /// First moment asked for.
    pub from: Moment,
    /// Last moment asked for.
    pub until: Moment,
    /// Seconds a cell stands for.
    pub cell_seconds: u32,
    /// By name.
    pub hosts: Vec<HostHeat>,
}

/// A host in cells of equal length, each the average share of the host that was in use; null where nothing is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostHeat {
    /// Identifier.
    pub host: Uuid,
    /// Name.
    pub name: String,
    /// How hot it was on average, by whichever of the three was the most; contention counts four times. Null where nothing
    /// is known.
    pub heat: Option<f32>,
    /// CPU in use, of its cores.
    pub cpu: Vec<Option<f32>>,
    /// Memory in use, of what it offers.
    pub memory: Vec<Option<f32>>,
    /// What its VMs waited for, of its cores.
    pub contention: Vec<Option<f32>>,
}

/// Other times to keep measurements than those of the policy in force.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Hours for which samples are kept as they were taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_hours: Option<u32>,
    /// Days for which there is a point a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes_days: Option<u32>,
    /// Days for which there is a point every ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ten_minutes_days: Option<u32>,
    /// Days for which there is a point an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_days: Option<u32>,
}

/// What measurements take on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryStatus {
    /// Bytes they take now.
    pub bytes: u64,
    /// How long they are kept: as policy says, or as was asked.
    pub kept: crate::policy::HistoryPolicy,
    /// Bytes they will take once everything is as old as it is kept, with the hosts and VMs there are now.
    pub need: HistoryNeed,
    /// Why none are kept at present; absent where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Since when none are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble_since: Option<Moment>,
}

/// Bytes, by how fine they are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryNeed {
    /// Samples as they were taken.
    pub samples_bytes: u64,
    /// Points a minute.
    pub minutes_bytes: u64,
    /// Points every ten minutes.
    pub ten_minutes_bytes: u64,
    /// Points an hour.
    pub hours_bytes: u64,
    /// In all.
    pub total_bytes: u64,
}
