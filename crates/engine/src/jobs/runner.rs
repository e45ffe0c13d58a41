//! Claims jobs and carries them forward or backward.

use super::{Halt, Run, Work, work_of};
use crate::Engine;
use bellwether_model::{
    Error, ErrorKind, Timestamp,
    job::{Job, JobState, JournalEvent, JournalLine, Progress},
    states::State,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Jobs one process runs at once.
const AT_ONCE: usize = 32;
/// How long an undo is tried before a person is called.
const UNDO_PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// What the journal says when a job begins to undo what it did, and when a person has it try again: from then on an undo
/// has its patience.
const TURNING_BACK: &str = "undoing what was done";
pub(super) const TRYING_AGAIN: &str = "trying again";
/// What stands before the reason for which an undo does not succeed.
const UNDO_FAILS: &str = " Undoing it fails: ";
/// Trouble that passes is waited for a little longer each time from this attempt on, and never longer than this.
const HURRIES: u32 = 10;
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Claims and runs jobs until stopped.
pub async fn run(engine: Engine, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = tokio::task::JoinSet::new();
    let mut news = engine.store().news();
    loop {
        while running.try_join_next().is_some() {}
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let settings = engine.settings();
        let claimed = engine
            .store()
            .claim_job(&settings.holder, engine.now(), settings.job_lease)
            .await;
        match claimed {
            Ok(Some(job)) => {
                let engine = engine.clone();
                let stop = stop.clone();
                running.spawn(async move {
                    let _slot = slot;
                    tokio::select! {
                        () = carry(engine, job) => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
            other => {
                drop(slot);
                if let Err(error) = other {
                    tracing::warn!(error = %error, context = error.context(), "can't look for jobs; trying again");
                }
                tokio::select! {
                    () = engine.inner.jobs_wanted.notified() => {}
                    () = news.come(until_due(&engine).await) => {}
                }
            }
        }
    }
}

/// How long until a job may be claimed that may not be yet.
async fn until_due(engine: &Engine) -> Duration {
    match engine.store().next_claim().await {
        Ok(due) => due.map_or(Duration::MAX, |due| due.since(engine.now())),
        // As soon as it makes sense.
        Err(_) => Duration::ZERO,
    }
}

/// Carries one claimed job as far as it goes.
async fn carry(engine: Engine, job: Job) {
    let id = job.id;
    let mut run = Run { engine, job };
    let halted = match run.job.state {
        JobState::Undoing => backward(&mut run).await,
        _ => forward(&mut run).await,
    };
    let left = match halted {
        Ok(()) => Ok(()),
        Err(Halt::Lost) => Err(Halt::Lost),
        Err(Halt::Again(after, error)) => give_back(&mut run, after, &error).await,
        Err(Halt::Fail(error) | Halt::Cancelled(error) | Halt::Person(error)) => {
            tracing::error!(job = %id, error = %error, context = error.context(), "the job needs a person");
            run.job.error = Some(match (run.job.state, &run.job.error) {
                // Why it was to be undone is not forgotten over why it can't be.
                (JobState::Undoing, Some(first)) => {
                    let first = first.split(UNDO_FAILS).next().unwrap_or_default();
                    format!("{first}{UNDO_FAILS}{}", error.message)
                }
                _ => error.message,
            });
            end(&mut run, JobState::NeedsPerson).await
        }
    };
    match left {
        Ok(()) => {}
        Err(Halt::Lost) => tracing::info!(job = %id, "another runner has taken over"),
        Err(_) => {
            tracing::warn!(job = %id, "how it stands was not written; it goes on when its lease has run out")
        }
    }
    // What it was about may have made room, or be wanted by the next job.
    run.engine.inner.jobs_wanted.notify_one();
}

/// Gives the lease back so that any runner may claim the job again after a while.
async fn give_back(run: &mut Run, after: Duration, error: &Error) -> Result<(), Halt> {
    let now = run.now();
    run.job.not_before = now.plus(match error.kind {
        ErrorKind::Unavailable => backed_off(after, run.job.attempts),
        _ => after,
    });
    run.job.progress.doing = format!("{} Trying again.", error.message);
    let step = run.step_name();
    let text = format!("not yet: {}", error.message);
    run.advance(JournalEvent::Note, &step, &text).await?;
    tracing::info!(job = %run.job.id, step, error = %error, context = error.context(), "trying again later");
    // Ends the lease; the claim looks at `not_before` as well. Where it can't be written the lease ends by itself.
    let _ = run
        .engine
        .store()
        .renew_lease(run.job.id, run.job.fence, Timestamp(now.0 - 1))
        .await;
    Ok(())
}

/// How long to wait before the next attempt, where what is needed does not answer.
fn backed_off(after: Duration, attempts: u32) -> Duration {
    let times = 1 + attempts.saturating_sub(HURRIES) / 4;
    after.saturating_mul(times).min(LONGEST_WAIT.max(after))
}

async fn forward(run: &mut Run) -> Result<(), Halt> {
    let work = work_of(run.job.kind);
    while let Some(step) = work.steps().get(run.job.step as usize) {
        let at = run.job.step as usize;
        let may_undo = at < work.point_of_no_return();
        if may_undo && run.cancelled().await? {
            return turn_back(run, work, at, &Error::conflict("Cancelled.")).await;
        }
        run.job.progress = Progress {
            doing: step.doing.into(),
            share: Some(at as f64 / work.steps().len() as f64),
            ..Progress::default()
        };
        run.advance(JournalEvent::Doing, step.name, step.doing)
            .await?;
        match holding(run, |run| Box::pin(work.run(at, run))).await {
            Ok(()) => {
                run.job.step += 1;
                run.advance(JournalEvent::Did, step.name, "done").await?;
            }
            Err(Halt::Cancelled(error)) => {
                run.advance(JournalEvent::Failed, step.name, &error.message)
                    .await?;
                return turn_back(run, work, at, &error).await;
            }
            Err(Halt::Fail(error)) => {
                tracing::warn!(job = %run.job.id, step = step.name, error = %error, context = error.context(), "step failed");
                run.advance(JournalEvent::Failed, step.name, &error.message)
                    .await?;
                if may_undo {
                    return turn_back(run, work, at, &error).await;
                }
                run.job.error = Some(error.message.clone());
                return end(run, JobState::Failed).await;
            }
            Err(halt) => return Err(halt),
        }
    }
    end(run, JobState::Done).await
}

/// Begins to undo steps `0..=at`.
async fn turn_back(
    run: &mut Run,
    work: &'static dyn Work,
    at: usize,
    why: &Error,
) -> Result<(), Halt> {
    run.job.state = run.job.state.step(JobState::Undoing)?;
    run.job.error = Some(why.message.clone());
    run.job.step = u32::try_from(at + 1).unwrap_or(u32::MAX);
    let step = work.steps().get(at).map_or("end", |step| step.name);
    run.advance(JournalEvent::Note, step, TURNING_BACK).await?;
    backward(run).await
}

/// Undoes the first `job.step` steps, last first.
async fn backward(run: &mut Run) -> Result<(), Halt> {
    let work = work_of(run.job.kind);
    while run.job.step > 0 {
        let at = run.job.step as usize - 1;
        let name = work.steps().get(at).map_or("end", |step| step.name);
        run.job.progress = Progress {
            doing: format!("undoing: {name}"),
            ..Progress::default()
        };
        run.advance(JournalEvent::Undoing, name, "undoing").await?;
        match holding(run, |run| Box::pin(work.undo(at, run))).await {
            Ok(()) => {}
            // An undo that can't be done now is tried again for long: what it leaves behind would be in somebody's way.
            Err(Halt::Fail(error)) if run.now() < patient_until(run).await? => {
                return Err(Halt::Again(Duration::from_secs(15), error));
            }
            Err(halt) => return Err(halt),
        }
        run.job.step -= 1;
        run.advance(JournalEvent::Undid, name, "undone").await?;
    }
    end(run, JobState::Undone).await
}

/// Until when what can't be undone is tried: a day from when it turned back, or a person had it try again.
async fn patient_until(run: &Run) -> Result<Timestamp, Halt> {
    let journal = run.engine.store().journal(run.job.id).await?;
    let turns = |line: &&JournalLine| {
        line.event == JournalEvent::Note && [TURNING_BACK, TRYING_AGAIN].contains(&&*line.text)
    };
    let since = journal.iter().rev().find(turns).map(|line| line.at);
    Ok(since.unwrap_or(run.job.created_at).plus(UNDO_PATIENCE))
}

/// Ends the job, in one transaction with what is true from then on.
async fn end(run: &mut Run, state: JobState) -> Result<(), Halt> {
    let mut job = run.job.clone();
    let why = job.error.clone().unwrap_or_else(|| state.to_string());
    job.state = job.state.step(state)?;
    job.ended_at = (state != JobState::NeedsPerson).then(|| run.now());
    job.progress = Progress {
        doing: job.error.clone().unwrap_or_else(|| "done".into()),
        share: (state == JobState::Done).then_some(1.0),
        migration: job.progress.migration.take(),
        ..Progress::default()
    };
    let work = work_of(job.kind);
    run.write(
        job,
        JournalEvent::Note,
        "end",
        state.as_str(),
        async |run, tx| match state {
            JobState::Done => work.done(run, tx).await,
            JobState::Undone => work.undone(run, tx, &why).await,
            JobState::Failed => work.failed(run, tx, &why).await,
            _ => Ok(()),
        },
    )
    .await?;
    run.engine.inner.fleet_changed.notify_waiters();
    Ok(())
}

/// Runs the step while renewing the lease; a lost lease drops the step where it stands.
async fn holding<'a, F>(run: &'a mut Run, step: F) -> Result<(), Halt>
where
    F: FnOnce(&'a mut Run) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Halt>> + Send + 'a>>,
{
    let engine = run.engine.clone();
    let (id, fence) = (run.job.id, run.job.fence);
    let lease = engine.settings().job_lease;
    let renew = async {
        loop {
            tokio::time::sleep(lease / 4).await;
            match engine
                .store()
                .renew_lease(id, fence, engine.now().plus(lease))
                .await
            {
                Ok(true) => {}
                Ok(false) => return Halt::Lost,
                // The database may be back before the lease is over; if not, writes will tell.
                Err(error) => tracing::warn!(job = %id, %error, "lease not renewed"),
            }
        }
    };
    tokio::select! {
        done = step(run) => done,
        halt = renew => Err(halt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_answer_for_long_is_asked_less_often() {
        let after = Duration::from_secs(5);
        let waits = [1, 10, 14, 18, 100].map(|attempts| backed_off(after, attempts).as_secs());
        assert_eq!(waits, [5, 5, 10, 15, 30]);
        let long = Duration::from_secs(60);
        assert_eq!(backed_off(long, 100), long, "never sooner than asked");
    }
}
