//! A job: work that runs once, in steps, and survives the death of who runs it.
//!
//! ```text
//! queued ──► running ──► done
//!   │          │ │ ▲
//!   │          │ │ └──────────────┐
//!   │          │ └──► undoing ──► undone
//!   │          ▼         │  ▲     │
//!   │        failed      ▼  │     │
//!   ▼               needs a person┘
//! undone
//! ```
//! - queued → running: claimed by a runner under a lease and a fencing number. Another runner may take over from it
//!   there, and while it is undoing.
//! - queued → undone: what it was for was taken back before it began.
//! - running → done: every step did.
//! - running → undoing: a step failed, or somebody cancelled, before the point of no return.
//! - running → failed: failed where nothing is to undo or after the point of no return; reconcile settles the rest.
//! - running → needs a person: what is so can't be known, or not be mended without one.
//! - undoing → undone: every undo did.
//! - undoing → needs a person: an undo keeps failing; says what is left.
//! - needs a person → running, undoing: a person mended what hindered it and has it try again, or what is so is clear.

use crate::{HostId, ImageId, JobId, RequestId, Timestamp, UserId, VmId, state_machine};
use serde::{Deserialize, Serialize};

state_machine! {
    /// State of a job.
    JobState, "job" {
        /// Waits for a runner.
        Queued = "queued" => [Running, Undone],
        /// Being done.
        Running = "running" => [Done, Undoing, Failed, NeedsPerson],
        /// Being undone.
        Undoing = "undoing" => [Undone, NeedsPerson],
        /// Done.
        Done = "done" => [],
        /// Undone: as if it had not been.
        Undone = "undone" => [],
        /// Failed after the point of no return.
        Failed = "failed" => [],
        /// Can't go on alone.
        NeedsPerson = "needs a person" => [Running, Undoing],
    }
}

impl JobState {
    /// Whether a runner has something left to do.
    pub fn is_open(self) -> bool {
        matches!(
            self,
            JobState::Queued | JobState::Running | JobState::Undoing
        )
    }
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Makes a VM for a request.
    Provision,
    /// Starts, stops or reboots a VM.
    Power,
    /// Removes a VM with its disk.
    Delete,
    /// Moves a VM live.
    Migrate,
    /// Brings an image in and verifies it.
    FetchImage,
}

impl JobKind {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Provision => "provision",
            JobKind::Power => "power",
            JobKind::Delete => "delete",
            JobKind::Migrate => "migrate",
            JobKind::FetchImage => "fetch_image",
        }
    }
}

/// What a job is about; at most one open job of a kind that changes it may hold a VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSubject {
    /// The VM.
    pub vm: Option<VmId>,
    /// The request.
    pub request: Option<RequestId>,
    /// The image.
    pub image: Option<ImageId>,
    /// The host it works on or towards.
    pub host: Option<HostId>,
}

/// How far a job is, for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What it is doing, in words.
    pub doing: String,
    /// 0.0–1.0 where it can be known.
    pub share: Option<f64>,
    /// Bytes done, where it moves bytes.
    pub bytes_done: Option<u64>,
    /// Bytes in all, where known.
    pub bytes_total: Option<u64>,
    /// Live migration only.
    pub migration: Option<crate::migration::MigrationProgress>,
}

/// A job as everybody sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Identifier.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// About what.
    pub subject: JobSubject,
    /// Whose VM or request it is about, for who may see it.
    pub owner: Option<UserId>,
    /// Who asked; none for the system itself.
    pub created_by: Option<UserId>,
    /// Where it stands.
    pub state: JobState,
    /// Index of the step it is at.
    pub step: u32,
    /// The kind's own input and step outputs, as JSON; never a secret.
    pub data: serde_json::Value,
    /// How far it is.
    pub progress: Progress,
    /// Why it failed or was undone; for people.
    pub error: Option<String>,
    /// Somebody asked to cancel.
    pub cancel: bool,
    /// Who runs it; a name of the process.
    pub holder: Option<String>,
    /// Until when the holder has it.
    pub lease_until: Timestamp,
    /// Grows with every claim; a write under an older one is refused.
    pub fence: i64,
    /// How often it was claimed.
    pub attempts: u32,
    /// Earliest next attempt.
    pub not_before: Timestamp,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What a line of a job's journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JournalEvent {
    /// A runner claimed the job.
    Claimed,
    /// About to do the step.
    Doing,
    /// The step is done.
    Did,
    /// The step failed.
    Failed,
    /// About to undo the step.
    Undoing,
    /// The step is undone.
    Undid,
    /// Something worth telling.
    Note,
}

impl JournalEvent {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            JournalEvent::Claimed => "claimed",
            JournalEvent::Doing => "doing",
            JournalEvent::Did => "did",
            JournalEvent::Failed => "failed",
            JournalEvent::Undoing => "undoing",
            JournalEvent::Undid => "undid",
            JournalEvent::Note => "note",
        }
    }
}

/// A line of a job's journal; append-only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Order within the job.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub event: JournalEvent,
    /// The step's name.
    pub step: String,
    /// In words, for people.
    pub text: String,
}
