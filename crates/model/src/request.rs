//! What a user asks for, and what became of it.
//!
//! ```text
//! pending ──► approved ──► placed ──► fulfilled
//!   │ │          │           ▲ │
//!   │ │          ▼           ▼ │
//!   │ │       waiting for room │
//!   │ │              │         │
//!   │ │              ▼         │
//!   │ │ approved ◄─ failed ◄───┘
//!   │ └► refused     ◄─ waiting for room, placed, failed
//!   └► withdrawn     ◄─ waiting for room, placed, failed
//! ```
//! - pending → approved: an admin.
//! - pending → refused: an admin, with a reason.
//! - pending → withdrawn: the user.
//! - approved → placed: room reserved on a host.
//! - approved → waiting for room: no host can take it now; tried again when the fleet changes.
//! - waiting for room → placed: a host can.
//! - waiting for room → withdrawn: the user.
//! - waiting for room → refused: an admin.
//! - waiting for room → failed: its period passed meanwhile.
//! - placed → fulfilled: the VM runs.
//! - placed → waiting for room: its host died, or was put aside, before anything could have reached it.
//! - placed → failed: creation failed and was undone; the reason is kept.
//! - placed → withdrawn: the user, before its first day.
//! - placed → refused: an admin, before its first day.
//! - failed → approved: an admin tries again.
//! - failed → refused, withdrawn: given up, by an admin or the user.

use crate::{
    Day, GiB, HostId, ImageId, MiB, NetworkId, RequestId, StorageId, Timestamp, UserId, Vcpus,
    VmId, state_machine,
};
use serde::{Deserialize, Serialize};

state_machine! {
    /// State of a request.
    RequestState, "request" {
        /// Waits for an admin.
        Pending = "pending" => [Approved, Refused, Withdrawn],
        /// Approved; looking for room.
        Approved = "approved" => [Placed, WaitingForRoom],
        /// Approved, but no host can take it yet.
        WaitingForRoom = "waiting for room" => [Placed, Failed, Withdrawn, Refused],
        /// Room is reserved; the VM is being made.
        Placed = "placed" => [Fulfilled, WaitingForRoom, Failed, Withdrawn, Refused],
        /// The VM exists.
        Fulfilled = "fulfilled" => [],
        /// The user took it back.
        Withdrawn = "withdrawn" => [],
        /// An admin said no.
        Refused = "refused" => [],
        /// The VM could not be made.
        Failed = "failed" => [Approved, Refused, Withdrawn],
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestSpec {
    /// Display name, 1–63 characters, any script; unique among the owner's VMs and open requests.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Memory.
    pub memory: MiB,
    /// Disk.
    pub disk: GiB,
    /// First day of use.
    pub from: Day,
    /// Last day of use, included.
    pub until: Day,
    /// What it is for, plain text.
    pub purpose: String,
    /// The operating system.
    pub image: ImageId,
    /// OpenSSH public key to let in; without one a first password is made.
    pub ssh_key: Option<String>,
}

/// A request with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Identifier.
    pub id: RequestId,
    /// Who asks.
    pub owner: UserId,
    /// For what.
    pub spec: RequestSpec,
    /// Where it stands.
    pub state: RequestState,
    /// Why it was refused, failed or waits; for the user to read.
    pub reason: Option<String>,
    /// Who decided.
    pub decided_by: Option<UserId>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// The host the admin chose, if they chose one.
    pub wanted_host: Option<HostId>,
    /// The storage the admin chose, if they chose one.
    pub wanted_storage: Option<StorageId>,
    /// The network the admin chose, if they chose one.
    pub wanted_network: Option<NetworkId>,
    /// The VM made for it.
    pub vm: Option<VmId>,
    /// When it was made.
    pub created_at: Timestamp,
}
