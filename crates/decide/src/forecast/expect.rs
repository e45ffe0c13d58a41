//! A forecast with its range.

use super::{Copying, Guest, Way, Writes, steered};
use bellwether_model::{
    Timestamp,
    migration::{Convergence, Expected, Forecast},
};
use std::time::Duration;

/// What QEMU and libvirt take besides copying, until a fleet's own moves say otherwise: before the first byte, and from
/// the last to the guest running again, seconds.
const SETTING_UP: f64 = 0.1;
/// The second of them.
pub const HANDING_OVER: f64 = 0.03;

/// Moves from which earlier ones say more than the model alone.
const ENOUGH: usize = 4;

/// A link nobody has measured.
const USUAL_MBIT: u32 = 1_000;

/// How much the range is widened where something is not known: times and divided by it.
const UNKNOWN_LINK: f64 = 2.0;
const UNKNOWN_WRITES: f64 = 1.5;
const KNOWN_WRITES: f64 = 1.1;

/// Bytes a second between two hosts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// A quarter of all moves were slower.
    pub low: f64,
    /// The middle.
    pub middle: f64,
    /// A quarter were faster.
    pub high: f64,
    /// What it rests on.
    pub from: PaceFrom,
}

/// What a pace rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaceFrom {
    /// So many moves on the same way.
    Way(usize),
    /// So many on others.
    Others(usize),
    /// Nothing.
    Assumed,
}

/// How fast a way is, from bytes and seconds of earlier moves on it, newest first, or else of moves on others. A newer one
/// counts more; those of a moment say little: mostly what they took besides copying.
pub fn pace(way: &[(f64, f64)], others: &[(f64, f64)]) -> Pace {
    let (way, others) = (rates(way), rates(others));
    if !way.is_empty() {
        return of_rates(&way, PaceFrom::Way(way.len()), 1.0);
    }
    if !others.is_empty() {
        return of_rates(&others, PaceFrom::Others(others.len()), UNKNOWN_LINK);
    }
    of_rates(
        &[super::goodput(USUAL_MBIT)],
        PaceFrom::Assumed,
        UNKNOWN_LINK,
    )
}

fn rates(moves: &[(f64, f64)]) -> Vec<f64> {
    const LEAST_BYTES: f64 = 32.0 * 1_048_576.0;
    const MOST: usize = 20;
    moves
        .iter()
        .filter(|(bytes, seconds)| *bytes >= LEAST_BYTES && *seconds > SETTING_UP)
        .map(|(bytes, seconds)| bytes / (seconds - SETTING_UP))
        .take(MOST)
        .collect()
}

/// Of at least one.
fn of_rates(rates: &[f64], from: PaceFrom, doubt: f64) -> Pace {
    // Each move before counts three quarters of the one after it.
    let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
    for rate in rates {
        sum += rate * weight;
        weights += weight;
        weight *= 0.75;
    }
    let middle = sum / f64::max(weights, f64::MIN_POSITIVE);
    let (low, high) = (quantile(rates, 0.25), quantile(rates, 0.75));
    // Of a few moves the quarters lie too close together.
    let least = doubt.max(1.0 + 0.2 / (rates.len() as f64).sqrt());
    Pace {
        low: low.min(middle / least),
        middle,
        high: high.max(middle * least),
        from,
    }
}

/// How one that was forecast came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// What it took, of what the model had said.
    pub total: f64,
    /// The same of the pause; none where it was not measured.
    pub downtime: Option<f64>,
}

/// What a forecast is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs<'a> {
    /// Now.
    pub at: Timestamp,
    /// Bytes of memory that have to travel.
    pub memory: f64,
    /// How that is known.
    pub memory_from: &'a str,
    /// What it writes, and how long ago that was measured.
    pub writes: Option<(Writes, Duration)>,
    /// The way.
    pub pace: Pace,
    /// Bytes of disk that are copied along.
    pub disk: f64,
    /// How long the guest may be stopped for copying at most, seconds.
    pub pause: f64,
    /// What may be done besides copying.
    pub way: Way,
    /// How earlier forecasts came out, of this way where there are enough.
    pub past: &'a [Past],
}

/// How copying is expected to go, from how it may go at best to how at worst.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// The way is as quick as in the better quarter of moves, and the guest writes somewhat less than was measured.
    pub light: Copying,
    /// As it was measured.
    pub middle: Copying,
    /// The worse quarter, and somewhat more.
    pub heavy: Copying,
}

/// Follows the move of `inputs` under three assumptions.
pub fn outlook(inputs: &Inputs<'_>) -> Outlook {
    let (writes, doubt) = match inputs.writes {
        Some((writes, _)) => (writes, KNOWN_WRITES),
        // An idle Linux guest writes a few MiB a second.
        None => (idle(), UNKNOWN_WRITES),
    };
    let follow = |writes: Writes, rate: f64| {
        let guest = Guest {
            memory: inputs.memory,
            writes,
        };
        steered(&guest, rate, inputs.pause, inputs.way)
    };
    Outlook {
        light: follow(writes.paced(1.0 / doubt), inputs.pace.high),
        middle: follow(writes, inputs.pace.middle),
        heavy: follow(writes.paced(doubt), inputs.pace.low),
    }
}

