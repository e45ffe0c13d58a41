//! What a move is expected to take, and how right that was.

use super::{Badge, Frame, Reading};
use askama::Template;

/// A forecast in words.
pub struct Foretold {
    /// Whether it ends by itself.
    pub badge: Badge,
    /// Time in all.
    pub total: String,
    /// How long the guest stands still.
    pub downtime: String,
    /// What is sent.
    pub sent: String,
    /// What it rests on.
    pub basis: Vec<String>,
}

/// A move in the picture: across what was expected, up what it took, of 1000.
pub struct Dot {
    /// Across.
    pub x: f64,
    /// Down.
    pub y: f64,
    /// It ended within its range.
    pub within: bool,
}

/// A move in the table.
pub struct Outcome {
    /// Its page.
    pub href: String,
    /// When.
    pub when: String,
    /// The VM.
    pub vm: String,
    /// From, to.
    pub way: String,
    /// Time expected.
    pub expected: String,
    /// Time taken.
    pub took: String,
    /// By how much it was off.
    pub error: String,
    /// Pause expected.
    pub expected_downtime: String,
    /// Pause measured.
    pub downtime: String,
}

/// How right forecasts were.
#[derive(Template)]
#[template(path = "accuracy.html")]
pub struct Accuracy {
    /// Frame.
    pub frame: Frame,
    /// How many moves.
    pub moves: usize,
    /// Figures: label, value, words under it.
    pub figures: Vec<(&'static str, Reading, String)>,
    /// What the edges of the picture stand for.
    pub longest: String,
    /// The picture.
    pub dots: Vec<Dot>,
    /// The newest of them.
    pub rows: Vec<Outcome>,
}
