//! A VM we manage: what is intended for it, and what it is doing.
//!
//! ```text
//! provisioning ──► running ◄──► shut off ──► ended ──► deleting ──► gone
//!       │            │ ▲ ▲         ▲  ▲        │           ▲
//!       │            │ │ └─paused──┘  └────────┘           │
//!       │            ▼ │                                   │
//!       │         migrating                                │
//!       ├──────► host unreachable ◄──► any of the above    │
//!       └──────────────────────────────────────────────────┘
//! ```
//! - provisioning → running: made and verified.
//! - provisioning → gone: undone.
//! - provisioning → shut off: seen off where a job could not tell.
//! - running → paused, shut off: seen so on its host, wanted or not.
//! - paused → running, shut off: seen so on its host, wanted or not.
//! - shut off → running, paused: seen so on its host, wanted or not.
//! - running, paused → migrating: a migration runs.
//! - migrating → running, paused, shut off: the migration is over; what is seen, on one host or the other.
//! - shut off → ended: the lease is over, the VM is kept.
//! - ended → shut off: the lease was extended.
//! - ended → running: somebody started it by hand.
//! - provisioning, running, paused, shut off, migrating, ended, deleting → host unreachable: the host it is bound to does
//!   not answer.
//! - host unreachable → provisioning, running, paused, shut off, migrating, ended, deleting: the host answers again, or
//!   somebody wants it gone.
//! - host unreachable → gone: undone, or deleted with a host that was declared off.
//! - provisioning, running, paused, shut off, ended → deleting: the owner or an admin asked by name.
//! - deleting → gone: disk, address and MAC are freed.
//! - deleting → running, shut off, ended: it could not be deleted, and why is said.

use crate::{
    Day, GiB, HostId, ImageId, Mac, MiB, NetworkId, RequestId, StorageId, Timestamp, UserId, Vcpus,
    VmId, observed::PowerState, state_machine,
};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

state_machine! {
    /// State of a VM.
    VmState, "VM" {
        /// Being made.
        Provisioning = "provisioning" => [Running, ShutOff, HostUnreachable, Deleting, Gone],
        /// Its guest runs.
        Running = "running" => [Paused, ShutOff, Migrating, HostUnreachable, Deleting],
        /// Stopped in mid-flight by its host.
        Paused = "paused" => [Running, ShutOff, Migrating, HostUnreachable, Deleting],
        /// Defined, not running.
        ShutOff = "shut off" => [Running, Paused, Ended, HostUnreachable, Deleting],
        /// Moving live.
        Migrating = "migrating" => [Running, Paused, ShutOff, HostUnreachable],
        /// The host it is bound to does not answer.
        HostUnreachable = "host unreachable" => [Provisioning, Running, Paused, ShutOff, Migrating, Ended, Deleting, Gone],
        /// Its lease is over; kept, shut off.
        Ended = "ended" => [ShutOff, Running, HostUnreachable, Deleting],
        /// Being removed.
        Deleting = "deleting" => [Gone, HostUnreachable, ShutOff, Running, Ended],
        /// Removed; kept for the record.
        Gone = "gone" => [],
    }
}

impl VmState {
    /// What a VM is whose host shows it so.
    pub fn of_power(power: PowerState) -> Self {
        match power {
            PowerState::Running | PowerState::ShuttingDown => Self::Running,
            PowerState::Paused => Self::Paused,
            PowerState::ShutOff | PowerState::Crashed => Self::ShutOff,
        }
    }
    /// Whether a job that makes, moves or removes it settles its state, and nothing else does; or it is gone.
    pub fn is_in_hands(self) -> bool {
        matches!(
            self,
            Self::Provisioning | Self::Migrating | Self::Deleting | Self::Gone
        )
    }
}

/// The power state somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WantedPower {
    /// Should run, also after its host's reboot.
    On,
    /// Should be off.
    Off,
}

impl WantedPower {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            WantedPower::On => "on",
            WantedPower::Off => "off",
        }
    }
}

