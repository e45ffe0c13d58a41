//! Alerts: what is open, what was, who is told.

use super::{Badge, Frame, List};
use askama::Template;
use bellwether_model::{
    Timestamp,
    alert::{Delivery, Incident, Severity},
};

/// How an incident stands.
pub fn badge_of(incident: &Incident, now: Timestamp) -> Badge {
    let (tone, shape, word) = match (incident.is_open(), incident.key.rule.severity()) {
        (false, _) => ("good", "tick", "over"),
        (true, _) if incident.is_silent(now) => ("idle", "bars", "silent"),
        (true, Severity::Critical) => ("bad", "triangle", "critical"),
        (true, Severity::Warning) => ("warn", "triangle", "warning"),
    };
    Badge { tone, shape, word }
}

impl From<Delivery> for Badge {
    fn from(delivery: Delivery) -> Self {
        let (tone, shape, word) = match delivery {
            Delivery::Waiting => ("busy", "half", "waiting"),
            Delivery::Sent => ("good", "tick", "sent"),
            Delivery::Refused => ("bad", "cross", "refused"),
            Delivery::Dropped => ("warn", "cross", "given up"),
        };
        Self { tone, shape, word }
    }
}

/// An open incident on the page of the thing it is about.
pub struct OpenAlert {
    /// How it stands.
    pub badge: Badge,
    /// What is watched for.
    pub rule: &'static str,
    /// In a sentence.
    pub text: String,
    /// Since when.
    pub since: String,
}

/// Somebody who is or was told.
pub struct ToldLine {
    /// Whom, of what.
    pub who: String,
    /// What became of it.
    pub badge: Badge,
    /// When, or what is in the way.
    pub words: String,
}

/// An incident.
pub struct AlertRow {
    /// Identifier.
    pub id: String,
    /// What is watched for.
    pub rule: &'static str,
    /// The thing.
    pub name: String,
    /// Its page.
    pub href: String,
    /// How it stands.
    pub badge: Badge,
    /// In a sentence.
    pub text: String,
    /// How it ended.
    pub ending: Option<String>,
    /// When it was found.
    pub when: String,
    /// How long it lasts, or lasted.
    pub lasts: String,
    /// Until when nobody is told.
    pub silent_until: Option<String>,
    /// Notices.
    pub told: Vec<ToldLine>,
}

/// Alerts.
#[derive(Template)]
#[template(path = "alerts.html")]
pub struct Alerts {
    /// Frame.
    pub frame: Frame,
    /// What is open, newest first.
    pub open: Vec<AlertRow>,
    /// View of the list of what is over.
    pub list: List,
    /// What is over.
    pub over: Vec<AlertRow>,
    /// Who is told, with what is in the way.
    pub targets: Vec<(String, Option<String>)>,
}

impl Alerts {
    /// The list has no states to choose from: all of it is over.
    pub fn no_states(&self) -> &[String] {
        &[]
    }
    /// How long one may be silent: minutes and words.
    pub fn silences(&self) -> [(u32, &'static str); 4] {
        [
            (60, "1 hour"),
            (480, "8 hours"),
            (1_440, "1 day"),
            (10_080, "1 week"),
        ]
    }
}
