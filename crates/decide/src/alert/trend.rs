//! When a storage will be full, as it fills now: a straight line through what was used of it lately.

use bellwether_model::Timestamp;
use std::time::Duration;

/// A line through less than this says more of one upload than of a trend.
const SHORTEST: Duration = Duration::from_secs(86_400);
/// So few points are no line.
const FEWEST: usize = 6;

/// When it will be full: the moment at which a line through `used` (bytes at moments, in any order; by least squares)
/// reaches `capacity`. None where it does not fill, or too little is known. Never before `now`.
pub fn full_at(used: &[(Timestamp, u64)], capacity: u64, now: Timestamp) -> Option<Timestamp> {
    let (first, last) = (used.iter().min()?.0, used.iter().max()?.0);
    if used.len() < FEWEST || last.since(first) < SHORTEST {
        return None;
    }
    // Counted from the first, so that the figures stay small.
    let points = used
        .iter()
        .map(|(at, bytes)| (at.since(first).as_secs_f64(), *bytes as f64));
    let count = used.len() as f64;
    let (sum_x, sum_y) = points
        .clone()
        .fold((0.0, 0.0), |(x, y), (at, bytes)| (x + at, y + bytes));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (covariance, variance) = points.fold((0.0, 0.0), |(xy, xx), (at, bytes)| {
        let x = at - mean_x;
        (xy + x * (bytes - mean_y), xx + x * x)
    });
    let slope = covariance / variance;
    if !slope.is_finite() || slope <= 0.0 {
        return None;
    }
    let reached = mean_x + (capacity as f64 - mean_y) / slope;
    // Further away than anybody plans.
    let reached = reached.clamp(0.0, 100.0 * 366.0 * 86_400.0);
    Some(first.plus(Duration::from_secs_f64(reached)).max(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600;
    const GIB: u64 = 1 << 30;

    fn line(hours: i64, from: u64, each: u64) -> Vec<(Timestamp, u64)> {
        let points = (0..=hours).map(|hour| {
            let used = from + each * u64::try_from(hour).unwrap();
            (Timestamp::from_seconds(hour * HOUR), used)
        });
        points.collect()
    }

    #[test]
    fn a_steady_growth_is_full_when_it_reaches_the_capacity() {
        // 100 GiB after 48 h, one more each hour: 200 GiB after 148 h.
        let now = Timestamp::from_seconds(48 * HOUR);
        let full = full_at(&line(48, 52 * GIB, GIB), 200 * GIB, now).unwrap();
        assert_eq!(full.seconds() / HOUR, 148);
    }

    #[test]
    fn what_does_not_fill_or_is_hardly_known_has_no_day() {
        let now = Timestamp::from_seconds(48 * HOUR);
        assert_eq!(full_at(&line(48, GIB, 0), 2 * GIB, now), None);
        assert_eq!(full_at(&line(20, GIB, GIB), 200 * GIB, now), None);
        assert_eq!(full_at(&[], GIB, now), None);
        let mut falling = line(48, GIB, GIB);
        for (at, used) in &mut falling {
            *used = 100 * GIB - at.seconds().unsigned_abs();
        }
        assert_eq!(full_at(&falling, 200 * GIB, now), None);
    }

    proptest! {
        #[test]
        fn it_is_never_full_in_the_past(
            used in prop::collection::vec((0i64..2_000_000, 0u64..1 << 50), 0..80),
            capacity in 0u64..1 << 50,
            now in 0i64..4_000_000,
        ) {
            let used: Vec<_> = used.into_iter().map(|(at, used)| (Timestamp::from_seconds(at), used)).collect();
            let now = Timestamp::from_seconds(now);
            if let Some(full) = full_at(&used, capacity, now) {
                prop_assert!(now <= full);
            }
        }
    }
}
