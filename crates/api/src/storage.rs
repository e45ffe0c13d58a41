//! Storages: sets of (host, pool) pairs.

use crate::{Moment, Names, Ref, common::host_ref, fleet::Pool};
use bellwether_model::{observed::Observed, storage};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

words! {
    /// Whether the members see one another's volumes.
    StorageKind from storage::StorageKind {
        /// Each member pool is the same storage; proven by a marker volume, never guessed.
        Shared = "shared",
        /// Each member pool is the host's own.
        Local = "local",
    }
}

/// A storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Storage {
    /// Identifier.
    pub id: Uuid,
    /// Name, unique.
    pub name: String,
    /// Shared or local.
    pub kind: StorageKind,
    /// Member pools, one a host.
    pub members: Vec<StorageMember>,
    /// When it was confirmed.
    pub created_at: Moment,
}

impl Storage {
    /// From the inside, with names and what was last seen.
    pub fn new(storage: &storage::Storage, names: &dyn Names, seen: &Observed) -> Self {
        Self {
            id: storage.id.into(),
            name: storage.name.clone(),
            kind: storage.kind.into(),
            members: storage
                .members
                .iter()
                .map(|member| StorageMember {
                    host: host_ref(names, member.host),
                    pool: member.pool.clone(),
                    proven_at: member.proven_at.map(Moment),
                    seen: seen
                        .hosts
                        .get(&member.host)
                        .and_then(|host| host.pools.iter().find(|pool| pool.name == member.pool))
                        .map(Into::into),
                })
                .collect(),
            created_at: storage.created_at.into(),
        }
    }
}

/// One host's pool of a storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StorageMember {
    /// The host.
    pub host: Ref,
    /// The libvirt pool's name there.
    pub pool: String,
    /// For a shared storage: when a marker written through another member was read through this one.
    pub proven_at: Option<Moment>,
    /// The pool as it was last seen; none where it is not there.
    pub seen: Option<Pool>,
}

/// A pool of a host, named as a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageMemberInput {
    /// The host.
    pub host: Uuid,
    /// The libvirt pool's name there.
    pub pool: String,
}

/// A storage to confirm; a shared one is proven at once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageInput {
    /// Name, unique.
    pub name: String,
    /// Shared or local.
    pub kind: StorageKind,
    /// Member pools, one a host.
    pub members: Vec<StorageMemberInput>,
}

/// What to change about a storage; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageChange {
    /// Every member from now on; new ones of a shared storage are proven at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<StorageMemberInput>>,
}

/// A pool found on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundPool {
    /// The host.
    pub host: Ref,
    /// The pool.
    pub pool: Pool,
    /// The storage it is a member of; none where it is still free.
    pub storage: Option<Ref>,
}
