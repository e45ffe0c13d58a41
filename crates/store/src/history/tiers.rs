//! The tiers of resolution, and rolling up: from samples to points of average, lowest, highest.

use super::block::Block;
use bellwether_model::policy::HistoryPolicy;

/// One resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Seconds a point stands for; 0 for samples as taken.
    pub(crate) step: i64,
    /// Seconds a block spans: 360 points, but for samples as taken, which close every hour whatever their period.
    pub(crate) span: i64,
}

/// Samples as taken are closed into blocks of this many seconds.
pub(crate) const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// From fine to coarse.
pub(crate) const TIERS: [Tier; 4] = [
    Tier {
        step: 0,
        span: HOUR,
    },
    Tier {
        step: 60,
        span: 6 * HOUR,
    },
    Tier {
        step: 600,
        span: 60 * HOUR,
    },
    Tier {
        step: HOUR,
        span: 15 * DAY,
    },
];

/// Up to this step samples are given as they were taken.
pub(crate) const AS_TAKEN: i64 = 10;

impl Tier {
    /// The block in which `time` (seconds) falls.
    pub(crate) fn block_of(self, time: i64) -> i64 {
        time.div_euclid(self.span) * self.span
    }
    /// Seconds a unit of a block's times stands for.
    fn unit(self) -> i64 {
        self.step.max(1)
    }
}

/// Seconds a block of each tier is kept after its end, from fine to coarse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept([i64; TIERS.len()]);

impl Kept {
    pub(crate) fn of(policy: &HistoryPolicy) -> Self {
        Self([
            i64::from(policy.samples_hours) * HOUR,
            i64::from(policy.minutes_days) * DAY,
            i64::from(policy.ten_minutes_days) * DAY,
            i64::from(policy.hours_days) * DAY,
        ])
    }
    /// Each tier with how long its blocks are kept.
    pub(crate) fn tiers(self) -> impl Iterator<Item = (Tier, i64)> {
        TIERS.into_iter().zip(self.0)
    }
}

/// The coarsest tier that is fine enough for `step`, or a coarser one where that one does not reach back to `from`; with how
/// long it is kept.
pub(crate) fn choose(step: i64, from: i64, newest: i64, kept: Kept) -> (Tier, i64) {
    let mut chosen = (TIERS[0], kept.0[0]);
    for tier in kept.tiers() {
        let fine_enough = tier.0.step <= step;
        let reaches = newest.saturating_sub(from) <= chosen.1;
        if fine_enough || !reaches {
            chosen = tier;
        }
    }
    chosen
}

/// What a span of time held: a sample as taken has weight 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Roll {
    /// Seconds: the beginning of the span.
    pub(crate) time: i64,
    pub(crate) average: f32,
    pub(crate) lowest: f32,
    pub(crate) highest: f32,
    /// How many samples it stands for.
    pub(crate) weight: f32,
}

impl Roll {
    pub(crate) fn sample(time: i64, value: f32) -> Self {
        Self {
            time,
            average: value,
            lowest: value,
            highest: value,
            weight: 1.0,
        }
    }
}

/// Rolls what is in order of time up into points of `step` seconds; a span with nothing in it has no point.
pub(crate) fn roll_up(rolls: impl IntoIterator<Item = Roll>, step: i64) -> Vec<Roll> {
    let mut out: Vec<Roll> = Vec::new();
    // Summed in double precision: a single-precision sum of many large rates loses the small ones.
    let mut sum = 0.0f64;
    for roll in rolls {
        let time = roll.time.div_euclid(step) * step;
        let part = f64::from(roll.average) * f64::from(roll.weight);
        match out.last_mut().filter(|last| last.time == time) {
            Some(last) => {
                sum += part;
                last.weight += roll.weight;
                last.average = (sum / f64::from(last.weight)) as f32;
                last.lowest = last.lowest.min(roll.lowest);
                last.highest = last.highest.max(roll.highest);
            }
            None => {
                sum = part;
                out.push(Roll { time, ..roll });
            }
        }
    }
    out
}

/// Later points over earlier ones: both in order of time, and where both have a time `new` counts.
pub(crate) fn merge(old: Vec<Roll>, new: &[Roll]) -> Vec<Roll> {
    let mut all = old;
    all.retain(|roll| new.binary_search_by_key(&roll.time, |n| n.time).is_err());
    all.extend_from_slice(new);
    all.sort_by_key(|roll| roll.time);
    all
}

