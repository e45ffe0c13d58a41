//! What `monitor` last saw. Pages read this, never libvirt.
//!
//! What is seen is keyed by (host, UUID): one UUID may show on two hosts, and that is an alarm, not an overwrite.

use crate::{
    HostId, MachineId, MiB, Timestamp, Vcpus,
    counters::{HostCpuCounters, VmCounters},
    host::{HostHealth, NoConnection},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};
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

/// One VM as one host shows it. Rates are those between the last two looks.
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
    /// Since when it has been up, where its start was seen; it is kept over moves.
    #[serde(default)]
    pub up_since: Option<Timestamp>,
    /// CPU in use, in vCPUs (1.0 = one busy vCPU); none before two samples or when off.
    pub cpu: Option<f64>,
    /// Time its vCPUs were ready but did not run, in vCPUs.
    #[serde(default)]
    pub contention: Option<f64>,
    /// CPU its emulator used beside its vCPUs, in cores.
    #[serde(default)]
    pub overhead: Option<f64>,
    /// Memory the guest uses, where the balloon reports it freshly; unknown otherwise.
    pub memory_used: Option<MiB>,
    /// Memory the guest could still use, where the balloon reports it freshly.
    #[serde(default)]
    pub memory_available: Option<MiB>,
    /// Memory of the emulator on the host.
    pub memory_resident: Option<MiB>,
    /// Faults a second that needed a disk, where the balloon reports them freshly.
    #[serde(default)]
    pub major_faults: Option<f64>,
    /// Bytes a second the guest reads back from its swap, where the balloon reports it freshly.
    #[serde(default)]
    pub swap_in: Option<f64>,
    /// When memory was last looked at; seldomer than CPU and network.
    #[serde(default)]
    pub memory_at: Option<Timestamp>,
    /// Disks, as far as they could be told.
    #[serde(default)]
    pub disks: Vec<DiskUse>,
    /// When disks were last looked at; seldomer than CPU and network.
    #[serde(default)]
    pub disks_at: Option<Timestamp>,
    /// Network cards.
    #[serde(default)]
    pub nics: Vec<NicUse>,
    /// The counters themselves, for exports: with those of memory and disks from when they were last looked at.
    #[serde(default)]
    pub counters: VmCounters,
}

impl VmSeen {
    /// A VM of which only this is known.
    pub fn nothing(uuid: Uuid, name: String, power: PowerState) -> Self {
        Self {
            uuid,
            name,
            power,
            migrating: false,
            vcpus: 0,
            memory: MiB(0),
            up_since: None,
            cpu: None,
            contention: None,
            overhead: None,
            memory_used: None,
            memory_available: None,
            memory_resident: None,
            major_faults: None,
            swap_in: None,
            memory_at: None,
            disks: Vec::new(),
            disks_at: None,
            nics: Vec::new(),
            counters: VmCounters::default(),
        }
    }
    /// The sum of a figure over all disks; none where there are none, or one is unknown.
    pub fn over_disks(&self, figure: impl Fn(&DiskUse) -> Option<f64>) -> Option<f64> {
        total(&self.disks, figure)
    }
    /// The sum of a figure over all network cards; none where there are none, or one is unknown.
    pub fn over_nics(&self, figure: impl Fn(&NicUse) -> Option<f64>) -> Option<f64> {
        total(&self.nics, figure)
    }
    /// Bytes a second read from and written to all disks.
    pub fn disk_rate(&self) -> Option<(f64, f64)> {
        let way = |of: fn(&DiskUse) -> Option<TransferRate>| {
            self.over_disks(|disk| of(disk).map(|rate| rate.bytes))
        };
        way(|disk| disk.read).zip(way(|disk| disk.written))
    }
    /// Bytes a second received and sent by all network cards.
    pub fn net_rate(&self) -> Option<(f64, f64)> {
        let way = |of: fn(&NicUse) -> Option<PacketRate>| {
            self.over_nics(|nic| of(nic).map(|rate| rate.bytes))
        };
        way(|nic| nic.received).zip(way(|nic| nic.sent))
    }
}

/// The sum of a figure over all; none where there are none, or one is unknown.
fn total<T>(all: &[T], figure: impl Fn(&T) -> Option<f64>) -> Option<f64> {
    let sum = all.iter().map(figure).sum::<Option<f64>>();
    sum.filter(|_| !all.is_empty())
}

