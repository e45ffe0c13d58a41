//! What moves are expected to take, in words; and how right that was.

use super::{
    gather,
    site::{AdminVisit, show},
    view::{
        Reading,
        forecast::{Accuracy, Dot, Foretold, Outcome},
        words,
    },
};
use crate::{error::Result, names::Directory};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::forecast;
use bellwether_model::migration::{Convergence, Expected, Forecast};

/// Rows of the table; the picture shows them all.
const ROWS: usize = 50;

/// A range as people say it: `12 s (10–15 s)`.
pub(super) fn range(expected: Expected, say: impl Fn(f64) -> Reading) -> String {
    let (low, middle, high) = (
        say(expected.low),
        say(expected.middle).text(),
        say(expected.high),
    );
    if low.unit == high.unit {
        return format!("{middle} ({}–{})", low.value, high.text());
    }
    format!("{middle} ({}–{})", low.text(), high.text())
}

pub(super) fn ms(ms: f64) -> Reading {
    words::milliseconds(ms.round() as u64)
}

fn sent(bytes: f64) -> Reading {
    words::bytes(bytes.round() as u64)
}

/// A forecast in words.
pub(super) fn foretold(forecast: &Forecast) -> Foretold {
    let mut basis = forecast.basis.clone();
    match forecast.convergence {
        Convergence::Converges => {}
        Convergence::NeedsThrottling => basis.push(
            "It writes faster than the way carries: unless it is held back, copying does not end by itself.".into(),
        ),
        Convergence::WillNot => basis.push(
            "It writes far faster than the way carries: copying does not end while it does.".into(),
        ),
    }
    Foretold {
        badge: forecast.convergence.into(),
        total: range(forecast.total_ms, ms),
        downtime: range(forecast.downtime_ms, ms),
        sent: range(forecast.bytes, sent),
        basis,
    }
}

/// How right forecasts were.
pub async fn accuracy(visit: AdminVisit) -> Result<Response> {
    let engine = visit.engine();
    let hindsight = forecast::hindsight(engine, &visit.admin).await?;
    let vms = hindsight.moves.iter().map(|(migration, _)| migration.vm);
    let names = Directory::load(engine)
        .await?
        .with_vms(engine, vms.collect())
        .await?;
    let found = hindsight.accuracy;
    let share = |share: f64| words::percent(share);
    let figures = vec![
        (
            "Off by, in the middle",
            share(found.median_error),
            "of what it took: half were nearer".into(),
        ),
        (
            "Nine of ten within",
            share(found.p90_error),
            "of what it took".into(),
        ),
        (
            "Ended within the range",
            share(found.within_range),
            "half would be as forecast".into(),
        ),
        (
            "Pause foretold",
            Reading::or_unknown(found.downtime_near.map(share), "No pause was measured."),
            "within a factor of 1.5".into(),
        ),
        (
            "Kept to their policy",
            Reading::or_unknown(
                found.intents_kept.map(share),
                "Of none can that be told yet.",
            ),
            "pause and time, of those that got through".into(),
        ),
    ];
    let longest = hindsight
        .moves
        .iter()
        .map(|(_, scored)| scored.forecast_ms.max(scored.actual_ms))
        .fold(1.0, f64::max);
    let dots = hindsight.moves.iter().map(|(_, scored)| Dot {
        x: scored.forecast_ms / longest * 1000.0,
        y: 1000.0 - scored.actual_ms / longest * 1000.0,
        within: scored.within_range,
    });
    let rows = hindsight
        .moves
        .iter()
        .take(ROWS)
        .filter_map(|(migration, scored)| {
            let forecast = migration.forecast.as_ref()?;
            Some(Outcome {
                href: format!("/migrations/{}", migration.id),
                when: words::moment(migration.started_at, engine.zone()),
                vm: names.vm(migration.vm).unwrap_or_else(|| "a machine".into()),
                way: format!(
                    "{} → {}",
                    gather::or_removed(names.host(migration.source), "host"),
                    gather::or_removed(names.host(migration.target), "host")
                ),
                expected: range(forecast.total_ms, ms),
                took: ms(scored.actual_ms).text(),
                error: words::percent(scored.error()).text(),
                expected_downtime: range(forecast.downtime_ms, ms),
                downtime: migration
                    .downtime_ms
                    .map_or("unknown".into(), |took| words::milliseconds(took).text()),
            })
        });
    show(&Accuracy {
        frame: visit
            .page("How right forecasts were", "/migrations")
            .await?,
        moves: found.moves,
        figures,
        longest: ms(longest).text(),
        dots: dots.collect(),
        rows: rows.collect(),
    })
}
