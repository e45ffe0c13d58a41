//! History of what was measured, for graphs.

use crate::{
    error::Result,
    graphed::{
        Graphed, marks,
        share::{self, Guests, Shared},
        stretch::Stretch,
    },
    state::AppState,
};
use bellwether_api::{
    Moment,
    metrics::{Mark, Metrics, MetricsQuery, Series, ShareSeries, Shares, SharesQuery},
};
use bellwether_model::{
    Error, HostId, Timestamp, VmId,
    signal::{self, Entity, Signal},
    text::shown,
};
use bellwether_store::SeriesKey;
use std::{collections::BTreeSet, time::Duration};

/// Points a graph can show at most; more would be drawn on top of one another.
const POINTS_MOST: u64 = 2_000;
/// VMs that shares can name at most.
const PARTS_MOST: u16 = 100;
/// Points where nothing is said.
const POINTS_USUAL: u64 = 300;

/// Its history.
pub async fn read(state: &AppState, of: Graphed<'_>, query: &MetricsQuery) -> Result<Metrics> {
    let engine = &state.engine;
    let (entity, id) = (of.entity(), of.id());
    let Span { from, until, step } = span(state, query.from, query.until, query.step_seconds)?;
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
    let marks = marks::of(engine, of, from, until).await?;
    Ok(Metrics {
        from: from.into(),
        until: until.into(),
        step_seconds: step,
        series,
        marks: marks.into_iter().map(mark).collect(),
    })
}

fn mark(mark: marks::Mark) -> Mark {
    // What is under way has no end yet.
    let until = mark.until.filter(|until| *until < Timestamp(i64::MAX));
    Mark {
        at: mark.at.into(),
        until: until.map(Into::into),
        kind: mark.kind.as_str().into(),
        label: mark.label,
        text: mark.text,
        who: mark.who,
    }
}

/// Which VM takes how much of a host.
pub async fn shares(state: &AppState, host: HostId, query: &SharesQuery) -> Result<Shares> {
    let engine = &state.engine;
    let of = query.of.as_deref().unwrap_or("cpu");
    let shared = Shared::named(of)
        .ok_or_else(|| Error::field("of", format!("'{}' is none of: cpu, memory", shown(of))))?;
    let most = match query.most {
        None => share::USUAL_PARTS,
        Some(most @ 1..=PARTS_MOST) => usize::from(most),
        Some(most) => {
            return Err(Error::field(
                "most",
                format!("{most} is not possible; give 1 to {PARTS_MOST}"),
            )
            .into());
        }
    };
    let asked = span(state, query.from, query.until, query.step_seconds)?;
    let stretch = asked.stretch();
    let guests = Guests::load(engine, host, &stretch).await?;
    let parts = guests.parts(engine, shared, most).await?;
    let unit = shared.of_vm().unit.as_str();
    let series =
        |signal: &str, vm: Option<VmId>, name: String, points: share::Points| ShareSeries {
            signal: signal.into(),
            vm: vm.map(|vm| vm.0),
            name,
            at_unix_seconds: points.iter().map(|(at, _)| at.seconds()).collect(),
            average: points.into_iter().map(|(_, value)| value).collect(),
        };
    let mut all: Vec<ShareSeries> = parts
        .largest
        .into_iter()
        .map(|part| series(&part.vm.to_string(), Some(part.vm), part.name, part.points))
        .collect();
    if parts.other_vms > 0 {
        let others =
            bellwether_decide::words::counted(parts.other_vms as u64, "other VM", "other VMs");
        all.push(series("others", None, others, parts.others));
    }
    all.push(series("whole", None, "the host in all".into(), parts.whole));
    Ok(Shares {
        from: asked.from.into(),
        until: asked.until.into(),
        step_seconds: asked.step,
        unit: unit.into(),
        series: all,
    })
}

/// A stretch of time that was asked for.
pub struct Span {
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub until: Timestamp,
    /// Seconds from point to point.
    pub step: u32,
}

impl Span {
    /// As what is drawn of it takes it.
    pub fn stretch(&self) -> Stretch {
        Stretch {
            word: None,
            from: self.from,
            to: self.until,
            step: self.step,
            follows: false,
        }
    }
}

/// The last hour where nothing else is asked for; refuses what would be more points than a graph can show.
pub fn span(
    state: &AppState,
    from: Option<Moment>,
    until: Option<Moment>,
    step_seconds: Option<u32>,
) -> Result<Span> {
    let until = until.map_or_else(|| state.engine.now(), |moment| moment.0);
    let from = from.map_or_else(|| until.minus(Duration::from_secs(3600)), |moment| moment.0);
    if from >= until {
        return Err(Error::field("until", "must lie after from").into());
    }
    let seconds = until.since(from).as_secs().max(1);
    let finest = u64::from(state.config.sample_period_seconds);
    let step = match step_seconds {
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
    let step = state.engine.history().step(from, step);
    Ok(Span { from, until, step })
}

/// The signals asked for, or all of the entity's.
fn signals(entity: Entity, asked: Option<&str>) -> Result<Vec<Signal>> {
    let Some(asked) = asked else {
        return Ok(signal::of(entity).collect());
    };
    // Each once, however often it is named.
    let words: BTreeSet<&str> = asked.split(',').map(str::trim).collect();
    words
        .into_iter()
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
