//! How right forecasts were.

use super::expect::quantile;
use bellwether_model::migration::{Migration, MigrationOutcome};

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
        })
    }
    /// By which part of what it took the forecast was off.
    pub fn error(&self) -> f64 {
        (self.forecast_ms - self.actual_ms).abs() / self.actual_ms.max(1.0)
    }
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
    }
}
