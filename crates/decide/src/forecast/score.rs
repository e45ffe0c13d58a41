//! How right forecasts were.

use super::{HANDING_OVER, expect::quantile};
use bellwether_model::migration::{
    Expected, Forecast, Migration, MigrationOutcome, MigrationProgress,
};

/// A forecast beside what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// What was expected, milliseconds.
    pub forecast_ms: f64,
    /// What it took.
    pub actual_ms: f64,
    /// The pause, both; none where it was not measured.
    pub downtime: Option<(f64, f64)>,
    /// Whether it ended within its range.
    pub within_range: bool,
    /// Whether it kept to what its policy allows; none where that can't be told.
    pub kept_its_intent: Option<bool>,
}

impl Scored {
    /// Of a move that was forecast and is over; none of others.
    pub fn of(migration: &Migration) -> Option<Self> {
        let forecast = migration.forecast.as_ref()?;
        if migration.outcome != MigrationOutcome::Completed {
            return None;
        }
        let actual_ms = migration.total_ms? as f64;
        let expected = forecast.total_ms;
        Some(Self {
            forecast_ms: expected.middle,
            actual_ms,
            downtime: migration
                .downtime_ms
                .map(|actual| (forecast.downtime_ms.middle, actual as f64)),
            within_range: (expected.low..=expected.high).contains(&actual_ms),
            kept_its_intent: migration.kept_its_intent(),
        })
    }
    /// By which part of what it took the forecast was off.
    pub fn error(&self) -> f64 {
        (self.forecast_ms - self.actual_ms).abs() / self.actual_ms.max(1.0)
    }
}

/// Milliseconds left of a move that is under way: at its present pace where that leads to an end, else what the forecast
/// leaves; as wide as the forecast was.
pub fn left_ms(forecast: &Forecast, now: &MigrationProgress) -> Expected {
    let total = forecast.total_ms;
    let by_forecast = (total.middle - now.elapsed_ms as f64).max(0.0);
    let middle = now.left_ms.map_or(by_forecast, |left| left as f64);
    let of = |edge: f64| match total.middle > 0.0 {
        true => middle * edge / total.middle,
        false => middle,
    };
    Expected {
        low: of(total.low),
        middle,
        high: of(total.high),
    }
}

/// Milliseconds for which guests stood still besides copying, in nine of ten moves: what was measured beyond what copying
/// was expected to take. None of fewer than four, which say too little.
pub fn handing_over_ms(moves: &[&Migration]) -> Option<f64> {
    let besides = moves.iter().filter_map(|migration| {
        let forecast = migration.forecast.as_ref()?;
        let copying = forecast.model_downtime_ms - HANDING_OVER * 1e3;
        Some((migration.downtime_ms? as f64 - copying).max(0.0))
    });
    let besides: Vec<f64> = besides.collect();
    (besides.len() >= 4).then(|| quantile(&besides, 0.9))
}

/// How right they were together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// Moves that were forecast and completed.
    pub moves: usize,
    /// Half of the forecasts of the whole time were off by less than this part of it.
    pub median_error: f64,
    /// Nine of ten were.
    pub p90_error: f64,
    /// Share of moves that ended within their range.
    pub within_range: f64,
    /// Share of pauses that were forecast within a factor of 1.5, of those measured; none where none was.
    pub downtime_near: Option<f64>,
    /// Share of moves that kept to what their policy allows, of those of which that can be told; none of none.
    pub intents_kept: Option<f64>,
}

/// Scores all of these.
pub fn accuracy(scored: &[Scored]) -> Accuracy {
    let errors: Vec<f64> = scored.iter().map(Scored::error).collect();
    let share = |right: usize, of: usize| (of > 0).then(|| right as f64 / of as f64);
    let near = |(forecast, actual): &(f64, f64)| {
        let factor = forecast.max(1.0) / actual.max(1.0);
        (1.0 / 1.5..=1.5).contains(&factor)
    };
    let pauses: Vec<(f64, f64)> = scored.iter().filter_map(|scored| scored.downtime).collect();
    let kept: Vec<bool> = scored
        .iter()
        .filter_map(|scored| scored.kept_its_intent)
        .collect();
    let within = scored.iter().filter(|scored| scored.within_range).count();
    Accuracy {
        moves: scored.len(),
        median_error: quantile(&errors, 0.5),
        p90_error: quantile(&errors, 0.9),
        within_range: share(within, scored.len()).unwrap_or(0.0),
        downtime_near: share(
            pauses.iter().filter(|pause| near(pause)).count(),
            pauses.len(),
        ),
        intents_kept: share(kept.iter().filter(|kept| **kept).count(), kept.len()),
    }
}
