//! Policy: what admins set in the database, versioned and audited.

use crate::{GiB, MiB, Vcpus, alert::AlertPolicy, migration_policy::MigrationPolicies};
use serde::{Deserialize, Serialize};

/// Every policy value, with the default a small site starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// New accounts are active at once; else an admin lets each in.
    pub accounts_active_at_once: bool,
    /// vCPUs that may be promised per physical core offered.
    pub cpu_overcommit: f64,
    /// Memory that may be promised per memory offered.
    pub memory_overcommit: f64,
    /// Disk that may be promised per byte of a storage; above 1 a storage can run full while disks grow.
    pub disk_overcommit: f64,
    /// Largest request.
    pub max_vcpus: Vcpus,
    /// Largest request.
    pub max_memory: MiB,
    /// Largest request.
    pub max_disk: GiB,
    /// Longest lease, days.
    pub max_lease_days: u32,
    /// How far ahead a lease may begin, days.
    pub max_days_ahead: u32,
    /// Users may extend their own lease (within `max_lease_days` from today) without an admin.
    pub users_may_extend: bool,
    /// Warn this many days before the lease ends.
    pub warn_days: u32,
    /// A graceful shutdown may take this long, seconds, before the lease end forces it off.
    pub shutdown_grace_seconds: u32,
    /// A released address rests this long, seconds, before it is given again.
    pub address_rest_seconds: u32,
    /// How long measurements are kept.
    pub history: HistoryPolicy,
    /// What is watched, and its marks.
    pub alerts: AlertPolicy,
    /// What moves may cost.
    pub migration: MigrationPolicies,
}

/// How long measurements are kept, the finer the shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryPolicy {
    /// Hours for which samples are kept as they were taken.
    pub samples_hours: u32,
    /// Days for which there is a point a minute.
    pub minutes_days: u32,
    /// Days for which there is a point every ten minutes.
    pub ten_minutes_days: u32,
    /// Days for which there is a point an hour.
    pub hours_days: u32,
}

impl Default for HistoryPolicy {
    /// A day's graph as it was sampled, a week's by the minute, a quarter's by ten minutes, two years' by the hour; a little
    /// more of each, so that a graph of yesterday is whole.
    fn default() -> Self {
        Self {
            samples_hours: 26,
            minutes_days: 9,
            ten_minutes_days: 92,
            hours_days: 732,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            accounts_active_at_once: true,
            cpu_overcommit: 4.0,
            memory_overcommit: 1.0,
            disk_overcommit: 1.0,
            max_vcpus: Vcpus(64),
            max_memory: MiB(262_144),
            max_disk: GiB(4_096),
            max_lease_days: 366,
            max_days_ahead: 366,
            users_may_extend: true,
            warn_days: 7,
            shutdown_grace_seconds: 120,
            address_rest_seconds: 3_600,
            history: HistoryPolicy::default(),
            alerts: AlertPolicy::default(),
            migration: MigrationPolicies::default(),
        }
    }
}
