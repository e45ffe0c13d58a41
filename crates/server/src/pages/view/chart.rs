//! A graph drawn by the server: lines, ticks and marks as SVG coordinates, and the figures behind them. A module draws
//! the same with a crosshair where scripts run.

use super::words::{self, Reading};
use bellwether_model::Timestamp;

/// Left, right, top and bottom edge of the plot in the drawing's units.
const PLOT: (f64, f64, f64, f64) = (68.0, 634.0, 8.0, 152.0);

/// What the values of a graph are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 1.0 is all of it.
    Share,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    Rate,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Unit::Share => "share",
            Unit::Bytes => "bytes",
            Unit::Rate => "rate",
        }
    }
    /// A value in words.
    pub fn say(self, value: f64) -> Reading {
        match self {
            Unit::Share => words::percent(value),
            Unit::Bytes => words::bytes(value.max(0.0) as u64),
            Unit::Rate => words::rate(value),
        }
    }
}

/// One line: its label, its signal's name in the history, its points; a hole in time stays a hole.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Label.
    pub label: &'static str,
    /// Name in the history.
    pub signal: &'static str,
    /// Points in order of time.
    pub points: Vec<(Timestamp, f64)>,
}

/// Something that happened, on the time axis.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// In a word or two.
    pub label: String,
}

/// The stretch of time a graph shows.
#[derive(Clone, Debug)]
pub struct Window {
    /// Start.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Seconds between points; twice that without one is a hole.
    pub step: i64,
    /// The site's time zone.
    pub zone: jiff::tz::TimeZone,
}

/// A tick on an axis.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Where.
    pub at: i64,
    /// Label.
    pub label: String,
}

/// A drawn line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Colour class.
    pub class: &'static str,
    /// Label.
    pub label: &'static str,
    /// SVG path.
    pub path: String,
}

/// A row of figures.
#[derive(Clone, Debug)]
pub struct Row {
    /// When.
    pub time: String,
    /// One for each line.
    pub values: Vec<String>,
}

/// A graph ready to be printed.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Identifier on the page.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// What the values are, for the module.
    pub unit: &'static str,
    /// Where the module gets the points.
    pub source: Option<String>,
    /// Signals, separated by commas, with their labels: `cpu:CPU`.
    pub signals: String,
    /// First moment shown, in seconds since 1970, for the module.
    pub from: i64,
    /// Seconds from point to point.
    pub step: i64,
    /// The site's time zone by its IANA name, for the module.
    pub zone: String,
    /// What a value of the source is multiplied by to be one of `unit`.
    pub scale: f64,
    /// Top of the axis where it is fixed (memory the VM has, bytes; 1 for shares), else 0.
    pub ceiling: f64,
    /// Marks for the module: `[[seconds,"label"],…]`.
    pub marks_json: String,
    /// The last value.
    pub now: String,
    /// What it shows, in a sentence, for those who can't see it.
    pub summary: String,
    /// Horizontal lines.
    pub y_ticks: Vec<Tick>,
    /// Times.
    pub x_ticks: Vec<Tick>,
    /// Lines.
    pub lines: Vec<Line>,
    /// Marks.
    pub marks: Vec<Tick>,
    /// Figures.
    pub rows: Vec<Row>,
    /// Why there is nothing to draw.
    pub empty: Option<String>,
}

/// Draws `traces` over `window`. A value of `source` times `scale` is one of `traces`. `ceiling` fixes the top of the axis; without one it is the next round value.
#[allow(clippy::too_many_arguments)] // each is one word at its only two callers
pub fn draw(
    (id, title, unit): (&'static str, &'static str, Unit),
    source: Option<String>,
    scale: f64,
    window: &Window,
    traces: Vec<Trace>,
    events: &[Event],
    ceiling: Option<f64>,
    empty: &str,
) -> Graph {
    let highest = traces
        .iter()
        .flat_map(|trace| trace.points.iter().map(|p| p.1))
        .fold(0.0_f64, f64::max);
    let top = ceiling.filter(|top| *top > 0.0).map_or_else(
        || round_up(highest, unit),
        |top| {
            if highest > top {
                round_up(highest, unit)
            } else {
                top
            }
        },
    );
    let (left, right, upper, lower) = PLOT;
    let span = (window.to.0 - window.from.0).max(1) as f64;
    let x = |at: Timestamp| left + (right - left) * (at.0 - window.from.0) as f64 / span;
    let y = |value: f64| lower - (lower - upper) * (value / top).clamp(0.0, 1.0);
    let classes = ["s1", "s2", "s3", "s4"];
    let lines: Vec<Line> = traces
        .iter()
        .zip(classes)
        .map(|(trace, class)| Line {
            class,
            label: trace.label,
            path: path(&trace.points, window.step, &x, &y),
        })
        .collect();
    let last = |trace: &Trace| {
        let (at, value) = trace.points.last()?;
        // A value that is older than two missed points is not called the present one.
        let old = window.to.since(*at);
        let missed = i64::try_from(old.as_secs()).unwrap_or(i64::MAX) > window.step * 3;
        let age = missed.then(|| format!(" ({} old)", words::duration(old)));
        Some(unit.say(*value).text() + &age.unwrap_or_default())
    };
    let now = match traces.as_slice() {
        [one] => last(one).unwrap_or_default(),
        many => many
            .iter()
            .filter_map(|t| Some(format!("{} {}", t.label, last(t)?)))
            .collect::<Vec<_>>()
            .join(" · "),
    };
    let nothing = traces.iter().all(|trace| trace.points.is_empty());
    let highest_text = unit.say(highest).text();
    let marks: Vec<&Event> = events
        .iter()
        .filter(|event| event.at >= window.from && event.at <= window.to)
        .collect();
    Graph {
        id,
        title,
        unit: unit.as_str(),
        source,
        from: window.from.seconds(),
        step: window.step,
        zone: window.zone.iana_name().unwrap_or("UTC").into(),
        scale,
        signals: traces
            .iter()
            .map(|t| format!("{}:{}", t.signal, t.label))
            .collect::<Vec<_>>()
            .join(","),
        ceiling: ceiling.unwrap_or(0.0),
        marks_json: serde_json::to_string(
            &marks
                .iter()
                .map(|event| (event.at.seconds(), &event.label))
                .collect::<Vec<_>>(),
        )
        .unwrap_or_else(|_| "[]".into()),
        summary: if nothing {
            format!("{title}: {empty}")
        } else {
            format!("{title}: last {now}, at most {highest_text} in this time.")
        },
        now,
        y_ticks: [0.0, 0.5, 1.0]
            .iter()
            .map(|share| Tick {
                at: y(top * share).round() as i64,
                label: unit.say(top * share).text(),
            })
            .collect(),
        x_ticks: (0..=4)
            .map(|n| {
                let at = Timestamp(window.from.0 + (window.to.0 - window.from.0) / 4 * n);
                Tick {
                    at: (x(at).round() as i64).clamp(84, 606),
                    label: time_label(at, window),
                }
            })
            .collect(),
        marks: marks
            .iter()
            .map(|event| Tick {
                at: x(event.at).round() as i64,
                label: event.label.clone(),
            })
            .collect(),
        rows: rows(&traces, unit, window),
        lines,
        empty: nothing.then(|| empty.to_string()),
    }
}

