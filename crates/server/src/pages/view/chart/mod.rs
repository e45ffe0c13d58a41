//! A graph drawn by the server: lines, ticks and marks as SVG coordinates, and the figures behind them. A module draws
//! the same with a crosshair where scripts run.

mod axes;
mod marks;
mod paths;
#[cfg(test)]
mod tests;

use super::words::{self, Reading};
use crate::graphed::marks::Mark;
use bellwether_model::Timestamp;
use std::collections::BTreeSet;

pub use axes::{Tick, Window};
pub use marks::DrawnMark;

/// Width and height of a plot in the units of its drawing; it is stretched to the page.
const PLOT: f64 = 1000.0;

/// Rows of the table of figures at most.
const ROWS: usize = 30;

/// What the values of a graph are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 1.0 is all of it.
    Share,
    /// Cores.
    Cores,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    Rate,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Unit::Share => "share",
            Unit::Cores => "cores",
            Unit::Bytes => "bytes",
            Unit::Rate => "rate",
        }
    }
    /// A value in words.
    pub fn say(self, value: f64) -> Reading {
        match self {
            Unit::Share => words::percent(value),
            Unit::Cores => Reading::new(words::number(value), "cores"),
            Unit::Bytes => words::bytes(value.max(0.0) as u64),
            Unit::Rate => words::rate(value),
        }
    }
}

/// One line: its label, its name for who asks for its points, its points; a hole in time stays a hole.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Label.
    pub label: String,
    /// A signal, or the VM whose part it is.
    pub key: String,
    /// Points in order of time.
    pub points: Vec<(Timestamp, f64)>,
}

/// How the traces of a graph stand to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line each.
    Lines,
    /// Areas one on top of the other; the last trace is a line, what they are parts of.
    Stack,
}

/// What is to be drawn, but for its points.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Identifier on the page.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// What its values are.
    pub unit: Unit,
    /// How its traces stand to one another.
    pub shape: Shape,
    /// Where the module gets the points, with its query but for the stretch of time.
    pub source: Option<String>,
    /// A value of the source times this is one of `unit`.
    pub scale: f64,
    /// Top of the axis where it is fixed; without one it is the next round value.
    pub ceiling: Option<f64>,
    /// Why there is nothing to draw, if there is not.
    pub empty: &'static str,
    /// Whether its marks have their words beside them.
    pub labels: bool,
}

/// A drawn line or area.
#[derive(Clone, Debug)]
pub struct Line {
    /// Colour class.
    pub class: &'static str,
    /// Whether it is an area.
    pub area: bool,
    /// Label.
    pub label: String,
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
    /// Keys of the traces with their labels, as JSON for the module: `[["cpu","in use"],…]`.
    pub traces_json: String,
    /// Areas on top of each other, under a line.
    pub stacked: bool,
    /// First moment shown, in seconds since 1970, for the module.
    pub from: i64,
    /// Last moment shown; none where it is now, whenever that is.
    pub until: Option<i64>,
    /// Seconds from point to point.
    pub step: i64,
    /// The site's time zone by its IANA name, for the module.
    pub zone: String,
    /// What a value of the source is multiplied by to be one of `unit`.
    pub scale: f64,
    /// Top of the axis where it is fixed (memory the VM has, bytes; 1 for shares), else 0.
    pub ceiling: f64,
    /// Marks for the module: `[[seconds, label, last second or null, kind],…]`.
    pub marks_json: String,
    /// There is room above the plot for the words of marks.
    pub labels: bool,
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
    pub marks: Vec<DrawnMark>,
    /// Figures.
    pub rows: Vec<Row>,
    /// Why there is nothing to draw.
    pub empty: Option<String>,
}

