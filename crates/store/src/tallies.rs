//! How many requests, jobs and migrations there are in each state, for who watches the server.

use crate::{Store, sql::sql};
use bellwether_model::Result;
use std::sync::Arc;

/// How many of one kind are in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// `request`, `job` or `migration`.
    pub of: String,
    /// The kind of a job; empty for others.
    pub kind: String,
    /// State, or how it ended.
    pub state: String,
    /// How many.
    pub count: u64,
    /// Of migrations: milliseconds all of them took.
    pub total_ms: u64,
    /// Of migrations: milliseconds their VMs stood still.
    pub downtime_ms: u64,
}

impl Store {
    /// Every count that is not nothing. Who asks while another reads waits for that one's.
    pub async fn tallies(&self) -> Result<Arc<Vec<Tally>>> {
        let read = sql(
            "SELECT 'request' AS of_what, '' AS kind, state, COUNT(*) AS n, CAST(0 AS BIGINT) AS total_ms, \
             CAST(0 AS BIGINT) AS downtime_ms FROM requests GROUP BY state \
             UNION ALL SELECT 'job', kind, state, COUNT(*), CAST(0 AS BIGINT), CAST(0 AS BIGINT) FROM jobs \
             GROUP BY kind, state \
             UNION ALL SELECT 'migration', '', outcome, COUNT(*), CAST(COALESCE(SUM(total_ms), 0) AS BIGINT), \
             CAST(COALESCE(SUM(downtime_ms), 0) AS BIGINT) FROM migrations GROUP BY outcome \
             ORDER BY of_what, kind, state",
        )
        .list(self.on(), |row| {
            Ok(Tally {
                of: row.get("of_what")?,
                kind: row.get("kind")?,
                state: row.get("state")?,
                count: row.size("n")?,
                total_ms: row.size("total_ms")?,
                downtime_ms: row.size("downtime_ms")?,
            })
        });
        self.kept.tallies.get(read).await
    }
}
