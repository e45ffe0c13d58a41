use super::*;
use crate::{
    fleet::{Moving, Sources, Why},
    testing::{day, id},
};
use bellwether_model::{
    Timestamp,
    host::Host,
    network::{Carrier, Network, NetworkMember},
    observed::{HostSeen, Observed, PoolSeen, PowerState, VmSeen},
    storage::{Storage, StorageMember},
    vm::{Vm, VmState, WantedPower},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const TODAY: &str = "2026-11-24";

/// A fleet in the making: hosts with a shared storage and one network, all as large as said.
struct World {
    hosts: Vec<Host>,
    observed: Observed,
    vms: Vec<Vm>,
    storages: Vec<Storage>,
    networks: Vec<Network>,
    free: BTreeMap<NetworkId, u64>,
    moving: Vec<Moving>,
}

impl World {
    fn new(sizes: &[(u32, u64)]) -> Self {
        let mut world = Self {
            hosts: Vec::new(),
            observed: Observed::default(),
            vms: Vec::new(),
            storages: vec![Storage {
                id: id(2, 1),
                name: "shared".into(),
                kind: StorageKind::Shared,
                members: Vec::new(),
                created_at: Timestamp(0),
            }],
            networks: vec![Network {
                id: id(3, 1),
                name: "lan".into(),
                cidr_address: [10, 0, 0, 0].into(),
                cidr_prefix: 24,
                gateway: None,
                dns: Vec::new(),
                range_from: [10, 0, 0, 1].into(),
                range_until: [10, 0, 0, 99].into(),
                vlan: None,
                members: Vec::new(),
                created_at: Timestamp(0),
            }],
            free: BTreeMap::from([(id(3, 1), 99)]),
            moving: Vec::new(),
        };
        for (number, (cores, memory)) in (1..).zip(sizes) {
            let host: HostId = id(1, number);
            world.hosts.push(Host {
                id: host,
                name: format!("host{number:02}"),
                uri: format!("sim://test/host{number:02}"),
                peer_uri: format!("sim://test/host{number:02}"),
                migration_address: None,
                site: "here".into(),
                cores: *cores,
                memory: MiB(*memory),
                mode: HostMode::Active,
                machine: None,
                created_at: Timestamp(0),
            });
            world.storages[0].members.push(StorageMember {
                host,
                pool: "shared".into(),
                proven_at: Some(Timestamp(0)),
            });
            world.networks[0].members.push(NetworkMember {
                host,
                carrier: Carrier::Bridge("br0".into()),
            });
            let seen = HostSeen {
                health: HostHealth::Ready,
                pools: vec![PoolSeen {
                    name: "shared".into(),
                    kind: "netfs".into(),
                    path: None,
                    active: true,
                    capacity: 1_000 << 30,
                    available: 900 << 30,
                }],
                ..HostSeen::nothing(host)
            };
            world.observed.put(seen);
        }
        world
    }

    fn vm(&mut self, host: u64, vcpus: u32, memory: u64) -> &mut Vm {
        let number = self.vms.len() as u64 + 1;
        self.vms.push(Vm {
            host: id(1, host),
            vcpus: Vcpus(vcpus),
            memory: MiB(memory),
            ..crate::testing::vm(number)
        });
        self.vms.last_mut().unwrap()
    }

    fn sees(&mut self, host: u64, vm: VmId, power: PowerState, vcpus: u32, memory: u64) {
        let seen = self.observed.host_mut(id(1, host)).unwrap();
        seen.vms.push(VmSeen {
            vcpus,
            memory: MiB(memory),
            ..VmSeen::nothing(vm.0, "stranger".into(), power)
        });
    }

    fn fleet(&self) -> Fleet {
        Fleet::new(&Sources {
            hosts: &self.hosts,
            observed: &self.observed,
            vms: &self.vms,
            storages: &self.storages,
            networks: &self.networks,
            free_addresses: &self.free,
            moving: &self.moving,
            today: day(TODAY),
        })
    }

    fn place(&self, ask: &Ask) -> Placement {
        place(&self.fleet(), ask, &Policy::default())
    }

    /// The name of the host that takes it, or every refusal as `host: reason`.
    fn outcome(&self, ask: &Ask) -> String {
        let placement = self.place(ask);
        match placement.best {
            Some(best) => self.fleet().host(best.host).unwrap().name.clone(),
            None => {
                let lines = placement.refusals().into_iter().map(|refusal| {
                    format!("{}: {}", refusal.host_name, refusal.reasons.join(" | "))
                });
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

fn ask(vcpus: u32, memory: u64) -> Ask {
    let (from, until) = (day(TODAY), day("2026-12-24"));
    Ask::new(Vcpus(vcpus), MiB(memory), GiB(10), from, until)
}

/// What an admin is shown of a host is what the verdict was made on, to the last MiB.
#[test]
fn the_figures_before_and_after_differ_by_what_is_asked() {
    let mut world = World::new(&[(8, 16_384)]);
    let later = world.vm(1, 2, 4_096);
    later.state = VmState::Provisioning;
    (later.lease_from, later.lease_until) = (day("2026-12-01"), day("2026-12-09"));
    let mut ask = ask(1, 2_048);
    (ask.from, ask.until) = (day(TODAY), day("2026-12-05"));
    let placement = place(&world.fleet(), &ask, &Policy::default());
    let candidate = &placement.candidates[0];
    let Verdict::Fits { after, storage, .. } = &candidate.verdict else {
        panic!("{candidate:?}");
    };
    assert_eq!(candidate.before.room.memory, MiB(4_096));
    assert_eq!(candidate.before.memory_day, day("2026-12-01"));
    assert_eq!(*after, candidate.before.room.with(ask.vcpus, ask.memory));
    let disk = candidate.disk.unwrap();
    assert_eq!((disk.storage, disk.needed), (*storage, ask.disk.bytes()));
    assert!(disk.free <= disk.limit);

    // Of a host that is refused the figures are shown too.
    ask.memory = MiB(20_000);
    let refused = place(&world.fleet(), &ask, &Policy::default());
    assert!(refused.best.is_none());
    assert_eq!(refused.candidates[0].before, candidate.before);
    assert_eq!(refused.candidates[0].disk, candidate.disk);
}

#[test]
fn the_emptiest_host_wins_and_ties_go_by_name() {
    let mut world = World::new(&[(8, 16_384), (8, 16_384), (8, 16_384)]);
    assert_eq!(world.outcome(&ask(2, 2_048)), "host01");
    world.vm(1, 2, 2_048);
    assert_eq!(world.outcome(&ask(2, 2_048)), "host02");
    world.vm(2, 1, 1_024);
    world.vm(3, 16, 1_024);
    assert_eq!(
        world.outcome(&ask(2, 2_048)),
        "host02",
        "host03 has half its CPU promised"
    );
    let chosen = Ask {
        host: Some(id(1, 3)),
        ..ask(2, 2_048)
    };
    assert_eq!(world.outcome(&chosen), "host03");
}

#[test]
fn what_is_short_is_said_with_figures() {
    let mut world = World::new(&[(2, 16_384)]);
    world.vm(1, 7, 15_360);
    assert_eq!(
        world.outcome(&ask(2, 4_096)),
        "host01: CPU: 2 vCPUs asked, 1 free of 8 that 2 cores may carry | \
         memory: 4,096 MiB asked, 1,024 MiB free of 16,384 MiB offered"
    );
    let wide = World::new(&[(2, 16_384)]);
    assert_eq!(
        wide.outcome(&ask(4, 512)),
        "host01: CPU: 4 vCPUs asked, the host has 2 cores"
    );
    assert_eq!(World::new(&[]).outcome(&ask(1, 1)), "");
}

#[test]
fn mode_and_health_are_hard_edges() {
    let mut world = World::new(&[(8, 16_384); 5]);
    world.hosts[0].mode = HostMode::Maintenance;
    world.hosts[1].mode = HostMode::DeclaredOff;
    for (number, health) in [
        (2, HostHealth::Unreachable),
        (3, HostHealth::Stale),
        (4, HostHealth::Unreachable),
    ] {
        world.observed.host_mut(id(1, number)).unwrap().health = health;
    }
    world.observed.hosts.remove(&id(1, 5));
    let told = world.outcome(&ask(1, 1_024));
    for part in [
        "host01: it is put aside for maintenance",
        "host02: it is declared off",
        "host03: it has not answered for a while",
        "host04: it does not answer",
        "host05: it has not answered yet",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert!(
        !told.contains("host02: it is declared off | it does"),
        "{told}"
    );
}

#[test]
fn storage_and_network_are_hard_edges() {
    let mut world = World::new(&[(8, 16_384); 4]);
    world.storages[0].members[0].proven_at = None;
    world.storages[0].members.remove(1);
    world.networks[0]
        .members
        .retain(|member| member.host != id(1, 3));
    world.observed.host_mut(id(1, 4)).unwrap().pools[0].available = 9 << 30;
    let told = world.outcome(&ask(1, 1_024));
    assert_eq!(
        told,
        "host01: storage 'shared': not yet proven to be shared on this host\n\
         host02: storage: no storage reaches it\n\
         host03: network: it carries none\n\
         host04: storage 'shared': 10 GiB needed, 9 GiB free"
    );
    let mut full = World::new(&[(8, 16_384)]);
    full.free.clear();
    assert_eq!(
        full.outcome(&ask(1, 1)),
        "host01: network 'lan': no address is free"
    );
    let other = Ask {
        storage: Some(id(2, 9)),
        ..ask(1, 1)
    };
    assert!(full.outcome(&other).contains("does not reach it"));
}

#[test]
fn disks_count_in_full_and_an_image_that_must_be_brought_too() {
    let mut world = World::new(&[(64, 1 << 20)]);
    world.observed.host_mut(id(1, 1)).unwrap().pools[0].capacity = 100 << 30;
    for _ in 0..8 {
        world.vm(1, 1, 1_024);
    }
    // 80 of 100 GiB are promised, although 900 GiB would be free.
    assert_eq!(
        world.outcome(&Ask {
            disk: GiB(20),
            ..ask(1, 1)
        }),
        "host01"
    );
    let with_image = Ask {
        disk: GiB(20),
        image_bytes: 3 << 29,
        ..ask(1, 1)
    };
    assert_eq!(
        world.outcome(&with_image),
        "host01: storage 'shared': 21.5 GiB needed, 20 GiB free"
    );
    let there = Ask {
        image_in: vec![(id(2, 1), id(1, 7))],
        ..with_image
    };
    assert_eq!(world.outcome(&there), "host01");
}

#[test]
fn shared_storage_comes_before_local() {
    let mut world = World::new(&[(8, 16_384)]);
    let pool = PoolSeen {
        name: "local".into(),
        capacity: 4_000 << 30,
        available: 4_000 << 30,
        ..world.observed.hosts[&id(1, 1)].pools[0].clone()
    };
    world.observed.host_mut(id(1, 1)).unwrap().pools.push(pool);
    world.storages.push(Storage {
        id: id(2, 2),
        name: "a-local".into(),
        kind: StorageKind::Local,
        members: vec![StorageMember {
            host: id(1, 1),
            pool: "local".into(),
            proven_at: None,
        }],
        created_at: Timestamp(0),
    });
    assert_eq!(world.place(&ask(1, 1)).best.unwrap().storage, id(2, 1));
    let large = Ask {
        disk: GiB(2_000),
        ..ask(1, 1)
    };
    assert_eq!(world.place(&large).best.unwrap().storage, id(2, 2));
}

#[test]
fn everything_that_lives_there_counts_once() {
    let mut world = World::new(&[(8, 16_384), (8, 16_384)]);
    let off = world.vm(1, 1, 1_000);
    (off.state, off.wanted) = (VmState::ShutOff, WantedPower::Off);
    let stopped = world.vm(1, 1, 2_000);
    (stopped.state, stopped.wanted) = (VmState::ShutOff, WantedPower::On);
    world.vm(1, 1, 4_000).state = VmState::HostUnreachable;
    world.vm(1, 1, 100).state = VmState::Gone;
    let moving = world.vm(1, 1, 8_000).id;
    world.moving.push(Moving {
        vm: moving,
        target: id(1, 2),
    });
    world.sees(1, moving, PowerState::Running, 1, 8_000);
    world.sees(2, moving, PowerState::Paused, 1, 8_000);
    world.sees(2, id(9, 1), PowerState::Running, 3, 512);
    world.sees(2, id(9, 2), PowerState::ShutOff, 3, 512);
    let fleet = world.fleet();
    let room = |host: usize| fleet.hosts[host].room_on(day(TODAY), &Policy::default(), None);
    assert_eq!(room(0).memory, MiB(14_000));
    assert_eq!((room(1).memory, room(1).vcpus), (MiB(8_512), Vcpus(4)));
    let why: Vec<Why> = fleet.hosts[1].commitments.iter().map(|c| c.why).collect();
    assert_eq!(why, [Why::MovingIn, Why::Unmanaged]);
    let without = fleet.hosts[1].room_on(day(TODAY), &Policy::default(), Some(moving));
    assert_eq!(without.memory, MiB(512));
}

#[test]
fn a_period_is_checked_against_the_leases_of_that_period() {
    let mut world = World::new(&[(8, 16_384)]);
    let later = world.vm(1, 1, 12_000);
    later.state = VmState::Provisioning;
    (later.lease_from, later.lease_until) = (day("2026-12-10"), day("2026-12-20"));
    let period = |from: &str, until: &str| Ask {
        from: day(from),
        until: day(until),
        ..ask(1, 8_192)
    };
    assert_eq!(world.outcome(&period("2026-11-24", "2026-12-09")), "host01");
    assert_eq!(
        world.outcome(&period("2026-11-24", "2026-12-10")),
        "host01: memory: 8,192 MiB asked, 4,384 MiB free of 16,384 MiB offered (on 2026-12-10, when the most is promised)"
    );
    assert_eq!(world.outcome(&period("2026-12-21", "2027-01-10")), "host01");
    // A VM that lives on after its last day counts today, not for ever.
    let overdue = world.vm(1, 1, 12_000);
    overdue.lease_until = day("2026-11-01");
    assert!(
        world
            .place(&period("2026-11-24", "2026-11-24"))
            .best
            .is_none()
    );
    assert!(
        world
            .place(&period("2026-11-25", "2026-11-25"))
            .best
            .is_some()
    );
}

#[test]
fn a_longer_stay_needs_room_beside_what_is_promised_by_then() {
    let mut world = World::new(&[(8, 16_384)]);
    let stays = world.vm(1, 2, 8_192);
    stays.lease_until = day("2026-12-01");
    let stays = stays.clone();
    let later = world.vm(1, 2, 12_000);
    later.state = VmState::Provisioning;
    (later.lease_from, later.lease_until) = (day("2026-12-10"), day("2026-12-20"));
    let stay = |until: &str| room_to_stay(&world.fleet(), &stays, day(until), &Policy::default());
    assert_eq!(stay("2026-12-09"), Ok(()));
    let short = stay("2026-12-10").unwrap_err();
    assert!(
        short[0].contains("8,192 MiB asked, 4,384 MiB free"),
        "{short:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However VMs are placed one after the other, no host is ever promised more than the policy allows, the answer does
    /// not depend on the order in which hosts are told, and asking twice changes nothing.
    #[test]
    fn never_over_capacity_and_always_the_same(
        sizes in prop::collection::vec((1_u32..16, 512_u64..32_768), 1..6),
        asks in prop::collection::vec((1_u32..8, 128_u64..8_192, 0_i64..60, 1_i64..60), 0..25),
        cpu_overcommit in 0.5_f64..5.0, memory_overcommit in 0.5_f64..1.5,
    ) {
        let policy = Policy { cpu_overcommit, memory_overcommit, ..Policy::default() };
        let mut world = World::new(&sizes);
        for (vcpus, memory, ahead, days) in asks {
            let from = crate::request::days_after(day(TODAY), ahead as u32);
            let until = crate::request::days_after(from, days as u32);
            let wish = Ask { disk: GiB(1), ..Ask::new(Vcpus(vcpus), MiB(memory), GiB(1), from, until) };
            let placement = place(&world.fleet(), &wish, &policy);
            world.hosts.reverse();
            prop_assert_eq!(&place(&world.fleet(), &wish, &policy), &placement);
            world.hosts.reverse();
            prop_assert_eq!(placement.candidates.len(), sizes.len());
            prop_assert_eq!(placement.best.is_none(), placement.refusals().len() == sizes.len());
            for refusal in placement.refusals() {
                prop_assert!(!refusal.reasons.is_empty());
            }
            if let Some(best) = placement.best {
                let vm = world.vm(1, vcpus, memory);
                (vm.host, vm.state) = (best.host, VmState::Provisioning);
                (vm.lease_from, vm.lease_until) = (from, until);
            }
            for host in &world.fleet().hosts {
                for ahead in 0..130 {
                    let room = host.room_on(crate::request::days_after(day(TODAY), ahead), &policy, None);
                    prop_assert!(room.vcpus <= room.vcpus_limit && room.memory <= room.memory_limit);
                }
            }
        }
    }
}
