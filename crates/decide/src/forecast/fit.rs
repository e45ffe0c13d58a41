//! What a guest writes, from how much it wrote at least once within a few times of different length.

use super::Writes;

/// What a guest wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Within so many seconds.
    pub seconds: f64,
    /// Bytes written at least once.
    pub bytes: f64,
}

/// Times within which a hot set may be written, seconds. Shorter than the shortest sample nothing can be told apart, and
/// the quickest of these is taken: a pause is forecast too long rather than too short then.
const WITHIN: [f64; 10] = [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 9.0];

/// A fit must be better by this part of the samples' squares to be preferred to one with a quicker hot set.
const BETTER: f64 = 1e-3;

/// The hot set and the cold rate that explain the samples best (least squares, neither negative). None without samples.
pub fn fit(samples: &[Sample]) -> Option<Writes> {
    let good =
        |sample: &&Sample| sample.seconds > 0.0 && sample.bytes.is_finite() && sample.bytes >= 0.0;
    let samples: Vec<Sample> = samples.iter().filter(good).copied().collect();
    if samples.is_empty() {
        return None;
    }
    let squares: f64 = samples.iter().map(|sample| sample.bytes.powi(2)).sum();
    let mut best: Option<(f64, Writes)> = None;
    for within in WITHIN {
        let writes = fit_within(&samples, within);
        let off: f64 = samples
            .iter()
            .map(|sample| (writes.within(sample.seconds) - sample.bytes).powi(2))
            .sum();
        if best.is_none_or(|(least, _)| off < least - squares * BETTER) {
            best = Some((off, writes));
        }
    }
    best.map(|(_, writes)| writes)
}

/// The same with the time of the hot set given: two unknowns, linear.
fn fit_within(samples: &[Sample], within: f64) -> Writes {
    let (mut ff, mut ft, mut tt, mut fb, mut tb) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for sample in samples {
        let (part, time) = ((sample.seconds / within).min(1.0), sample.seconds);
        ff += part * part;
        ft += part * time;
        tt += time * time;
        fb += part * sample.bytes;
        tb += time * sample.bytes;
    }
    let alone = |hot: f64, cold: f64| Writes {
        hot,
        hot_within: within,
        cold,
    };
    let determinant = ff * tt - ft * ft;
    // One sample, or all of them before the hot set is whole: a rate is all that can be told.
    if determinant < 1e-9 * ff * tt {
        return alone(0.0, tb / tt);
    }
    let hot = (fb * tt - tb * ft) / determinant;
    let cold = (tb * ff - fb * ft) / determinant;
    match (hot >= 0.0, cold >= 0.0) {
        (true, true) => alone(hot, cold),
        (true, false) => alone(fb / ff, 0.0),
        _ => alone(0.0, tb / tt),
    }
}
