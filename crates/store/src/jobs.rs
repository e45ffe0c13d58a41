//! Jobs: claimed by a lease with a fencing number.
//!
//! Who claims a job counts its fencing number on; every later write of a runner names the number it got. A runner that was
//! stopped, lost its lease and wakes again finds its number outdated: its writes are refused.

use crate::{
    Store, Tx, limit,
    sql::{On, Row, Statement, sql},
};
use bellwether_model::{
    Error, JobId, Result, Timestamp, UserId, VmId,
    job::{Job, JobKind, JobState, JobSubject, Progress},
};
use std::{sync::Arc, time::Duration};

macro_rules! columns {
    () => {
        "id, kind, vm, request, image, host, owner, created_by, state, step, data, progress, error, cancel, holder, lease_until, \
         fence, attempts, not_before, created_at, ended_at"
    };
}

/// What may be claimed at the moment $1.
macro_rules! claimable {
    () => {
        "not_before <= $1 AND (state = 'queued' OR (state IN ('running', 'undoing') AND lease_until <= $1))"
    };
}

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Of this person.
    pub owner: Option<UserId>,
    /// About this VM.
    pub vm: Option<VmId>,
    /// In one of these states; empty for any.
    pub states: Vec<JobState>,
    /// So many of the newest are passed over.
    pub skip: u32,
    /// At most so many; 0 counts as 1.
    pub limit: u32,
}

/// Which jobs, in a given state or any. Not `state` itself in the first: SQLite would compare what is asked for with the
/// states of its partial indexes, and for that plan the statement anew every time.
macro_rules! fits {
    (in states) => {
        concat!(
            fits!(in any),
            " AND state || '' IN ($3, $4, $5, $6, $7, $8, $9)"
        )
    };
    (in any) => {
        "($1 IS NULL OR owner = $1) AND ($2 IS NULL OR vm = $2)"
    };
}

/// `in_states` and `in_any` end alike in [`fits`].
fn fitting(in_states: &'static str, in_any: &'static str, query: &JobQuery) -> Statement {
    let bound = |text| sql(text).bind(query.owner).bind(query.vm);
    if query.states.is_empty() {
        return bound(in_any);
    }
    let states: Vec<_> = query.states.iter().map(|s| s.as_str()).collect();
    bound(in_states).words::<7>(&states, [""; 7])
}

fn from_row(row: &Row) -> Result<Job> {
    Ok(Job {
        id: row.id("id")?,
        kind: row.word("kind")?,
        subject: JobSubject {
            vm: row.opt_id("vm")?,
            request: row.opt_id("request")?,
            image: row.opt_id("image")?,
            host: row.opt_id("host")?,
        },
        owner: row.opt_id("owner")?,
        created_by: row.opt_id("created_by")?,
        state: row.word("state")?,
        step: row.size("step")?,
        data: row.json("data")?,
        progress: row.json("progress")?,
        error: row.get("error")?,
        cancel: row.get("cancel")?,
        holder: row.get("holder")?,
        lease_until: row.at("lease_until")?,
        fence: row.get("fence")?,
        attempts: row.size("attempts")?,
        not_before: row.at("not_before")?,
        created_at: row.at("created_at")?,
        ended_at: row.opt_at("ended_at")?,
    })
}

async fn by_id(on: On<'_>, id: JobId) -> Result<Job> {
    let found = sql(concat!("SELECT ", columns!(), " FROM jobs WHERE id = $1"))
        .bind(id)
        .optional(on)
        .await?;
    from_row(&found.ok_or_else(|| Error::not_found("job"))?)
}

