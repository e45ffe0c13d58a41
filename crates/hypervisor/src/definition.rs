//! What a VM is made of, as the engine tells a host to make it and as a host describes what it has.

use bellwether_model::{Mac, MiB, Vcpus, migration_policy::Encrypt, network::Carrier, vm::Devices};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// The CPU a guest sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestCpu {
    /// The baseline of the fleet, as [`crate::Inventory::baseline`] returned it (opaque).
    Baseline(String),
    /// What QEMU emulates everywhere (`qemu64`): the choice where hosts have no KVM.
    Emulated,
}

/// A volume as a disk of a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskDefinition {
    /// Pool on the host.
    pub pool: String,
    /// Volume in the pool.
    pub volume: String,
    /// `qcow2` or `raw`.
    pub format: String,
    /// A read-only seed rather than the system disk.
    pub seed: bool,
}

/// Who a VM belongs to, written into libvirt's metadata so that a lost database's VMs can be restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownership {
    /// Owner's login.
    pub owner: String,
    /// Request, as text; empty for an adopted VM.
    pub request: String,
    /// First day of the lease, ISO 8601.
    pub lease_from: String,
    /// Last day of the lease, ISO 8601.
    pub lease_until: String,
    /// Display name.
    pub name: String,
    /// Image, as text.
    pub image: String,
    /// Address given.
    pub address: String,
    /// The job that defined it: tells our own leftovers from another's VM.
    pub job: String,
}

/// Everything a host needs to know to define a VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmDefinition {
    /// UUID.
    pub uuid: Uuid,
    /// libvirt name.
    pub name: String,
    /// Title shown by other tools: the display name.
    pub title: String,
    /// Purpose.
    pub description: String,
    /// Whose it is.
    pub ownership: Ownership,
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Memory.
    pub memory: MiB,
    /// CPU the guest sees.
    pub cpu: GuestCpu,
    /// Virtual hardware it knows.
    pub devices: Devices,
    /// Disks, system disk first.
    pub disks: Vec<DiskDefinition>,
    /// Network card.
    pub mac: Mac,
    /// What it is plugged into.
    pub carrier: Carrier,
}

/// What a host says a VM is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmDescription {
    /// UUID.
    pub uuid: Uuid,
    /// libvirt name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Memory.
    pub memory: MiB,
    /// Our metadata, if it carries any.
    pub ownership: Option<Ownership>,
    /// Description (purpose).
    pub description: String,
    /// The CPU it was defined with or runs with, as libvirt's `<cpu>` XML (opaque; for comparison).
    pub cpu: String,
    /// Disks: path or `pool/volume`, whether shared by path, read-only.
    pub disks: Vec<DiskSeen>,
    /// Network cards.
    pub nics: Vec<NicSeen>,
    /// Devices of the host that are passed through (they forbid live migration), in words.
    pub passthrough: Vec<String>,
    /// Whether it has snapshots.
    pub snapshots: bool,
    /// Whether libvirt's autostart is on.
    pub autostart: bool,
}

/// A disk as a host describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSeen {
    /// Target in the guest: `vda`.
    pub target: String,
    /// File, device or network source, as text; none for an empty drive.
    pub source: Option<String>,
    /// Read-only.
    pub read_only: bool,
    /// `qcow2`, `raw`, …
    pub format: String,
}

/// A network card as a host describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSeen {
    /// Ethernet address.
    pub mac: String,
    /// What it is plugged into, where it is a bridge or libvirt network.
    pub carrier: Option<Carrier>,
}

/// A volume to make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Name in the pool.
    pub name: String,
    /// Bytes the guest sees.
    pub capacity: u64,
    /// `qcow2` or `raw`.
    pub format: String,
    /// Volume of the same pool it is an overlay of, with that volume's format.
    pub backing: Option<(String, String)>,
}

/// A volume as a host shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSeen {
    /// Name in the pool.
    pub name: String,
    /// Path on the host.
    pub path: String,
    /// Bytes the guest sees.
    pub capacity: u64,
    /// Bytes it takes.
    pub allocation: u64,
    /// `qcow2`, `raw`, …
    pub format: Option<String>,
    /// Path of what it is an overlay of.
    pub backing: Option<String>,
}

/// How to move a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateSpec {
    /// UUID.
    pub uuid: Uuid,
    /// The URI by which the source reaches the target.
    pub peer_uri: String,
    /// Address for migration traffic on the target, if not the one the peer URI names.
    pub migration_address: Option<String>,
    /// Copy these disks (targets such as `vda`) too; empty where the storage is shared.
    pub copy_disks: Vec<String>,
    /// Cap, MiB a second; none for no cap.
    pub bandwidth: Option<u64>,
    /// Carrier on the target where its name differs from the source's.
    pub carrier: Option<Carrier>,
    /// Whether memory and disks travel encrypted.
    pub encrypt: Encrypt,
    /// The guest is held back where it writes faster than is copied.
    pub throttle: bool,
    /// It may be switched to the target before all of its memory is there ([`crate::Migration::start_post_copy`]). Not with
    /// `copy_disks`.
    pub post_copy: bool,
    /// Connections over which memory travels at once; none for one.
    pub connections: Option<u8>,
    /// Pages that are sent again are sent as what changed in them.
    pub compress: bool,
    /// Give up after this long, seconds.
    pub timeout_seconds: u64,
    /// Begin before this moment or not at all.
    pub begin_by: Instant,
}

impl MigrateSpec {
    /// A move of a VM whose disks the target shares, as fast as it goes, given up after an hour, begun within a minute.
    pub fn new(uuid: Uuid, peer_uri: String) -> Self {
        Self {
            uuid,
            peer_uri,
            migration_address: None,
            copy_disks: Vec::new(),
            bandwidth: None,
            carrier: None,
            encrypt: Encrypt::WherePossible,
            throttle: false,
            post_copy: false,
            connections: None,
            compress: false,
            timeout_seconds: 3_600,
            begin_by: Instant::now() + Duration::from_secs(60),
        }
    }
}

/// What libvirt measured of a finished migration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationFigures {
    /// Milliseconds from start to finish.
    pub total_ms: Option<u64>,
    /// Milliseconds the guest stood still.
    pub downtime_ms: Option<u64>,
    /// Bytes sent.
    pub bytes: Option<u64>,
    /// Rounds over memory.
    pub rounds: Option<u64>,
    /// Bytes of memory that were zero and did not travel.
    pub zero_bytes: Option<u64>,
}
