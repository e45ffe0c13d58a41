//! VMs: what is wanted, what is seen, and what can be asked of one.

use crate::{
    Moment, Names, Ref, Secret,
    common::{host_ref, image_ref, network_ref, storage_ref, user_ref},
};
use bellwether_model::{Day, Timestamp, observed, observed::Observed, vm};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// State of a VM.
    VmState from vm::VmState {
        /// Being made.
        Provisioning = "provisioning",
        /// Its guest runs.
        Running = "running",
        /// Stopped in mid-flight by its host.
        Paused = "paused",
        /// Defined, not running.
        ShutOff = "shut_off",
        /// Moving live.
        Migrating = "migrating",
        /// The host it is bound to does not answer.
        HostUnreachable = "host_unreachable",
        /// Its lease is over; kept, shut off.
        Ended = "ended",
        /// Being removed.
        Deleting = "deleting",
        /// Removed; kept for the record.
        Gone = "gone",
    }
}

words! {
    /// The power state somebody wants.
    WantedPower from vm::WantedPower {
        /// Should run, also after its host's reboot.
        On = "on",
        /// Should be off.
        Off = "off",
    }
}

words! {
    /// A power state as a host shows it.
    PowerState from observed::PowerState {
        /// Runs.
        Running = "running",
        /// Held, with the memory kept.
        Paused = "paused",
        /// On its way down.
        ShuttingDown = "shutting_down",
        /// Defined, off.
        ShutOff = "shut_off",
        /// Its guest or emulator broke.
        Crashed = "crashed",
    }
}

impl PowerState {
    /// Whether an emulator process holds its memory.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::ShuttingDown)
    }
}

words! {
    /// What to do with a VM's power.
    PowerAction {
        /// Start it.
        Start = "start",
        /// Ask its guest to shut down.
        Shutdown = "shutdown",
        /// Take its power away.
        ForceOff = "force_off",
        /// Ask its guest to reboot.
        Reboot = "reboot",
    }
}

/// A VM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Vm {
    /// Identifier, also the libvirt UUID.
    pub id: Uuid,
    /// Whose it is.
    pub owner: Ref,
    /// The request it was made for.
    pub request: Option<Uuid>,
    /// Display name.
    pub name: String,
    /// Host name inside the guest.
    pub hostname: String,
    /// libvirt's name.
    pub libvirt_name: String,
    /// The host it is bound to.
    pub host: Ref,
    /// Where it stands.
    pub state: VmState,
    /// The power state that is wanted.
    pub wanted: WantedPower,
    /// Why it is in the state it is in, where a person should know.
    pub note: Option<String>,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Disk, GiB.
    pub disk_gib: u64,
    /// What its disk started from.
    pub image: Ref,
    /// Where its disk lies.
    pub storage: Ref,
    /// The network it is on.
    pub network: Ref,
    /// Ethernet address.
    pub mac: String,
    /// Address on that network.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// Whether its guest was seen to have that address since it was started; absent where nobody can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable: Option<bool>,
    /// First day of the lease.
    #[schema(value_type = String, format = Date)]
    pub lease_from: Day,
    /// Last day of the lease, included.
    #[schema(value_type = String, format = Date)]
    pub lease_until: Day,
    /// What it is for.
    pub purpose: String,
    /// Words by which policies choose it.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The name of the policy it moves by; absent for the one its labels choose, or the usual one.
    #[serde(default)]
    pub migration_policy: Option<String>,
    /// Whether a first password waits to be taken.
    pub first_password_waiting: bool,
    /// When the room was reserved.
    pub created_at: Moment,
    /// Counts changes.
    pub generation: i64,
    /// Every host that was last seen to have it: normally one; two outside a migration are an alarm.
    pub sightings: Vec<Sighting>,
}

