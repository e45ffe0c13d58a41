//! A host: an administrator's record of a machine that runs libvirt.
//!
//! ```text
//! connecting ──► ready ◄──► stale ──► unreachable ──► declared off
//!      │          │  ▲                  │  ▲               │
//!      │          ▼  │                  │  │               │
//!      │       maintenance ◄────────────┘  │               │
//!      └───────────────────────────────────┘◄──────────────┘
//! ```
//! What an admin sets is [`HostMode`]; what is seen is [`HostHealth`]. connecting → ready: it answered for the first time.
//! ready ⇄ stale: the last sample is older than three periods. stale → unreachable: the connection is gone or
//! older than ten periods. unreachable → declared off: an admin says, by name, that it does not run; what was bound to
//! it is free to be made elsewhere. ready ⇄ maintenance: put aside; nothing new lands there.

use crate::{HostId, MachineId, MiB, Timestamp};
use serde::{Deserialize, Serialize};

/// What an admin wants of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostMode {
    /// Takes VMs.
    Active,
    /// Put aside: what runs there goes on, nothing new lands.
    Maintenance,
    /// An admin declared that it is off and nothing runs there.
    DeclaredOff,
}

impl HostMode {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            HostMode::Active => "active",
            HostMode::Maintenance => "maintenance",
            HostMode::DeclaredOff => "declared_off",
        }
    }
}

/// What was last seen of the host, better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostHealth {
    /// Answers in time.
    Ready,
    /// Not yet answered.
    Connecting,
    /// Its last sample is old.
    Stale,
    /// Does not answer.
    Unreachable,
}

impl HostHealth {
    /// The word on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            HostHealth::Connecting => "connecting",
            HostHealth::Ready => "ready",
            HostHealth::Stale => "stale",
            HostHealth::Unreachable => "unreachable",
        }
    }
}

/// Why a host could not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoConnection {
    /// It takes none of our keys.
    Key,
    /// Its key is not known to us, or has changed.
    HostKey,
    /// A certificate is missing, expired, not trusted, or made out to another name.
    Certificate,
    /// We got there, and libvirt's policy does not let us in.
    NotAllowed,
    /// It refuses the connection: nothing listens.
    Refused,
    /// Its name is not known here.
    UnknownName,
    /// No route leads to it.
    NoRoute,
    /// Nothing came back in time.
    TimedOut,
    /// The machine answers and libvirt on it does not.
    NoLibvirt,
    /// Another machine answers at its address.
    OtherMachine,
    /// Something else.
    Other,
}

impl NoConnection {
    /// Whether somebody answered and did not let us in: waiting will not help.
    pub fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Key | Self::HostKey | Self::Certificate | Self::NotAllowed
        )
    }
}

/// What hangs on a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTies {
    /// Names of the VMs (not gone) bound to it.
    pub vms: Vec<String>,
    /// Names of VMs on the way from or to it.
    pub moves: Vec<String>,
    /// Jobs under way that are about it.
    pub jobs: u64,
    /// VMs that may have left something on it that is to be removed.
    pub tombstones: u64,
}

/// An administrator's record of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Identifier.
    pub id: HostId,
    /// Short name, unique; 1–63 characters of a–z, 0–9, `-`, `.`.
    pub name: String,
    /// The libvirt URI by which the server reaches it.
    pub uri: String,
    /// The libvirt URI by which other hosts reach it, for peer-to-peer migration.
    pub peer_uri: String,
    /// Address for migration traffic; empty for the one the peer URI names.
    pub migration_address: Option<String>,
    /// Site; moves between sites are WAN moves.
    pub site: String,
    /// Physical cores offered to VMs.
    pub cores: u32,
    /// Memory offered to VMs.
    pub memory: MiB,
    /// What an admin wants of it.
    pub mode: HostMode,
    /// The UUID of the machine, by which it is told from every other; none where it did not say one.
    pub machine: Option<MachineId>,
    /// When it was added.
    pub created_at: Timestamp,
}
