//! All hosts and VMs at one moment, as one value: what every decision about room is made on.
//!
//! A host's room is what is *promised* on it, not what is used: sizes of what runs, starts or moves there, now or in a
//! period to come. VMs of others count too.

mod build;

pub use build::{Moving, Sources};

use bellwether_model::{
    Day, HostId, MiB, NetworkId, StorageId, Vcpus, VmId,
    host::{HostHealth, HostMode},
    policy::Policy,
    storage::StorageKind,
};
use std::collections::BTreeSet;

/// Why something counts on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A VM of ours bound to the host.
    Bound,
    /// A VM of ours on its way there.
    MovingIn,
    /// A VM of ours seen live there although it is bound elsewhere.
    SeenHere,
    /// A VM nobody made through us.
    Unmanaged,
}

/// CPU and memory promised on a host, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// The VM (an unmanaged one by its UUID).
    pub vm: VmId,
    /// Its display name, or libvirt's for an unmanaged one.
    pub name: String,
    /// Why it counts.
    pub why: Why,
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Memory.
    pub memory: MiB,
    /// First day it counts; none: already.
    pub from: Option<Day>,
    /// Last day it counts; none: for ever.
    pub until: Option<Day>,
}

/// What is promised, and the most that may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// vCPUs promised.
    pub vcpus: Vcpus,
    /// Most vCPUs that may be promised: cores × overcommit, rounded down.
    pub vcpus_limit: Vcpus,
    /// Memory promised.
    pub memory: MiB,
    /// Most memory that may be promised.
    pub memory_limit: MiB,
}

impl Room {
    /// vCPUs that may still be promised.
    pub fn vcpus_free(&self) -> Vcpus {
        self.vcpus_limit.minus(self.vcpus)
    }
    /// Memory that may still be promised.
    pub fn memory_free(&self) -> MiB {
        self.memory_limit.minus(self.memory)
    }
    /// The larger of the two shares that are promised, in millionths; above a million where the limits are exceeded.
    /// The dominant share of Ghodsi et al., NSDI 2011.
    pub fn dominant_share(&self) -> u64 {
        let share = |part: u64, whole: u64| match whole {
            0 => u64::from(part > 0) * 1_000_000,
            _ => {
                u64::try_from(u128::from(part) * 1_000_000 / u128::from(whole)).unwrap_or(u64::MAX)
            }
        };
        share(u64::from(self.vcpus.0), u64::from(self.vcpus_limit.0))
            .max(share(self.memory.0, self.memory_limit.0))
    }
    /// With this much promised on top.
    #[must_use]
    pub fn with(mut self, vcpus: Vcpus, memory: MiB) -> Self {
        self.vcpus += vcpus;
        self.memory += memory;
        self
    }
}

/// A host with what is promised and seen on it.
#[derive(Clone, Debug, PartialEq)]
pub struct FleetHost {
    /// Identifier.
    pub id: HostId,
    /// Name.
    pub name: String,
    /// Site.
    pub site: String,
    /// What an admin wants of it.
    pub mode: HostMode,
    /// Whether it answers.
    pub health: HostHealth,
    /// Cores offered.
    pub cores: u32,
    /// Memory offered.
    pub memory: MiB,
    /// Cores the host shows, once seen.
    pub cores_shown: Option<u32>,
    /// What is promised.
    pub commitments: Vec<Commitment>,
    /// CPU in use as last seen, cores.
    pub cpu_used: Option<f64>,
    /// Memory in use as last seen.
    pub memory_used: Option<MiB>,
}

/// A storage as one host reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageReach {
    /// The host.
    pub host: HostId,
    /// Its pool.
    pub pool: String,
    /// Volumes made through other members are known to be there (always, for a local storage).
    pub proven: bool,
    /// Bytes of the pool; none where it was not seen, or not active.
    pub capacity: Option<u64>,
    /// Bytes free, as last seen.
    pub available: Option<u64>,
    /// Bytes promised there: the full sizes of our disks, however little they take yet.
    pub promised: u64,
}