/// A disk of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DiskUse {
    /// Its name in the VM: `vda`.
    pub device: String,
    /// What is read; none before two looks.
    pub read: Option<TransferRate>,
    /// What is written; none before two looks.
    pub written: Option<TransferRate>,
    /// Bytes the guest sees.
    pub capacity: Option<u64>,
    /// How far into its image was written, bytes.
    pub allocation: Option<u64>,
}

/// One direction of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TransferRate {
    /// Bytes a second.
    pub bytes: f64,
    /// Requests a second.
    pub requests: f64,
    /// Seconds a request took on average; none where there was none, or it is not measured.
    pub latency: Option<f64>,
}

/// A network card of a VM.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NicUse {
    /// Its device on the host: `vnet3`.
    pub device: String,
    /// What is received; none before two looks.
    pub received: Option<PacketRate>,
    /// What is sent; none before two looks.
    pub sent: Option<PacketRate>,
}

/// One direction of a network card, each a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PacketRate {
    /// Bytes.
    pub bytes: f64,
    /// Packets.
    pub packets: f64,
    /// Packets dropped.
    pub dropped: f64,
}

/// A host's CPU by what it is used for, in cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostCpu {
    /// Programs, guests included.
    pub user: f64,
    /// The kernel and interrupts.
    pub system: f64,
    /// Idle while something waited for a disk.
    pub io_wait: f64,
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
    /// The same by what it is used for.
    #[serde(default)]
    pub cpu_kinds: Option<HostCpu>,
    /// The counters these were made of, for exports.
    #[serde(skip)]
    pub cpu_counters: Option<HostCpuCounters>,
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
            cpu_kinds: None,
            cpu_counters: None,
            memory_used: None,
            vms: Vec::new(),
            pools: Vec::new(),
            carriers: Vec::new(),
        }
    }
    /// Time the vCPUs of all its VMs were ready but did not run, in cores; none while it is known of none.
    pub fn contention(&self) -> Option<f64> {
        let known = self.vms.iter().filter_map(|vm| vm.contention);
        known.fold(None, |sum, one| Some(sum.unwrap_or(0.0) + one))
    }
    /// VMs that run, their vCPUs, and the memory they are defined with.
    pub fn running(&self) -> (u32, Vcpus, MiB) {
        let live = self.vms.iter().filter(|vm| vm.power.is_live());
        live.fold((0, Vcpus(0), MiB(0)), |(count, vcpus, memory), vm| {
            (count + 1, Vcpus(vcpus.0 + vm.vcpus), memory + vm.memory)
        })
    }
    /// The VM with this UUID on this host.
    pub fn vm(&self, uuid: Uuid) -> Option<&VmSeen> {
        self.vms.iter().find(|vm| vm.uuid == uuid)
    }
}

/// Everything last seen, by host. A copy shares the hosts with what it was copied from, until one is changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// By host.
    pub hosts: BTreeMap<HostId, Arc<HostSeen>>,
}

impl Observed {
    /// The host.
    pub fn host(&self, host: HostId) -> Option<&HostSeen> {
        self.hosts.get(&host).map(Arc::as_ref)
    }
    /// Every host.
    pub fn each(&self) -> impl Iterator<Item = &HostSeen> {
        self.hosts.values().map(Arc::as_ref)
    }
    /// The host, to be changed here and in no copy.
    pub fn host_mut(&mut self, host: HostId) -> Option<&mut HostSeen> {
        self.hosts.get_mut(&host).map(Arc::make_mut)
    }
    /// Every host, to be changed here and in no copy.
    pub fn hosts_mut(&mut self) -> impl Iterator<Item = &mut HostSeen> {
        self.hosts.values_mut().map(Arc::make_mut)
    }
    /// What is seen of a host now, instead of what was.
    pub fn put(&mut self, seen: HostSeen) {
        self.hosts.insert(seen.host, Arc::new(seen));
    }
    /// Every sighting of a UUID, with the host.
    pub fn sightings(&self, uuid: Uuid) -> impl Iterator<Item = (HostId, &VmSeen)> {
        self.hosts
            .values()
            .filter_map(move |host| host.vm(uuid).map(|vm| (host.host, vm)))
    }
}
