//! Making and cancelling jobs.

use super::runner::TRYING_AGAIN;
use crate::{Actor, Admin, Engine};
use bellwether_model::{
    Error, JobId, Result, Timestamp, UserId,
    job::{Job, JobKind, JobState, JobSubject, JournalEvent, JournalLine, Progress},
    states::State,
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

/// Whether the job can be cancelled where it stands; `Conflict` that says why not.
pub fn may_cancel(job: &Job) -> Result<()> {
    let why = match job.state {
        JobState::Queued | JobState::Running => {
            super::work_of(job.kind).uncancellable(job.step as usize)
        }
        JobState::Undoing => Some("it is being undone already"),
        state => {
            return Err(Error::conflict(format!(
                "The job is {state} already and can't be cancelled."
            )));
        }
    };
    why.map_or(Ok(()), |why| {
        Err(Error::conflict(format!(
            "The job can't be cancelled: {why}."
        )))
    })
}

/// Asks for the job to be cancelled. Before its point of no return it is undone; a migration is aborted and stays on
/// its source. Fails with `Conflict` where that can't be any more.
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
    may_cancel(&job)?;
    let mut tx = engine.store().begin().await?;
    tx.request_cancel(id, engine.now()).await?;
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

/// Has a job that needed a person try again, once somebody has mended what hindered it. Fails with `Conflict` where it
/// does not wait for a person.
pub async fn retry(engine: &Engine, admin: &Admin, id: JobId) -> Result<Job> {
    let job = engine.store().job(id).await?;
    if job.state != JobState::NeedsPerson {
        return Err(Error::conflict(format!(
            "The job is {}; only one that needs a person can be tried again.",
            job.state
        )));
    }
    resume(engine, job, Some(admin)).await?;
    engine.store().job(id).await
}

/// Has a job that needed a person go on at the step at which it stopped, forward or backward as it did.
pub(crate) async fn resume(engine: &Engine, mut job: Job, by: Option<&Actor>) -> Result<()> {
    let journal = engine.store().journal(job.id).await?;
    let went =
        |line: &&JournalLine| matches!(line.event, JournalEvent::Doing | JournalEvent::Undoing);
    let last = journal.iter().rev().find(went);
    let backward = last.is_some_and(|line| line.event == JournalEvent::Undoing);
    job.state = job.state.step(match backward {
        true => JobState::Undoing,
        false => JobState::Running,
    })?;
    if !backward {
        job.error = None;
    }
    job.not_before = engine.now();
    job.progress.doing = "about to try again".into();
    let step = last.map_or("", |line| line.step.as_str());
    let mut tx = engine.store().begin().await?;
    tx.update_job(&job).await?;
    tx.journal(
        job.id,
        job.fence,
        engine.now(),
        JournalEvent::Note,
        step,
        TRYING_AGAIN,
    )
    .await?;
    engine
        .audit(
            &mut tx,
            by,
            "job.retry",
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
