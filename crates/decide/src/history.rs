//! What measurements will take on disk, before they do.

use bellwether_model::policy::HistoryPolicy;
use std::time::Duration;

/// That measurements are not kept, and what it means: `why` is a sentence.
pub fn stopped_words(why: &str) -> String {
    format!("{why} Graphs have a gap until this is mended; everything else goes on.")
}

/// Series that are measured at the same pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many.
    pub series: u64,
    /// Time between two samples.
    pub every: Duration,
}

/// Bytes a point takes in a closed block, its share of keys, indexes and free pages included: samples as taken, then points a
/// minute, every ten minutes and an hour, each of them an average, a lowest, a highest and a weight. Measured on a trace of
/// real VMs (docs/benchmarks.md, "What measurements take": blocks of 1.2, 4.0, 3.4 and 2.8 bytes a point in a file 1.45 times
/// as large); a calm fleet takes less.
const BYTES_A_POINT: [f64; 4] = [1.8, 5.9, 5.0, 4.1];

/// Bytes a sample takes while its hour is not over: its series' number and value, before compression.
const BYTES_IN_THE_JOURNAL: f64 = 6.0;

/// Bytes, by how fine they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Samples as they were taken, with those of the hour that is not over.
    pub samples: u64,
    /// Points a minute.
    pub minutes: u64,
    /// Points every ten minutes.
    pub ten_minutes: u64,
    /// Points an hour.
    pub hours: u64,
}

impl Need {
    /// In all.
    pub fn total(&self) -> u64 {
        [self.samples, self.minutes, self.ten_minutes, self.hours]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// What `policy` will take once everything is as old as it is kept, with as many series as now.
pub fn need(policy: &HistoryPolicy, loads: &[Load]) -> Need {
    const HOUR: f64 = 3_600.0;
    const DAY: f64 = 24.0 * HOUR;
    // Of series that are measured seldomer than that, there is a point for each sample.
    let points = |seconds: f64, step: f64| {
        let of_load = |load: &Load| {
            let every = load.every.as_secs_f64().max(step).max(1.0);
            load.series as f64 * seconds / every
        };
        loads.iter().map(of_load).sum::<f64>()
    };
    let days = |days: u32, step: f64, tier: usize| {
        (points(f64::from(days) * DAY, step) * BYTES_A_POINT[tier]) as u64
    };
    let samples = points(f64::from(policy.samples_hours) * HOUR, 0.0) * BYTES_A_POINT[0];
    let journal = points(HOUR, 0.0) * BYTES_IN_THE_JOURNAL;
    Need {
        samples: (samples + journal) as u64,
        minutes: days(policy.minutes_days, 60.0, 1),
        ten_minutes: days(policy.ten_minutes_days, 600.0, 2),
        hours: days(policy.hours_days, HOUR, 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(series: u64, seconds: u64) -> Load {
        Load {
            series,
            every: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn it_grows_with_what_is_kept_and_with_who_is_measured() {
        let usual = HistoryPolicy::default();
        let few = need(&usual, &[load(1_000, 10)]);
        let many = need(&usual, &[load(500, 10), load(1_500, 10)]);
        assert!(
            many.total().abs_diff(few.total() * 2) < 8,
            "{few:?} {many:?}"
        );
        let longer = HistoryPolicy {
            hours_days: 1_464,
            ..usual
        };
        let longer = need(&longer, &[load(1_000, 10)]);
        assert!(longer.hours.abs_diff(few.hours * 2) < 2 && longer.samples == few.samples);
        assert_eq!(need(&usual, &[]).total(), 0);
    }

    #[test]
    fn what_is_seldom_measured_takes_little() {
        let usual = HistoryPolicy::default();
        let (often, seldom) = (need(&usual, &[load(10, 10)]), need(&usual, &[load(10, 30)]));
        assert!(
            often.samples.abs_diff(seldom.samples * 3) < 4,
            "{often:?} {seldom:?}"
        );
        assert_eq!(often.minutes, seldom.minutes);
        // A century with absurd numbers is a number.
        let absurd = HistoryPolicy {
            hours_days: u32::MAX,
            ..usual
        };
        assert!(need(&absurd, &[load(u64::MAX, 0)]).total() > 0);
    }
}