/// A storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetStorage {
    /// Identifier.
    pub id: StorageId,
    /// Name.
    pub name: String,
    /// Shared or local.
    pub kind: StorageKind,
    /// By host.
    pub reach: Vec<StorageReach>,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetNetwork {
    /// Identifier.
    pub id: NetworkId,
    /// Name.
    pub name: String,
    /// Hosts that carry it.
    pub hosts: BTreeSet<HostId>,
    /// Addresses still free.
    pub free: u64,
}

/// All hosts and VMs at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// Today.
    pub today: Day,
    /// Hosts, by name.
    pub hosts: Vec<FleetHost>,
    /// Storages, by name.
    pub storages: Vec<FleetStorage>,
    /// Networks, by name.
    pub networks: Vec<FleetNetwork>,
}

impl Fleet {
    /// The host.
    pub fn host(&self, id: HostId) -> Option<&FleetHost> {
        self.hosts.iter().find(|host| host.id == id)
    }
    /// The storage.
    pub fn storage(&self, id: StorageId) -> Option<&FleetStorage> {
        self.storages.iter().find(|storage| storage.id == id)
    }
    /// The network.
    pub fn network(&self, id: NetworkId) -> Option<&FleetNetwork> {
        self.networks.iter().find(|network| network.id == id)
    }
}

impl FleetHost {
    /// What is promised on `day`.
    pub fn room_on(&self, day: Day, policy: &Policy, except: Option<VmId>) -> Room {
        let counts = |c: &&Commitment| {
            Some(c.vm) != except
                && c.from.is_none_or(|from| from <= day)
                && c.until.is_none_or(|until| day <= until)
        };
        let mut room = Room {
            vcpus_limit: Vcpus(
                limit(u64::from(self.cores), policy.cpu_overcommit)
                    .try_into()
                    .unwrap_or(u32::MAX),
            ),
            memory_limit: MiB(limit(self.memory.0, policy.memory_overcommit)),
            ..Room::default()
        };
        for commitment in self.commitments.iter().filter(counts) {
            room = room.with(commitment.vcpus, commitment.memory);
        }
        room
    }

    /// The most that is promised on any one day from `from` to `until`, for CPU and for memory, each with its day. They
    /// may be different days.
    pub fn peak(&self, from: Day, until: Day, policy: &Policy, except: Option<VmId>) -> Peak {
        let starts = self.commitments.iter().filter_map(|c| c.from);
        // What is promised only grows on a day on which something begins.
        let days: BTreeSet<Day> = starts.filter(|day| *day > from && *day <= until).collect();
        let first = self.room_on(from, policy, except);
        let mut peak = Peak {
            room: first,
            vcpus_day: from,
            memory_day: from,
        };
        for day in days {
            let room = self.room_on(day, policy, except);
            if room.vcpus > peak.room.vcpus {
                (peak.room.vcpus, peak.vcpus_day) = (room.vcpus, day);
            }
            if room.memory > peak.room.memory {
                (peak.room.memory, peak.memory_day) = (room.memory, day);
            }
        }
        peak
    }

    /// vCPUs beyond which a VM would be wider than the machine itself.
    pub fn widest(&self) -> u32 {
        self.cores.max(self.cores_shown.unwrap_or(0))
    }
}

/// The most that is promised in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// The figures.
    pub room: Room,
    /// The first day with the most vCPUs.
    pub vcpus_day: Day,
    /// The first day with the most memory.
    pub memory_day: Day,
}

/// `offered × overcommit`, rounded down; an overcommit that is no number counts as 1.
pub fn limit(offered: u64, overcommit: f64) -> u64 {
    let overcommit = if overcommit.is_finite() && overcommit >= 0.0 {
        overcommit
    } else {
        1.0
    };
    // In thousandths, so that 10 × 1.1 is 11 and not 10.
    let thousandths = (overcommit * 1_000.0).round() as u128;
    u64::try_from(u128::from(offered) * thousandths / 1_000).unwrap_or(u64::MAX)
}
