//! Alerts: what is watched for, and what was found.
//!
//! ```text
//! (quiet) ──► open ──► resolved
//! ```
//! - quiet → open: what a rule watches for has held long enough.
//! - open → resolved: it has been well below its mark long enough, or there is nothing left to watch.
//!
//! Of one rule about one thing at most one incident is open.

use crate::{IncidentId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Each.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
            /// The word on the wire and in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }
        impl FromStr for $name {
            type Err = crate::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(|| {
                    let all: Vec<&str> = Self::ALL.iter().map(|one| one.as_str()).collect();
                    crate::Error::field(
                        $what,
                        format!("'{}' is no {}; they are: {}", crate::text::shown(text), $what, all.join(", ")),
                    )
                })
            }
        }
    };
}

words! {
    /// What is watched for.
    Rule, "rule" {
        /// A host does not answer.
        HostStale = "host_stale",
        /// A host answers, but takes long for it.
        SamplingLate = "sampling_late",
        /// A host's CPU is in use beyond the mark.
        HostCpu = "host_cpu",
        /// A host's memory is in use beyond the mark.
        HostMemory = "host_memory",
        /// A VM's vCPUs are ready and do not run.
        VmContention = "vm_contention",
        /// A guest has hardly any memory left.
        VmMemory = "vm_memory",
        /// A storage is nearly full, or will soon be.
        PoolFilling = "pool_filling",
        /// A VM could not be moved.
        MigrationFailed = "migration_failed",
        /// A VM moves and gets nowhere, or nobody can tell where it runs.
        MigrationStuck = "migration_stuck",
        /// A lease ends soon.
        LeaseEnding = "lease_ending",
        /// Measurements are not kept: their disk is full, or can't be written.
        HistoryStopped = "history_stopped",
    }
}

impl Rule {
    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Rule::HostStale => "Host silent",
            Rule::SamplingLate => "Sampling late",
            Rule::HostCpu => "Host CPU",
            Rule::HostMemory => "Host memory",
            Rule::VmContention => "VM contention",
            Rule::VmMemory => "VM memory",
            Rule::PoolFilling => "Storage filling",
            Rule::MigrationFailed => "Migration failed",
            Rule::MigrationStuck => "Migration stuck",
            Rule::LeaseEnding => "Lease ending",
            Rule::HistoryStopped => "Measurements stopped",
        }
    }
    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Rule::HostStale
            | Rule::PoolFilling
            | Rule::MigrationFailed
            | Rule::MigrationStuck
            | Rule::HistoryStopped => Severity::Critical,
            _ => Severity::Warning,
        }
    }
    /// Whether its end is news. A failed move stays one, and who extends a lease knows it.
    pub fn tells_its_end(self) -> bool {
        !matches!(self, Rule::MigrationFailed | Rule::LeaseEnding)
    }
}

words! {
    /// How bad it is.
    Severity, "severity" {
        /// Worth knowing.
        Warning = "warning",
        /// Needs a person.
        Critical = "critical",
    }
}

words! {
    /// What kind of thing an alert is about.
    About, "kind of thing" {
        /// A host.
        Host = "host",
        /// A VM.
        Vm = "vm",
        /// A storage.
        Storage = "storage",
        /// A migration.
        Migration = "migration",
        /// Bellwether itself.
        Server = "server",
    }
}

/// One thing under one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertKey {
    /// What is watched for.
    pub rule: Rule,
    /// The kind of the thing.
    pub about: About,
    /// The thing.
    pub id: Uuid,
    /// Which part of it, where it has parts: the pool of a storage, the day a lease ends. Empty for the whole.
    pub part: String,
}

impl AlertKey {
    /// A whole thing under a rule.
    pub fn new(rule: Rule, about: About, id: impl Into<Uuid>) -> Self {
        Self {
            rule,
            about,
            id: id.into(),
            part: String::new(),
        }
    }
    /// Bellwether itself under a rule.
    pub fn of_server(rule: Rule) -> Self {
        Self::new(rule, About::Server, Uuid::nil())
    }
    /// A part of it.
    #[must_use]
    pub fn part(self, part: impl Into<String>) -> Self {
        Self {
            part: part.into(),
            ..self
        }
    }
}

/// Something that was found: from when it was found until it was over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Identifier.
    pub id: IncidentId,
    /// What, about what.
    pub key: AlertKey,
    /// The thing's name when it was found.
    pub name: String,
    /// Whose the thing is, for who is told beside the administrators.
    pub owner: Option<UserId>,
    /// In a sentence, as of when it was found.
    pub text: String,
    /// When it was found.
    pub opened_at: Timestamp,
    /// When it was over.
    pub resolved_at: Option<Timestamp>,
    /// How it ended, in a sentence.
    pub ending: Option<String>,
    /// Nobody is told of it, nor of the next of the same rule and thing, until then.
    pub silenced_until: Option<Timestamp>,
    /// Whether its notices were made, or there was nobody to tell.
    pub told: bool,
}

impl Incident {
    /// Whether it is not over.
    pub fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }
    /// Whether nobody is told of it now.
    pub fn is_silent(&self, now: Timestamp) -> bool {
        self.silenced_until.is_some_and(|until| now < until)
    }
}

words! {
    /// What a notice tells.
    News, "kind of notice" {
        /// An incident was found.
        Opened = "opened",
        /// An incident is over.
        Resolved = "resolved",
    }
}

words! {
    /// What became of a notice.
    Delivery, "outcome of a notice" {
        /// It waits, or is tried again.
        Waiting = "waiting",
        /// Who it was for took it.
        Sent = "sent",
        /// Who it was for will never take it.
        Refused = "refused",
        /// It waited too long.
        Dropped = "dropped",
    }
}

/// The rules' marks: part of the policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertPolicy {
    /// Rules that are switched off.
    pub off: Vec<Rule>,
    /// A host that was silent for so many minutes is told.
    pub host_silent_minutes: u32,
    /// A host whose samples take longer than so many seconds is told.
    pub sample_seconds: u32,
    /// A host with more of its CPU in use, per cent, is told.
    pub host_cpu_percent: u32,
    /// A host with more of its memory in use, per cent, is told.
    pub host_memory_percent: u32,
    /// A VM whose vCPUs wait for a longer share of their time, per cent, is told.
    pub vm_contention_percent: u32,
    /// A guest with more of its memory in use, per cent, is told.
    pub vm_memory_percent: u32,
    /// For how many minutes one of these must be so, and as long not be so before it counts as over.
    pub hold_minutes: u32,
    /// A storage with more of its room in use, per cent, is told.
    pub pool_percent: u32,
    /// A storage that will be full within so many days, as it fills now, is told.
    pub pool_days: u32,
    /// A migration that got no further for so many minutes is told.
    pub migration_stuck_minutes: u32,
}

impl Default for AlertPolicy {
    fn default() -> Self {
        Self {
            off: Vec::new(),
            host_silent_minutes: 2,
            sample_seconds: 5,
            host_cpu_percent: 90,
            host_memory_percent: 92,
            vm_contention_percent: 25,
            vm_memory_percent: 95,
            hold_minutes: 10,
            pool_percent: 85,
            pool_days: 14,
            migration_stuck_minutes: 10,
        }
    }
}

impl AlertPolicy {
    /// Whether the rule is watched.
    pub fn watches(&self, rule: Rule) -> bool {
        !self.off.contains(&rule)
    }
}
