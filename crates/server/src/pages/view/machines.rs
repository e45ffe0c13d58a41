//! What the requester sees: their machines, and one machine.

use super::{Badge, Form, Frame, List, Reading, alerts::OpenAlert, timeline::Timeline};
use askama::Template;

/// A machine in the list of one's own.
pub struct Machine {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Why it is in that state, where a person should know.
    pub note: Option<String>,
    /// Size in words.
    pub size: String,
    /// Operating system.
    pub os: String,
    /// Address.
    pub address: String,
    /// How to get in.
    pub ssh: Option<String>,
    /// "12 days left".
    pub left: String,
    /// Last day.
    pub until: String,
    /// Whether it ends within the warning time.
    pub ends_soon: bool,
    /// A request's reason or purpose.
    pub purpose: String,
}

/// A request not yet a machine.
pub struct Awaited {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// What happens next.
    pub next: String,
}

/// My machines.
#[derive(Template)]
#[template(path = "machines.html")]
pub struct Machines {
    /// Frame.
    pub frame: Frame,
    /// Machines.
    pub machines: Vec<Machine>,
    /// Requests on their way.
    pub awaited: Vec<Awaited>,
    /// vCPUs, memory, disk in all.
    pub totals: String,
}

/// A machine in the administrator's list.
pub struct MachineRow {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// Whose.
    pub owner: String,
    /// State.
    pub badge: Badge,
    /// Host.
    pub host: String,
    /// The host's page.
    pub host_href: String,
    /// vCPUs.
    pub vcpus: u32,
    /// Memory.
    pub memory: String,
    /// Disk.
    pub disk: String,
    /// Address.
    pub address: String,
    /// "12 days left".
    pub left: String,
    /// Ends soon.
    pub ends_soon: bool,
}

/// All machines.
#[derive(Template)]
#[template(path = "vms.html")]
pub struct AllMachines {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Rows.
    pub rows: Vec<MachineRow>,
}

/// A line of what happened.
pub struct Happened {
    /// When.
    pub when: String,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// Colour role.
    pub tone: &'static str,
    /// Where it is told in full.
    pub href: Option<String>,
}

/// How to reach the machine's screen.
pub struct Screen {
    /// Host name and port.
    pub place: String,
    /// Password just made.
    pub password: String,
    /// Until when it works.
    pub until: String,
}

/// What runs for the machine now.
pub struct RunningJob {
    /// Its page.
    pub href: String,
    /// What.
    pub text: String,
    /// At what.
    pub doing: String,
    /// 0–100, where known.
    pub percent: Option<u32>,
}

/// One machine.
#[derive(Template)]
#[template(path = "vm.html")]
pub struct Vm {
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
    /// Why, where a person should know.
    pub note: Option<String>,
    /// An alarm: seen on two hosts.
    pub alarm: Option<String>,
    /// The administrator's view.
    pub admin: bool,
    /// Whose, with the page of the person for administrators.
    pub owner: String,
    /// What runs.
    pub job: Option<RunningJob>,
    /// Address.
    pub address: String,
    /// Whether its guest is reachable, in words to follow the address.
    pub reach: &'static str,
    /// ssh line.
    pub ssh: Option<String>,
    /// "by the key you gave" or "with the first password".
    pub key_words: String,
    /// A first password waits to be shown.
    pub has_password: bool,
    /// The first password, now.
    pub password: Option<String>,
    /// Access to the screen, now.
    pub screen: Option<Screen>,
    /// Lease.
    pub lease: String,
    /// Days left.
    pub left: Reading,
    /// Ends soon.
    pub ends_soon: bool,
    /// What happens then.
    pub end_words: String,
    /// May extend, up to this day (ISO).
    pub extend_until: Option<String>,
    /// Extend form.
    pub extend: Form,
    /// What it did.
    pub timeline: Timeline,
    /// Sampled how long ago.
    pub sampled: String,
    /// The live event after which there are new samples: `sampled:` and the host, for who may know it.
    pub sampled_topic: String,
    /// Seconds between two renewals of the graphs.
    pub calm: u64,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
    /// Host and its page, for administrators.
    pub host: Option<(String, String)>,
    /// Purpose.
    pub purpose: String,
    /// Power acts that make sense now: value, word, what it does.
    pub acts: Vec<(&'static str, &'static str, &'static str)>,
    /// What went wrong with an act that has no form.
    pub act: Form,
    /// Its power may be taken away now.
    pub may_force: bool,
    /// Taking its power away.
    pub force: Form,
    /// Its screen can be opened now.
    pub may_screen: bool,
    /// May migrate now.
    pub may_migrate: bool,
    /// May be deleted now.
    pub may_delete: bool,
    /// Delete form.
    pub delete: Form,
    /// What happened, newest first.
    pub history: Vec<Happened>,
    /// Gone or going.
    pub over: bool,
}
