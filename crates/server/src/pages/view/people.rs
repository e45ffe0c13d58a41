//! People, policy, audit.

use super::{super::alert_policy, Badge, Form, Frame, List};
use askama::Template;
use bellwether_model::alert::Rule;

/// A person in the list.
pub struct PersonRow {
    /// Identifier.
    pub id: String,
    /// Login.
    pub login: String,
    /// Name.
    pub full_name: String,
    /// Mail address.
    pub mail: String,
    /// State.
    pub badge: Badge,
    /// Administrator.
    pub admin: bool,
    /// VMs.
    pub vms: u32,
    /// vCPUs.
    pub vcpus: u32,
    /// vCPUs in use, where it is known.
    pub used_vcpus: Option<String>,
    /// Memory.
    pub memory: String,
    /// Memory the guests use, where it is known.
    pub used_memory: Option<String>,
    /// Disk.
    pub disk: String,
    /// Since.
    pub since: String,
    /// May be let in.
    pub may_activate: bool,
    /// May be shut out.
    pub may_disable: bool,
    /// The one who looks.
    pub me: bool,
}

/// People.
#[derive(Template)]
#[template(path = "people.html")]
pub struct People {
    /// Frame.
    pub frame: Frame,
    /// View of the list.
    pub list: List,
    /// States to choose from.
    pub states: Vec<String>,
    /// Rows.
    pub rows: Vec<PersonRow>,
}

/// Policy.
#[derive(Template)]
#[template(path = "policy.html")]
pub struct PolicyPage {
    /// Frame.
    pub frame: Frame,
    /// Values.
    pub form: Form,
    /// What measurements take on disk, now and if they are kept as the form says.
    pub history: String,
    /// Version they are of.
    pub version: i64,
}

impl PolicyPage {
    /// What alerts watch for: the name of its box, and its words.
    pub fn rules(&self) -> Vec<(String, &'static str)> {
        let rules = Rule::ALL.iter();
        rules
            .map(|rule| (alert_policy::box_of(*rule), rule.words()))
            .collect()
    }
}

/// A line of the audit log.
pub struct AuditRow {
    /// Order.
    pub seq: i64,
    /// When.
    pub when: String,
    /// Who.
    pub who: String,
    /// What.
    pub action: String,
    /// In words.
    pub text: String,
    /// What it is about.
    pub href: Option<String>,
}

/// The audit log.
#[derive(Template)]
#[template(path = "audit.html")]
pub struct Audit {
    /// Frame.
    pub frame: Frame,
    /// Login looked for.
    pub login: String,
    /// Kind looked for.
    pub about: String,
    /// Rows, newest first.
    pub rows: Vec<AuditRow>,
    /// Older ones.
    pub older: Option<String>,
    /// Not the newest.
    pub newest: bool,
    /// Something wrong with the filter.
    pub problem: Option<String>,
}

impl Audit {
    /// Kinds to choose from.
    pub fn kinds(&self) -> [&'static str; 9] {
        [
            "request", "vm", "host", "storage", "network", "image", "user", "policy", "job",
        ]
    }
}

/// The style guide of a debug build: each component in every state.
#[derive(Template)]
#[template(path = "styleguide.html")]
pub struct StyleGuide {
    /// Frame.
    pub frame: Frame,
    /// Every badge.
    pub badges: Vec<(&'static str, Vec<Badge>)>,
    /// A form with an error in it.
    pub form: Form,
    /// Readings.
    pub readings: Vec<(&'static str, super::Reading)>,
    /// Graphs, one empty.
    pub graphs: Vec<super::chart::Graph>,
    /// Colour roles.
    pub roles: Vec<&'static str>,
    /// A choice.
    pub options: Vec<super::form::Choice>,
}
