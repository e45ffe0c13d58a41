//! Order: a set of moves becomes a plan, in which each move begins as soon as its links and its room allow.
//!
//! A move holds what its VM needs on the target from its start, and frees it on the source at its end. A link carries so
//! many Mbit/s in each direction, and a move takes the most that both ends can give for the whole time: dirty pages grow
//! while it lasts, so two streams at half speed never beat one after the other. What must hold (room, VMs that are to be
//! apart) holds at every instant, so that the plan can be stopped after any of its moves.
//!
//! Where VMs would have to trade places on full hosts, one of them takes a detour over a third host; what can't be moved
//! even so is left, with the reason, and the rest is planned.
//!
//! Deciding this is scheduling with two unit-like resources a job (an open shop with multiprocessor tasks), which is hard
//! to solve exactly; passes of list scheduling, critical link first, come near or reach the bound of the links, and a
//! search over the order of the passes does the rest.

mod bound;
mod detour;
pub mod file;
mod pass;
mod search;
#[cfg(test)]
mod tests;

pub use search::order;

/// What a VM takes of a host, or a host has: memory in MiB, vCPUs, disk in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Memory, MiB.
    pub memory_mib: u64,
    /// vCPUs, what is overcommitted included.
    pub vcpus: u64,
    /// Disk, MiB; of a VM on shared storage nothing.
    pub disk_mib: u64,
}

impl Room {
    /// Whether `other` fits in this.
    pub fn holds(self, other: Self) -> bool {
        other.memory_mib <= self.memory_mib
            && other.vcpus <= self.vcpus
            && other.disk_mib <= self.disk_mib
    }
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            vcpus: self.vcpus.saturating_add(other.vcpus),
            disk_mib: self.disk_mib.saturating_add(other.disk_mib),
        }
    }
    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            vcpus: self.vcpus.saturating_sub(other.vcpus),
            disk_mib: self.disk_mib.saturating_sub(other.disk_mib),
        }
    }
    /// What of `other` is short here, in words.
    fn short_of(self, other: Self) -> String {
        let mut short = Vec::new();
        for (what, there, wanted) in [
            ("MiB of memory", self.memory_mib, other.memory_mib),
            ("vCPUs", self.vcpus, other.vcpus),
            ("MiB of disk", self.disk_mib, other.disk_mib),
        ] {
            if wanted > there {
                short.push(format!("{wanted} {what} wanted, {there} free"));
            }
        }
        short.join(", ")
    }
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name, for reasons.
    pub name: String,
    /// What is free before anything moves, its reserve deducted.
    pub free: Room,
    /// Mbit/s it sends, and receives, at most.
    pub link_mbit: u32,
    /// Whether VMs may take a detour over it.
    pub may_lend: bool,
}

/// A VM that moves, or that others must be apart from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vm {
    /// Its name, for reasons.
    pub name: String,
    /// Where it is: a place in [`Problem::hosts`].
    pub host: usize,
    /// What it takes of a host.
    pub need: Room,
    /// Groups of which no host may hold two, as numbers from 0.
    pub apart: Vec<usize>,
}

/// A move that is wanted, or under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// A place in [`Problem::vms`].
    pub vm: usize,
    /// A place in [`Problem::hosts`].
    pub to: usize,
}

/// How a VM travels from one host to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// Of each end's link, for as long as it takes.
    pub mbit: u32,
    /// How long it takes, milliseconds.
    pub ms: u64,
}

/// What is to be ordered.
pub struct Problem<'a> {
    /// The hosts.
    pub hosts: &'a [Host],
    /// The VMs.
    pub vms: &'a [Vm],
    /// What is wanted: each VM at most once, and to another host than its own.
    pub moves: &'a [Move],
    /// What is on its way, with the milliseconds each will still take; their room on the target is not in its `free`
    /// any more, and they are no part of `moves`.
    pub under_way: &'a [(Move, u64)],
    /// How a VM travels between two hosts, by their places.
    pub trip: &'a dyn Fn(usize, usize, usize) -> Trip,
}

/// A step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The VM.
    pub vm: usize,
    /// From where.
    pub from: usize,
    /// To where.
    pub to: usize,
    /// What it takes of the links.
    pub mbit: u32,
    /// When it starts, milliseconds from the beginning of the plan.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
    /// Whether it only leads somewhere from where the VM goes on.
    pub detour: bool,
}

/// What is not done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The move.
    pub wanted: Move,
    /// A sentence.
    pub why: String,
}

/// An ordered plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By their start.
    pub steps: Vec<Step>,
    /// When the last ends, what is under way included.
    pub makespan_ms: u64,
    /// No plan for the same moves ends earlier: what the busiest direction of a link has to carry.
    pub bound_ms: u64,
    /// Moves that can't be made.
    pub left: Vec<Left>,
    /// Passes that were tried.
    pub evaluations: u64,
}

/// How much may be spent on it. Counted in what is tried rather than in time, so that the same budget gives the same plan
/// on any machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Starts of moves that may be tried, over all passes; at least one pass is made.
    pub starts: u64,
    /// Where the search begins.
    pub seed: u64,
}

impl Default for Budget {
    /// Some milliseconds, for a handful of moves as for a thousand; on published plans a fifth of it finds the optimum.
    fn default() -> Self {
        Self {
            starts: 15_000,
            seed: 1,
        }
    }
}