impl Vm {
    /// From the inside, with names and what was last seen at `now`.
    pub fn new(
        vm: &vm::Vm,
        names: &dyn Names,
        seen: &Observed,
        first_password_waiting: bool,
        reachable: Option<bool>,
        now: Timestamp,
    ) -> Self {
        Self {
            id: vm.id.into(),
            owner: user_ref(names, vm.owner),
            request: vm.request.map(Into::into),
            name: vm.name.clone(),
            hostname: vm.hostname.clone(),
            libvirt_name: vm.libvirt_name.clone(),
            host: host_ref(names, vm.host),
            state: vm.state.into(),
            wanted: vm.wanted.into(),
            note: vm.note.clone(),
            vcpus: vm.vcpus.0,
            memory_mib: vm.memory.0,
            disk_gib: vm.disk.0,
            image: image_ref(names, vm.image),
            storage: storage_ref(names, vm.storage),
            network: network_ref(names, vm.network),
            mac: vm.mac.to_string(),
            address: vm.address,
            reachable,
            lease_from: vm.lease_from,
            lease_until: vm.lease_until,
            purpose: vm.purpose.clone(),
            labels: vm.labels.clone(),
            migration_policy: vm.migration_policy.clone(),
            first_password_waiting,
            created_at: vm.created_at.into(),
            generation: vm.generation,
            sightings: seen
                .sightings(vm.id.into())
                .map(|(host, vm)| {
                    let at = seen.hosts.get(&host).and_then(|host| host.at);
                    Sighting::new(vm, host_ref(names, host), at, now)
                })
                .collect(),
        }
    }
}

/// A VM as one host last showed it. What the host does not tell is absent, never zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Sighting {
    /// The host.
    pub host: Ref,
    /// When the host was last seen.
    pub at: Option<Moment>,
    /// Seconds since.
    pub age_seconds: Option<u64>,
    /// Power state.
    pub power: PowerState,
    /// Whether a migration shows on it.
    pub migrating: bool,
    /// CPU in use, in vCPUs (1.0 = one busy vCPU).
    pub used_vcpus: Option<f64>,
    /// Since when it has been up, where its start was seen; kept over moves.
    pub up_since: Option<Moment>,
    /// Time its vCPUs were ready but did not run, in vCPUs: what the guest sees as steal.
    pub contention_vcpus: Option<f64>,
    /// Seconds of CPU it used since its emulator began.
    pub cpu_seconds: Option<f64>,
    /// CPU its emulator used beside its vCPUs, in cores.
    pub overhead_cores: Option<f64>,
    /// Memory the guest uses, MiB; none where the guest does not report it freshly.
    pub used_memory_mib: Option<u64>,
    /// Memory the guest could still use, MiB; none where the guest does not report it freshly.
    pub available_memory_mib: Option<u64>,
    /// Memory of the emulator on the host, MiB.
    pub resident_memory_mib: Option<u64>,
    /// Faults of the guest a second that needed a disk.
    pub major_faults_per_second: Option<f64>,
    /// Bytes a second the guest reads back from its swap.
    pub swapped_in_bytes_per_second: Option<f64>,
    /// When memory was last looked at; seldomer than CPU and network.
    pub memory_at: Option<Moment>,
    /// Each disk; none from a server that does not tell them yet.
    #[serde(default)]
    pub disks: Vec<DiskUse>,
    /// When disks were last looked at; seldomer than CPU and network.
    pub disks_at: Option<Moment>,
    /// Each network card; none from a server that does not tell them yet.
    #[serde(default)]
    pub nics: Vec<NicUse>,
    /// Bytes a second read from disks.
    pub disk_read_bytes_per_second: Option<f64>,
    /// Bytes a second written to disks.
    pub disk_written_bytes_per_second: Option<f64>,
    /// Bytes a second received.
    pub received_bytes_per_second: Option<f64>,
    /// Bytes a second sent.
    pub sent_bytes_per_second: Option<f64>,
}

impl Sighting {
    /// From the inside.
    pub fn new(vm: &observed::VmSeen, host: Ref, at: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            host,
            at: at.map(Moment),
            age_seconds: at.map(|at| now.since(at).as_secs()),
            power: vm.power.into(),
            migrating: vm.migrating,
            used_vcpus: vm.cpu,
            up_since: vm.up_since.map(Moment),
            contention_vcpus: vm.contention,
            cpu_seconds: vm.counters.cpu_ns.map(|ns| ns as f64 / 1e9),
            overhead_cores: vm.overhead,
            used_memory_mib: vm.memory_used.map(|m| m.0),
            available_memory_mib: vm.memory_available.map(|m| m.0),
            resident_memory_mib: vm.memory_resident.map(|m| m.0),
            major_faults_per_second: vm.major_faults,
            swapped_in_bytes_per_second: vm.swap_in,
            memory_at: vm.memory_at.map(Moment),
            disks: vm.disks.iter().map(Into::into).collect(),
            disks_at: vm.disks_at.map(Moment),
            nics: vm.nics.iter().map(Into::into).collect(),
            disk_read_bytes_per_second: vm.disk_rate().map(|r| r.0),
            disk_written_bytes_per_second: vm.disk_rate().map(|r| r.1),
            received_bytes_per_second: vm.net_rate().map(|r| r.0),
            sent_bytes_per_second: vm.net_rate().map(|r| r.1),
        }
    }
}

