//! Making and cancelling jobs.

use crate::{Actor, Engine};
use bellwether_model::{
    Error, JobId, Result, Timestamp, UserId,
    job::{Job, JobKind, JobState, JobSubject, Progress},
};
use serde::Serialize;

/// A queued job, to be inserted in the transaction that makes it necessary.
pub fn new_job(
    engine: &Engine,
    kind: JobKind,
    subject: JobSubject,
    owner: Option<UserId>,
    by: Option<&Actor>,
    data: &impl Serialize,
) -> Result<Job> {
    let now = engine.now();
    Ok(Job {
        id: JobId::new(),
        kind,
        subject,
        owner,
        created_by: by.map(|actor| actor.user),
        state: JobState::Queued,
        step: 0,
        data: serde_json::to_value(data).map_err(Error::internal)?,
        progress: Progress {
            doing: "waiting to begin".into(),
            ..Progress::default()
        },
        error: None,
        cancel: false,
        holder: None,
        lease_until: Timestamp(0),
        fence: 0,
        attempts: 0,
        not_before: now,
        created_at: now,
        ended_at: None,
    })
}

impl Engine {
    /// Wakes the runner; called after the transaction that inserted a job has committed.
    pub(crate) async fn jobs_wanted(&self) {
        self.inner.jobs_wanted.notify_one();
        self.tell().await;
    }
}

/// Asks for the job to be cancelled. Before its point of no return it is undone; a migration is aborted and stays on
/// its source. Fails with `Conflict` where the job has ended.
pub async fn cancel(engine: &Engine, actor: &Actor, id: JobId) -> Result<Job> {
    let job = engine.store().job(id).await?;
    match job.owner {
        Some(owner) => actor.may_see(owner, "job")?,
        None if actor.is_admin() => {}
        None => return Err(Error::not_found("job")),
    }
    if job.kind == JobKind::Migrate && !actor.is_admin() {
        return Err(Error::forbidden(
            "Only an administrator can cancel a migration.",
        ));
    }
    if !job.state.is_open() {
        return Err(Error::conflict(format!(
            "The job is {} already and can't be cancelled.",
            job.state
        )));
    }
    let mut tx = engine.store().begin().await?;
    tx.request_cancel(id).await?;
    engine
        .audit(
            &mut tx,
            Some(actor),
            "job.cancel",
            "job",
            id,
            format!("asked to cancel the {} job", job.kind.as_str()),
        )
        .await?;
    engine.emit(&mut tx, "job", id, job.owner).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    engine.store().job(id).await
}

/// Has a job that needed a person go on at the step at which it stopped.
pub(crate) async fn resume(engine: &Engine, mut job: Job) -> Result<()> {
    use bellwether_model::states::State;
    job.state = job.state.step(JobState::Running)?;
    job.error = None;
    job.not_before = engine.now();
    let mut tx = engine.store().begin().await?;
    tx.update_job(&job).await?;
    engine
        .audit(
            &mut tx,
            None,
            "job.resume",
            "job",
            job.id,
            format!("the {} job goes on", job.kind.as_str()),
        )
        .await?;
    engine.emit(&mut tx, "job", job.id, job.owner).await?;
    tx.commit().await?;
    // A claim looks at the lease of whoever had it last.
    engine
        .store()
        .renew_lease(job.id, job.fence, Timestamp(0))
        .await?;
    engine.jobs_wanted().await;
    Ok(())
}