/// The points as a block that starts at `start`; what is not in its span is left out.
pub(crate) fn to_block(tier: Tier, start: i64, rolls: &[Roll]) -> Block {
    let inside: Vec<(u16, &Roll)> = rolls
        .iter()
        .filter(|roll| (0..tier.span).contains(&(roll.time - start)))
        .filter_map(|roll| Some((u16::try_from((roll.time - start) / tier.unit()).ok()?, roll)))
        .collect();
    let column = |value: fn(&Roll) -> f32| {
        inside
            .iter()
            .map(|(_, roll)| value(roll))
            .collect::<Vec<f32>>()
    };
    Block {
        times: inside.iter().map(|(time, _)| *time).collect(),
        columns: if tier.step == 0 {
            vec![column(|r| r.average)]
        } else {
            vec![
                column(|r| r.average),
                column(|r| r.lowest),
                column(|r| r.highest),
                column(|r| r.weight),
            ]
        },
    }
}

/// The points of a block that starts at `start`. Columns a later version may add are left alone.
pub(crate) fn from_block(tier: Tier, start: i64, block: &Block) -> Vec<Roll> {
    let time = |index: u16| start + i64::from(index) * tier.unit();
    match &block.columns[..] {
        [average, lowest, highest, weight, ..] => block
            .times
            .iter()
            .zip(average.iter().zip(lowest).zip(highest.iter().zip(weight)))
            .map(
                |(&index, ((&average, &lowest), (&highest, &weight)))| Roll {
                    time: time(index),
                    average,
                    lowest,
                    highest,
                    weight,
                },
            )
            .collect(),
        [values, ..] => block
            .times
            .iter()
            .zip(values)
            .map(|(&index, &value)| Roll::sample(time(index), value))
            .collect(),
        [] => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tier_is_as_coarse_as_asked_and_reaches_back() {
        let now = 1_790_000_000;
        for (step, back, expect) in [
            (10, HOUR, 0),
            (10, 25 * HOUR, 0),
            (59, DAY, 0),
            (60, DAY, 60),
            (10, 8 * DAY, 60),
            (10, 30 * DAY, 600),
            (900, 7 * DAY, 600),
            (10, 365 * DAY, 3600),
            (86_400, DAY, 3600),
            (10, 10 * 365 * DAY, 3600),
        ] {
            let kept = Kept::of(&HistoryPolicy::default());
            assert_eq!(
                choose(step, now - back, now, kept).0.step,
                expect,
                "step {step}, {back} s back"
            );
        }
    }

    #[test]
    fn rolling_up_twice_is_rolling_up_once() {
        let samples: Vec<Roll> = (0..720)
            .filter(|i| !(100..200).contains(i))
            .map(|i| Roll::sample(i * 10, (i % 13) as f32))
            .collect();
        let minutes = roll_up(samples.clone(), 60);
        let (once, twice) = (roll_up(samples, 600), roll_up(minutes, 600));
        assert_eq!(
            once.len(),
            11,
            "two hours less a gap that swallows a whole span"
        );
        for (a, b) in once.iter().zip(&twice) {
            assert!((a.average - b.average).abs() < 1e-4, "{a:?} {b:?}");
            assert_eq!(
                (a.time, a.lowest, a.highest, a.weight),
                (b.time, b.lowest, b.highest, b.weight)
            );
        }
    }

    #[test]
    fn blocks_hold_what_falls_into_them() {
        for tier in TIERS {
            let start = tier.block_of(1_790_000_000);
            let step = tier.step.max(10);
            let rolls: Vec<Roll> = (-2..(tier.span / step) + 2)
                .map(|i| Roll::sample(start + i * step, i as f32))
                .collect();
            let back = from_block(tier, start, &to_block(tier, start, &rolls));
            assert_eq!(back, rolls[2..rolls.len() - 2]);
        }
    }

    #[test]
    fn late_samples_find_their_place() {
        let old = vec![Roll::sample(1, 1.0), Roll::sample(3, 3.0)];
        let merged = merge(old, &[Roll::sample(2, 2.0), Roll::sample(3, 9.0)]);
        assert_eq!(
            merged,
            [
                Roll::sample(1, 1.0),
                Roll::sample(2, 2.0),
                Roll::sample(3, 9.0)
            ]
        );
    }
}