/// Colour classes of lines, in order.
const CLASSES: [&str; 9] = ["s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];

/// Draws `traces` over `window`, with the marks that fall into it.
pub fn draw(plan: Plan, window: &Window, traces: Vec<Trace>, marks: &[Mark]) -> Graph {
    let unit = plan.unit;
    let highest = paths::highest(plan.shape, &traces);
    let top = axes::top(unit, highest, plan.ceiling);
    let to_plot = paths::ToPlot { window, top };
    let stacked = plan.shape == Shape::Stack;
    let paths = match plan.shape {
        Shape::Lines => paths::lines(&to_plot, &traces),
        Shape::Stack => paths::stack(&to_plot, &traces),
    };
    let last = traces.len().wrapping_sub(1);
    let lines =
        traces
            .iter()
            .zip(CLASSES)
            .zip(paths)
            .enumerate()
            .map(|(n, ((trace, class), path))| Line {
                class: if stacked && n == last { "total" } else { class },
                area: stacked && n != last,
                label: trace.label.clone(),
                path,
            });
    let nothing = traces.iter().all(|trace| trace.points.is_empty());
    let now = now(plan.shape, &traces, unit, window);
    let drawn = marks::drawn(marks, window, plan.labels);
    Graph {
        id: plan.id,
        title: plan.title,
        unit: unit.as_str(),
        source: plan.source,
        from: window.from.seconds(),
        until: (!window.follows).then(|| window.to.seconds()),
        step: window.step,
        zone: window.zone.iana_name().unwrap_or("UTC").into(),
        scale: plan.scale,
        traces_json: json(
            &traces
                .iter()
                .map(|trace| (&trace.key, &trace.label))
                .collect::<Vec<_>>(),
        ),
        stacked,
        ceiling: plan.ceiling.unwrap_or(0.0),
        marks_json: json(&marks::for_module(marks, window, plan.labels)),
        labels: plan.labels,
        summary: if nothing {
            format!("{}: {}", plan.title, plan.empty)
        } else {
            format!(
                "{}: last {now}, at most {} in this time.",
                plan.title,
                unit.say(highest).text()
            )
        },
        now,
        y_ticks: axes::values(unit, top),
        x_ticks: axes::times(window),
        marks: drawn,
        lines: lines.collect(),
        rows: rows(&traces, unit, window),
        empty: nothing.then(|| plan.empty.to_string()),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "[]".into())
}

/// The last value of a line; of a stack what all are parts of.
fn now(shape: Shape, traces: &[Trace], unit: Unit, window: &Window) -> String {
    let last = |trace: &Trace| {
        let (at, value) = trace.points.last()?;
        // A value that is older than two missed points is not called the present one.
        let old = window.to.min(window.now).since(*at);
        let missed = i64::try_from(old.as_secs()).unwrap_or(i64::MAX) > window.step * 3;
        let age = missed.then(|| format!(" ({} old)", words::duration(old)));
        Some(unit.say(*value).text() + &age.unwrap_or_default())
    };
    match (shape, traces) {
        (Shape::Stack, [.., whole]) | (Shape::Lines, [whole]) => last(whole).unwrap_or_default(),
        (_, many) => many
            .iter()
            .filter_map(|trace| Some(format!("{} {}", trace.label, last(trace)?)))
            .collect::<Vec<_>>()
            .join(" · "),
    }
}

/// At most about [`ROWS`] rows, newest first.
fn rows(traces: &[Trace], unit: Unit, window: &Window) -> Vec<Row> {
    let times: BTreeSet<Timestamp> = traces
        .iter()
        .flat_map(|trace| trace.points.iter().map(|(at, _)| *at))
        .collect();
    let stride = times.len().div_ceil(ROWS).max(1);
    let value = |trace: &Trace, at: &Timestamp| {
        let found = trace.points.binary_search_by_key(at, |point| point.0);
        found.map_or_else(
            |_| "unknown".into(),
            |index| unit.say(trace.points[index].1).text(),
        )
    };
    times
        .iter()
        .rev()
        .step_by(stride)
        .map(|at| Row {
            time: words::moment(*at, &window.zone),
            values: traces.iter().map(|trace| value(trace, at)).collect(),
        })
        .collect()
}
