//! Which host takes a VM, and for each other host why it does not.
//!
//! Hard edges first: a host that fails one is refused, with every reason and its figures. Among the rest the host with
//! the most room left afterwards wins (the larger of the shares of CPU and memory promised, over the whole period), then
//! the name: the order is total, so the same fleet always gives the same answer.

use crate::{
    fleet::{Fleet, FleetHost, FleetNetwork, FleetStorage, Peak, Room, StorageReach, limit},
    request::days_after,
    words::{bytes, counted, grouped, mib},
};
use bellwether_model::{
    Day, GiB, HostId, MiB, NetworkId, Refusal, StorageId, Vcpus, VmId,
    host::{HostHealth, HostMode},
    policy::Policy,
    storage::StorageKind,
    vm::Vm,
};

/// What is to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Virtual CPUs.
    pub vcpus: Vcpus,
    /// Memory.
    pub memory: MiB,
    /// Disk.
    pub disk: GiB,
    /// First day.
    pub from: Day,
    /// Last day, included.
    pub until: Day,
    /// Bytes of the image's file, and where it lies already; elsewhere it needs its own space.
    pub image_bytes: u64,
    /// Where the image is complete.
    pub image_in: Vec<(StorageId, HostId)>,
    /// Only this host, if an admin chose.
    pub host: Option<HostId>,
    /// Only this storage, if an admin chose.
    pub storage: Option<StorageId>,
    /// Only this network, if an admin chose.
    pub network: Option<NetworkId>,
    /// A VM that does not count, because it is the one that is placed (anew).
    pub except: Option<VmId>,
}

impl Ask {
    /// Room for this much in this period, wherever it is; the image is taken to be there.
    pub fn new(vcpus: Vcpus, memory: MiB, disk: GiB, from: Day, until: Day) -> Self {
        Self {
            vcpus,
            memory,
            disk,
            from,
            until,
            image_bytes: 0,
            image_in: Vec::new(),
            host: None,
            storage: None,
            network: None,
            except: None,
        }
    }
}

/// What became of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can take the VM.
    Fits {
        /// On this storage.
        storage: StorageId,
        /// And this network.
        network: NetworkId,
        /// What is promised at the fullest moment of the period, with the VM.
        after: Room,
        /// Room left afterwards in millionths; the most wins.
        score: u64,
    },
    /// It can't, and why: every reason in words with figures.
    Refused {
        /// The reasons.
        reasons: Vec<String>,
    },
}

/// One host with its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// What is promised there at the fullest moment of the period, without the VM: what the verdict is made on.
    pub before: Peak,
    /// The storage the disk would lie on: the chosen one, or of a host that is refused the one with the most space; none
    /// where none that is asked for can be used there.
    pub disk: Option<DiskRoom>,
    /// What became of it.
    pub verdict: Verdict,
}

/// Room for disks in one storage as one host reaches it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskRoom {
    /// The storage.
    pub storage: StorageId,
    /// What may be promised there in all.
    pub limit: u64,
    /// What may still be promised.
    pub free: u64,
    /// What is in use, as last seen.
    pub used: u64,
    /// What the VM needs: its disk, and the image where that is not there yet.
    pub needed: u64,
}

/// Where the VM goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Best {
    /// The host.
    pub host: HostId,
    /// The storage.
    pub storage: StorageId,
    /// The network.
    pub network: NetworkId,
}

/// The answer, with all hosts: those that fit first, best first; then those that don't, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Every host.
    pub candidates: Vec<Candidate>,
    /// Where the VM goes; none where no host (or not the chosen one) can take it.
    pub best: Option<Best>,
}

impl Placement {
    /// Every host that can't, with its reasons.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.candidates
            .iter()
            .filter_map(|candidate| match &candidate.verdict {
                Verdict::Refused { reasons } => Some(Refusal {
                    host: candidate.host,
                    host_name: candidate.host_name.clone(),
                    reasons: reasons.clone(),
                }),
                Verdict::Fits { .. } => None,
            })
            .collect()
    }
}

/// Places `ask` on `fleet`.
pub fn place(fleet: &Fleet, ask: &Ask, policy: &Policy) -> Placement {
    let mut candidates: Vec<Candidate> = fleet
        .hosts
        .iter()
        .map(|host| judge(fleet, host, ask, policy))
        .collect();
    candidates.sort_by_key(|candidate| {
        let order = match &candidate.verdict {
            Verdict::Fits { score, .. } => (0, u64::MAX - score),
            Verdict::Refused { .. } => (1, 0),
        };
        (order, candidate.host_name.clone(), candidate.host)
    });
    let best = candidates
        .iter()
        .find_map(|candidate| match candidate.verdict {
            Verdict::Fits {
                storage, network, ..
            } if ask.host.is_none_or(|host| host == candidate.host) => Some(Best {
                host: candidate.host,
                storage,
                network,
            }),
            _ => None,
        });
    Placement { candidates, best }
}

