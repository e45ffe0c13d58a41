//! The fleet as a picture and as a table.

use super::{Badge, Frame, List};
use askama::Template;

/// A VM as a piece of its host's column.
pub struct Piece {
    /// Its page; none for one we did not make.
    pub href: Option<String>,
    /// Top edge, of 1000.
    pub y: u32,
    /// Height, of 1000.
    pub height: u32,
    /// Shade by CPU in use: `h0`–`h4`, `hu` unknown.
    pub shade: &'static str,
    /// managed, unmanaged, moving, incoming.
    pub kind: &'static str,
    /// What it is, for the pointer: name, memory, CPU.
    pub title: String,
}

/// A host as a column.
pub struct Tower {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Its CPU is contended or its memory promised in full.
    pub tight: bool,
    /// It does not answer.
    pub silent: bool,
    /// Memory promised of offered.
    pub memory: String,
    /// CPU in use.
    pub cpu: String,
    /// How old, where too old.
    pub age: Option<String>,
    /// [`Pieces`], rendered.
    pub pieces: std::sync::Arc<String>,
}

/// The pieces of a column, from the bottom; rendered apart, for those of most hosts are as they were a second ago.
#[derive(Template)]
#[template(path = "fleet_pieces.html")]
pub struct Pieces {
    /// From the bottom.
    pub pieces: Vec<Piece>,
}

/// The hosts as columns; rendered apart, for it is large and the same for everybody who looks in the same moment.
#[derive(Template)]
#[template(path = "fleet_picture.html")]
pub struct Picture {
    /// Hosts.
    pub towers: Vec<Tower>,
}

/// A VM on a host, as `virsh list --all` would show it.
#[derive(Clone, Debug)]
pub struct SeenRow {
    /// Its page; none for one we did not make.
    pub href: Option<String>,
    /// Name.
    pub name: String,
    /// Name in libvirt.
    pub libvirt_name: String,
    /// Whose; empty for unmanaged.
    pub owner: String,
    /// Power state seen.
    pub badge: Badge,
    /// Host.
    pub host: String,
    /// The host's page.
    pub host_href: String,
    /// vCPUs.
    pub vcpus: u32,
    /// CPU in use.
    pub cpu: super::Reading,
    /// Memory.
    pub memory: String,
    /// Memory the guest uses.
    pub used: super::Reading,
    /// Made by us.
    pub managed: bool,
    /// Moving now.
    pub moving: bool,
}

/// The fleet page.
#[derive(Template)]
#[template(path = "fleet.html")]
pub struct Fleet {
    /// Frame.
    pub frame: Frame,
    /// In a sentence.
    pub summary: String,
    /// What needs a person.
    pub alarms: Vec<String>,
    /// Columns.
    pub picture: std::sync::Arc<String>,
    /// View of the table.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Rows.
    pub rows: Vec<SeenRow>,
}

/// A step of the first start.
pub struct Step {
    /// What to do.
    pub title: &'static str,
    /// What it is for.
    pub why: &'static str,
    /// Where.
    pub href: &'static str,
    /// The button.
    pub act: &'static str,
    /// Done already.
    pub done: bool,
    /// The one to do now.
    pub now: bool,
}

/// The first start, by the hand.
#[derive(Template)]
#[template(path = "start.html")]
pub struct Start {
    /// Frame.
    pub frame: Frame,
    /// Steps.
    pub steps: Vec<Step>,
    /// All done.
    pub complete: bool,
}

/// Something found.
pub struct Hit {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// More words.
    pub more: String,
}

/// What the search found.
#[derive(Template)]
#[template(path = "search.html")]
pub struct Search {
    /// Frame.
    pub frame: Frame,
    /// What was looked for.
    pub q: String,
    /// Found.
    pub hits: Vec<Hit>,
    /// More than shown.
    pub more: bool,
}
