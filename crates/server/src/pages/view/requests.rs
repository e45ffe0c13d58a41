//! Asking for a machine, and what became of it.

use super::{Badge, Form, Frame, List, form::Choice, machines::Happened};
use askama::Template;

/// A request in a list.
pub struct RequestRow {
    /// Its page.
    pub href: String,
    /// Name.
    pub name: String,
    /// Whose; for administrators.
    pub owner: String,
    /// State.
    pub badge: Badge,
    /// Size in words.
    pub size: String,
    /// Period in words.
    pub period: String,
    /// When it was made.
    pub made: String,
    /// Why, where a person should know.
    pub reason: Option<String>,
}

/// A person's requests; all of them for administrators.
#[derive(Template)]
#[template(path = "requests.html")]
pub struct Requests {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Administrators see everybody's.
    pub all: bool,
    /// Rows.
    pub rows: Vec<RequestRow>,
}

/// A size with a name.
pub struct SizeChoice {
    /// What is sent.
    pub value: &'static str,
    /// Name.
    pub name: &'static str,
    /// vCPUs.
    pub vcpus: u32,
    /// Memory, GiB.
    pub memory_gib: u32,
    /// Disk, GiB.
    pub disk_gib: u32,
    /// What it is good for.
    pub good_for: &'static str,
}

/// The named sizes; `own` stands for free values.
pub const SIZES: [SizeChoice; 4] = [
    SizeChoice {
        value: "small",
        name: "Small",
        vcpus: 1,
        memory_gib: 1,
        disk_gib: 10,
        good_for: "try something",
    },
    SizeChoice {
        value: "medium",
        name: "Medium",
        vcpus: 2,
        memory_gib: 4,
        disk_gib: 20,
        good_for: "a service",
    },
    SizeChoice {
        value: "large",
        name: "Large",
        vcpus: 4,
        memory_gib: 8,
        disk_gib: 40,
        good_for: "a database, a build",
    },
    SizeChoice {
        value: "huge",
        name: "Very large",
        vcpus: 8,
        memory_gib: 32,
        disk_gib: 100,
        good_for: "data in memory",
    },
];

/// A quick choice of a period.
pub struct PeriodChoice {
    /// What is sent.
    pub value: &'static str,
    /// Name.
    pub name: &'static str,
    /// Last day in words.
    pub until: String,
    /// The same day, ISO.
    pub until_day: String,
}

/// An image to choose.
pub struct ImageChoice {
    /// What is sent.
    pub value: String,
    /// Operating system.
    pub os: String,
    /// Its needs, in words.
    pub needs: String,
}

/// The request form.
#[derive(Template)]
#[template(path = "request_new.html")]
pub struct NewRequest {
    /// Frame.
    pub frame: Frame,
    /// What was typed.
    pub form: Form,
    /// Images that are ready.
    pub images: Vec<ImageChoice>,
    /// Periods from today.
    pub periods: Vec<PeriodChoice>,
    /// Today, ISO.
    pub today: String,
    /// Last day that may be asked for, ISO.
    pub latest: String,
    /// Largest request in words.
    pub largest: String,
    /// What happens at the end of the lease.
    pub end_words: String,
    /// What this person has now.
    pub have: String,
    /// Whether an administrator is looking.
    pub admin: bool,
}

impl Approve {
    /// There is something to choose: more than one host, storage or network.
    pub fn has_choice(&self) -> bool {
        self.fitting.len() > 1 || self.storages.len() > 2 || self.networks.len() > 2
    }
    /// The choice comes back with something wrong.
    pub fn choice_wrong(&self) -> bool {
        ["host", "storage", "network"]
            .iter()
            .any(|name| self.form.bad(name))
    }
}

impl NewRequest {
    /// The named sizes.
    pub fn sizes(&self) -> &'static [SizeChoice] {
        &SIZES
    }
}

