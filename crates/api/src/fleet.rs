//! The fleet as it was last seen, with ages. Nothing here asks a host.

use crate::{
    Moment, Names, Ref,
    common::user_ref,
    host::{Host, HostFacts, HostHealth, NoConnection},
    network::Carrier,
    vm::{PowerState, VmState},
};
use bellwether_model::{Day, Timestamp, observed, vm};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Every host with everything on it, managed or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Fleet {
    /// When this answer was made; ages count from here.
    pub at: Moment,
    /// Hosts by name.
    pub hosts: Vec<FleetHost>,
    /// What a person must look at: one VM on two hosts, a VM that is nowhere, …
    pub alarms: Vec<String>,
}

/// One host with everything on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FleetHost {
    /// The host, with what was last seen of it.
    pub host: Host,
    /// vCPUs that may be promised in all.
    pub capacity_vcpus: u32,
    /// vCPUs promised, unmanaged VMs included.
    pub committed_vcpus: u32,
    /// Memory that may be promised in all, MiB.
    pub capacity_memory_mib: u64,
    /// Memory promised, unmanaged VMs included, MiB.
    pub committed_memory_mib: u64,
    /// VMs by libvirt's name, running or not, managed or not.
    pub vms: Vec<FleetVm>,
    /// Pools by name.
    pub pools: Vec<Pool>,
    /// Bridges and libvirt networks.
    pub carriers: Vec<CarrierSeen>,
}

/// What was last seen of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostSeen {
    /// Whether it answers.
    pub health: HostHealth,
    /// When the last good sample was taken; none if never.
    pub at: Option<Moment>,
    /// Seconds since.
    pub age_seconds: Option<u64>,
    /// Why it does not answer, in plain words.
    pub trouble: Option<String>,
    /// What kind of trouble, where it is the connection's.
    pub why: Option<NoConnection>,
    /// Milliseconds the last sample took.
    pub latency_ms: Option<u64>,
    /// What changes seldom.
    pub facts: Option<HostFacts>,
    /// CPU in use, in cores.
    pub used_cores: Option<f64>,
    /// Of that, by programs, guests included.
    pub user_cores: Option<f64>,
    /// Of that, by the kernel and interrupts.
    pub system_cores: Option<f64>,
    /// Cores idle while something waited for a disk.
    pub io_wait_cores: Option<f64>,
    /// Time the vCPUs of all VMs were ready but did not run, in cores.
    pub contention_cores: Option<f64>,
    /// Memory in use, MiB.
    pub used_memory_mib: Option<u64>,
    /// VMs seen, running or not, managed or not.
    pub vms: u32,
    /// VMs seen that run.
    pub running_vms: u32,
}

impl HostSeen {
    /// From the inside, at `now`.
    pub fn new(seen: &observed::HostSeen, now: Timestamp) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            health: seen.health.into(),
            at: seen.at.map(Moment),
            age_seconds: seen.at.map(|at| now.since(at).as_secs()),
            trouble: seen.trouble.clone(),
            why: seen.why.map(Into::into),
            latency_ms: seen.latency_ms,
            facts: seen.facts.as_ref().map(Into::into),
            used_cores: seen.cpu,
            user_cores: seen.cpu_kinds.map(|kinds| kinds.user),
            system_cores: seen.cpu_kinds.map(|kinds| kinds.system),
            io_wait_cores: seen.cpu_kinds.map(|kinds| kinds.io_wait),
            contention_cores: seen.contention(),
            used_memory_mib: seen.memory_used.map(|m| m.0),
            vms: count(seen.vms.len()),
            running_vms: count(seen.vms.iter().filter(|vm| vm.power.is_live()).count()),
        }
    }
}

