//! Faults a test plans: per host and operation, before or after the effect.

use crate::HypervisorError;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// What a host is asked for; one per method of the roles.
#[allow(missing_docs)] // the names are the methods' names
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    Connect,
    Facts,
    Sample,
    Places,
    PowerStates,
    Describe,
    Baseline,
    CanRunCpu,
    Define,
    Power,
    Start,
    Resume,
    AskShutdown,
    ForceOff,
    Reboot,
    Undefine,
    SetOwnership,
    RefreshPool,
    Volumes,
    Volume,
    CreateVolume,
    Upload,
    ReadVolume,
    DeleteVolume,
    Migrate,
    Written,
    MigrationProgress,
    MigrationFigures,
    SetLongestPause,
    SetBandwidth,
    StartPostCopy,
    AbortMigration,
    Addresses,
    Screen,
    SetScreenPassword,
}

impl Op {
    /// Whether it changes something on a host.
    pub fn changes(self) -> bool {
        matches!(
            self,
            Op::Define
                | Op::Start
                | Op::Resume
                | Op::AskShutdown
                | Op::ForceOff
                | Op::Reboot
                | Op::Undefine
                | Op::SetOwnership
                | Op::CreateVolume
                | Op::Upload
                | Op::DeleteVolume
                | Op::Migrate
                | Op::SetLongestPause
                | Op::SetBandwidth
                | Op::StartPostCopy
                | Op::AbortMigration
                | Op::SetScreenPassword
        )
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Fails with this error and has no effect.
    Before(HypervisorError),
    /// Has its effect, but the answer is lost: `TimedOut`.
    After,
    /// Hangs until the deadline without effect: `TimedOut`.
    Hang,
    /// Has its effect, then hangs until the deadline: `TimedOut`.
    HangAfter,
    /// Takes this much longer.
    Slow(Duration),
    /// Stops before the effect until the gate is opened.
    Hold(Gate),
    /// Stops after the effect until the gate is opened.
    HoldAfter(Gate),
    /// Migration only: all is sent and the VM runs on the target, but the source never learns of it: there the VM
    /// is left paused, and the caller gets an error. The dangerous window of peer-to-peer migration.
    DoubtTargetRuns,
    /// Migration only: as above, but the target did not take it over and has nothing left of it.
    DoubtTargetGone,
}

impl Fault {
    /// Fails plainly and has no effect.
    pub fn before() -> Self {
        Self::Before(HypervisorError::Failed {
            operation: "the call".into(),
            message: "a planned fault".into(),
        })
    }
}

/// Where a test stops a call, does something, and lets it go on.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<GateState>);

#[derive(Debug, Default)]
struct GateState {
    arrived: Notify,
    opened: Notify,
    open: AtomicBool,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }
    /// Returns when a call stands before the gate.
    pub async fn arrived(&self) {
        self.0.arrived.notified().await;
    }
    /// Lets the waiting call and all later ones through.
    pub fn open(&self) {
        self.0.open.store(true, Ordering::SeqCst);
        self.0.opened.notify_waiters();
    }
    pub(super) async fn pass(&self) {
        let opened = self.0.opened.notified();
        tokio::pin!(opened);
        // Registered before the flag is read, so that an `open` in between is not missed.
        opened.as_mut().enable();
        self.0.arrived.notify_one();
        if !self.0.open.load(Ordering::SeqCst) {
            opened.await;
        }
    }
}

/// A fault that waits for its call.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub host: String,
    pub op: Op,
    pub fault: Fault,
    pub times: u32,
}

/// Takes the next fault planned for this call, if any.
pub(super) fn take(planned: &mut Vec<Planned>, host: &str, op: Op) -> Option<Fault> {
    let at = planned.iter().position(|p| p.host == host && p.op == op)?;
    let plan = &mut planned[at];
    let fault = plan.fault.clone();
    plan.times = plan.times.saturating_sub(1);
    if plan.times == 0 {
        planned.remove(at);
    }
    Some(fault)
}
