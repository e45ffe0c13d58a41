//! A storage: a set of (host, pool) pairs that hold the same volumes (shared) or each their own (local).

use crate::{HostId, StorageId, Timestamp};
use serde::{Deserialize, Serialize};

/// Whether the members see one another's volumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageKind {
    /// Each member pool is the same storage; proven by a marker volume, never guessed.
    Shared,
    /// Each member pool is the host's own.
    Local,
}

impl StorageKind {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            StorageKind::Shared => "shared",
            StorageKind::Local => "local",
        }
    }
}

/// One host's pool of a storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageMember {
    /// The host.
    pub host: HostId,
    /// The libvirt pool's name there.
    pub pool: String,
    /// For a shared storage: when the marker written through another member was read through this one.
    pub proven_at: Option<Timestamp>,
}

/// A storage of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// Identifier.
    pub id: StorageId,
    /// Name, unique.
    pub name: String,
    /// Shared or local.
    pub kind: StorageKind,
    /// Member pools, one a host.
    pub members: Vec<StorageMember>,
    /// When it was confirmed.
    pub created_at: Timestamp,
}

impl Storage {
    /// The member on `host`.
    pub fn on(&self, host: HostId) -> Option<&StorageMember> {
        self.members.iter().find(|m| m.host == host)
    }
    /// Whether a volume made through one member is known to be there on `host` too.
    pub fn reaches(&self, host: HostId) -> bool {
        self.on(host)
            .is_some_and(|m| self.kind == StorageKind::Local || m.proven_at.is_some())
    }
}
