//! History of what was measured.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

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
    /// When.
    pub at: Moment,
    /// `migration`, `power`, …
    pub kind: String,
    /// In words.
    pub text: String,
}
