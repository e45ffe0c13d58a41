//! Graphs of one thing over the same stretch of time, one below the other, with what happened meanwhile.

use super::{chart::Graph, machines::Happened, words};
use crate::graphed::{
    marks::Mark,
    stretch::{Stretch, Way},
};
use bellwether_model::Timestamp;

/// The graphs, and the ways to other stretches.
pub struct Timeline {
    /// Named stretches of time.
    pub tabs: Vec<Way>,
    /// Ways to other stretches.
    pub ways: Vec<Way>,
    /// The stretch that is shown, in words.
    pub shown: String,
    /// Graphs.
    pub graphs: Vec<Graph>,
    /// What happened, newest first.
    pub marks: Vec<Happened>,
}

impl Timeline {
    /// Graphs of one stretch; `lease` where the time the thing was given can be shown.
    pub fn new(
        stretch: &Stretch,
        lease: bool,
        graphs: Vec<Graph>,
        marks: &[Mark],
        now: Timestamp,
        zone: &jiff::tz::TimeZone,
    ) -> Self {
        let line = |mark: &Mark| Happened {
            when: words::moment(mark.at, zone),
            who: mark.who.clone(),
            what: mark.text.clone(),
            tone: "",
            href: None,
        };
        let shown = [stretch.from, stretch.to].map(|at| words::moment(at, zone));
        Self {
            tabs: stretch.tabs(lease),
            ways: stretch.ways(now),
            shown: if stretch.follows {
                String::new()
            } else {
                shown.join(" – ")
            },
            graphs,
            marks: marks.iter().rev().map(line).collect(),
        }
    }
}