/// The kind of virtual hardware a guest understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// virtio disk, network, balloon, random numbers: every current Linux.
    Virtio,
    /// SATA disk and e1000e network: what a bare installer (Windows) knows.
    Plain,
}

impl Devices {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Devices::Virtio => "virtio",
            Devices::Plain => "plain",
        }
    }
}

/// A VM we manage. What holds its host, storage and address is the reservation: the row exists from placement on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// Identifier, also the libvirt UUID.
    pub id: VmId,
    /// Whose it is.
    pub owner: UserId,
    /// The request it was made for; none for an adopted one.
    pub request: Option<RequestId>,
    /// Display name.
    pub name: String,
    /// Host name inside the guest.
    pub hostname: String,
    /// Libvirt's name.
    pub libvirt_name: String,
    /// The host it is bound to.
    pub host: HostId,
    /// Where it stands.
    pub state: VmState,
    /// What is wanted.
    pub wanted: WantedPower,
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Memory.
    pub memory: MiB,
    /// Disk.
    pub disk: GiB,
    /// What its disk started from.
    pub image: ImageId,
    /// Where its disk lies.
    pub storage: StorageId,
    /// The network it is on.
    pub network: NetworkId,
    /// Ethernet address.
    pub mac: Mac,
    /// Address on that network.
    pub address: IpAddr,
    /// First day of the lease.
    pub lease_from: Day,
    /// Last day of the lease, included.
    pub lease_until: Day,
    /// What it is for.
    pub purpose: String,
    /// Words by which policies choose it, in order, each once.
    pub labels: Vec<String>,
    /// The name of the policy it moves by; none for the one its labels choose, or the usual one.
    pub migration_policy: Option<String>,
    /// Why it is in the state it is in, where a person should know.
    pub note: Option<String>,
    /// When the room was reserved.
    pub created_at: Timestamp,
    /// Counts changes; a writer that read an older one is refused.
    pub generation: i64,
}

impl Vm {
    /// `bw-<first 8 of the id>-<slug of the name>`.
    pub fn libvirt_name_of(id: VmId, name: &str) -> String {
        format!(
            "bw-{}-{}",
            &id.0.simple().to_string()[..8],
            crate::text::slug(name, 40)
        )
    }
    /// The guest's host name: the slug of the name with four characters of the id, so that two people's "web" differ.
    pub fn hostname_of(id: VmId, name: &str) -> String {
        format!(
            "{}-{}",
            crate::text::slug(name, 50),
            &id.0.simple().to_string()[..4]
        )
    }
    /// The file name of its disk.
    pub fn disk_volume(&self) -> String {
        format!("bw-{}.qcow2", self.id)
    }
    /// The file name of its seed.
    pub fn seed_volume(&self) -> String {
        format!("bw-{}-seed.img", self.id)
    }
    /// Whether it holds a commitment of CPU and memory on its host: everything but what is off by intent or gone.
    pub fn holds_memory(&self) -> bool {
        match self.state {
            VmState::Gone | VmState::Ended => false,
            VmState::ShutOff => self.wanted == WantedPower::On,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::states::State;

    #[test]
    fn only_edges_of_the_diagram() {
        assert!(VmState::Provisioning.step(VmState::Running).is_ok());
        assert!(VmState::Gone.step(VmState::Running).is_err());
        assert!(VmState::Migrating.step(VmState::Deleting).is_err());
        let said = VmState::Gone.step(VmState::Running).unwrap_err().message;
        assert_eq!(said, "The VM is gone and can't become running.");
    }

    #[test]
    fn names_from_any_script() {
        let id: VmId = "0123abcd-0000-4000-8000-000000000000".parse().unwrap();
        assert_eq!(Vm::libvirt_name_of(id, "Büro <1>"), "bw-0123abcd-b-ro-1");
        assert_eq!(Vm::hostname_of(id, "データ"), "vm-0123");
    }
}
