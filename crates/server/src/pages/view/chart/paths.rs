//! Points as SVG paths: lines, and areas on top of one another.

use super::{PLOT, Shape, Trace, Window};
use bellwether_model::Timestamp;
use std::{collections::BTreeMap, fmt::Write};

/// From moments and values to the units of the drawing.
pub(super) struct ToPlot<'a> {
    pub(super) window: &'a Window,
    pub(super) top: f64,
}

impl ToPlot<'_> {
    fn x(&self, at: Timestamp) -> f64 {
        PLOT * self.window.share(at)
    }
    fn y(&self, value: f64) -> f64 {
        PLOT * (1.0 - (value / self.top).clamp(0.0, 1.0))
    }
    /// Whether nothing was missed between the two.
    fn joined(&self, before: Timestamp, at: Timestamp) -> bool {
        at.0 - before.0 <= self.window.step.max(1) * 2_500_000
    }
}

/// The highest point there is to draw.
pub(super) fn highest(shape: Shape, traces: &[Trace]) -> f64 {
    let of_traces = |traces: &[Trace]| {
        let values = traces.iter().flat_map(|trace| trace.points.iter());
        values.map(|point| point.1).fold(0.0_f64, f64::max)
    };
    match (shape, traces) {
        (Shape::Stack, [parts @ .., whole]) => rows(parts)
            .values()
            .map(|row| row.iter().sum::<f64>())
            .fold(of_traces(std::slice::from_ref(whole)), f64::max),
        (_, traces) => of_traces(traces),
    }
}

/// A path for each trace.
pub(super) fn lines(to: &ToPlot<'_>, traces: &[Trace]) -> Vec<String> {
    traces.iter().map(|trace| line(to, &trace.points)).collect()
}

fn line(to: &ToPlot<'_>, points: &[(Timestamp, f64)]) -> String {
    let mut out = String::with_capacity(points.len() * 12);
    let mut before: Option<Timestamp> = None;
    for (at, value) in points {
        let joined = before.is_some_and(|before| to.joined(before, *at));
        let pen = if joined { 'L' } else { 'M' };
        let _ = write!(out, "{pen}{:.1} {:.1}", to.x(*at), to.y(*value));
        if !joined {
            out.push_str("h0.1"); // a single point between holes stays visible
        }
        before = Some(*at);
    }
    out
}

/// What each part has at each moment; nothing where it has no point while others have.
fn rows(parts: &[Trace]) -> BTreeMap<Timestamp, Vec<f64>> {
    let mut rows: BTreeMap<Timestamp, Vec<f64>> = BTreeMap::new();
    for (n, part) in parts.iter().enumerate() {
        for (at, value) in &part.points {
            let row = rows.entry(*at).or_insert_with(|| vec![0.0; parts.len()]);
            row[n] = *value;
        }
    }
    rows
}

/// An area for each part, from the bottom, and a line for the whole.
pub(super) fn stack(to: &ToPlot<'_>, traces: &[Trace]) -> Vec<String> {
    let Some((whole, parts)) = traces.split_last() else {
        return Vec::new();
    };
    let rows: Vec<(Timestamp, Vec<f64>)> = rows(parts).into_iter().collect();
    let runs: Vec<_> = rows.chunk_by(|a, b| to.joined(a.0, b.0)).collect();
    let mut paths: Vec<String> = (0..parts.len())
        .map(|part| runs.iter().map(|run| area(to, run, part)).collect())
        .collect();
    paths.push(line(to, &whole.points));
    paths
}

/// A part's area over a run of moments without a hole.
fn area(to: &ToPlot<'_>, run: &[(Timestamp, Vec<f64>)], part: usize) -> String {
    let mut out = String::with_capacity(run.len() * 24);
    let upto = |row: &[f64], parts: usize| row[..parts].iter().sum::<f64>();
    let upper = run.iter().map(|(at, row)| (*at, upto(row, part + 1)));
    let lower = run.iter().rev().map(|(at, row)| (*at, upto(row, part)));
    for (n, (at, value)) in upper.chain(lower).enumerate() {
        let pen = if n == 0 { 'M' } else { 'L' };
        let _ = write!(out, "{pen}{:.1} {:.1}", to.x(at), to.y(value));
    }
    out.push('Z');
    out
}
