//! The one place where the engine reads a clock.

use bellwether_model::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A moment that advances with tokio's clock: in tests with paused time it advances as the test does.
    Simulated {
        /// The moment at `since`.
        start: Timestamp,
        /// When the clock was made.
        since: tokio::time::Instant,
    },
}

impl Clock {
    /// A simulated clock that starts at `start` now.
    pub fn simulated(start: Timestamp) -> Self {
        Self::Simulated {
            start,
            since: tokio::time::Instant::now(),
        }
    }
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or(Duration::ZERO)
                    .as_micros()
                    .try_into()
                    .unwrap_or(i64::MAX),
            ),
            Self::Simulated { start, since } => start.plus(since.elapsed()),
        }
    }
}
