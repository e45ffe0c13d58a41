//! Jobs: work that runs once, in steps.

use crate::{
    Moment, Names, Ref,
    common::{host_ref, image_ref, user_ref, vm_ref},
    migration::MigrationProgress,
};
use bellwether_model::job;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// State of a job.
    JobState from job::JobState {
        /// Waits for a runner.
        Queued = "queued",
        /// Being done.
        Running = "running",
        /// Being undone.
        Undoing = "undoing",
        /// Done.
        Done = "done",
        /// Undone: as if it had not been.
        Undone = "undone",
        /// Failed after the point of no return.
        Failed = "failed",
        /// Can't go on alone.
        NeedsPerson = "needs_person",
    }
}

impl JobState {
    /// Whether something is left to do without a person.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Running | Self::Undoing)
    }
}

words! {
    /// What a job does.
    JobKind from job::JobKind {
        /// Makes a VM for a request.
        Provision = "provision",
        /// Starts, stops or reboots a VM.
        Power = "power",
        /// Removes a VM with its disk.
        Delete = "delete",
        /// Moves a VM live.
        Migrate = "migrate",
        /// Brings an image in and verifies it.
        FetchImage = "fetch_image",
    }
}

words! {
    /// What a line of a job's journal says.
    JournalEvent from job::JournalEvent {
        /// A runner claimed the job.
        Claimed = "claimed",
        /// About to do the step.
        Doing = "doing",
        /// The step is done.
        Did = "did",
        /// The step failed.
        Failed = "failed",
        /// About to undo the step.
        Undoing = "undoing",
        /// The step is undone.
        Undid = "undid",
        /// Something worth telling.
        Note = "note",
    }
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// What it is doing, in words.
    pub doing: String,
    /// 0.0–1.0 where it can be known.
    pub share: Option<f64>,
    /// Bytes done, where it moves bytes.
    pub done_bytes: Option<u64>,
    /// Bytes in all, where known.
    pub total_bytes: Option<u64>,
    /// Live migration only.
    pub migration: Option<MigrationProgress>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Identifier.
    pub id: Uuid,
    /// What it does.
    pub kind: JobKind,
    /// The VM it is about.
    pub vm: Option<Ref>,
    /// The request it is about.
    pub request: Option<Uuid>,
    /// The image it is about.
    pub image: Option<Ref>,
    /// The host it works on or towards.
    pub host: Option<Ref>,
    /// Whose VM or request it is about.
    pub owner: Option<Ref>,
    /// Who asked; none for the system itself.
    pub created_by: Option<Ref>,
    /// Where it stands.
    pub state: JobState,
    /// How far it is.
    pub progress: Progress,
    /// Why it failed or was undone.
    pub error: Option<String>,
    /// Somebody asked to cancel.
    pub cancel_asked: bool,
    /// How often it was taken up.
    pub attempts: u32,
    /// When it was made.
    pub created_at: Moment,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Its journal, oldest first; only where one job was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Vec<JournalLine>>,
}

impl Job {
    /// From the inside, with names, without the journal.
    pub fn new(job: &job::Job, names: &dyn Names) -> Self {
        Self {
            id: job.id.into(),
            kind: job.kind.into(),
            vm: job.subject.vm.map(|id| vm_ref(names, id)),
            request: job.subject.request.map(Into::into),
            image: job.subject.image.map(|id| image_ref(names, id)),
            host: job.subject.host.map(|id| host_ref(names, id)),
            owner: job.owner.map(|id| user_ref(names, id)),
            created_by: job.created_by.map(|id| user_ref(names, id)),
            state: job.state.into(),
            progress: (&job.progress).into(),
            error: job.error.clone(),
            cancel_asked: job.cancel,
            attempts: job.attempts,
            created_at: job.created_at.into(),
            ended_at: job.ended_at.map(Moment),
            journal: None,
        }
    }
    /// The same with its journal.
    #[must_use]
    pub fn with_journal(self, lines: &[job::JournalLine]) -> Self {
        Self {
            journal: Some(lines.iter().map(Into::into).collect()),
            ..self
        }
    }
}

impl From<&job::Progress> for Progress {
    fn from(progress: &job::Progress) -> Self {
        Self {
            doing: progress.doing.clone(),
            share: progress.share,
            done_bytes: progress.bytes_done,
            total_bytes: progress.bytes_total,
            migration: progress.migration.as_ref().map(Into::into),
        }
    }
}

/// A line of a job's journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JournalLine {
    /// Order within the job.
    pub seq: i64,
    /// When.
    pub at: Moment,
    /// What.
    pub event: JournalEvent,
    /// The step's name.
    pub step: String,
    /// In words.
    pub text: String,
}

impl From<&job::JournalLine> for JournalLine {
    fn from(line: &job::JournalLine) -> Self {
        Self {
            seq: line.seq,
            at: line.at.into(),
            event: line.event.into(),
            step: line.step.clone(),
            text: line.text.clone(),
        }
    }
}

/// Which jobs to list, newest first; a user sees those about their own VMs and requests.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct JobQuery {
    /// Only about this VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm: Option<Uuid>,
    /// Only in these states, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}
