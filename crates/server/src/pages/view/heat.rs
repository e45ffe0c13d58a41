//! The fleet as a heat map.

use super::{Frame, List, Reading, words};
use crate::graphed::{
    heat::{Cells, HostHeat, average, newest},
    stretch::Way,
};
use askama::Template;
use std::fmt::Write;

/// From which share on a cell has the shade `h1`, `h2`, `h3`, `h4`.
const STEPS: [f32; 4] = [0.1, 0.3, 0.6, 0.85];

/// The same for contention: of what VMs wait a little hurts already.
const STEPS_OF_CONTENTION: [f32; 4] = [0.01, 0.03, 0.08, 0.2];

/// The shade of a share, as a class; `hu` where it is unknown.
pub fn shade(signal: &str, share: Option<f32>) -> &'static str {
    let steps = if signal == "Contention" {
        STEPS_OF_CONTENTION
    } else {
        STEPS
    };
    let Some(share) = share else { return "hu" };
    match steps.iter().filter(|step| **step <= share).count() {
        0 => "h0",
        1 => "h1",
        2 => "h2",
        3 => "h3",
        _ => "h4",
    }
}

/// A signal of a host over time.
pub struct Strip {
    /// What it is.
    pub name: &'static str,
    /// Cells of the same shade, in one path each: class and path, in units of a cell.
    pub paths: Vec<(&'static str, String)>,
    /// Cells in all.
    pub cells: usize,
    /// The average.
    pub average: Reading,
    /// Average and highest, in words.
    pub words: String,
}

impl Strip {
    /// Of these cells; what is next to each other in the same shade is one piece.
    pub fn new(name: &'static str, cells: &Cells, average: Reading, words: String) -> Self {
        let shades: Vec<&'static str> = cells.iter().map(|share| shade(name, *share)).collect();
        let mut paths: Vec<(&'static str, String)> = Vec::new();
        let mut at = 0;
        for run in shades.chunk_by(|a, b| a == b) {
            let class = run[0];
            let known = paths.iter().position(|(known, _)| *known == class);
            let index = known.unwrap_or_else(|| {
                paths.push((class, String::new()));
                paths.len() - 1
            });
            let _ = write!(paths[index].1, "M{at} 0h{}v1H{at}z", run.len());
            at += run.len();
        }
        Self {
            name,
            paths,
            cells: cells.len().max(1),
            average,
            words,
        }
    }
}

/// A host in the map.
pub struct HeatRow {
    /// Its name.
    pub name: String,
    /// Its page.
    pub href: String,
    /// CPU, memory, contention.
    pub strips: Vec<Strip>,
}

/// A host as it is now, small.
pub struct Tile {
    /// Its page.
    pub href: String,
    /// What it is, and its figures.
    pub title: String,
    /// Shades of CPU, memory, contention.
    pub shades: [&'static str; 3],
}

/// The heat map's page.
#[derive(Template)]
#[template(path = "heat.html")]
pub struct Heat {
    /// Frame.
    pub frame: Frame,
    /// The hottest and the emptiest, in a sentence.
    pub summary: String,
    /// Stretches of time.
    pub tabs: Vec<Way>,
    /// Every host as it is now, where there are many.
    pub tiles: Vec<Tile>,
    /// View of the list.
    pub list: List,
    /// Hosts over time.
    pub rows: Vec<HeatRow>,
    /// Seconds between two renewals.
    pub calm: u64,
}

fn reading(share: Option<f32>) -> Reading {
    Reading::or_unknown(
        share.map(|share| words::percent(f64::from(share))),
        "Nothing was measured in this time.",
    )
}

fn strip(name: &'static str, cells: &Cells) -> Strip {
    let known = cells.iter().flatten().copied();
    let highest = known.max_by(f32::total_cmp);
    let words = match (average(cells), highest) {
        (Some(average), Some(highest)) => format!(
            "{name}: {} on average, {} at most",
            words::percent(f64::from(average)).text(),
            words::percent(f64::from(highest)).text()
        ),
        _ => format!("{name}: unknown"),
    };
    Strip::new(name, cells, reading(average(cells)), words)
}

impl HeatRow {
    /// Of a host.
    pub fn of(host: &HostHeat) -> Self {
        Self {
            name: host.name.clone(),
            href: format!("/hosts/{}", host.host),
            strips: vec![
                strip("CPU", &host.cpu),
                strip("Memory", &host.memory),
                strip("Contention", &host.contention),
            ],
        }
    }
}

impl Tile {
    /// Of a host.
    pub fn of(host: &HostHeat) -> Self {
        let [cpu, memory, contention] = host.signals().map(newest);
        let say = |share: Option<f32>| reading(share).text();
        Self {
            href: format!("/hosts/{}", host.host),
            title: format!(
                "{}: CPU {}, memory {}, contention {}",
                host.name,
                say(cpu),
                say(memory),
                say(contention)
            ),
            shades: [
                shade("CPU", cpu),
                shade("Memory", memory),
                shade("Contention", contention),
            ],
        }
    }
}

impl Heat {
    /// Hosts are not told apart by state here.
    fn states(&self) -> &[String] {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_shade_that_touch_are_one_piece() {
        let cells = vec![Some(0.0), Some(0.05), Some(0.9), None, Some(0.02)];
        let strip = Strip::new("CPU", &cells, Reading::default(), String::new());
        assert_eq!(
            strip.paths,
            [
                ("h0", "M0 0h2v1H0zM4 0h1v1H4z".to_string()),
                ("h4", "M2 0h1v1H2z".to_string()),
                ("hu", "M3 0h1v1H3z".to_string()),
            ]
        );
        assert_eq!(shade("Contention", Some(0.25)), "h4");
        assert_eq!(shade("Memory", Some(0.25)), "h1");
    }
}
