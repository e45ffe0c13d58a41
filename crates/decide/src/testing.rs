//! Nouns for this crate's tests, with identifiers a person can read.

use bellwether_model::{
    Day, GiB, HostId, ImageId, Mac, MiB, Timestamp, UserId, Vcpus, VmId,
    host::{Host, HostHealth, HostMode},
    network::{Carrier, Network, NetworkMember},
    observed::{HostFacts, HostSeen, PoolSeen, PowerState, VmSeen},
    storage::{Storage, StorageKind, StorageMember},
    vm::{Vm, VmState, WantedPower},
};

/// Identifier `number` of a kind: 1 hosts, 2 storages, 3 networks, 4 VMs, 9 strangers.
pub fn id<T: std::str::FromStr>(kind: u8, number: u64) -> T
where
    T::Err: std::fmt::Debug,
{
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
        .parse()
        .unwrap()
}

/// A day.
pub fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// A running VM on host 1, storage 1 and network 1.
pub fn vm(number: u64) -> Vm {
    Vm {
        id: id(4, number),
        owner: UserId(Default::default()),
        request: None,
        name: format!("vm{number}"),
        hostname: String::new(),
        libvirt_name: String::new(),
        host: id(1, 1),
        state: VmState::Running,
        wanted: WantedPower::On,
        vcpus: Vcpus(1),
        memory: MiB(1_024),
        disk: GiB(10),
        image: ImageId(Default::default()),
        storage: id(2, 1),
        network: id(3, 1),
        mac: Mac::local([0, 0, 0]),
        address: [10, 0, 0, 1].into(),
        lease_from: day("2026-11-24"),
        lease_until: day("2026-12-31"),
        purpose: String::new(),
        labels: Vec::new(),
        migration_policy: None,
        note: None,
        created_at: Timestamp(0),
        generation: 0,
    }
}

/// An active host with 8 cores and 16 GiB.
pub fn host(number: u64) -> Host {
    Host {
        id: id(1, number),
        name: format!("host{number:02}"),
        uri: format!("sim://test/host{number:02}"),
        peer_uri: format!("sim://test/host{number:02}"),
        migration_address: None,
        site: "here".into(),
        cores: 8,
        memory: MiB(16_384),
        mode: HostMode::Active,
        machine: None,
        created_at: Timestamp(0),
    }
}

/// What is seen of it when it answers: a pool `shared` of 1,000 GiB, 900 free; no VMs.
pub fn seen_host(number: u64) -> HostSeen {
    HostSeen {
        health: HostHealth::Ready,
        facts: Some(HostFacts {
            arch: "x86_64".into(),
            cores: 8,
            libvirt_version: "11.3.0".into(),
            hypervisor_version: "10.0.2".into(),
            kernel: Some("6.12.1".into()),
            kvm: true,
            ..HostFacts::default()
        }),
        pools: vec![PoolSeen {
            name: "shared".into(),
            kind: "netfs".into(),
            path: None,
            active: true,
            capacity: 1_000 << 30,
            available: 900 << 30,
        }],
        ..HostSeen::nothing(id(1, number))
    }
}

/// A VM as a host shows it.
pub fn seen_vm(vm: VmId, power: PowerState) -> VmSeen {
    VmSeen {
        vcpus: 1,
        memory: MiB(1_024),
        ..VmSeen::nothing(vm.0, "seen".into(), power)
    }
}

/// A storage called `shared`, proven on all its hosts.
pub fn storage(number: u64, kind: StorageKind, hosts: &[u64]) -> Storage {
    let members = hosts.iter().map(|host| StorageMember {
        host: id(1, *host),
        pool: "shared".into(),
        proven_at: Some(Timestamp(0)),
    });
    Storage {
        id: id(2, number),
        name: "shared".into(),
        kind,
        members: members.collect(),
        created_at: Timestamp(0),
    }
}

/// A network called `lan` on the bridge `br0` of these hosts.
pub fn network(hosts: &[u64]) -> Network {
    let member = |host: HostId| NetworkMember {
        host,
        carrier: Carrier::Bridge("br0".into()),
    };
    Network {
        id: id(3, 1),
        name: "lan".into(),
        cidr_address: [10, 0, 0, 0].into(),
        cidr_prefix: 24,
        gateway: None,
        dns: Vec::new(),
        range_from: [10, 0, 0, 1].into(),
        range_until: [10, 0, 0, 99].into(),
        vlan: None,
        members: hosts.iter().map(|host| member(id(1, *host))).collect(),
        created_at: Timestamp(0),
    }
}
