//! Jobs: a journal of named steps, each safe to repeat, each with an undo until the declared point of no return.
//!
//! A job is claimed by a lease with a fencing number that grows with every claim; every write of a runner checks it
//! ([`Run::begin`]), so that a runner that slept (SIGSTOP) and woke after another took over changes nothing in the database. For calls to a
//! host the lease must outlast the call's own deadline before the call is made ([`Run::host`]); what such calls do is
//! named by VM UUID and job and can be repeated, and what an undone job may leave behind late is removed by
//! `reconcile` through a tombstone.
//!
//! ```text
//! claim ─► journal "doing" ─► step ─► journal "did" ─► … ─► done
//!                               │
//!                               ├─ again: the lease is given back, claimed later
//!                               ├─ fail before the point of no return ─► undo what was begun, backwards ─► undone
//!                               └─ fail after it ─► failed; reconcile settles what is left
//! ```
//! After kill -9 the lease runs out and the next claim repeats the step that was begun.

mod ask;
mod probe;
mod run;
mod runner;

pub(crate) use ask::resume;
pub use ask::{cancel, may_cancel, new_job, retry};
pub use probe::{Point, Probe, ProbeCell};
pub(crate) use run::CALL_DEADLINE;
pub use run::Run;
pub use runner::run;

use async_trait::async_trait;
use bellwether_model::{Error, job::JobKind};
use bellwether_store::Tx;
use std::time::Duration;

/// One step of a kind of job.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Stable short name, in the journal.
    pub name: &'static str,
    /// What it is doing, for people.
    pub doing: &'static str,
}

/// Why a step did not do.
#[derive(Debug)]
pub enum Halt {
    /// Trouble that passes: try the same step again after this long.
    Again(Duration, Error),
    /// Give up: undo what was begun, or, after the point of no return, end as failed.
    Fail(Error),
    /// A person cancelled it, past the point of no return or not: undo what was begun.
    Cancelled(Error),
    /// A person must look.
    Person(Error),
    /// Another runner has the job: stop without a word.
    Lost,
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        // A database that is locked or a host that does not answer may be back in a moment; all else will not mend itself.
        match error.kind {
            bellwether_model::ErrorKind::Unavailable => Self::Again(Duration::from_secs(5), error),
            _ => Self::Fail(error),
        }
    }
}

impl From<bellwether_hypervisor::HypervisorError> for Halt {
    fn from(error: bellwether_hypervisor::HypervisorError) -> Self {
        if error.is_passing() {
            Self::Again(Duration::from_secs(5), error.into())
        } else {
            Self::Fail(error.into())
        }
    }
}

/// How a kind of job is done and undone. Every function must be safe to repeat, from the beginning, at any time.
#[async_trait]
pub trait Work: Send + Sync {
    /// Its steps in order.
    fn steps(&self) -> &'static [Step];
    /// The first step that is never undone; a failure there or later ends as failed.
    fn point_of_no_return(&self) -> usize {
        self.steps().len()
    }
    /// Why it can't be cancelled while it is at this step; none where it can.
    fn uncancellable(&self, step: usize) -> Option<&'static str> {
        let past = step >= self.point_of_no_return();
        past.then_some("it is past the point up to which it could be undone")
    }
    /// Does step `at`.
    async fn run(&self, at: usize, run: &mut Run) -> Result<(), Halt>;
    /// Undoes step `at`, which may have been done, half done or never begun.
    async fn undo(&self, _at: usize, _run: &mut Run) -> Result<(), Halt> {
        Ok(())
    }
    /// Writes what is true now that every step is done, in the transaction that ends the job.
    async fn done(&self, _run: &Run, _tx: &mut Tx) -> Result<(), Halt> {
        Ok(())
    }
    /// Writes what is true now that every step is undone, in the transaction that ends the job; `why` is for people.
    async fn undone(&self, _run: &Run, _tx: &mut Tx, _why: &str) -> Result<(), Halt> {
        Ok(())
    }
    /// Writes what is true after a failure past the point of no return, in the transaction that ends the job.
    async fn failed(&self, _run: &Run, _tx: &mut Tx, _why: &str) -> Result<(), Halt> {
        Ok(())
    }
}

/// The work of each kind.
pub(crate) fn work_of(kind: JobKind) -> &'static dyn Work {
    match kind {
        JobKind::Provision => &crate::provision::Provision,
        JobKind::Power => &crate::power::PowerWork,
        JobKind::Delete => &crate::delete::Delete,
        JobKind::Migrate => &crate::migrate::Migrate,
        JobKind::FetchImage => &crate::images::Fetch,
    }
}
