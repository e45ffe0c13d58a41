//! Counters as a host gives them at one moment; rates are made of two of them in the engine.

use bellwether_model::{
    MiB,
    observed::{CarrierSeen, PoolSeen, PowerState},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One VM's counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VmSample {
    /// UUID.
    pub uuid: Uuid,
    /// libvirt name.
    pub name: String,
    /// Power state.
    pub power: PowerState,
    /// Held paused because a migration brings it, or hands it over at this moment.
    pub migrating: bool,
    /// Virtual CPUs it is defined with.
    pub vcpus: u32,
    /// Memory it is defined with.
    pub memory: MiB,
    /// Nanoseconds of CPU all its threads used since it started.
    pub cpu_ns: Option<u64>,
    /// Nanoseconds its vCPUs were ready but did not run, summed.
    pub delay_ns: Option<u64>,
    /// Memory the guest could still use (KiB, balloon `usable`).
    pub balloon_usable_kib: Option<u64>,
    /// Memory the guest sees (KiB, balloon `available`).
    pub balloon_available_kib: Option<u64>,
    /// When the balloon last reported (seconds since 1970 by the host's clock).
    pub balloon_updated_s: Option<i64>,
    /// Memory of the emulator on the host (KiB, balloon `rss`).
    pub resident_kib: Option<u64>,
    /// Bytes read and written by all disks since it started.
    pub disk_bytes: Option<(u64, u64)>,
    /// Bytes received and sent by all network cards since it started.
    pub net_bytes: Option<(u64, u64)>,
}

/// One host's counters with those of all its VMs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostSample {
    /// Nanoseconds of CPU in use (all but idle and waiting for I/O) since the host started.
    pub cpu_busy_ns: Option<u64>,
    /// Memory in use (all but free, buffers and cache).
    pub memory_used: Option<MiB>,
    /// Every VM, running or not, managed or not. Of one that a long job holds the state is known at least.
    pub vms: Vec<VmSample>,
}

/// What is on a host to put disks on and plug into.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlaces {
    /// Pools.
    pub pools: Vec<PoolSeen>,
    /// Bridges and libvirt networks that can be seen (bridges named by VMs already there, at least).
    pub carriers: Vec<CarrierSeen>,
}
