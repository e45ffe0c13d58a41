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
        let places = Places::new(sources);
        let mut hosts: Vec<FleetHost> = sources
            .hosts
            .iter()
            .map(|host| fleet_host(host, sources, &places))
            .collect();
        hosts.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        let mut storages: Vec<FleetStorage> = sources
            .storages
            .iter()
            .map(|storage| fleet_storage(storage, sources, &places))
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

fn fleet_host(host: &Host, sources: &Sources<'_>, places: &Places) -> FleetHost {
    let seen = sources.observed.host(host.id);
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
        commitments: commitments(host.id, seen, sources, places),
        cpu_used: seen.and_then(|seen| seen.cpu),
        memory_used: seen.and_then(|seen| seen.memory_used),
    }
}

/// Where our VMs are among the sources: a fleet of fifty hosts is not to be gone through fifty times.
struct Places {
    of_vm: BTreeMap<VmId, usize>,
    on_host: BTreeMap<HostId, BTreeSet<usize>>,
}

impl Places {
    fn new(sources: &Sources<'_>) -> Self {
        let vms = || sources.vms.iter().enumerate();
        let of_vm: BTreeMap<VmId, usize> = vms().map(|(place, vm)| (vm.id, place)).collect();
        let mut on_host: BTreeMap<HostId, BTreeSet<usize>> = BTreeMap::new();
        for (place, vm) in vms() {
            on_host.entry(vm.host).or_default().insert(place);
        }
        for moving in sources.moving {
            if let Some(place) = of_vm.get(&moving.vm) {
                on_host.entry(moving.target).or_default().insert(*place);
            }
        }
        Self { of_vm, on_host }
    }

    /// Those that belong to the host, or are on their way to it, in the order of the sources.
    fn on(&self, host: HostId) -> impl Iterator<Item = usize> {
        self.on_host.get(&host).into_iter().flatten().copied()
    }
}

fn commitments(
    host: HostId,
    seen: Option<&HostSeen>,
    sources: &Sources<'_>,
    places: &Places,
) -> Vec<Commitment> {
    let mut out = Vec::new();
    let seen = seen.map_or(&[][..], |seen| &seen.vms).iter();
    let live: BTreeSet<VmId> = seen
        .clone()
        .filter(|vm| vm.power.is_live())
        .map(|vm| VmId(vm.uuid))
        .collect();
    let shown = live.iter().filter_map(|vm| places.of_vm.get(vm).copied());
    // In the order of the sources, each once.
    let concerned: BTreeSet<usize> = places.on(host).chain(shown).collect();
    let concerned = concerned.into_iter().map(|place| &sources.vms[place]);
    for vm in concerned.filter(|vm| vm.state != VmState::Gone) {
        let here = vm.host == host;
        let arrives = sources
            .moving
            .iter()
            .any(|m| m.vm == vm.id && m.target == host);
        let live = live.contains(&vm.id);
        let why = match (here, arrives, live) {
            (true, _, live) if live || vm.holds_memory() => Why::Bound,
            (false, true, _) => Why::MovingIn,
            (false, false, true) => Why::SeenHere,
            _ => continue,
        };
        // Only what has not begun waits for its first day; what lives past its last day counts as long as it lives.
        let begun = live || arrives || vm.state != VmState::Provisioning;
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
    let strangers = seen.filter(|vm| vm.power.is_live());
    let strangers = strangers.filter(|vm| !places.of_vm.contains_key(&VmId(vm.uuid)));
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

fn fleet_storage(storage: &Storage, sources: &Sources<'_>, places: &Places) -> FleetStorage {
    let disk = |vm: &Vm| match vm.storage == storage.id && vm.state != VmState::Gone {
        true => vm.disk,
        false => GiB(0),
    };
    let shared = (storage.kind == StorageKind::Shared)
        .then(|| sources.vms.iter().map(disk).sum::<GiB>().bytes());
    let on = |host: HostId| {
        let disks = places.on(host).map(|place| disk(&sources.vms[place]));
        disks.sum::<GiB>().bytes()
    };
    let reach = storage
        .members
        .iter()
        .map(|member| {
            let seen = sources.observed.host(member.host);
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
                promised: shared.unwrap_or_else(|| on(member.host)),
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
