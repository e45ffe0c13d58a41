//! Plans: a host is emptied, and filled again.

use super::{Badge, Form, Frame};
use askama::Template;

/// A move of a plan, as a bar and as a row of the table.
pub struct StepRow {
    /// The VM.
    pub vm: String,
    /// Its page.
    pub href: String,
    /// From and to.
    pub way: String,
    /// How it stands.
    pub badge: Badge,
    /// Where the bar begins, thousandths of the picture.
    pub x: f64,
    /// How long it is.
    pub width: f64,
    /// Its row in the picture, thousandths of its height.
    pub y: usize,
    /// When it begins and ends.
    pub begins: String,
    /// See above.
    pub ends: String,
    /// Its migration.
    pub migration: Option<String>,
    /// Why it is not made, or failed last.
    pub why: Option<String>,
}

/// A VM that can't leave.
pub struct BlockedRow {
    /// The VM.
    pub vm: String,
    /// Its page, where it is one of ours.
    pub href: Option<String>,
    /// Why.
    pub why: Vec<String>,
    /// What would let it.
    pub unblock: String,
}

/// A plan in a picture.
pub struct Gantt {
    /// Moves by their start.
    pub steps: Vec<StepRow>,
    /// Height of the picture, in its own units.
    pub height: usize,
    /// How long all of it takes.
    pub length: String,
    /// Where now is, thousandths; none before it begins and after it ended.
    pub now: Option<f64>,
}

/// What emptying a host would take.
#[derive(Template)]
#[template(path = "drain.html")]
pub struct DrainPage {
    /// Frame.
    pub frame: Frame,
    /// The host.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The plan.
    pub gantt: Gantt,
    /// Who stands in the way.
    pub blocked: Vec<BlockedRow>,
    /// What it takes, in a sentence.
    pub words: String,
    /// What went wrong.
    pub form: Form,
}

/// A plan that is carried out, or was.
#[derive(Template)]
#[template(path = "plan.html")]
pub struct PlanPage {
    /// Frame.
    pub frame: Frame,
    /// Its page.
    pub href: String,
    /// What it is, in words.
    pub title: String,
    /// The host.
    pub host: String,
    /// The host's page.
    pub host_href: String,
    /// How it stands.
    pub badge: Badge,
    /// Its moves are being made.
    pub running: bool,
    /// No more are begun.
    pub stopping: bool,
    /// How far it is, in a sentence.
    pub words: String,
    /// The moves.
    pub gantt: Gantt,
    /// Who stands in the way.
    pub blocked: Vec<BlockedRow>,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
}

/// A plan in the list.
pub struct PlanRow {
    /// Its page.
    pub href: String,
    /// When it began.
    pub when: String,
    /// What it is.
    pub what: String,
    /// How it stands.
    pub badge: Badge,
    /// Moved, of all.
    pub moved: String,
    /// How long it took.
    pub took: String,
}

/// Plans, newest first.
#[derive(Template)]
#[template(path = "plans.html")]
pub struct Plans {
    /// Frame.
    pub frame: Frame,
    /// The newest.
    pub rows: Vec<PlanRow>,
}
