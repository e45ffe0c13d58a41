//! History of what was measured, for graphs.

use crate::{error::Result, graphed::Graphed, names::Directory, state::AppState};
use bellwether_api::{
    Names,
    metrics::{Mark, Metrics, MetricsQuery, Series},
};
use bellwether_model::{
    Error, Timestamp,
    migration::Migration,
    signal::{self, Entity, Signal},
    text::shown,
};
use bellwether_store::SeriesKey;
use std::time::Duration;

/// Points a graph can show at most; more would be drawn on top of one another.
const POINTS_MOST: u64 = 2_000;
/// Points where nothing is said.
const POINTS_USUAL: u64 = 300;

/// Its history.
pub async fn read(state: &AppState, of: Graphed, query: &MetricsQuery) -> Result<Metrics> {
    let engine = &state.engine;
    let (entity, id) = (of.entity(), of.id());
    let until = query.until.map_or_else(|| engine.now(), |moment| moment.0);
    let from = query
        .from
        .map_or_else(|| until.minus(Duration::from_secs(3600)), |moment| moment.0);
    if from >= until {
        return Err(Error::field("until", "must lie after from").into());
    }
    let seconds = until.since(from).as_secs().max(1);
    let finest = u64::from(state.config.sample_period_seconds);
    let step = match query.step_seconds {
        None => seconds.div_ceil(POINTS_USUAL).max(finest),
        Some(0) => {
            return Err(Error::field("step_seconds", "0 is not possible; give at least 1").into());
        }
        Some(step) if seconds / u64::from(step) > POINTS_MOST => {
            return Err(Error::field(
                "step_seconds",
                format!(
                    "{step} would make more than {POINTS_MOST} points; give at least {}",
                    seconds.div_ceil(POINTS_MOST)
                ),
            )
            .into());
        }
        Some(step) => u64::from(step),
    };
    let step = u32::try_from(step).map_err(|_| Error::field("from", "lies too far back"))?;
    let wanted = signals(entity, query.signals.as_deref())?;
    let keys: Vec<SeriesKey> = wanted
        .iter()
        .map(|signal| SeriesKey::new(id, *signal))
        .collect();
    let found = engine.history().range(&keys, from, until, step).await?;
    let series = wanted
        .into_iter()
        .map(|signal| {
            let points = found
                .iter()
                .find(|series| series.key.signal == signal.word)
                .map(|series| series.points.as_slice())
                .unwrap_or_default();
            Series {
                signal: signal.word.into(),
                unit: signal.unit.as_str().into(),
                meaning: signal.meaning.into(),
                at_unix_seconds: points.iter().map(|(at, ..)| at.seconds()).collect(),
                average: points
                    .iter()
                    .map(|(_, average, _, _)| f64::from(*average))
                    .collect(),
                minimum: points
                    .iter()
                    .map(|(_, _, lowest, _)| f64::from(*lowest))
                    .collect(),
                maximum: points
                    .iter()
                    .map(|(_, _, _, highest)| f64::from(*highest))
                    .collect(),
            }
        })
        .collect();
    let marks = of.migrations(engine, from).await?;
    let names = Directory::load(engine)
        .await?
        .with_vms(engine, marks.iter().map(|migration| migration.vm).collect())
        .await?;
    let inside = |migration: &&Migration| migration.started_at <= until;
    Ok(Metrics {
        from: from.into(),
        until: until.into(),
        step_seconds: step,
        series,
        marks: marks
            .iter()
            .filter(inside)
            .map(|migration| mark(entity, migration, from, &names))
            .collect(),
    })
}

/// The signals asked for, or all of the entity's.
fn signals(entity: Entity, asked: Option<&str>) -> Result<Vec<Signal>> {
    let Some(asked) = asked else {
        return Ok(signal::of(entity).collect());
    };
    asked
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut of_entity = signal::of(entity);
            of_entity.find(|signal| signal.word == word).ok_or_else(|| {
                let known: Vec<&str> = signal::of(entity).map(|signal| signal.word).collect();
                Error::field(
                    "signals",
                    format!("'{}' is none of: {}", shown(word), known.join(", ")),
                )
                .into()
            })
        })
        .collect()
}

fn mark(entity: Entity, migration: &Migration, from: Timestamp, names: &Directory) -> Mark {
    let host = |id| names.host(id).unwrap_or_else(|| "a removed host".into());
    let way = format!("{} → {}", host(migration.source), host(migration.target));
    let what = match entity {
        Entity::Host => {
            names
                .vm(migration.vm)
                .unwrap_or_else(|| "a removed VM".into())
                + ": "
        }
        Entity::Vm => String::new(),
    };
    Mark {
        at: migration.started_at.max(from).into(),
        kind: "migration".into(),
        text: format!("{what}{way}, {}", migration.outcome.as_str()),
    }
}
