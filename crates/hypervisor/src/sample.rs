//! Counters as a host gives them at one moment; rates are made of two of them in the engine.

use bellwether_model::{
    MiB,
    counters::{HostCpuCounters, VmCounters},
    observed::{CarrierSeen, PoolSeen, PowerState},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a look at a host asks for beside state, CPU, contention and network, which every look brings: what needs QEMU's
/// monitor, and costs a host several times as much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    /// Guests' memory, and what emulators hold.
    pub memory: bool,
    /// Disks.
    pub disks: bool,
}

impl Groups {
    /// All there is.
    pub const ALL: Self = Self {
        memory: true,
        disks: true,
    };
}

/// One VM's counters.
#[derive(Clone, Debug, PartialEq)]
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
    /// Memory it is defined with; none where memory was not asked for.
    pub memory: Option<MiB>,
    /// What it used; nothing of a VM that is off.
    pub counters: VmCounters,
}

/// One host's counters with those of all its VMs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostSample {
    /// CPU it spent, by kind.
    pub cpu: Option<HostCpuCounters>,
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