fn path(
    points: &[(Timestamp, f64)],
    step: i64,
    x: &impl Fn(Timestamp) -> f64,
    y: &impl Fn(f64) -> f64,
) -> String {
    use std::fmt::Write;
    let hole = step.max(1) * 2_500_000;
    let mut out = String::with_capacity(points.len() * 12);
    let mut before: Option<Timestamp> = None;
    for (at, value) in points {
        let joined = before.is_some_and(|b| at.0 - b.0 <= hole);
        let pen = if joined { 'L' } else { 'M' };
        let _ = write!(out, "{pen}{:.1} {:.1}", x(*at), y(*value));
        if !joined {
            out.push_str("h0.1"); // a single point between holes stays visible
        }
        before = Some(*at);
    }
    out
}

/// The next round value: 1, 2 or 5 times a power of ten (of 1024-steps for bytes).
fn round_up(value: f64, unit: Unit) -> f64 {
    if unit == Unit::Share {
        return if value <= 1.0 { 1.0 } else { value.ceil() };
    }
    let mut scale = 1024.0;
    while value / scale >= 1024.0 {
        scale *= 1024.0;
    }
    let part = value / scale;
    let nice = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1024.0,
    ];
    scale * nice.iter().copied().find(|n| *n >= part).unwrap_or(1024.0)
}

fn time_label(at: Timestamp, window: &Window) -> String {
    let long = window.to.since(window.from).as_secs() > 2 * 86_400;
    jiff::Timestamp::from_microsecond(at.0)
        .map(|t| {
            let zoned = t.to_zoned(window.zone.clone());
            zoned
                .strftime(if long { "%a %-d %b" } else { "%H:%M" })
                .to_string()
        })
        .unwrap_or_default()
}

/// At most about thirty rows, newest first.
fn rows(traces: &[Trace], unit: Unit, window: &Window) -> Vec<Row> {
    let Some(first) = traces.first() else {
        return Vec::new();
    };
    let stride = first.points.len().div_ceil(30).max(1);
    first
        .points
        .iter()
        .rev()
        .step_by(stride)
        .map(|(at, _)| Row {
            time: words::moment(*at, &window.zone),
            values: traces
                .iter()
                .map(|trace| {
                    trace
                        .points
                        .binary_search_by_key(at, |p| p.0)
                        .map_or_else(|_| "unknown".into(), |i| unit.say(trace.points[i].1).text())
                })
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(points: &[(i64, f64)]) -> Graph {
        let window = Window {
            from: Timestamp::from_seconds(0),
            to: Timestamp::from_seconds(3600),
            step: 10,
            zone: jiff::tz::TimeZone::UTC,
        };
        let trace = Trace {
            label: "CPU",
            signal: "cpu",
            points: points
                .iter()
                .map(|(at, value)| (Timestamp::from_seconds(*at), *value))
                .collect(),
        };
        let moved = Event {
            at: Timestamp::from_seconds(1800),
            label: "moved".into(),
        };
        draw(
            ("cpu", "CPU", Unit::Share),
            None,
            1.0,
            &window,
            vec![trace],
            &[moved],
            Some(1.0),
            "no samples yet",
        )
    }

    #[test]
    fn a_hole_in_time_stays_a_hole() {
        let drawn = graph(&[(0, 0.0), (10, 0.5), (3_590, 1.0)]);
        assert_eq!(drawn.lines[0].path.matches('M').count(), 2);
        assert_eq!(drawn.marks[0].at, 351);
        assert_eq!(drawn.now, "100 %");
        assert_eq!(drawn.rows.len(), 3);
    }

    #[test]
    fn a_last_value_that_is_old_says_its_age() {
        assert_eq!(graph(&[(3_500, 0.2), (3_575, 0.5)]).now, "50 %");
        let silent = graph(&[(0, 0.5), (1_200, 0.42)]);
        assert_eq!(silent.now, "42 % (40 min old)");
        assert!(silent.summary.contains("last 42 % (40 min old)"));
    }

    #[test]
    fn nothing_is_said_to_be_nothing() {
        let drawn = graph(&[]);
        assert_eq!(drawn.empty.as_deref(), Some("no samples yet"));
        assert_eq!(drawn.y_ticks[2].label, "100 %");
    }
}