impl Store {
    /// The job.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        by_id(self.on(), id).await
    }

    /// The jobs that fit, newest first.
    pub async fn jobs(&self, query: JobQuery) -> Result<Vec<Job>> {
        macro_rules! selecting {
            ($which:expr, $part:literal) => {
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM jobs WHERE ",
                    $which,
                    " ORDER BY created_at DESC, id DESC ",
                    $part
                )
            };
        }
        let in_states = selecting!(fits!(in states), "LIMIT $10 OFFSET $11");
        let in_any = selecting!(fits!(in any), "LIMIT $3 OFFSET $4");
        fitting(in_states, in_any, &query)
            .bind(limit(query.limit))
            .bind(i64::from(query.skip))
            .list(self.on(), from_row)
            .await
    }

    /// How many jobs fit, whatever is passed over.
    pub async fn count_jobs(&self, query: &JobQuery) -> Result<u64> {
        let in_states = concat!(
            "SELECT COUNT(*) AS number FROM jobs WHERE ",
            fits!(in states)
        );
        let in_any = concat!("SELECT COUNT(*) AS number FROM jobs WHERE ", fits!(in any));
        let counted = fitting(in_states, in_any, query).one(self.on()).await?;
        counted.size("number")
    }

    /// Jobs that wait or are under way, newest first, as of now or later: every page shows some of them, so one read
    /// serves all who ask at the same time. The states are spelled out, so that an index of open jobs alone is found.
    pub async fn open_jobs(&self) -> Result<Arc<Vec<Job>>> {
        let read = sql(concat!(
            "SELECT ",
            columns!(),
            " FROM jobs WHERE state IN ('queued', 'running', 'undoing') ORDER BY created_at DESC, id DESC"
        ));
        let read = read.list(self.on(), from_row);
        self.kept.open_jobs.get(read).await
    }

    /// Jobs that need a person, newest first; found by an index of their own, as open ones are.
    pub async fn jobs_for_a_person(&self) -> Result<Vec<Job>> {
        sql(concat!(
            "SELECT ",
            columns!(),
            " FROM jobs WHERE state = 'needs a person' ORDER BY created_at DESC, id DESC LIMIT 1000"
        ))
        .list(self.on(), from_row)
        .await
    }

    /// Claims the oldest job that waits, or whose runner's lease ran out, for `lease` from `now`; nothing if there is none.
    /// A queued job becomes running. Safe with any number of runners: each job goes to one.
    pub async fn claim_job(
        &self,
        holder: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Job>> {
        loop {
            let candidates = sql(concat!(
                "SELECT id, fence FROM jobs WHERE ",
                claimable!(),
                " AND state IN ('queued', 'running', 'undoing') ORDER BY created_at, id LIMIT 16"
            ))
            .bind(now)
            .all(self.on())
            .await?;
            for candidate in &candidates {
                // Of all who saw the same candidate, one finds its fencing number unchanged.
                let claimed = sql(concat!(
                    "UPDATE jobs SET state = CASE WHEN state = 'queued' THEN 'running' ELSE state END, holder = $4, \
                     lease_until = $5, fence = fence + 1, attempts = attempts + 1 \
                     WHERE id = $2 AND fence = $3 AND ",
                    claimable!(),
                    " RETURNING ",
                    columns!()
                ))
                .bind(now)
                .bind(candidate.get::<uuid::Uuid>("id")?)
                .bind(candidate.get::<i64>("fence")?)
                .bind(holder)
                .bind(now.plus(lease))
                .optional(self.on_writer())
                .await?;
                if let Some(row) = claimed {
                    return from_row(&row).map(Some);
                }
            }
            // Each round that ends here lost every candidate to somebody: others got on, and so this ends.
            if candidates.is_empty() {
                return Ok(None);
            }
        }
    }

    /// When the next job may be claimed, as things stand: one whose time has not come, or whose lease has not run out.
    pub async fn next_claim(&self) -> Result<Option<Timestamp>> {
        sql(
            "SELECT MIN(CASE WHEN state = 'queued' OR lease_until < not_before THEN not_before ELSE lease_until END) AS due \
             FROM jobs WHERE state IN ('queued', 'running', 'undoing')",
        )
        .one(self.on())
        .await?
        .get::<Option<i64>>("due")
        .map(|due| due.map(Timestamp))
    }

    /// Keeps a claimed job until `until`; `false` if another runner has it.
    pub async fn renew_lease(&self, id: JobId, fence: i64, until: Timestamp) -> Result<bool> {
        let changed = sql("UPDATE jobs SET lease_until = $3 WHERE id = $1 AND fence = $2")
            .bind(id)
            .bind(fence)
            .bind(until)
            .run(self.on_writer())
            .await?;
        Ok(changed > 0)
    }

    /// Has every lease of a holder that has ended end by `until`; how many did.
    pub async fn shorten_leases(&self, holder: &str, until: Timestamp) -> Result<u64> {
        sql(
            "UPDATE jobs SET lease_until = $2 WHERE holder = $1 AND lease_until > $2 \
             AND state IN ('running', 'undoing')",
        )
        .bind(holder)
        .bind(until)
        .run(self.on_writer())
        .await
    }

    /// Writes how far a job is; `Conflict` if another runner has taken it over.
    pub async fn set_progress(&self, id: JobId, fence: i64, progress: &Progress) -> Result<()> {
        let changed = sql("UPDATE jobs SET progress = $3 WHERE id = $1 AND fence = $2")
            .bind(id)
            .bind(fence)
            .json(progress)
            .run(self.on_writer())
            .await?;
        if changed == 0 {
            self.job(id).await?;
            return Err(outdated());
        }
        Ok(())
    }
}

