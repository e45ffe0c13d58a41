//! How the fleet is made from what is recorded and what was last seen.

use super::{Commitment, Fleet, FleetHost, FleetNetwork, FleetStorage, StorageReach, Why};
use bellwether_model::{
    Day, GiB, HostId, NetworkId, Vcpus, VmId,
    host::{Host, HostHealth},
    network::Network,
    observed::{HostSeen, Observed, VmSeen},
    storage::{Storage, StorageKind},
    vm::{Vm, VmState},
};
use std::collections::{BTreeMap, BTreeSet};

/// A VM that is moving, or is about to: it counts on its target too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moving {
    /// The VM.
    pub vm: VmId,
    /// Where it goes.
    pub target: HostId,
}

/// What a fleet is made from.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// Every host.
    pub hosts: &'a [Host],
    /// What was last seen.
    pub observed: &'a Observed,
    /// Every VM that is not gone.
    pub vms: &'a [Vm],
    /// Every storage.
    pub storages: &'a [Storage],
    /// Every network.
    pub networks: &'a [Network],
    /// Addresses still free, by network ([`crate::addresses::free_count`]); none given counts as none free.
    pub free_addresses: &'a BTreeMap<NetworkId, u64>,
    /// Migrations under way.
    pub moving: &'a [Moving],
    /// Today, in the site's time zone.
    pub today: Day,
}

impl Fleet {
    /// The fleet as the sources tell.
    pub fn new(sources: &Sources<'_>) -> Self {
        let mut hosts: Vec<FleetHost> = sources
            .hosts
            .iter()
            .map(|host| fleet_host(host, sources))
            .collect();
        hosts.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let mut storages: Vec<FleetStorage> = sources
            .storages
            .iter()
            .map(|storage| fleet_storage(storage, sources))
            .collect();
        storages.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let mut networks: Vec<FleetNetwork> = sources
            .networks
            .iter()
            .map(|network| FleetNetwork {
                id: network.id,
                name: network.name.clone(),
                hosts: network.members.iter().map(|member| member.host).collect(),
                free: sources
                    .free_addresses
                    .get(&network.id)
                    .copied()
                    .unwrap_or(0),
            })
            .collect();
        networks.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Self {
            today: sources.today,
            hosts,
            storages,
            networks,
        }
    }
}

fn fleet_host(host: &Host, sources: &Sources<'_>) -> FleetHost {
    let seen = sources.observed.hosts.get(&host.id);
    FleetHost {
        id: host.id,
        name: host.name.clone(),
        site: host.site.clone(),
        mode: host.mode,
        health: seen.map_or(HostHealth::Connecting, |seen| seen.health),
        cores: host.cores,
        memory: host.memory,
        cores_shown: seen
            .and_then(|seen| seen.facts.as_ref())
            .map(|facts| facts.cores),
        commitments: commitments(host.id, seen, sources),
        cpu_used: seen.and_then(|seen| seen.cpu),
        memory_used: seen.and_then(|seen| seen.memory_used),
    }
}

fn commitments(host: HostId, seen: Option<&HostSeen>, sources: &Sources<'_>) -> Vec<Commitment> {
    let mut out = Vec::new();
    let live = |vm: VmId| {
        seen.and_then(|seen| seen.vm(vm.0))
            .is_some_and(|vm| vm.power.is_live())
    };
    for vm in sources.vms.iter().filter(|vm| vm.state != VmState::Gone) {
        let here = vm.host == host;
        let arrives = sources
            .moving
            .iter()
            .any(|m| m.vm == vm.id && m.target == host);
        let why = match (here, arrives, live(vm.id)) {
            (true, _, live) if live || vm.holds_memory() => Why::Bound,
            (false, true, _) => Why::MovingIn,
            (false, false, true) => Why::SeenHere,
            _ => continue,
        };
        // Only what has not begun waits for its first day; what lives past its last day counts as long as it lives.
        let begun = live(vm.id) || arrives || vm.state != VmState::Provisioning;
        out.push(Commitment {
            vm: vm.id,
            name: vm.name.clone(),
            why,
            vcpus: vm.vcpus,
            memory: vm.memory,
            from: (!begun).then_some(vm.lease_from),
            until: Some(vm.lease_until.max(sources.today)),
        });
    }
    let ours: BTreeSet<VmId> = sources.vms.iter().map(|vm| vm.id).collect();
    let strangers = seen.map_or(&[][..], |seen| &seen.vms).iter();
    let strangers = strangers.filter(|vm| vm.power.is_live() && !ours.contains(&VmId(vm.uuid)));
    out.extend(strangers.map(unmanaged));
    out
}

fn unmanaged(vm: &VmSeen) -> Commitment {
    Commitment {
        vm: VmId(vm.uuid),
        name: vm.name.clone(),
        why: Why::Unmanaged,
        vcpus: Vcpus(vm.vcpus),
        memory: vm.memory,
        from: None,
        until: None,
    }
}

fn fleet_storage(storage: &Storage, sources: &Sources<'_>) -> FleetStorage {
    let disks = |host: Option<HostId>| -> u64 {
        let here = sources.vms.iter().filter(|vm| {
            vm.storage == storage.id
                && vm.state != VmState::Gone
                && host.is_none_or(|host| {
                    vm.host == host
                        || sources
                            .moving
                            .iter()
                            .any(|m| m.vm == vm.id && m.target == host)
                })
        });
        here.map(|vm| vm.disk).sum::<GiB>().bytes()
    };
    let shared = (storage.kind == StorageKind::Shared).then(|| disks(None));
    let reach = storage
        .members
        .iter()
        .map(|member| {
            let seen = sources.observed.hosts.get(&member.host);
            let pool = seen.and_then(|seen| {
                seen.pools
                    .iter()
                    .find(|pool| pool.name == member.pool && pool.active)
            });
            StorageReach {
                host: member.host,
                pool: member.pool.clone(),
                proven: storage.reaches(member.host),
                capacity: pool.map(|pool| pool.capacity),
                available: pool.map(|pool| pool.available),
                promised: shared.unwrap_or_else(|| disks(Some(member.host))),
            }
        })
        .collect();
    FleetStorage {
        id: storage.id,
        name: storage.name.clone(),
        kind: storage.kind,
        reach,
    }
}
