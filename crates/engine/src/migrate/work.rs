//! The job that moves a VM. From the step `move` on nothing is undone: how it ended is found out by asking both hosts.

use super::{copy, prepare, settle};
use crate::{
    jobs::{Halt, Run, Step, Work},
    provision,
};
use async_trait::async_trait;
use bellwether_model::{HostId, MigrationId, VmId};
use bellwether_store::Tx;
use serde::{Deserialize, Serialize};

/// What the job keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    /// The ledger's entry.
    pub migration: MigrationId,
    /// The VM.
    pub vm: VmId,
    /// From.
    pub source: HostId,
    /// To.
    pub target: HostId,
    /// Its disk is copied too.
    pub copy_disk: bool,
    /// The copy may have begun: written before the call.
    pub begun: bool,
    /// It may have been switched to post-copy: written before the call. Each host may have a part of its memory then.
    #[serde(default)]
    pub post_copy: bool,
}

const PREPARE: usize = 0;
const MOVE: usize = 1;

/// The work.
pub struct Migrate;

#[async_trait]
impl Work for Migrate {
    fn steps(&self) -> &'static [Step] {
        &[
            Step {
                name: "prepare",
                doing: "preparing the target",
            },
            Step {
                name: "move",
                doing: "copying memory while the guest runs",
            },
            Step {
                name: "settle",
                doing: "asking both hosts how it ended",
            },
        ]
    }
    fn point_of_no_return(&self) -> usize {
        MOVE
    }
    fn uncancellable(&self, step: usize) -> Option<&'static str> {
        (step > MOVE).then_some("the move is over; how it ended is being found out")
    }
    async fn run(&self, at: usize, run: &mut Run) -> Result<(), Halt> {
        let data: Data = run.data()?;
        match at {
            PREPARE => match prepare::prepare(run, &data).await {
                // Nothing has moved yet: no need to wait for a target that went away.
                Err(Halt::Again(_, error)) if provision::host_is_away(&run.engine, data.target) => {
                    Err(Halt::Fail(error))
                }
                other => other,
            },
            MOVE => match copy::copy(run, data.clone()).await {
                // Whatever went wrong, how it ended is found out by asking.
                Err(Halt::Fail(error)) => settle::note_reason(run, &data, &error.message).await,
                other => other,
            },
            _ => settle::settle(run, &data).await,
        }
    }
    async fn undo(&self, at: usize, run: &mut Run) -> Result<(), Halt> {
        let data: Data = run.data()?;
        match at {
            PREPARE => prepare::clear(run, &data, data.target).await,
            _ => Ok(()),
        }
    }
    async fn undone(&self, run: &Run, tx: &mut Tx, why: &str) -> Result<(), Halt> {
        settle::undone(run, tx, &run.data()?, why).await
    }
}
