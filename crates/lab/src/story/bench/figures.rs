//! Pairs of measurements, and what can be said of them: medians and their spread, no mean that one outlier moves.

use serde::Serialize;

/// Milliseconds of ours beside those of the peer, pair by pair.
#[derive(Clone, Debug, Default)]
pub(super) struct Pairs(Vec<[f64; 2]>);

/// What can be said of them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Compared {
    /// Milliseconds.
    ours: Spread,
    /// Milliseconds.
    by_hand: Spread,
    /// Ours by the peer's, of each pair.
    ratio: Between,
    /// Ours less the peer's, of each pair, in milliseconds.
    more_ms: Between,
    /// Every pair in turn: ours and by hand.
    pairs: Vec<[f64; 2]>,
}

/// Lower quartile, median, upper quartile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    lower: f64,
    median: f64,
    upper: f64,
}

/// A median with the interval in which the true one is with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Between {
    median: f64,
    from: f64,
    to: f64,
}

impl Pairs {
    pub fn add(&mut self, ours: f64, by_hand: f64) {
        let rounded = |value: f64| (value * 10.0).round() / 10.0;
        self.0.push([rounded(ours), rounded(by_hand)]);
    }

    /// Reckons, and prints what there is to say as a row of a table.
    pub fn told(self, what: &str, peer: &str) -> Compared {
        let column = |index: usize| self.0.iter().map(|pair| pair[index]).collect();
        let each = |of: fn(&[f64; 2]) -> f64| self.0.iter().map(of).collect();
        let compared = Compared {
            ours: spread(column(0)),
            by_hand: spread(column(1)),
            ratio: between(each(|[ours, peer]| ours / peer.max(0.1))),
            more_ms: between(each(|[ours, peer]| ours - peer)),
            pairs: self.0,
        };
        let Compared {
            ours,
            by_hand,
            ratio,
            more_ms,
            ..
        } = &compared;
        println!(
            "| {what} beside {peer} | {} | {:.0} ms ({:.0} to {:.0}) | {:.0} ms ({:.0} to {:.0}) | {:.2} ({:.2} to {:.2}) | {:+.0} ms ({:+.0} to {:+.0}) |",
            compared.pairs.len(),
            ours.median,
            ours.lower,
            ours.upper,
            by_hand.median,
            by_hand.lower,
            by_hand.upper,
            ratio.median,
            ratio.from,
            ratio.to,
            more_ms.median,
            more_ms.from,
            more_ms.to,
        );
        compared
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The value below which this share of the sorted ones lies, between two neighbours in proportion.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = share * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

fn spread(values: Vec<f64>) -> Spread {
    let sorted = sorted(values);
    Spread {
        lower: quantile(&sorted, 0.25),
        median: quantile(&sorted, 0.5),
        upper: quantile(&sorted, 0.75),
    }
}

/// The interval by order statistics, which asks nothing of how the values are distributed.
fn between(values: Vec<f64>) -> Between {
    let sorted = sorted(values);
    let rank = rank(sorted.len());
    let at = |rank: usize| sorted.get(rank).copied().unwrap_or(f64::NAN);
    Between {
        median: quantile(&sorted, 0.5),
        from: at(rank),
        to: at((sorted.len().max(1) - 1).saturating_sub(rank)),
    }
}

/// How many of `count` sorted values can be left out at each end so that the median is between the rest with 95 %
/// confidence: each value is above the true median with an even chance.
fn rank(count: usize) -> usize {
    let mut chance = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut tail = 0.0;
    for rank in 0..count {
        tail += chance;
        if 2.0 * tail > 0.05 {
            return rank.saturating_sub(1);
        }
        chance *= (count - rank) as f64 / (rank + 1) as f64;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_books() {
        // Of 10 sorted values the 2nd to the 9th, of 30 the 10th to the 21st.
        assert_eq!(rank(10), 1);
        assert_eq!(rank(30), 9);
        let told = between((1..=30).rev().map(f64::from).collect());
        assert_eq!((told.median, told.from, told.to), (15.5, 10.0, 21.0));
        // Too few to leave any out: all there is.
        let told = between(vec![3.0, 1.0, 2.0]);
        assert_eq!((told.median, told.from, told.to), (2.0, 1.0, 3.0));
    }

    #[test]
    fn one_wild_value_moves_neither_median_nor_quartiles_far() {
        let told = spread(vec![1.0, 2.0, 3.0, 4.0, 1000.0]);
        assert_eq!((told.lower, told.median, told.upper), (2.0, 3.0, 4.0));
    }

    #[test]
    fn pairs_are_compared_one_by_one() {
        let mut pairs = Pairs::default();
        for (ours, peer) in [(110.0, 100.0), (220.0, 200.0), (330.0, 300.0)] {
            pairs.add(ours, peer);
        }
        let told = pairs.told("a", "b");
        assert!((told.ratio.median - 1.1).abs() < 1e-9);
        assert!((told.more_ms.median - 20.0).abs() < 1e-9);
    }
}
