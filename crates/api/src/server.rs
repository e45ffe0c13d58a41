//! The server itself.

use crate::Moment;
use bellwether_model::Day;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerInfo {
    /// Always `bellwether`.
    pub product: String,
    /// Version of the server.
    pub version: String,
    /// Version of the interface: the `v1` in the address.
    pub api: String,
    /// The server's clock.
    pub now: Moment,
    /// The site's time zone (IANA name); days are days there.
    pub time_zone: String,
    /// Today, there.
    #[schema(value_type = String, format = Date)]
    pub today: Day,
}

/// Whether the server is well: `/healthz` (it runs) and `/readyz` (its database answers; 503 otherwise).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// All is well.
    pub ok: bool,
    /// What is not, in words.
    pub trouble: Option<String>,
}

/// A task that runs for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskStatus {
    /// Name: `monitor`, `expire`, …
    pub name: String,
    /// When it last ran; none if it has not yet.
    pub last_run_at: Option<Moment>,
    /// Milliseconds that took.
    pub last_run_ms: Option<u64>,
    /// What went wrong, in words.
    pub trouble: Option<String>,
}
