//! Waiting for a job.

use super::{Answer, Client, Result};
use crate::job::Job;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// First and longest pause between two looks at a job.
const PAUSE: (Duration, Duration) = (Duration::from_millis(150), Duration::from_secs(1));
/// A server that is away this long while a job is watched is given up on; a restart takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    /// Looks at the job until it has ended or needs a person, and calls `on_look` with each look. A server that goes away
    /// meanwhile (a restart) is waited for.
    pub async fn wait_for_job(
        &self,
        id: Uuid,
        mut on_look: impl FnMut(&Job),
    ) -> Result<Answer<Job>> {
        let mut pause = PAUSE.0;
        let mut away_since: Option<Instant> = None;
        loop {
            match self.job(id).await {
                Ok(job) => {
                    away_since = None;
                    on_look(&job);
                    if !job.state.is_open() {
                        return Ok(job);
                    }
                }
                Err(failure) => {
                    let since = *away_since.get_or_insert_with(Instant::now);
                    if !failure.is_passing() || since.elapsed() > PATIENCE {
                        return Err(failure);
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSE.1);
        }
    }
}
