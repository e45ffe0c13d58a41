//! Requests: what a user asks for, what an admin sees beside it, and what became of it.

use crate::{
    Moment, Names, Ref,
    common::{host_ref, image_ref, network_ref, storage_ref, user_ref, vm_ref},
    host::{HostHealth, HostMode},
    image::Image,
    job::Job,
    user::User,
};
use bellwether_model::{Day, request};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// State of a request.
    RequestState from request::RequestState {
        /// Waits for an admin.
        Pending = "pending",
        /// Approved; looking for room.
        Approved = "approved",
        /// Approved, but no host can take it yet.
        WaitingForRoom = "waiting_for_room",
        /// Room is reserved; the VM is being made.
        Placed = "placed",
        /// The VM exists.
        Fulfilled = "fulfilled",
        /// The user took it back.
        Withdrawn = "withdrawn",
        /// An admin said no.
        Refused = "refused",
        /// The VM could not be made.
        Failed = "failed",
    }
}

/// What to ask for. Sizes and days are checked by the server, which names every field that is wrong.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestInput {
    /// Display name, 1–63 characters, any script; unique among one's VMs and open requests.
    pub name: String,
    /// Virtual CPUs.
    #[schema(minimum = 1)]
    pub vcpus: i64,
    /// Memory, MiB.
    #[schema(minimum = 1)]
    pub memory_mib: i64,
    /// Disk, GiB.
    #[schema(minimum = 1)]
    pub disk_gib: i64,
    /// First day of use, `2026-11-24`, in the site's time zone.
    #[schema(format = Date)]
    pub from: String,
    /// Last day of use, included.
    #[schema(format = Date)]
    pub until: String,
    /// What it is for.
    pub purpose: String,
    /// The image its disk starts from: the operating system.
    pub image: Uuid,
    /// OpenSSH public key to let in; without one a first password is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_key: Option<String>,
}

/// A request with what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// Identifier.
    pub id: Uuid,
    /// Who asks.
    pub owner: Ref,
    /// Display name of the VM.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Disk, GiB.
    pub disk_gib: u64,
    /// First day of use.
    #[schema(value_type = String, format = Date)]
    pub from: Day,
    /// Last day of use, included.
    #[schema(value_type = String, format = Date)]
    pub until: Day,
    /// What it is for.
    pub purpose: String,
    /// The operating system.
    pub image: Ref,
    /// OpenSSH public key to let in.
    pub ssh_key: Option<String>,
    /// Where it stands.
    pub state: RequestState,
    /// Why it was refused, failed or waits.
    pub reason: Option<String>,
    /// Who decided.
    pub decided_by: Option<Ref>,
    /// When.
    pub decided_at: Option<Moment>,
    /// The host the admin chose, if they chose one.
    pub wanted_host: Option<Ref>,
    /// The storage the admin chose, if they chose one.
    pub wanted_storage: Option<Ref>,
    /// The network the admin chose, if they chose one.
    pub wanted_network: Option<Ref>,
    /// The VM made for it.
    pub vm: Option<Ref>,
    /// When it was made.
    pub created_at: Moment,
}

impl Request {
    /// From the inside, with names.
    pub fn new(request: &request::Request, names: &dyn Names) -> Self {
        let spec = &request.spec;
        Self {
            id: request.id.into(),
            owner: user_ref(names, request.owner),
            name: spec.name.clone(),
            vcpus: spec.vcpus.0,
            memory_mib: spec.memory.0,
            disk_gib: spec.disk.0,
            from: spec.from,
            until: spec.until,
            purpose: spec.purpose.clone(),
            image: image_ref(names, spec.image),
            ssh_key: spec.ssh_key.clone(),
            state: request.state.into(),
            reason: request.reason.clone(),
            decided_by: request.decided_by.map(|id| user_ref(names, id)),
            decided_at: request.decided_at.map(Moment),
            wanted_host: request.wanted_host.map(|id| host_ref(names, id)),
            wanted_storage: request.wanted_storage.map(|id| storage_ref(names, id)),
            wanted_network: request.wanted_network.map(|id| network_ref(names, id)),
            vm: request.vm.map(|id| vm_ref(names, id)),
            created_at: request.created_at.into(),
        }
    }
}

/// What the admin sees beside a request: the fleet as it was last seen, and where the VM would go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Consideration {
    /// The request.
    pub request: Request,
    /// Who asks.
    pub owner: User,
    /// The operating system asked for.
    pub image: Image,
    /// Where it would go if it were approved now without a choice; none where no host can take it.
    pub placement: Option<Placement>,
    /// Every host, the best first, those that can't take it last.
    pub hosts: Vec<HostRoom>,
}

/// Where a VM would go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Placement {
    /// The host.
    pub host: Ref,
    /// The storage its disk would lie on.
    pub storage: Ref,
    /// The network it would be on.
    pub network: Ref,
}

/// A host's room for one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HostRoom {
    /// The host.
    pub host: Ref,
    /// What an admin wants of it.
    pub mode: HostMode,
    /// Whether it answers.
    pub health: HostHealth,
    /// Seconds since it was last seen; none if never.
    pub age_seconds: Option<u64>,
    /// vCPUs that may be promised in all.
    pub capacity_vcpus: u32,
    /// vCPUs promised at the fullest moment of the request's period, without it.
    pub committed_vcpus: u32,
    /// CPU in use, in cores; none where unknown.
    pub used_cores: Option<f64>,
    /// Memory that may be promised in all, MiB.
    pub capacity_memory_mib: u64,
    /// Memory promised at the fullest moment of the request's period, without it, MiB.
    pub committed_memory_mib: u64,
    /// Memory in use, MiB; none where unknown.
    pub used_memory_mib: Option<u64>,
    /// Disk that may be promised in all in the storage it would lie on, GiB; none where no storage can be used.
    pub capacity_disk_gib: Option<u64>,
    /// Of that, what can't be promised any more, GiB.
    pub committed_disk_gib: Option<u64>,
    /// Whether it can take the request.
    pub fits: bool,
    /// Room left after the request, where it fits.
    pub after: Option<RoomLeft>,
    /// Where the disk would lie and what it would be on, where it fits.
    pub placement: Option<Placement>,
    /// Why it can't take it, or what speaks against it, in words with figures.
    pub reasons: Vec<String>,
}

/// Room left on a host after a request was placed there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoomLeft {
    /// vCPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Disk of the storage, GiB; none where unknown.
    pub disk_gib: Option<u64>,
}

/// An admin's yes; absent choices are made by placement.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// On this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Uuid>,
    /// On this storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Uuid>,
    /// On this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Uuid>,
    /// The choice is for this moment only: should the VM have to be placed anew later, any place will do. Else it is kept
    /// with the request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Approved {
    /// The request.
    pub request: Request,
    /// The job that makes the VM; none while it waits for room or for its first day.
    pub job: Option<Job>,
}

/// An admin's no.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Why; the user reads it.
    pub reason: String,
}

/// Which requests to list; a user sees their own whatever `owner` says.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RequestQuery {
    /// Only of this person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Uuid>,
    /// Only in these states, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the part before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