/// One request, as its owner sees it.
#[derive(Template)]
#[template(path = "request.html")]
pub struct RequestPage {
    /// Frame.
    pub frame: Frame,
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Why it was refused, failed or waits.
    pub reason: Option<String>,
    /// What happens next.
    pub next: String,
    /// The machine made for it.
    pub vm: Option<String>,
    /// The job that makes it: page, what it is at, 0–100.
    pub job: Option<(String, String, Option<u32>)>,
    /// Facts.
    pub facts: Vec<(&'static str, String)>,
    /// Purpose.
    pub purpose: String,
    /// May be withdrawn.
    pub may_withdraw: bool,
    /// Administrators decide here.
    pub decide: Option<String>,
    /// What happened.
    pub history: Vec<Happened>,
}

/// A request that waits for a decision.
pub struct Waiting {
    /// The page it is decided on.
    pub href: String,
    /// Name.
    pub name: String,
    /// Whose.
    pub owner: String,
    /// State: pending, failed or waiting for room.
    pub badge: Badge,
    /// Size in words.
    pub size: String,
    /// Period in words.
    pub period: String,
    /// First words of the purpose.
    pub purpose: String,
    /// How long it waits.
    pub waits: String,
    /// Why it failed or has no room.
    pub reason: Option<String>,
}

/// Requests that wait for a decision, or for room.
#[derive(Template)]
#[template(path = "inbox.html")]
pub struct Inbox {
    /// Frame.
    pub frame: Frame,
    /// How many wait for a decision.
    pub undecided: u32,
    /// Jobs that can't go on alone: what each is, its page, and why.
    pub stuck: Vec<(String, String, String)>,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Rows.
    pub rows: Vec<Waiting>,
}

/// One resource of one host as a bar: shares of the capacity, 0–1000, and the words.
pub struct Line {
    /// CPU, memory or disk.
    pub label: String,
    /// Promised.
    pub committed: u32,
    /// Really used; none if unknown.
    pub used: Option<u32>,
    /// This request, on top of what is promised.
    pub asked: u32,
    /// In words.
    pub words: String,
}

/// One host on the approval page.
pub struct HostBar {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Its page.
    pub href: String,
    /// State.
    pub badge: Badge,
    /// Where the request would land.
    pub chosen: bool,
    /// Why it can't take it; empty where it can.
    pub refusals: Vec<String>,
    /// Memory, CPU, disk.
    pub lines: Vec<Line>,
    /// How old the figures are, where too old.
    pub age: Option<String>,
}

/// Where a request would land, as identifiers to be sent back, and the host's name.
pub struct Place {
    /// Host.
    pub host: String,
    /// Its name.
    pub host_name: String,
    /// Storage.
    pub storage: String,
    /// Network.
    pub network: String,
}

/// The page a decision is made on.
#[derive(Template)]
#[template(path = "approve.html")]
pub struct Approve {
    /// Frame.
    pub frame: Frame,
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// State.
    pub badge: Badge,
    /// Whose, with login.
    pub owner: String,
    /// The person's mail address.
    pub mail: String,
    /// What the person has already.
    pub owner_has: String,
    /// Why it failed or waits.
    pub reason: Option<String>,
    /// Purpose.
    pub purpose: String,
    /// What is asked for.
    pub facts: Vec<(&'static str, String)>,
    /// Can still be approved.
    pub open: bool,
    /// Can still be refused.
    pub may_refuse: bool,
    /// In a sentence: where it would land and what is left, or that nowhere has room.
    pub verdict: String,
    /// Where it would land; none where no host can take it.
    pub place: Option<Place>,
    /// Hosts.
    pub hosts: Vec<HostBar>,
    /// Hosts that can take it, best first.
    pub fitting: Vec<Choice>,
    /// Storages to choose from.
    pub storages: Vec<Choice>,
    /// Networks to choose from.
    pub networks: Vec<Choice>,
    /// What was typed (reason, choices).
    pub form: Form,
    /// The next one waiting.
    pub next: Option<String>,
}
