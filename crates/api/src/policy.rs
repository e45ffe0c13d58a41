//! Policy: what admins set, versioned and audited.

use crate::{alert::AlertPolicy, migration_policy::MigrationPolicies};
use bellwether_model::{GiB, MiB, Vcpus, policy};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every policy value. `PUT` it back whole with the version it was read with; somebody else's change in between is a
/// conflict, not an overwrite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Grows with every change.
    pub version: i64,
    /// New accounts are active at once; else an admin lets each in.
    pub accounts_active_at_once: bool,
    /// vCPUs that may be promised per physical core offered.
    pub cpu_overcommit: f64,
    /// Memory that may be promised per memory offered.
    pub memory_overcommit: f64,
    /// Disk that may be promised per byte of a storage; above 1 a storage can run full while disks grow.
    pub disk_overcommit: f64,
    /// Largest request, vCPUs.
    pub max_vcpus: u32,
    /// Largest request, memory, MiB.
    pub max_memory_mib: u64,
    /// Largest request, disk, GiB.
    pub max_disk_gib: u64,
    /// Longest lease, days.
    pub max_lease_days: u32,
    /// How far ahead a lease may begin, days.
    pub max_days_ahead: u32,
    /// Users may extend their own lease without an admin.
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

/// How long measurements are kept, the finer the shorter. `GET /history` says what it takes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
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

impl From<policy::HistoryPolicy> for HistoryPolicy {
    fn from(policy: policy::HistoryPolicy) -> Self {
        Self {
            samples_hours: policy.samples_hours,
            minutes_days: policy.minutes_days,
            ten_minutes_days: policy.ten_minutes_days,
            hours_days: policy.hours_days,
        }
    }
}

impl From<HistoryPolicy> for policy::HistoryPolicy {
    fn from(policy: HistoryPolicy) -> Self {
        Self {
            samples_hours: policy.samples_hours,
            minutes_days: policy.minutes_days,
            ten_minutes_days: policy.ten_minutes_days,
            hours_days: policy.hours_days,
        }
    }
}

impl Policy {
    /// From the inside.
    pub fn new(policy: &policy::Policy, version: i64) -> Self {
        Self {
            version,
            accounts_active_at_once: policy.accounts_active_at_once,
            cpu_overcommit: policy.cpu_overcommit,
            memory_overcommit: policy.memory_overcommit,
            disk_overcommit: policy.disk_overcommit,
            max_vcpus: policy.max_vcpus.0,
            max_memory_mib: policy.max_memory.0,
            max_disk_gib: policy.max_disk.0,
            max_lease_days: policy.max_lease_days,
            max_days_ahead: policy.max_days_ahead,
            users_may_extend: policy.users_may_extend,
            warn_days: policy.warn_days,
            shutdown_grace_seconds: policy.shutdown_grace_seconds,
            address_rest_seconds: policy.address_rest_seconds,
            history: policy.history.into(),
            alerts: (&policy.alerts).into(),
            migration: (&policy.migration).into(),
        }
    }
}

impl From<&Policy> for policy::Policy {
    fn from(policy: &Policy) -> Self {
        Self {
            accounts_active_at_once: policy.accounts_active_at_once,
            cpu_overcommit: policy.cpu_overcommit,
            memory_overcommit: policy.memory_overcommit,
            disk_overcommit: policy.disk_overcommit,
            max_vcpus: Vcpus(policy.max_vcpus),
            max_memory: MiB(policy.max_memory_mib),
            max_disk: GiB(policy.max_disk_gib),
            max_lease_days: policy.max_lease_days,
            max_days_ahead: policy.max_days_ahead,
            users_may_extend: policy.users_may_extend,
            warn_days: policy.warn_days,
            shutdown_grace_seconds: policy.shutdown_grace_seconds,
            address_rest_seconds: policy.address_rest_seconds,
            history: policy.history.into(),
            alerts: (&policy.alerts).into(),
            migration: (&policy.migration).into(),
        }
    }
}
