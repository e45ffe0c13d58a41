//! Hosts: the list, one host, adding one.

use super::{
    Badge, Form, Frame, List, Reading, alerts::OpenAlert, fleet::SeenRow, machines::Happened,
    timeline::Timeline,
};
use askama::Template;

/// A host in the list.
pub struct HostRow {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Why it does not answer.
    pub trouble: Option<String>,
    /// VMs on it.
    pub vms: Reading,
    /// CPU promised of what may be, 0–100.
    pub cpu_committed: u32,
    /// CPU in use, 0–100.
    pub cpu_used: u32,
    /// CPU in words.
    pub cpu: String,
    /// Memory promised, 0–100.
    pub memory_committed: u32,
    /// Memory in use, 0–100.
    pub memory_used: u32,
    /// Memory in words.
    pub memory: String,
    /// Age where too old.
    pub age: Option<String>,
    /// Site.
    pub site: String,
}

/// All hosts.
#[derive(Template)]
#[template(path = "hosts.html")]
pub struct Hosts {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Rows.
    pub rows: Vec<HostRow>,
    /// More than one site.
    pub sites: bool,
}

/// A pool of a host.
pub struct PoolRow {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: String,
    /// Path.
    pub path: String,
    /// Started.
    pub badge: Badge,
    /// "120 of 400 GiB free".
    pub room: String,
    /// The storage it belongs to.
    pub storage: Option<(String, String)>,
    /// As a tick sends it.
    pub value: String,
    /// Storages it could become part of: name, and where to send the tick.
    pub joins: Vec<(String, String)>,
}

/// A bridge or libvirt network of a host.
pub struct CarrierRow {
    /// Name.
    pub name: String,
    /// Bridge or libvirt network.
    pub kind: &'static str,
    /// Up.
    pub badge: Badge,
    /// The network it carries.
    pub network: Option<(String, String)>,
    /// As a tick sends it.
    pub value: String,
    /// Networks it could carry: name, and where to send the tick.
    pub joins: Vec<(String, String)>,
}

/// One host.
#[derive(Template)]
#[template(path = "host.html")]
pub struct HostPage {
    /// Frame.
    pub frame: Frame,
    /// What is open about it.
    pub alerts: Vec<OpenAlert>,
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Address of libvirt.
    pub uri: String,
    /// Why it does not answer.
    pub trouble: Option<String>,
    /// "sampled 4 s ago in 12 ms".
    pub sampled: String,
    /// CPU in use.
    pub cpu: Reading,
    /// Of what.
    pub cpu_under: String,
    /// Memory in use.
    pub memory: Reading,
    /// Of what.
    pub memory_under: String,
    /// vCPUs promised.
    pub promised_cpu: Reading,
    /// Of what.
    pub promised_cpu_under: String,
    /// Memory promised.
    pub promised: Reading,
    /// Of what.
    pub promised_under: String,
    /// What it did.
    pub timeline: Timeline,
    /// Seconds between two renewals of the graphs.
    pub calm: u64,
    /// VMs on it.
    pub vms: Vec<SeenRow>,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
    /// Pools.
    pub pools: Vec<PoolRow>,
    /// Bridges and networks.
    pub carriers: Vec<CarrierRow>,
    /// Put aside now.
    pub maintenance: bool,
    /// Declared off now.
    pub declared_off: bool,
    /// May be declared off (does not answer).
    pub may_declare_off: bool,
    /// Change form.
    pub change: Form,
    /// What went wrong with an act that has no form.
    pub act: Form,
    /// Declaring it off.
    pub off: Form,
    /// Removing it.
    pub remove: Form,
    /// What is still to be done by hand.
    pub missing: Vec<Missing>,
    /// What happened.
    pub history: Vec<Happened>,
}

/// A missing key or certificate, and the commands that put it there.
pub struct Missing {
    /// What.
    pub what: String,
    /// Commands.
    pub commands: Vec<String>,
}

impl From<bellwether_engine::hosts::Advice> for Missing {
    fn from(advice: bellwether_engine::hosts::Advice) -> Self {
        Self {
            what: advice.what,
            commands: advice.commands,
        }
    }
}

/// Adding a host.
#[derive(Template)]
#[template(path = "host_new.html")]
pub struct NewHost {
    /// Frame.
    pub frame: Frame,
    /// What was typed.
    pub form: Form,
    /// What the try found.
    pub found: Vec<(&'static str, String)>,
}

/// A host just added: what is still missing.
#[derive(Template)]
#[template(path = "host_added.html")]
pub struct HostAdded {
    /// Frame.
    pub frame: Frame,
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
    /// Missing keys and certificates.
    pub missing: Vec<Missing>,
}
