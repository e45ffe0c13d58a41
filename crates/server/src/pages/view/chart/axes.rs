//! The axes of a graph: its stretch of time, its top, and what is written beside them.

use super::Unit;
use bellwether_model::Timestamp;

/// The stretch of time a graph shows.
#[derive(Clone, Debug)]
pub struct Window {
    /// Start.
    pub from: Timestamp,
    /// End; may lie ahead.
    pub to: Timestamp,
    /// The present moment.
    pub now: Timestamp,
    /// Whether its end is the present moment, whenever that is.
    pub follows: bool,
    /// Seconds between points; twice that without one is a hole.
    pub step: i64,
    /// The site's time zone.
    pub zone: jiff::tz::TimeZone,
}

impl Window {
    /// Seconds from start to end.
    fn seconds(&self) -> u64 {
        self.to.since(self.from).as_secs()
    }
    /// Where a moment lies between start and end: 0 to 1 inside.
    pub fn share(&self, at: Timestamp) -> f64 {
        let whole = (self.to.0 - self.from.0).max(1) as f64;
        (at.0.saturating_sub(self.from.0)) as f64 / whole
    }
}

/// A tick on an axis.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Where, in percent of the axis from the left or the top.
    pub at: u32,
    /// Label.
    pub label: String,
    /// How the label lies to it: `start`, `middle` or `end`.
    pub anchor: &'static str,
}

/// The top of the axis.
pub(super) fn top(unit: Unit, highest: f64, ceiling: Option<f64>) -> f64 {
    match ceiling.filter(|top| *top > 0.0) {
        Some(top) if highest <= top => top,
        _ => round_up(highest, unit),
    }
}

/// The next round value: 1, 2 or 5 times a power of ten (of 1024-steps for bytes).
fn round_up(value: f64, unit: Unit) -> f64 {
    let mut scale = match unit {
        Unit::Share => return if value <= 1.0 { 1.0 } else { value.ceil() },
        Unit::Cores => 0.001,
        Unit::Bytes | Unit::Rate => 1024.0,
    };
    let step = if unit == Unit::Cores { 1000.0 } else { 1024.0 };
    while value / scale >= step {
        scale *= step;
    }
    let part = value / scale;
    let nice = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, step,
    ];
    scale * nice.into_iter().find(|n| *n >= part).unwrap_or(step)
}

/// Nothing, half and all of `top`, from below.
pub(super) fn values(unit: Unit, top: f64) -> Vec<Tick> {
    [(100, 0.0), (50, 0.5), (0, 1.0)]
        .into_iter()
        .map(|(at, share)| Tick {
            at,
            label: unit.say(top * share).text(),
            anchor: "end",
        })
        .collect()
}

/// Five moments from start to end.
pub(super) fn times(window: &Window) -> Vec<Tick> {
    (0..=4)
        .map(|n| {
            let at = window.from.0 + (window.to.0 - window.from.0) / 4 * i64::from(n);
            Tick {
                at: n * 25,
                label: time_label(Timestamp(at), window),
                anchor: match n {
                    0 => "start",
                    4 => "end",
                    _ => "middle",
                },
            }
        })
        .collect()
}

fn time_label(at: Timestamp, window: &Window) -> String {
    let form = match window.seconds() {
        0..=1_200 => "%H:%M:%S",
        1_201..=172_800 => "%H:%M",
        172_801..=8_640_000 => "%a %-d %b",
        _ => "%-d %b %Y",
    };
    jiff::Timestamp::from_microsecond(at.0)
        .map(|t| t.to_zoned(window.zone.clone()).strftime(form).to_string())
        .unwrap_or_default()
}
