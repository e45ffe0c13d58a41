//! Hosts: an administrator's record of a machine that runs libvirt, and what was last seen of it.

use crate::{Moment, fleet::HostSeen};
use bellwether_model::{Timestamp, host, observed};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

words! {
    /// What an admin wants of the host.
    HostMode from host::HostMode {
        /// Takes VMs.
        Active = "active",
        /// Put aside: what runs there goes on, nothing new lands.
        Maintenance = "maintenance",
        /// An admin declared that it is off and nothing runs there.
        DeclaredOff = "declared_off",
    }
}

words! {
    /// Whether the host answers.
    HostHealth from host::HostHealth {
        /// Not yet answered.
        Connecting = "connecting",
        /// Answers in time.
        Ready = "ready",
        /// Its last sample is old.
        Stale = "stale",
        /// Does not answer.
        Unreachable = "unreachable",
    }
}

words! {
    /// Why a host could not be connected to.
    NoConnection from host::NoConnection {
        /// It takes none of our keys.
        Key = "key",
        /// Its key is not known to us, or has changed.
        HostKey = "host_key",
        /// A certificate is missing, expired, not trusted, or made out to another name.
        Certificate = "certificate",
        /// We got there, and libvirt's policy does not let us in.
        NotAllowed = "not_allowed",
        /// It refuses the connection: nothing listens.
        Refused = "refused",
        /// Its name is not known to the server.
        UnknownName = "unknown_name",
        /// No route leads to it.
        NoRoute = "no_route",
        /// Nothing came back in time.
        TimedOut = "timed_out",
        /// The machine answers and libvirt on it does not.
        NoLibvirt = "no_libvirt",
        /// Another machine answers at its address.
        OtherMachine = "other_machine",
        /// Something else.
        Other = "other",
    }
}

/// A host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Host {
    /// Identifier.
    pub id: Uuid,
    /// Short name, unique.
    pub name: String,
    /// The libvirt URI by which the server reaches it.
    pub uri: String,
    /// The libvirt URI by which other hosts reach it.
    pub peer_uri: String,
    /// Address for migration traffic; none for the one the peer URI names.
    pub migration_address: Option<String>,
    /// Site; moves between sites are WAN moves.
    pub site: String,
    /// Physical cores offered to VMs.
    pub offered_cores: u32,
    /// Memory offered to VMs, MiB.
    pub offered_memory_mib: u64,
    /// What an admin wants of it.
    pub mode: HostMode,
    /// The UUID of the machine, by which it is told from every other; none where it did not say one.
    pub machine: Option<Uuid>,
    /// When it was added.
    pub created_at: Moment,
    /// What was last seen of it, without its VMs.
    pub seen: HostSeen,
    /// What is still to be done by hand, with the commands, until it is proven not to be needed: so that the server reaches
    /// the host and, where one host is asked for, so that VMs can move to and from it.
    pub missing: Vec<Advice>,
}

impl Host {
    /// From the inside, with what was last seen of it at `now`; what is missing is for the caller to say.
    pub fn new(host: &host::Host, seen: Option<&observed::HostSeen>, now: Timestamp) -> Self {
        let nothing = observed::HostSeen::nothing(host.id);
        Self {
            id: host.id.into(),
            name: host.name.clone(),
            uri: host.uri.clone(),
            peer_uri: host.peer_uri.clone(),
            migration_address: host.migration_address.clone(),
            site: host.site.clone(),
            offered_cores: host.cores,
            offered_memory_mib: host.memory.0,
            mode: host.mode.into(),
            machine: host.machine.map(Into::into),
            created_at: host.created_at.into(),
            seen: HostSeen::new(seen.unwrap_or(&nothing), now),
            missing: Vec::new(),
        }
    }
}

/// What changes seldom about a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostFacts {
    /// The host's own name.
    pub hostname: String,
    /// Processor architecture: `x86_64`.
    pub arch: String,
    /// CPU model in words.
    pub cpu_model: String,
    /// Physical cores or threads the host shows.
    pub cores: u32,
    /// Memory the host shows, MiB.
    pub memory_mib: u64,
    /// libvirt, `11.3.0`.
    pub libvirt_version: String,
    /// QEMU, `10.0.2`.
    pub hypervisor_version: String,
    /// Kernel release, where it can be known.
    pub kernel: Option<String>,
    /// Hardware virtualisation works (KVM).
    pub kvm: bool,
}

impl From<&observed::HostFacts> for HostFacts {
    fn from(facts: &observed::HostFacts) -> Self {
        Self {
            hostname: facts.hostname.clone(),
            arch: facts.arch.clone(),
            cpu_model: facts.cpu_model.clone(),
            cores: facts.cores,
            memory_mib: facts.memory.0,
            libvirt_version: facts.libvirt_version.clone(),
            hypervisor_version: facts.hypervisor_version.clone(),
            kernel: facts.kernel.clone(),
            kvm: facts.kvm,
        }
    }
}

/// A URI to try, without adding a host.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostTry {
    /// libvirt URI: `qemu+ssh://root@host/system`, `qemu+tls://host/system`, …
    pub uri: String,
}

/// A host to add; connected at once.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostInput {
    /// Short name, unique; 1–63 of a–z, 0–9, `-`, `.`.
    pub name: String,
    /// The libvirt URI by which the server reaches it.
    pub uri: String,
    /// The libvirt URI by which other hosts reach it; absent for the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_uri: Option<String>,
    /// Address for migration traffic; absent for the one the peer URI names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration_address: Option<String>,
    /// Site; absent for the default site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Physical cores offered to VMs; absent for what the host shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub offered_cores: Option<i64>,
    /// Memory offered to VMs, MiB; absent for what the host shows less a reserve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub offered_memory_mib: Option<i64>,
}

/// A host that was added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AddedHost {
    /// The host.
    pub host: Host,
    /// What it says of itself.
    pub facts: HostFacts,
}

/// Something a person has to do, with the commands for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Advice {
    /// What is missing, in words.
    pub what: String,
    /// Commands to run, in order.
    pub commands: Vec<String>,
}

/// What to change about a host; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostChange {
    /// Short name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The libvirt URI by which the server reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The libvirt URI by which other hosts reach it. Where it is absent, one that came of `uri` follows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_uri: Option<String>,
    /// Address for migration traffic; empty for the one the peer URI names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration_address: Option<String>,
    /// Site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Physical cores offered to VMs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub offered_cores: Option<i64>,
    /// Memory offered to VMs, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub offered_memory_mib: Option<i64>,
}

/// A mode to put a host in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostModeInput {
    /// The mode.
    pub mode: HostMode,
    /// The host's name, typed; needed for `declared_off`, since what was bound to it may then be made elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm: Option<String>,
}