/// A VM as one host shows it, with what we know of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FleetVm {
    /// libvirt UUID.
    pub uuid: Uuid,
    /// libvirt's name.
    pub libvirt_name: String,
    /// Power state.
    pub power: PowerState,
    /// Whether a migration shows on it.
    pub migrating: bool,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// CPU in use, in vCPUs.
    pub used_vcpus: Option<f64>,
    /// Time its vCPUs were ready but did not run, in vCPUs.
    pub contention_vcpus: Option<f64>,
    /// Memory the guest uses, MiB; none where the guest does not report it freshly.
    pub used_memory_mib: Option<u64>,
    /// Memory of the emulator on the host, MiB.
    pub resident_memory_mib: Option<u64>,
    /// Seconds of CPU it used since its emulator began.
    pub cpu_seconds: Option<f64>,
    /// Since when it has been up, where its start was seen; kept over moves.
    pub up_since: Option<Moment>,
    /// Bytes a second read from disks.
    pub disk_read_bytes_per_second: Option<f64>,
    /// Bytes a second written to disks.
    pub disk_written_bytes_per_second: Option<f64>,
    /// Bytes a second received.
    pub received_bytes_per_second: Option<f64>,
    /// Bytes a second sent.
    pub sent_bytes_per_second: Option<f64>,
    /// What we know of it; none for a VM we did not make.
    pub managed: Option<ManagedVm>,
}

impl FleetVm {
    /// From the inside; `managed` is our record of the VM, if it is ours.
    pub fn new(seen: &observed::VmSeen, managed: Option<&vm::Vm>, names: &dyn Names) -> Self {
        Self {
            uuid: seen.uuid,
            libvirt_name: seen.name.clone(),
            power: seen.power.into(),
            migrating: seen.migrating,
            vcpus: seen.vcpus,
            memory_mib: seen.memory.0,
            used_vcpus: seen.cpu,
            contention_vcpus: seen.contention,
            used_memory_mib: seen.memory_used.map(|m| m.0),
            resident_memory_mib: seen.memory_resident.map(|m| m.0),
            cpu_seconds: seen.counters.cpu_ns.map(|ns| ns as f64 / 1e9),
            up_since: seen.up_since.map(Moment),
            disk_read_bytes_per_second: seen.disk_rate().map(|rate| rate.0),
            disk_written_bytes_per_second: seen.disk_rate().map(|rate| rate.1),
            received_bytes_per_second: seen.net_rate().map(|rate| rate.0),
            sent_bytes_per_second: seen.net_rate().map(|rate| rate.1),
            managed: managed.map(|vm| ManagedVm {
                name: vm.name.clone(),
                owner: user_ref(names, vm.owner),
                state: vm.state.into(),
                lease_until: Some(vm.lease_until),
            }),
        }
    }
}

/// What we know of a VM of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ManagedVm {
    /// Display name.
    pub name: String,
    /// Whose it is.
    pub owner: Ref,
    /// Where it stands.
    pub state: VmState,
    /// Last day of its lease, included.
    #[schema(value_type = Option<String>, format = Date)]
    pub lease_until: Option<Day>,
}

/// A pool as a host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pool {
    /// Name.
    pub name: String,
    /// libvirt's kind: `dir`, `netfs`, `rbd`, `logical`, …
    pub kind: String,
    /// Target path, for kinds that have one.
    pub path: Option<String>,
    /// Whether it is started.
    pub active: bool,
    /// Size, bytes.
    pub capacity_bytes: u64,
    /// Free, bytes.
    pub available_bytes: u64,
}

impl From<&observed::PoolSeen> for Pool {
    fn from(pool: &observed::PoolSeen) -> Self {
        Self {
            name: pool.name.clone(),
            kind: pool.kind.clone(),
            path: pool.path.clone(),
            active: pool.active,
            capacity_bytes: pool.capacity,
            available_bytes: pool.available,
        }
    }
}

/// Something guests can attach to, as a host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CarrierSeen {
    /// What it is.
    pub carrier: Carrier,
    /// Whether it is up, where known.
    pub active: bool,
}

impl From<&observed::CarrierSeen> for CarrierSeen {
    fn from(seen: &observed::CarrierSeen) -> Self {
        Self {
            carrier: (&seen.carrier).into(),
            active: seen.active,
        }
    }
}
