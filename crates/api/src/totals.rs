//! Totals per person.

use crate::Ref;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one person holds: VMs that are not gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonTotals {
    /// The person.
    pub user: Ref,
    /// VMs.
    pub vms: u64,
    /// Virtual CPUs.
    pub vcpus: u64,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Disk, GiB.
    pub disk_gib: u64,
}