fn judge(fleet: &Fleet, host: &FleetHost, ask: &Ask, policy: &Policy) -> Candidate {
    let mut reasons = unfit(host);
    let after = match room(host, ask, policy) {
        Ok(after) => after,
        Err(short) => {
            reasons.extend(short);
            Room::default()
        }
    };
    let reached = storages(fleet, host, ask, policy);
    let storage = choose_storage(fleet, &reached, ask);
    let network = choose_network(fleet, host, ask);
    let seen = reached.iter().filter_map(|(_, room)| room.as_ref().ok());
    let disk = storage
        .as_ref()
        .ok()
        .or(seen.max_by_key(|room| room.free))
        .copied();
    let verdict = match (storage, network) {
        (Ok(disk), Ok(network)) if reasons.is_empty() => Verdict::Fits {
            storage: disk.storage,
            network,
            after,
            score: 1_000_000_u64.saturating_sub(after.dominant_share()),
        },
        (storage, network) => {
            reasons.extend(storage.err());
            reasons.extend(network.err());
            Verdict::Refused { reasons }
        }
    };
    Candidate {
        host: host.id,
        host_name: host.name.clone(),
        before: host.peak(ask.from, ask.until, policy, ask.except),
        disk,
        verdict,
    }
}

/// Why nothing new may land on the host now, whatever its room.
pub fn unfit(host: &FleetHost) -> Vec<String> {
    let mode = match host.mode {
        HostMode::Active => None,
        HostMode::Maintenance => Some("it is put aside for maintenance: nothing new lands there"),
        HostMode::DeclaredOff => Some("it is declared off"),
    };
    let health = match host.health {
        HostHealth::Ready => None,
        HostHealth::Connecting => Some("it has not answered yet"),
        HostHealth::Stale => {
            Some("it has not answered for a while: what runs there now is not known")
        }
        HostHealth::Unreachable => Some("it does not answer"),
    };
    // What is declared off is not expected to answer.
    let health = health.filter(|_| host.mode != HostMode::DeclaredOff);
    [mode, health]
        .into_iter()
        .flatten()
        .map(String::from)
        .collect()
}

/// Whether CPU and memory have room for the whole period: what is promised then at the fullest moment, with the VM; or
/// what is short.
pub fn room(host: &FleetHost, ask: &Ask, policy: &Policy) -> Result<Room, Vec<String>> {
    let peak = host.peak(ask.from, ask.until, policy, ask.except);
    let room = peak.room;
    let on = |day: Day| {
        if day > ask.from {
            format!(" (on {day}, when the most is promised)")
        } else {
            String::new()
        }
    };
    let mut short = Vec::new();
    if ask.vcpus.0 > host.widest() {
        short.push(format!(
            "CPU: {} asked, the host has {}",
            counted(u64::from(ask.vcpus.0), "vCPU", "vCPUs"),
            counted(u64::from(host.widest()), "core", "cores")
        ));
    }
    if ask.vcpus > room.vcpus_free() {
        short.push(format!(
            "CPU: {} asked, {} free of {} that {} may carry{}",
            counted(u64::from(ask.vcpus.0), "vCPU", "vCPUs"),
            grouped(u64::from(room.vcpus_free().0)),
            grouped(u64::from(room.vcpus_limit.0)),
            counted(u64::from(host.cores), "core", "cores"),
            on(peak.vcpus_day)
        ));
    }
    if ask.memory > room.memory_free() {
        short.push(format!(
            "memory: {} asked, {} free of {} offered{}",
            mib(ask.memory),
            mib(room.memory_free()),
            mib(room.memory_limit),
            on(peak.memory_day)
        ));
    }
    if short.is_empty() {
        Ok(room.with(ask.vcpus, ask.memory))
    } else {
        Err(short)
    }
}

/// Whether a VM may stay on its host until `until`: whether the days after its last one have room for it beside what is
/// promised there by then; or what is short.
pub fn room_to_stay(
    fleet: &Fleet,
    vm: &Vm,
    until: Day,
    policy: &Policy,
) -> Result<(), Vec<String>> {
    let Some(host) = fleet.host(vm.host) else {
        return Err(vec!["its host is not known".into()]);
    };
    let from = days_after(vm.lease_until, 1).max(fleet.today);
    let ask = Ask {
        except: Some(vm.id),
        ..Ask::new(vm.vcpus, vm.memory, vm.disk, from, until.max(from))
    };
    room(host, &ask, policy).map(|_| ())
}

/// The host on which a VM that was given up with its own can be started: one that fits, reaches its storage and its
/// network and has room, the emptiest first; or what is short, by host.
pub fn elsewhere(fleet: &Fleet, vm: &Vm, policy: &Policy) -> Result<HostId, Vec<Refusal>> {
    let ask = Ask {
        except: Some(vm.id),
        ..Ask::new(
            vm.vcpus,
            vm.memory,
            vm.disk,
            fleet.today,
            vm.lease_until.max(fleet.today),
        )
    };
    let mut fits: Vec<(u64, &str, HostId)> = Vec::new();
    let mut refusals = Vec::new();
    for host in fleet.hosts.iter().filter(|host| host.id != vm.host) {
        let mut reasons = unfit(host);
        let reached = fleet.storage(vm.storage).is_some_and(|storage| {
            let mut reach = storage.reach.iter();
            reach.any(|reach| reach.host == host.id && reach.proven)
        });
        if !reached {
            reasons.push("the storage of its disk is not proven to reach it".into());
        }
        let carried = fleet
            .network(vm.network)
            .is_some_and(|network| network.hosts.contains(&host.id));
        if !carried {
            reasons.push("its network does not reach it".into());
        }
        match room(host, &ask, policy) {
            Ok(after) if reasons.is_empty() => {
                fits.push((after.dominant_share(), &host.name, host.id));
                continue;
            }
            Ok(_) => {}
            Err(short) => reasons.extend(short),
        }
        refusals.push(Refusal {
            host: host.id,
            host_name: host.name.clone(),
            reasons,
        });
    }
    fits.into_iter()
        .min()
        .map(|(_, _, host)| host)
        .ok_or(refusals)
}

