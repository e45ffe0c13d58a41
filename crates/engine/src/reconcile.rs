//! Reconcile: makes what is recorded agree with what is so, or says loudly that it can't. What follows from what was
//! seen is decided in [`bellwether_decide::reconcile`]; here it is gathered and carried out.
//!
//! A sample may be older than what was done since: every repair asks the hosts it is about once more before it changes
//! anything, and goes by their answer.

mod alarm;
mod follow;
mod foreign;
mod gather;
mod leftovers;
mod missing;
mod start;
mod stuck;
mod waiting;

pub(crate) use gather::held;
pub(crate) use start::{elsewhere, nobody_runs};

use crate::Engine;
use bellwether_decide::reconcile::{Repair, reconcile};
use bellwether_model::{ErrorKind, Result};

/// One round. Each part is independent: trouble in one does not stop the others.
pub async fn run(engine: &Engine) -> Result<()> {
    let outcomes = [
        foreign::watch(engine).await,
        repair(engine).await,
        leftovers::clear_volumes(engine).await,
        stuck::go_on(engine).await,
        waiting::place(engine).await,
    ];
    outcomes.into_iter().collect()
}

/// Gather, decide, act.
async fn repair(engine: &Engine) -> Result<()> {
    let gathered = gather::gather(engine).await?;
    let repairs = reconcile(&gathered.facts(engine));
    let mut outcome = alarm::clear(engine, &gathered.records.vms, &repairs).await;
    for repair in repairs {
        match act(engine, repair.clone()).await {
            Ok(()) => {}
            // Changed under our hands, its host fell silent, or there is no room: the next round sees.
            Err(error)
                if matches!(
                    error.kind,
                    ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::NoCapacity
                ) =>
            {
                tracing::debug!(?repair, %error, "not now");
            }
            Err(error) => outcome = outcome.and(Err(error)),
        }
    }
    outcome
}

async fn act(engine: &Engine, repair: Repair) -> Result<()> {
    match repair {
        Repair::Alarm { vm, hosts } => alarm::raise(engine, vm, &hosts).await,
        Repair::MarkUnreachable { vm } => follow::unreachable(engine, vm).await,
        Repair::Follow { vm, .. } => follow::follow(engine, vm).await,
        Repair::AcceptOff { vm } => follow::accept_off(engine, vm).await,
        Repair::GiveUp { vm } => follow::give_up(engine, vm).await,
        Repair::Twin { vm, hosts } => alarm::note(engine, vm, &hosts).await,
        Repair::Start { vm, .. } => start::start(engine, vm).await,
        Repair::StartElsewhere { vm } => start::start_elsewhere(engine, vm).await,
        Repair::Rebind { vm, to, .. } => missing::rebind(engine, vm, to).await,
        Repair::Missing { vm } => missing::missing(engine, vm).await,
        Repair::RemoveLeftover { leftover } => leftovers::remove(engine, leftover).await,
    }
}
