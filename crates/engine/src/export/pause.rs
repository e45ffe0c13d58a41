//! Between two attempts: a second, then twice as long each time, half a minute at most.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// How long to wait before the next attempt.
#[derive(Debug)]
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pause {
    /// Waits; longer the next time.
    pub async fn rest(&mut self) {
        self.rest_at_least(Duration::ZERO).await;
    }
    /// The same, at least as long as the server asked for.
    pub async fn rest_at_least(&mut self, asked: Duration) {
        tokio::time::sleep(self.0.max(asked)).await;
        self.0 = (self.0 * 2).min(LONGEST);
    }
    /// It went well.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}