/// Whether copying gets ahead of the guest by itself, or if it is held back.
pub fn convergence(inputs: &Inputs<'_>) -> Convergence {
    let by = |way| {
        let inputs = Inputs {
            way,
            ..inputs.clone()
        };
        outlook(&inputs).middle.converges
    };
    if by(Way::PreCopy) {
        Convergence::Converges
    } else if by(Way::Throttled) {
        Convergence::NeedsThrottling
    } else {
        Convergence::WillNot
    }
}

/// What the move will take.
pub fn expect(inputs: &Inputs<'_>) -> Forecast {
    let Outlook {
        light,
        middle: copy,
        heavy,
    } = outlook(inputs);
    let lasts = |copy: Copying, rate: f64| {
        SETTING_UP + inputs.disk / rate.max(1.0) + copy.seconds + HANDING_OVER
    };
    let seconds = lasts(copy, inputs.pace.middle);
    let (fast, slow) = (
        lasts(light, inputs.pace.high),
        lasts(heavy, inputs.pace.low),
    );
    let convergence = convergence(inputs);
    let model_ms = seconds * 1e3;
    let pause_of = |pause: f64| (pause + HANDING_OVER) * 1e3;
    let model_downtime_ms = pause_of(copy.pause);
    let totals: Vec<f64> = inputs.past.iter().map(|past| past.total).collect();
    let pauses: Vec<f64> = inputs
        .past
        .iter()
        .filter_map(|past| past.downtime)
        .collect();
    let total_ms =
        corrected(&totals, model_ms).unwrap_or_else(|| ordered(fast * 1e3, model_ms, slow * 1e3));
    let downtime_ms = corrected(&pauses, model_downtime_ms).unwrap_or_else(|| {
        // The last round is anything from nothing to what the pause allows.
        let most = pause_of(heavy.pause.max(copy.pause));
        ordered(
            pause_of(light.pause.min(copy.pause)),
            model_downtime_ms,
            most,
        )
    });
    Forecast {
        at: inputs.at,
        total_ms,
        downtime_ms,
        bytes: ordered(
            light.bytes + inputs.disk,
            copy.bytes + inputs.disk,
            heavy.bytes + inputs.disk,
        ),
        rounds: copy.rounds,
        convergence,
        model_ms,
        model_downtime_ms,
        basis: basis(inputs, totals.len()),
    }
}

fn idle() -> Writes {
    const MIB: f64 = 1_048_576.0;
    Writes {
        hot: 4.0 * MIB,
        hot_within: 1.0,
        cold: MIB,
    }
}

/// What the model says, by how earlier ones came out; none where there are too few of them.
fn corrected(ratios: &[f64], model: f64) -> Option<Expected> {
    (ratios.len() >= ENOUGH).then(|| {
        let at = |share: f64| model * quantile(ratios, share);
        // No forecast is surer than a twentieth.
        let middle = at(0.5);
        ordered(
            at(0.25).min(middle * 0.95),
            middle,
            at(0.75).max(middle * 1.05),
        )
    })
}

fn ordered(low: f64, middle: f64, high: f64) -> Expected {
    Expected {
        low: low.min(middle),
        middle,
        high: high.max(middle),
    }
}

/// The value below which this share of all lies, between two neighbours in proportion; 0 of none.
pub(super) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = share.clamp(0.0, 1.0) * last as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (at - at.floor())
}

fn basis(inputs: &Inputs<'_>, past: usize) -> Vec<String> {
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / 1_048_576.0);
    let mut said = vec![format!(
        "{} of memory have to travel ({}).",
        mib(inputs.memory),
        inputs.memory_from
    )];
    if inputs.disk > 0.0 {
        said.push(format!("{} of disk are copied before.", mib(inputs.disk)));
    }
    said.push(match inputs.writes {
        Some((writes, ago)) => format!(
            "It writes {} within a second and {} within ten, measured {} min ago.",
            mib(writes.within(1.0)),
            mib(writes.within(10.0)),
            ago.as_secs() / 60
        ),
        None => "What it writes was not measured yet: it is taken for an idle one.".into(),
    });
    let carries = mib(inputs.pace.middle);
    let by = |moves: usize| match moves {
        1 => "one move".to_owned(),
        moves => format!("{moves} moves"),
    };
    said.push(match inputs.pace.from {
        PaceFrom::Way(moves) => format!("The way carries {carries} a second, by {}.", by(moves)),
        PaceFrom::Others(moves) => format!(
            "No move was made this way yet: it is taken to carry {carries} a second, by {} on other ways, and anything from half to twice that.",
            by(moves)
        ),
        PaceFrom::Assumed => format!(
            "No move was made yet: {USUAL_MBIT} Mbit/s are assumed, and anything from half to twice that."
        ),
    });
    if past >= ENOUGH {
        said.push(format!(
            "Corrected by how {past} earlier forecasts came out; half of all moves end within the range."
        ));
    }
    said
}
