//! Moments and days. The clock itself is read in the engine and the server only.

use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// A moment: microseconds since 1970-01-01 UTC. Stored as a plain integer, which sorts alike in both databases.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From whole seconds.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }
    /// Whole seconds, rounded down.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
    /// How long ago `earlier` was; zero where it lies ahead (a clock that stepped back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
    /// This moment moved ahead.
    #[must_use]
    pub fn plus(self, ahead: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(ahead.as_micros()).unwrap_or(i64::MAX)),
        )
    }
    /// This moment moved back.
    #[must_use]
    pub fn minus(self, back: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(back.as_micros()).unwrap_or(i64::MAX)),
        )
    }
    /// RFC 3339 in UTC, whole seconds: `2026-11-24T12:00:00Z`.
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.seconds())
            .map(|t| t.to_string())
            .unwrap_or_else(|_| "out of range".into())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A day of the calendar in the site's time zone; a lease includes its last day.
pub type Day = jiff::civil::Date;

/// The first moment of `day` in the time zone named `zone`.
pub fn day_start(day: Day, zone: &jiff::tz::TimeZone) -> Timestamp {
    zone.to_ambiguous_zoned(day.at(0, 0, 0, 0))
        .compatible()
        .map(|z| Timestamp(z.timestamp().as_microsecond()))
        .unwrap_or_default()
}

/// The first moment after `day`: the end of a lease whose last day is `day`.
pub fn day_end(day: Day, zone: &jiff::tz::TimeZone) -> Timestamp {
    day.tomorrow()
        .map(|next| day_start(next, zone))
        .unwrap_or(Timestamp(i64::MAX))
}

/// The day on which `moment` falls in the time zone.
pub fn day_of(moment: Timestamp, zone: &jiff::tz::TimeZone) -> Day {
    jiff::Timestamp::from_microsecond(moment.0)
        .map(|t| t.to_zoned(zone.clone()).date())
        .unwrap_or(Day::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_after_its_last_day() {
        let zone = jiff::tz::TimeZone::UTC;
        let day: Day = "2026-02-28".parse().unwrap();
        assert_eq!(day_end(day, &zone).rfc3339(), "2026-03-01T00:00:00Z");
        assert_eq!(
            day_of(day_end(day, &zone).minus(Duration::from_micros(1)), &zone),
            day
        );
    }
}
