//! What was measured, until the store keeps it.

use bellwether_model::{Result, Timestamp};

/// One measured signal of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// `vm` or `host`.
    pub entity: &'static str,
    /// Which.
    pub id: uuid::Uuid,
    /// What was measured.
    pub signal: &'static str,
}

/// Measurements over time.
#[derive(Clone, Debug, Default)]
pub struct History;

impl History {
    /// Adds one moment's values.
    pub async fn append(&self, _at: Timestamp, _values: &[(SeriesKey, f32)]) -> Result<()> {
        Ok(())
    }
}
