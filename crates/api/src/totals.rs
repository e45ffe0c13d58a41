//! Totals per person.

use crate::Ref;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What one person holds and uses: VMs that are not gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
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
    /// CPU in use, vCPUs, of the VMs of which it is known; absent where it is of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_vcpus: Option<f64>,
    /// Memory the guests use, MiB, where their balloons report it; absent where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_memory_mib: Option<u64>,
}
