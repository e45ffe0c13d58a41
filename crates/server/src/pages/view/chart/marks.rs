//! What happened, as lines and bands over a graph with their words above it.

use super::Window;
use crate::graphed::marks::Mark;
use bellwether_model::Timestamp;

/// Marks a graph shows at most: the newest; more could not be told apart.
const MOST: usize = 60;

/// Rows of words above a plot.
const ROWS: usize = 3;

/// Percent of the usual plot's width a character of a label takes.
const CHARACTER: f64 = 0.75;

/// A mark as it is drawn.
#[derive(Clone, Debug)]
pub struct DrawnMark {
    /// Where it begins, in percent of the plot's width.
    pub at: String,
    /// How wide it is, in percent, where it lasts.
    pub width: Option<String>,
    /// Its kind, as a class.
    pub kind: &'static str,
    /// Its words; empty where they are written elsewhere or have no room.
    pub label: String,
    /// The row its words are in, from below.
    pub row: usize,
    /// Whether its words end at it rather than begin.
    pub before: bool,
}

fn shown<'a>(marks: &'a [Mark], window: &Window) -> impl Iterator<Item = &'a Mark> {
    let (from, to) = (window.from, window.to);
    let inside = |mark: &&Mark| mark.at <= to && from <= mark.until.unwrap_or(mark.at);
    let all: Vec<&Mark> = marks.iter().filter(inside).collect();
    let skipped = all.len().saturating_sub(MOST);
    all.into_iter().skip(skipped)
}

/// Where a mark's words lie, in percent of the plot's width.
struct Place {
    row: usize,
    before: bool,
}

/// A place for the words of each mark in the first row that has room; moves, power and leases choose before the rest, for
/// those are what the lines are explained by.
fn places(marks: &[&Mark], window: &Window) -> Vec<Option<Place>> {
    let mut taken: [Vec<(f64, f64)>; ROWS] = Default::default();
    let mut order: Vec<usize> = (0..marks.len()).collect();
    order.sort_by_key(|n| (marks[*n].kind, marks[*n].at));
    let mut places: Vec<Option<Place>> = marks.iter().map(|_| None).collect();
    for n in order {
        let at = percent(window, marks[n].at.max(window.from));
        let wide = marks[n].label.chars().count() as f64 * CHARACTER + 1.0;
        let before = at + wide > 100.0;
        let (left, right) = if before {
            (at - wide, at)
        } else {
            (at, at + wide)
        };
        let has_room = |row: &Vec<(f64, f64)>| row.iter().all(|(l, r)| right <= *l || *r <= left);
        if let Some(row) = taken.iter().position(has_room) {
            taken[row].push((left, right));
            places[n] = Some(Place { row, before });
        }
    }
    places
}

fn percent(window: &Window, at: Timestamp) -> f64 {
    window.share(at) * 100.0
}

/// The marks in the window, with their words if wanted.
pub(super) fn drawn(marks: &[Mark], window: &Window, labels: bool) -> Vec<DrawnMark> {
    let marks: Vec<&Mark> = shown(marks, window).collect();
    let places = places(&marks, window);
    let draw = |(mark, place): (&Mark, Option<Place>)| {
        let at = percent(window, mark.at.max(window.from));
        let end = mark
            .until
            .map(|until| percent(window, until.min(window.now).min(window.to)));
        let place = place.filter(|_| labels);
        DrawnMark {
            at: format!("{at:.2}"),
            width: end
                .filter(|end| *end > at)
                .map(|end| format!("{:.2}", end - at)),
            kind: mark.kind.as_str(),
            before: place.as_ref().is_some_and(|place| place.before),
            row: place.as_ref().map_or(0, |place| place.row),
            label: place.map_or_else(String::new, |_| mark.label.clone()),
        }
    };
    marks.iter().copied().zip(places).map(draw).collect()
}

/// A mark as the module draws it: when, its words, its end, its kind.
type ForModule<'a> = (i64, &'a str, Option<i64>, &'static str);

/// The marks in the window.
pub(super) fn for_module<'a>(
    marks: &'a [Mark],
    window: &Window,
    labels: bool,
) -> Vec<ForModule<'a>> {
    let seconds = |at: Timestamp| at.min(window.now).seconds();
    shown(marks, window)
        .map(|mark| {
            let label = if labels { mark.label.as_str() } else { "" };
            let until = mark.until.map(seconds);
            (mark.at.seconds(), label, until, mark.kind.as_str())
        })
        .collect()
}
