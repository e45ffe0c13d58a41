//! Jobs' journals: append-only, written by the runner that holds the job.

use crate::{
    Store, Tx, jobs,
    sql::{Row, sql},
};
use bellwether_model::{
    JobId, Result, Timestamp,
    job::{JournalEvent, JournalLine},
};

fn from_row(row: &Row) -> Result<JournalLine> {
    Ok(JournalLine {
        seq: row.get("seq")?,
        at: row.at("at")?,
        event: row.word("event")?,
        step: row.get("step")?,
        text: row.get("text")?,
    })
}

impl Store {
    /// A job's journal, in order.
    pub async fn journal(&self, job: JobId) -> Result<Vec<JournalLine>> {
        sql("SELECT seq, at, event, step, text FROM journal WHERE job = $1 ORDER BY seq")
            .bind(job)
            .list(self.on(), from_row)
            .await
    }
}

impl Tx {
    /// Appends a line; `Conflict` if another runner has taken over the job.
    pub async fn journal(
        &mut self,
        job: JobId,
        fence: i64,
        now: Timestamp,
        event: JournalEvent,
        step: &str,
        text: &str,
    ) -> Result<()> {
        // Counting in the job's row locks it: nobody can take the job over between the check and the commit.
        let counted = sql(
            "UPDATE jobs SET journal_lines = journal_lines + 1 WHERE id = $1 AND fence = $2 RETURNING journal_lines",
        )
        .bind(job)
        .bind(fence)
        .optional(self.on())
        .await?;
        let Some(row) = counted else {
            return Err(jobs::taken_over(self, job).await);
        };
        sql("INSERT INTO journal (job, seq, at, event, step, text) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(job)
            .bind(row.get::<i64>("journal_lines")?)
            .bind(now)
            .bind(event.as_str())
            .bind(step)
            .bind(text)
            .run(self.on())
            .await
            .map(drop)
    }
}