/// The storages that are asked for and reach the host, each with its room or why it can't be used.
fn storages<'a>(
    fleet: &'a Fleet,
    host: &FleetHost,
    ask: &Ask,
    policy: &Policy,
) -> Vec<(&'a FleetStorage, Result<DiskRoom, String>)> {
    let asked = |storage: &&FleetStorage| ask.storage.is_none_or(|id| id == storage.id);
    let mut reached = Vec::new();
    for storage in fleet.storages.iter().filter(asked) {
        let Some(reach) = storage.reach.iter().find(|reach| reach.host == host.id) else {
            continue;
        };
        let shared = storage.kind == StorageKind::Shared;
        let brought = ask
            .image_in
            .iter()
            .any(|(id, holder)| *id == storage.id && (shared || *holder == host.id));
        let image = if brought { 0 } else { ask.image_bytes };
        let capacity = reach.capacity.unwrap_or(0);
        let room = space(reach, policy).map(|free| DiskRoom {
            storage: storage.id,
            limit: limit(capacity, policy.disk_overcommit),
            free,
            used: capacity.saturating_sub(reach.available.unwrap_or(0)),
            needed: ask.disk.bytes().saturating_add(image),
        });
        reached.push((storage, room));
    }
    reached
}

/// The storage for the disk: shared before local (a VM there moves without its disk being copied), then the one with the
/// most space, then by name.
fn choose_storage(
    fleet: &Fleet,
    reached: &[(&FleetStorage, Result<DiskRoom, String>)],
    ask: &Ask,
) -> Result<DiskRoom, String> {
    let mut short = Vec::new();
    let mut fits: Vec<(bool, &FleetStorage, DiskRoom)> = Vec::new();
    for (storage, room) in reached {
        match room {
            Err(why) => short.push(format!("storage '{}': {why}", storage.name)),
            Ok(room) if room.free < room.needed => short.push(format!(
                "storage '{}': {} needed, {} free",
                storage.name,
                bytes(room.needed),
                bytes(room.free)
            )),
            Ok(room) => fits.push((storage.kind == StorageKind::Shared, storage, *room)),
        }
    }
    fits.sort_by(|a, b| {
        (b.0, b.2.free)
            .cmp(&(a.0, a.2.free))
            .then(a.1.name.cmp(&b.1.name))
    });
    match (fits.first(), ask.storage) {
        (Some((_, _, room)), _) => Ok(*room),
        (None, _) if !short.is_empty() => Err(short.join("; ")),
        (None, Some(id)) => Err(format!(
            "storage '{}' does not reach it",
            fleet
                .storage(id)
                .map_or("?", |storage| storage.name.as_str())
        )),
        (None, None) => Err("storage: no storage reaches it".into()),
    }
}

/// Bytes of disk that may still be promised through this pool. Disks grow: one made today may take its whole size later,
/// so each counts in full against the pool, and must find that much free as the pool is now, both × overcommit.
pub fn space(reach: &StorageReach, policy: &Policy) -> Result<u64, String> {
    if !reach.proven {
        return Err("not yet proven to be shared on this host".into());
    }
    let (Some(capacity), Some(available)) = (reach.capacity, reach.available) else {
        return Err(format!("its pool '{}' was not seen running", reach.pool));
    };
    let promised = limit(capacity, policy.disk_overcommit).saturating_sub(reach.promised);
    Ok(promised.min(limit(available, policy.disk_overcommit)))
}

fn choose_network(fleet: &Fleet, host: &FleetHost, ask: &Ask) -> Result<NetworkId, String> {
    let asked = |network: &&FleetNetwork| ask.network.is_none_or(|id| id == network.id);
    let carried: Vec<&FleetNetwork> = fleet
        .networks
        .iter()
        .filter(asked)
        .filter(|network| network.hosts.contains(&host.id))
        .collect();
    match (
        carried.iter().find(|network| network.free > 0),
        carried.first(),
        ask.network,
    ) {
        (Some(network), _, _) => Ok(network.id),
        (None, Some(full), _) => Err(format!("network '{}': no address is free", full.name)),
        (None, None, Some(id)) => Err(format!(
            "network '{}' is not carried there",
            fleet
                .network(id)
                .map_or("?", |network| network.name.as_str())
        )),
        (None, None, None) => Err("network: it carries none".into()),
    }
}

#[cfg(test)]
mod tests;