impl Tx {
    /// The job, with this transaction's changes.
    pub async fn job(&mut self, id: JobId) -> Result<Job> {
        by_id(self.on(), id).await
    }

    /// Keeps a new job; `Conflict` when another open job works on the same VM, saying which kind.
    pub async fn insert_job(&mut self, job: &Job) -> Result<()> {
        if job.state.is_open() {
            self.vm_is_free(job).await?;
        }
        sql(concat!(
            "INSERT INTO jobs (",
            columns!(),
            ", journal_lines) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, 0)"
        ))
        .bind(job.id)
        .bind(job.kind.as_str())
        .bind(job.subject.vm)
        .bind(job.subject.request)
        .bind(job.subject.image)
        .bind(job.subject.host)
        .bind(job.owner)
        .bind(job.created_by)
        .bind(job.state.as_str())
        .bind(job.step)
        .json(&job.data)
        .json(&job.progress)
        .bind(job.error.clone())
        .bind(job.cancel)
        .bind(job.holder.clone())
        .bind(job.lease_until)
        .bind(job.fence)
        .bind(job.attempts)
        .bind(job.not_before)
        .bind(job.created_at)
        .bind(job.ended_at)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Writes a job's state, step, data, progress, error, next attempt and end. `Conflict` if another runner has taken it
    /// over, or if it would open again while another job works on its VM.
    pub async fn update_job(&mut self, job: &Job) -> Result<()> {
        if job.state.is_open() {
            self.vm_is_free(job).await?;
        }
        let changed = sql(
            "UPDATE jobs SET state = $3, step = $4, data = $5, progress = $6, error = $7, not_before = $8, ended_at = $9 \
             WHERE id = $1 AND fence = $2",
        )
        .bind(job.id)
        .bind(job.fence)
        .bind(job.state.as_str())
        .bind(job.step)
        .json(&job.data)
        .json(&job.progress)
        .bind(job.error.clone())
        .bind(job.not_before)
        .bind(job.ended_at)
        .run(self.on())
        .await?;
        if changed == 0 {
            return Err(taken_over(self, job.id).await);
        }
        Ok(())
    }

    /// Makes sure that nobody has taken the job over since it was claimed under `fence`, until this transaction ends;
    /// `Conflict` otherwise. A runner opens every transaction with it.
    pub async fn hold_job(&mut self, id: JobId, fence: i64) -> Result<()> {
        // A write, so that the row stays locked: claims run beside this transaction.
        let held = sql("UPDATE jobs SET fence = fence WHERE id = $1 AND fence = $2")
            .bind(id)
            .bind(fence)
            .run(self.on())
            .await?;
        if held == 0 {
            return Err(taken_over(self, id).await);
        }
        Ok(())
    }

    /// Asks a job's runner to cancel it, now, also where the job waits for its time. `Conflict` if it has ended.
    pub async fn request_cancel(&mut self, id: JobId, now: Timestamp) -> Result<()> {
        let job = self.job(id).await?;
        if !job.state.is_open() {
            return Err(Error::conflict(format!(
                "The job is {} and can't be cancelled.",
                job.state
            )));
        }
        // No new fencing number: the runner goes on and sees the wish.
        sql(
            "UPDATE jobs SET cancel = TRUE, not_before = CASE WHEN not_before > $2 THEN $2 ELSE not_before END \
             WHERE id = $1",
        )
        .bind(id)
        .bind(now)
            .run(self.on())
            .await
            .map(drop)
    }

    async fn vm_is_free(&mut self, job: &Job) -> Result<()> {
        let Some(vm) = job.subject.vm else {
            return Ok(());
        };
        let other = sql(
            "SELECT kind FROM jobs WHERE vm = $1 AND id <> $2 AND state IN ('queued', 'running', 'undoing')",
        )
        .bind(vm)
        .bind(job.id)
        .optional(self.on())
        .await?;
        let Some(other) = other else { return Ok(()) };
        Err(Error::conflict(match other.word::<JobKind>("kind")? {
            JobKind::Provision => "The VM is being made; wait until that is done.",
            JobKind::Power => "The VM is being started or stopped; wait until that is done.",
            JobKind::Delete => "The VM is being deleted.",
            JobKind::Migrate => "The VM is being moved; wait until that is done, or cancel it.",
            JobKind::FetchImage => "Another job is working on this VM.",
        }))
    }
}

fn outdated() -> Error {
    Error::conflict("Another runner has taken over this job.")
}

/// Why a fence-checked write changed nothing.
pub(crate) async fn taken_over(tx: &mut Tx, id: JobId) -> Error {
    match tx.job(id).await {
        Ok(_) => outdated(),
        Err(e) => e,
    }
}
