//! Storages and networks: the lists with what was found on the hosts, and one of them.

use super::{Badge, Form, Frame, List, form::Choice, machines::Happened};
use askama::Template;

/// A member of a storage or network.
pub struct Member {
    /// Host.
    pub host: String,
    /// The host's page.
    pub host_href: String,
    /// Pool or carrier.
    pub what: String,
    /// Proven, active.
    pub badge: Badge,
    /// Room or more words.
    pub more: String,
}

/// Something found on a host that is part of this one, or of none of ours yet.
pub struct Found {
    /// What the tick sends: host and name.
    pub value: String,
    /// Host.
    pub host: String,
    /// Name there.
    pub name: String,
    /// Kind, path, room.
    pub words: String,
    /// Up.
    pub badge: Badge,
    /// Ticked.
    pub ticked: bool,
}

/// A storage or network in its list.
pub struct PlaceRow {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Shared or local; or the addresses.
    pub kind: String,
    /// Hosts that have it.
    pub hosts: usize,
    /// Room, or addresses left.
    pub free: String,
    /// Machines on it.
    pub machines: usize,
}

/// Storages.
#[derive(Template)]
#[template(path = "storages.html")]
pub struct Storages {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Ours.
    pub rows: Vec<PlaceRow>,
    /// Found.
    pub found: Vec<Found>,
    /// What was typed.
    pub form: Form,
    /// Whether a host has answered yet.
    pub any_host: bool,
}

impl Storages {
    /// Kinds to choose from.
    pub fn kinds(&self) -> Vec<Choice> {
        vec![
            Choice::new(
                "shared",
                "shared: every host sees the same volumes (proven at once)",
            ),
            Choice::new("local", "local: each host has its own volumes"),
        ]
    }
}

/// One storage.
#[derive(Template)]
#[template(path = "storage.html")]
pub struct StoragePage {
    /// Frame.
    pub frame: Frame,
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// In a sentence.
    pub words: String,
    /// State.
    pub badge: Badge,
    /// Members.
    pub members: Vec<Member>,
    /// Can be proven again.
    pub may_prove: bool,
    /// What went wrong with proving or removing it.
    pub act: Form,
    /// Pools that are or could be its members.
    pub found: Vec<Found>,
    /// What was ticked, and what is wrong with it.
    pub change: Form,
    /// What happened.
    pub history: Vec<Happened>,
}

/// Networks.
#[derive(Template)]
#[template(path = "networks.html")]
pub struct Networks {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Ours.
    pub rows: Vec<PlaceRow>,
    /// Found.
    pub found: Vec<Found>,
    /// What was typed.
    pub form: Form,
    /// Hosts, for a bridge that is not listed: identifier and name.
    pub hosts: Vec<Choice>,
    /// Whether a host has answered yet.
    pub any_host: bool,
}

/// One network.
#[derive(Template)]
#[template(path = "network.html")]
pub struct NetworkPage {
    /// Frame.
    pub frame: Frame,
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// In a sentence.
    pub words: String,
    /// Addresses and more.
    pub facts: Vec<(&'static str, String)>,
    /// Members.
    pub members: Vec<Member>,
    /// What went wrong with removing it.
    pub act: Form,
    /// Carriers that are or could be its members.
    pub found: Vec<Found>,
    /// Hosts, for a bridge that is not listed: identifier and name.
    pub hosts: Vec<Choice>,
    /// What was typed, and what is wrong with it.
    pub change: Form,
    /// What happened.
    pub history: Vec<Happened>,
}
