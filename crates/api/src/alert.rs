//! Alerts: what was found, who was told, the marks.

use crate::{Moment, Names, Ref, common::user_ref};
use bellwether_model::alert;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// What is watched for.
    AlertRule from alert::Rule {
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

words! {
    /// How bad it is.
    AlertSeverity from alert::Severity {
        /// Worth knowing.
        Warning = "warning",
        /// Needs a person.
        Critical = "critical",
    }
}

words! {
    /// What kind of thing an alert is about.
    AlertAbout from alert::About {
        /// A host.
        Host = "host",
        /// A VM.
        Vm = "vm",
        /// A storage.
        Storage = "storage",
        /// A migration.
        Migration = "migration",
        /// Bellwether itself; its identifier is all noughts.
        Server = "server",
    }
}

words! {
    /// What a notice tells.
    AlertNews from alert::News {
        /// An incident was found.
        Opened = "opened",
        /// An incident is over.
        Resolved = "resolved",
    }
}

words! {
    /// What became of a notice.
    AlertDelivery from alert::Delivery {
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

/// Something that was found: from when it was found until it was over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Identifier.
    pub id: Uuid,
    /// What is watched for.
    pub rule: AlertRule,
    /// How bad it is.
    pub severity: AlertSeverity,
    /// What kind of thing it is about.
    pub about: AlertAbout,
    /// The thing, with its name when it was found.
    pub subject: Ref,
    /// Whose it is.
    pub owner: Option<Ref>,
    /// In a sentence, as of when it was found.
    pub text: String,
    /// When it was found.
    pub opened_at: Moment,
    /// When it was over; none while it is open.
    pub resolved_at: Option<Moment>,
    /// How it ended.
    pub ending: Option<String>,
    /// Nobody is told of it, nor of the next of the same rule and thing, until then.
    pub silenced_until: Option<Moment>,
}

impl Alert {
    /// From the inside, with names.
    pub fn new(incident: &alert::Incident, names: &dyn Names) -> Self {
        let key = &incident.key;
        Self {
            id: incident.id.into(),
            rule: key.rule.into(),
            severity: key.rule.severity().into(),
            about: key.about.into(),
            subject: Ref::new(key.id, Some(incident.name.clone())),
            owner: incident.owner.map(|owner| user_ref(names, owner)),
            text: incident.text.clone(),
            opened_at: incident.opened_at.into(),
            resolved_at: incident.resolved_at.map(Moment),
            ending: incident.ending.clone(),
            silenced_until: incident.silenced_until.map(Moment),
        }
    }
}

/// Something that is told of an alert, and what became of that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertNotice {
    /// That it was found, or is over.
    pub news: AlertNews,
    /// Whom: `mail`, `owner`, or a webhook by its name.
    pub target: String,
    /// Where it stands.
    pub delivery: AlertDelivery,
    /// When it came up.
    pub made_at: Moment,
    /// When it was taken, refused or given up.
    pub ended_at: Option<Moment>,
    /// What is in its way, or was.
    pub trouble: Option<String>,
}

/// An alert with who was told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertTold {
    /// The alert.
    pub alert: Alert,
    /// Every notice of it, in the order they came up.
    pub notices: Vec<AlertNotice>,
}

/// Which alerts to list; newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertQuery {
    /// Only those that are open (true), or over (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Only of this rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Only about this host, VM, storage or migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Uuid>,
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// For how long nobody is told of an alert.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceInput {
    /// Minutes from now, at most 43,200 (30 days); 0 for no longer.
    pub minutes: u32,
}

/// The rules' marks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertPolicy {
    /// Rules that are switched off.
    pub off: Vec<AlertRule>,
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

/// The two have the same fields.
macro_rules! same {
    ($from:ty => $to:ty { $($field:ident),+ $(,)? }) => {
        impl From<&$from> for $to {
            fn from(from: &$from) -> Self {
                Self { off: from.off.iter().map(|rule| (*rule).into()).collect(), $($field: from.$field),+ }
            }
        }
        impl From<&$to> for $from {
            fn from(from: &$to) -> Self {
                Self { off: from.off.iter().map(|rule| (*rule).into()).collect(), $($field: from.$field),+ }
            }
        }
    };
}

same!(alert::AlertPolicy => AlertPolicy {
    host_silent_minutes,
    sample_seconds,
    host_cpu_percent,
    host_memory_percent,
    vm_contention_percent,
    vm_memory_percent,
    hold_minutes,
    pool_percent,
    pool_days,
    migration_stuck_minutes,
});