/// What a VM does with one of its disks. Rates are those between the last two looks; none before two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiskUse {
    /// Its name in the VM: `vda`.
    pub device: String,
    /// Bytes a second read.
    pub read_bytes_per_second: Option<f64>,
    /// Requests a second.
    pub read_requests_per_second: Option<f64>,
    /// Seconds a read took on average; none where there was none.
    pub read_latency_seconds: Option<f64>,
    /// Bytes a second written.
    pub written_bytes_per_second: Option<f64>,
    /// Requests a second.
    pub write_requests_per_second: Option<f64>,
    /// Seconds a write took on average; none where there was none.
    pub write_latency_seconds: Option<f64>,
    /// Bytes the guest sees.
    pub capacity_bytes: Option<u64>,
    /// How far into its image was written, bytes (libvirt's allocation).
    pub allocated_bytes: Option<u64>,
}

impl From<&observed::DiskUse> for DiskUse {
    fn from(disk: &observed::DiskUse) -> Self {
        let (read, written) = (disk.read, disk.written);
        Self {
            device: disk.device.clone(),
            read_bytes_per_second: read.map(|rate| rate.bytes),
            read_requests_per_second: read.map(|rate| rate.requests),
            read_latency_seconds: read.and_then(|rate| rate.latency),
            written_bytes_per_second: written.map(|rate| rate.bytes),
            write_requests_per_second: written.map(|rate| rate.requests),
            write_latency_seconds: written.and_then(|rate| rate.latency),
            capacity_bytes: disk.capacity,
            allocated_bytes: disk.allocation,
        }
    }
}

/// What a VM does with one of its network cards. Rates are those between the last two looks; none before two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NicUse {
    /// Its device on the host: `vnet3`.
    pub device: String,
    /// Bytes a second received.
    pub received_bytes_per_second: Option<f64>,
    /// Packets a second received.
    pub received_packets_per_second: Option<f64>,
    /// Packets a second dropped on the way in.
    pub received_drops_per_second: Option<f64>,
    /// Bytes a second sent.
    pub sent_bytes_per_second: Option<f64>,
    /// Packets a second sent.
    pub sent_packets_per_second: Option<f64>,
    /// Packets a second dropped on the way out.
    pub sent_drops_per_second: Option<f64>,
}

impl From<&observed::NicUse> for NicUse {
    fn from(nic: &observed::NicUse) -> Self {
        let (received, sent) = (nic.received, nic.sent);
        Self {
            device: nic.device.clone(),
            received_bytes_per_second: received.map(|rate| rate.bytes),
            received_packets_per_second: received.map(|rate| rate.packets),
            received_drops_per_second: received.map(|rate| rate.dropped),
            sent_bytes_per_second: sent.map(|rate| rate.bytes),
            sent_packets_per_second: sent.map(|rate| rate.packets),
            sent_drops_per_second: sent.map(|rate| rate.dropped),
        }
    }
}

/// Something to do with a VM's power.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PowerInput {
    /// What.
    pub action: PowerAction,
}

/// A new end of the lease.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseInput {
    /// Last day, included.
    #[schema(format = Date)]
    pub until: String,
}

/// The query of a removal: the name of what is lost, typed by a person.
#[derive(Clone, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConfirmQuery {
    /// The name of what is to be removed, exactly.
    #[serde(default)]
    pub confirm: String,
}

/// The first password of a VM; it is shown once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FirstPassword {
    /// The password; none where an SSH key was given or it was taken before.
    pub password: Option<Secret>,
}

/// How to reach a VM's screen by VNC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Screen {
    /// The host it runs on.
    pub host: Ref,
    /// Address the screen listens on, as seen on the host.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Password.
    pub password: Secret,
    /// When the password ends.
    pub until: Moment,
}

/// Which VMs to list; a user sees their own whatever `owner` says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VmQuery {
    /// Only of this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Uuid>,
    /// Only bound to this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Uuid>,
    /// Only in these states, with commas between; `gone` VMs are listed only when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only leases that end on this day or before: what ends soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = Date)]
    pub ends_by: Option<Day>,
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the part before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
