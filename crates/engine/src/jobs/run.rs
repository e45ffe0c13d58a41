//! What a step has in its hands while it runs.

use super::{Halt, Point};
use crate::{Engine, links::OPEN_DEADLINE};
use bellwether_hypervisor::Host;
use bellwether_model::{
    Error, ErrorKind, HostId, Timestamp, VmId,
    host::HostMode,
    job::{Job, JournalEvent, Progress},
};
use bellwether_store::Tx;
use serde::{Serialize, de::DeserializeOwned};
use std::{sync::Arc, time::Duration};

/// No single call to a host takes longer; the lease must outlast it before the call is made.
pub const CALL_DEADLINE: Duration = Duration::from_secs(60);

/// A claimed job with the engine.
pub struct Run {
    /// The engine.
    pub engine: Engine,
    /// The job as this runner last wrote it.
    pub job: Job,
}

impl Run {
    /// The kind's own data.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Halt> {
        serde_json::from_value(self.job.data.clone()).map_err(|error| {
            Halt::Person(Error::internal(format!(
                "job {} has unreadable data: {error}",
                self.job.id
            )))
        })
    }
    /// Keeps the kind's own data.
    pub async fn save(&mut self, data: &impl Serialize) -> Result<(), Halt> {
        self.job.data =
            serde_json::to_value(data).map_err(|error| Halt::Person(Error::internal(error)))?;
        let mut tx = self.begin().await?;
        tx.update_job(&self.job).await?;
        tx.commit().await?;
        Ok(())
    }
    /// Begins a transaction in which this runner, and no other, holds the job: every write of a step goes through it, so
    /// that one that slept while another took over changes nothing.
    pub async fn begin(&self) -> Result<Tx, Halt> {
        let probe = &self.engine.inner.probe;
        probe.hit(Point::BeforeWrite, &self.step_name()).await;
        self.holding().await
    }
    async fn holding(&self) -> Result<Tx, Halt> {
        let mut tx = self.engine.store().begin().await?;
        match tx.hold_job(self.job.id, self.job.fence).await {
            Ok(()) => Ok(tx),
            Err(error) if error.kind == ErrorKind::Conflict => Err(Halt::Lost),
            Err(error) => Err(error.into()),
        }
    }
    /// The host to call, after making sure that this runner holds the job for longer than a call may take.
    pub async fn host(&mut self, id: HostId) -> Result<Arc<dyn Host>, Halt> {
        self.hold().await?;
        let record = self.engine.store().host(id).await?;
        if let Ok(host) = self.engine.host(id) {
            return Ok(host);
        }
        tokio::time::timeout(OPEN_DEADLINE, self.engine.links().ensure(&record))
            .await
            .map_err(|_| {
                Halt::from(Error::unavailable(format!(
                    "The host {} does not answer.",
                    record.name
                )))
            })?
            .map_err(|error| {
                Halt::Again(
                    Duration::from_secs(5),
                    Error::unavailable(format!("The host {}: {error}.", record.name)),
                )
            })
    }
    /// Whether an admin declared the host off: nothing runs there, by that word.
    pub async fn is_declared_off(&self, host: HostId) -> Result<bool, Halt> {
        Ok(self.engine.store().host(host).await?.mode == HostMode::DeclaredOff)
    }
    /// Has reconcile remove what there is of the VM on the host, or shows up there late.
    pub async fn leave_tombstone(&self, vm: VmId, host: HostId) -> Result<(), Halt> {
        let mut tx = self.begin().await?;
        tx.add_tombstone(vm, self.job.id, host, self.now()).await?;
        tx.commit().await?;
        Ok(())
    }
    /// Makes sure that this runner holds the job for longer than a call to a host may take.
    pub async fn hold(&mut self) -> Result<(), Halt> {
        let now = self.engine.now();
        if self.job.lease_until < now.plus(CALL_DEADLINE + Duration::from_secs(10)) {
            let until = now.plus(self.engine.settings().job_lease);
            if !self
                .engine
                .store()
                .renew_lease(self.job.id, self.job.fence, until)
                .await?
            {
                return Err(Halt::Lost);
            }
            self.job.lease_until = until;
        }
        Ok(())
    }
    /// Shows how far it is. Failing to show is no reason to fail.
    pub async fn progress(&mut self, progress: Progress) {
        self.job.progress = progress;
        if let Err(error) = self
            .engine
            .store()
            .set_progress(self.job.id, self.job.fence, &self.job.progress)
            .await
        {
            tracing::debug!(job = %self.job.id, %error, "progress not kept");
        }
    }
    /// Whether somebody asked to cancel.
    pub async fn cancelled(&mut self) -> Result<bool, Halt> {
        self.job.cancel = self.engine.store().job(self.job.id).await?.cancel;
        Ok(self.job.cancel)
    }
    /// Adds a line to the journal for people.
    pub async fn note(&mut self, text: &str) -> Result<(), Halt> {
        let step = self.step_name();
        self.journal(JournalEvent::Note, &step, text).await
    }
    pub(super) fn step_name(&self) -> String {
        let steps = super::work_of(self.job.kind).steps();
        steps
            .get(self.job.step as usize)
            .map_or("end", |step| step.name)
            .into()
    }
    async fn journal(&mut self, event: JournalEvent, step: &str, text: &str) -> Result<(), Halt> {
        let probe = &self.engine.inner.probe;
        probe.hit(Point::BeforeJournal, step).await;
        let mut tx = self.holding().await?;
        self.line(&mut tx, event, step, text).await?;
        tx.commit().await?;
        probe.hit(Point::AfterJournal, step).await;
        Ok(())
    }
    async fn line(
        &self,
        tx: &mut Tx,
        event: JournalEvent,
        step: &str,
        text: &str,
    ) -> Result<(), Halt> {
        let (job, now) = (&self.job, self.engine.now());
        Ok(tx
            .journal(job.id, job.fence, now, event, step, text)
            .await?)
    }
    /// Writes the job with a journal line in one transaction, and tells those who listen.
    pub(super) async fn advance(
        &mut self,
        event: JournalEvent,
        step: &str,
        text: &str,
    ) -> Result<(), Halt> {
        let job = self.job.clone();
        self.write(job, event, step, text, async |_, _| Ok(()))
            .await
    }
    /// As [`Run::advance`], with the job as it is to be from then on, and what becomes true with it.
    pub(super) async fn write(
        &mut self,
        job: Job,
        event: JournalEvent,
        step: &str,
        text: &str,
        with: impl AsyncFnOnce(&Run, &mut Tx) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let engine = self.engine.clone();
        engine.inner.probe.hit(Point::BeforeJournal, step).await;
        let mut tx = self.holding().await?;
        with(self, &mut tx).await?;
        tx.update_job(&job).await?;
        self.line(&mut tx, event, step, text).await?;
        engine.emit(&mut tx, "job", job.id, job.owner).await?;
        tx.commit().await?;
        self.job = job;
        engine.inner.probe.hit(Point::AfterJournal, step).await;
        engine.tell().await;
        Ok(())
    }
    /// How long the job has existed.
    pub fn age(&self) -> Duration {
        self.engine.now().since(self.job.created_at)
    }
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.engine.now()
    }
}
