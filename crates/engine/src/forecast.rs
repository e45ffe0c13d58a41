//! Forecast: what a migration will take, said before it is begun.
//!
//! [`measure`] asks hosts in the background how much their VMs write; [`gather`] puts that beside how earlier moves went
//! and has [`bellwether_decide::forecast`] make of it what a move to each target will take. No page waits for a host.

mod gather;
mod measure;

pub(crate) use gather::Ledger;
pub(crate) use measure::{Written, run};

use crate::{Admin, Engine};
use bellwether_decide::forecast::{self, Accuracy, Scored};
use bellwether_model::{
    Result,
    migration::{Migration, MigrationOutcome},
};
use bellwether_store::MigrationQuery;
use std::sync::{Mutex, PoisonError};

/// How right forecasts were when so many migrations had been completed.
pub(crate) type KeptAccuracy = Mutex<Option<(u64, Accuracy)>>;

/// Forecasts that are looked back on.
const LOOK_BACK: u32 = 200;

/// How right the forecasts of the last migrations were.
#[derive(Clone, Debug)]
pub struct Hindsight {
    /// Together.
    pub accuracy: Accuracy,
    /// Each that was forecast and completed, newest first.
    pub moves: Vec<(Migration, Scored)>,
}

/// Looks back.
pub async fn hindsight(engine: &Engine, _admin: &Admin) -> Result<Hindsight> {
    let completed = completed(engine).await?;
    let moves: Vec<(Migration, Scored)> = completed
        .into_iter()
        .filter_map(|migration| {
            let scored = Scored::of(&migration)?;
            Some((migration, scored))
        })
        .collect();
    let scored: Vec<Scored> = moves.iter().map(|(_, scored)| *scored).collect();
    Ok(Hindsight {
        accuracy: forecast::accuracy(&scored),
        moves,
    })
}

/// The same in figures, for who asks again and again: looked at anew only when another migration was completed.
pub(crate) async fn recent_accuracy(engine: &Engine, completed_ever: u64) -> Result<Accuracy> {
    let kept = &engine.inner.accuracy;
    let last = *kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, accuracy)) = last
        && at == completed_ever
    {
        return Ok(accuracy);
    }
    let scored: Vec<Scored> = completed(engine)
        .await?
        .iter()
        .filter_map(Scored::of)
        .collect();
    let accuracy = forecast::accuracy(&scored);
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((completed_ever, accuracy));
    Ok(accuracy)
}

/// The last migrations that were completed, newest first.
async fn completed(engine: &Engine) -> Result<Vec<Migration>> {
    let query = MigrationQuery {
        outcome: Some(MigrationOutcome::Completed),
        limit: LOOK_BACK,
        ..MigrationQuery::default()
    };
    engine.store().migrations(query).await
}
