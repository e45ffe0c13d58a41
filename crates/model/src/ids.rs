//! Identifiers: one type for each kind of thing, so that a host can never be passed where a VM is meant.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new identifier (UUID version 7: sorts by time of making).
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self { Self(Uuid::now_v7()) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}({})", stringify!($name), self.0) }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { text.parse().map(Self) }
        }
        impl From<Uuid> for $name { fn from(id: Uuid) -> Self { Self(id) } }
        impl From<$name> for Uuid { fn from(id: $name) -> Uuid { id.0 } }
    )+};
}

id! {
    /// A person with a login.
    UserId,
    /// A session of a browser or an API token.
    TokenId,
    /// What a user asked for.
    RequestId,
    /// A VM; it is the libvirt UUID (an adopted VM keeps its own).
    VmId,
    /// A libvirt host.
    HostId,
    /// A machine, as its firmware or libvirt tells it from every other.
    MachineId,
    /// A storage: a set of (host, pool) pairs.
    StorageId,
    /// A network guests attach to.
    NetworkId,
    /// What a disk starts from.
    ImageId,
    /// Work that runs once, in steps.
    JobId,
    /// A VM moving live.
    MigrationId,
    /// Moves in order.
    PlanId,
    /// Something an alert found.
    IncidentId,
}

impl VmId {
    /// A VM's identifier must not reveal when it was made and is random in its first eight characters, which
    /// stand in the libvirt name: UUID version 4.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}
