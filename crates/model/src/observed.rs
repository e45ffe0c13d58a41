//! What `monitor` last saw. Pages read this, never libvirt.
//!
//! What is seen is keyed by (host, UUID): one UUID may show on two hosts, and that is an alarm, not an overwrite.

use crate::{
    HostId, MachineId, MiB, Timestamp,
    host::{HostHealth, NoConnection},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A power state as a host shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// Runs.
    Running,
    /// Held, with the memory kept.
    Paused,
    /// On its way down.
    ShuttingDown,
    /// Defined, off.
    ShutOff,
    /// Its guest or emulator broke.
    Crashed,
}

impl PowerState {
    /// The word on pages, as `virsh list` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            PowerState::Running => "running",
            PowerState::Paused => "paused",
            PowerState::ShuttingDown => "in shutdown",
            PowerState::ShutOff => "shut off",
            PowerState::Crashed => "crashed",
        }
    }
    /// Whether an emulator process holds its memory.
    pub fn is_live(self) -> bool {
        matches!(
            self,
            PowerState::Running | PowerState::Paused | PowerState::ShuttingDown
        )
    }
}

/// Whether a guest was seen to have its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It has it.
    Yes,
    /// It has others.
    No,
    /// Its host can't tell, or not yet.
    Unknown,
}

impl Reach {
    /// Yes or no, where it is known.
    pub fn known(self) -> Option<bool> {
        match self {
            Reach::Yes => Some(true),
            Reach::No => Some(false),
            Reach::Unknown => None,
        }
    }
}

/// One VM as one host shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VmSeen {
    /// Libvirt UUID.
    pub uuid: Uuid,
    /// Libvirt name.
    pub name: String,
    /// Power state.
    pub power: PowerState,
    /// Whether an incoming or outgoing migration shows on it.
    pub migrating: bool,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory it is defined with.
    pub memory: MiB,
    /// CPU in use, in vCPUs (1.0 = one busy vCPU); none before two samples or when off.
    pub cpu: Option<f64>,
    /// Memory the guest uses, where the balloon reports it freshly; unknown otherwise.
    pub memory_used: Option<MiB>,
    /// Memory of the emulator on the host.
    pub memory_resident: Option<MiB>,
    /// Bytes a second read from and written to disks.
    pub disk_rate: Option<(f64, f64)>,
    /// Bytes a second received and sent.
    pub net_rate: Option<(f64, f64)>,
}

/// A pool as a host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSeen {
    /// Name.
    pub name: String,
    /// libvirt's kind: `dir`, `netfs`, `rbd`, `logical`, …
    pub kind: String,
    /// Target path, for kinds that have one.
    pub path: Option<String>,
    /// Whether it is started.
    pub active: bool,
    /// Bytes.
    pub capacity: u64,
    /// Bytes free.
    pub available: u64,
}

/// Something guests can attach to, as a host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierSeen {
    /// What it is.
    pub carrier: crate::network::Carrier,
    /// Whether it is up, where known.
    pub active: bool,
}

/// What changes seldom about a host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The host's own name.
    pub hostname: String,
    /// Processor architecture: `x86_64`.
    pub arch: String,
    /// CPU model in words.
    pub cpu_model: String,
    /// Physical cores or threads the host shows.
    pub cores: u32,
    /// Memory the host shows.
    pub memory: MiB,
    /// libvirt, `11.3.0`.
    pub libvirt_version: String,
    /// QEMU, `10.0.2`.
    pub hypervisor_version: String,
    /// Kernel release, where it can be known: libvirt does not tell it.
    pub kernel: Option<String>,
    /// Hardware virtualisation works (KVM).
    pub kvm: bool,
    /// The host's CPU as libvirt describes it for baseline and comparison (opaque to us).
    pub cpu: String,
    /// The UUID of the machine, where libvirt knows one.
    #[serde(default)]
    pub machine: Option<MachineId>,
}

/// One host as last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostSeen {
    /// The host.
    pub host: HostId,
    /// Whether it answers.
    pub health: HostHealth,
    /// When the last good sample was taken.
    pub at: Option<Timestamp>,
    /// Why it does not answer, in plain words.
    pub trouble: Option<String>,
    /// What kind of trouble, where it is the connection's.
    #[serde(default)]
    pub why: Option<NoConnection>,
    /// How long the last sample took, milliseconds.
    pub latency_ms: Option<u64>,
    /// What changes seldom.
    pub facts: Option<HostFacts>,
    /// CPU in use, in cores.
    pub cpu: Option<f64>,
    /// Memory in use on the host.
    pub memory_used: Option<MiB>,
    /// VMs, running or not, managed or not.
    pub vms: Vec<VmSeen>,
    /// Pools.
    pub pools: Vec<PoolSeen>,
    /// Bridges and libvirt networks.
    pub carriers: Vec<CarrierSeen>,
}

impl HostSeen {
    /// A host nothing has been seen of.
    pub fn nothing(host: HostId) -> Self {
        Self {
            host,
            health: HostHealth::Connecting,
            at: None,
            trouble: None,
            why: None,
            latency_ms: None,
            facts: None,
            cpu: None,
            memory_used: None,
            vms: Vec::new(),
            pools: Vec::new(),
            carriers: Vec::new(),
        }
    }
    /// The VM with this UUID on this host.
    pub fn vm(&self, uuid: Uuid) -> Option<&VmSeen> {
        self.vms.iter().find(|vm| vm.uuid == uuid)
    }
}

/// Everything last seen, by host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// By host.
    pub hosts: BTreeMap<HostId, HostSeen>,
}

impl Observed {
    /// Every sighting of a UUID, with the host.
    pub fn sightings(&self, uuid: Uuid) -> impl Iterator<Item = (HostId, &VmSeen)> {
        self.hosts
            .values()
            .filter_map(move |host| host.vm(uuid).map(|vm| (host.host, vm)))
    }
}
