//! What goes over the wire, to the letter. A change here is a change of the interface: look at it as such.

#![allow(clippy::unwrap_used)] // a golden that can not be made has failed

use bellwether_api::{
    Names, Problem,
    audit::AuditLine,
    fleet::*,
    host::Host,
    image::Image,
    job::Job,
    migration::{Check, Migration},
    network::Network,
    policy::Policy,
    request::Request,
    session::Token,
    storage::Storage,
    user::User,
    vm::Vm,
};
use bellwether_model::migration_policy::{Mechanism, MigrationPolicy, Phase};
use bellwether_model::{
    Error, FieldError, GiB, HostId, ImageId, JobId, Mac, MiB, MigrationId, NetworkId, Refusal,
    RequestId, StorageId, Timestamp, TokenId, UserId, Vcpus, VmId, audit, host, image, job,
    migration, network, observed, people, policy, request, storage, vm,
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_795_521_600_000_000); // 2026-11-24T12:00:00Z

/// Identifiers that can be told apart in a golden file.
fn id<T: From<Uuid>>(n: u128) -> T {
    Uuid::from_u128((n << 96) | 0x4000_8000_0000_0000_0000).into()
}

struct Known;
impl Names for Known {
    fn user(&self, id: UserId) -> Option<String> {
        (id == self::id(1)).then(|| "ada".into())
    }
    fn host(&self, id: HostId) -> Option<String> {
        (id == self::id(2)).then(|| "h1".into())
    }
    fn image(&self, _: ImageId) -> Option<String> {
        Some("Debian 12".into())
    }
    fn storage(&self, _: StorageId) -> Option<String> {
        Some("main".into())
    }
    fn network(&self, _: NetworkId) -> Option<String> {
        Some("guests".into())
    }
    fn vm(&self, _: VmId) -> Option<String> {
        Some("web".into())
    }
}

/// The golden, and that it reads back as the same.
fn golden<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    insta::assert_json_snapshot!(name, value);
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

#[test]
fn people() {
    let user = people::User {
        id: id(1),
        login: "ada".into(),
        full_name: "Ada Lovelace".into(),
        mail: "ada@example.org".into(),
        role: people::Role::Admin,
        state: people::AccountState::Waiting,
        created_at: NOW,
    };
    golden("user", &User::from(&user));
    let token = people::Token {
        id: id::<TokenId>(9),
        user: id(1),
        kind: people::TokenKind::Api,
        name: "ci".into(),
        created_at: NOW,
        used_at: NOW,
        expires_at: Timestamp::from_seconds(1_800_000_000),
    };
    golden("token", &Token::from(&token));
}

#[test]
fn a_request() {
    let request = request::Request {
        id: id::<RequestId>(3),
        owner: id(1),
        spec: request::RequestSpec {
            name: "wéb <1>".into(),
            vcpus: Vcpus(2),
            memory: MiB(2048),
            disk: GiB(20),
            from: "2026-11-24".parse().unwrap(),
            until: "2026-12-24".parse().unwrap(),
            purpose: "Course\nweb server".into(),
            image: id(6),
            ssh_key: None,
        },
        state: request::RequestState::WaitingForRoom,
        reason: Some("No host has 2 GiB left.".into()),
        decided_by: Some(id(77)),
        decided_at: Some(NOW),
        wanted_host: Some(id(2)),
        wanted_storage: None,
        wanted_network: None,
        vm: None,
        created_at: NOW,
    };
    golden("request", &Request::new(&request, &Known));
}

fn seen() -> observed::Observed {
    let host = observed::HostSeen {
        health: host::HostHealth::Stale,
        at: Some(NOW),
        trouble: Some("The connection timed out.".into()),
        why: Some(host::NoConnection::TimedOut),
        latency_ms: Some(12),
        facts: Some(observed::HostFacts {
            hostname: "h1.lab".into(),
            arch: "x86_64".into(),
            cpu_model: "EPYC".into(),
            cores: 8,
            memory: MiB(32_768),
            libvirt_version: "11.3.0".into(),
            hypervisor_version: "10.0.2".into(),
            kernel: None,
            kvm: true,
            cpu: "<cpu/>".into(),
            machine: Some(id(200)),
        }),
        cpu: Some(1.5),
        cpu_kinds: Some(observed::HostCpu {
            user: 1.0,
            system: 0.5,
            io_wait: 0.25,
        }),
        cpu_counters: None,
        memory_used: Some(MiB(4096)),
        vms: vec![
            observed::VmSeen {
                migrating: true,
                vcpus: 2,
                memory: MiB(2048),
                up_since: Some(NOW),
                cpu: Some(0.25),
                contention: Some(0.125),
                overhead: Some(0.5),
                memory_resident: Some(MiB(900)),
                memory_at: Some(NOW),
                disks: vec![observed::DiskUse {
                    device: "vda".into(),
                    read: Some(observed::TransferRate {
                        bytes: 1024.0,
                        requests: 2.0,
                        latency: Some(0.25),
                    }),
                    written: Some(observed::TransferRate::default()),
                    capacity: Some(1 << 30),
                    allocation: Some(1 << 20),
                }],
                nics: vec![observed::NicUse {
                    device: "vnet3".into(),
                    received: Some(observed::PacketRate {
                        bytes: 512.0,
                        packets: 4.0,
                        dropped: 1.0,
                    }),
                    sent: None,
                }],
                ..observed::VmSeen::nothing(
                    id::<VmId>(4).into(),
                    "bw-00000004-web".into(),
                    observed::PowerState::Running,
                )
            },
            observed::VmSeen {
                vcpus: 1,
                memory: MiB(512),
                ..observed::VmSeen::nothing(
                    Uuid::from_u128(5),
                    "old-one".into(),
                    observed::PowerState::ShutOff,
                )
            },
        ],
        pools: vec![observed::PoolSeen {
            name: "nfs".into(),
            kind: "netfs".into(),
            path: Some("/srv/nfs".into()),
            active: true,
            capacity: 100 << 30,
            available: 60 << 30,
        }],
        carriers: vec![observed::CarrierSeen {
            carrier: network::Carrier::Bridge("br0".into()),
            active: true,
        }],
        ..observed::HostSeen::nothing(id(2))
    };
    observed::Observed {
        hosts: BTreeMap::from([(host.host, host.into())]),
    }
}

fn our_vm() -> vm::Vm {
    vm::Vm {
        id: id(4),
        owner: id(1),
        request: Some(id(3)),
        name: "web".into(),
        hostname: "web-0000".into(),
        libvirt_name: "bw-00000004-web".into(),
        host: id(2),
        state: vm::VmState::HostUnreachable,
        wanted: vm::WantedPower::On,
        vcpus: Vcpus(2),
        memory: MiB(2048),
        disk: GiB(20),
        image: id(6),
        storage: id(7),
        network: id(8),
        mac: Mac::local([1, 2, 3]),
        address: "10.0.0.17".parse().unwrap(),
        lease_from: "2026-11-24".parse().unwrap(),
        lease_until: "2026-12-24".parse().unwrap(),
        purpose: "Course web server".into(),
        labels: Vec::new(),
        migration_policy: None,
        note: None,
        created_at: NOW,
        generation: 5,
    }
}

#[test]
fn a_vm_with_what_is_seen_of_it() {
    let later = NOW.plus(std::time::Duration::from_secs(42));
    golden(
        "vm",
        &Vm::new(&our_vm(), &Known, &seen(), true, Some(true), later),
    );
}

#[test]
fn a_host_with_everything_on_it() {
    let record = host::Host {
        id: id(2),
        name: "h1".into(),
        uri: "qemu+ssh://root@h1/system".into(),
        peer_uri: "qemu+tls://h1/system".into(),
        migration_address: None,
        site: "here".into(),
        cores: 8,
        memory: MiB(30_000),
        mode: host::HostMode::DeclaredOff,
        machine: Some(id(200)),
        created_at: NOW,
    };
    let later = NOW.plus(std::time::Duration::from_secs(42));
    let seen = seen();
    let seen = seen.host(record.id);
    let host = Host::new(&record, seen, later);
    golden("host_never_seen", &Host::new(&record, None, later));
    let seen = seen.unwrap();
    golden(
        "fleet",
        &Fleet {
            at: later.into(),
            hosts: vec![FleetHost {
                host,
                capacity_vcpus: 32,
                committed_vcpus: 3,
                capacity_memory_mib: 30_000,
                committed_memory_mib: 2560,
                vms: seen
                    .vms
                    .iter()
                    .map(|vm| {
                        let ours = our_vm();
                        FleetVm::new(
                            vm,
                            Some(&ours).filter(|ours| Uuid::from(ours.id) == vm.uuid),
                            &Known,
                        )
                    })
                    .collect(),
                pools: seen.pools.iter().map(Into::into).collect(),
                carriers: seen.carriers.iter().map(Into::into).collect(),
            }],
            alarms: vec!["web is on h1 and h2.".into()],
        },
    );
}

#[test]
fn a_storage_and_a_network() {
    let storage = storage::Storage {
        id: id(7),
        name: "main".into(),
        kind: storage::StorageKind::Shared,
        members: vec![
            storage::StorageMember {
                host: id(2),
                pool: "nfs".into(),
                proven_at: Some(NOW),
            },
            storage::StorageMember {
                host: id(99),
                pool: "nfs".into(),
                proven_at: None,
            },
        ],
        created_at: NOW,
    };
    golden("storage", &Storage::new(&storage, &Known, &seen()));
    let network = network::Network {
        id: id(8),
        name: "guests".into(),
        cidr_address: "10.0.0.0".parse().unwrap(),
        cidr_prefix: 24,
        gateway: Some("10.0.0.1".parse().unwrap()),
        dns: vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        range_from: "10.0.0.100".parse().unwrap(),
        range_until: "10.0.0.199".parse().unwrap(),
        vlan: Some(12),
        members: vec![network::NetworkMember {
            host: id(2),
            carrier: network::Carrier::Libvirt("default".into()),
        }],
        created_at: NOW,
    };
    golden("network", &Network::new(&network, &Known, Some(99)));
}

#[test]
fn an_image() {
    let image = image::Image {
        id: id(6),
        name: "Debian 12".into(),
        os: "Debian 12".into(),
        state: image::ImageState::Failed,
        reason: Some("The checksum is wrong.".into()),
        url: Some("https://example.org/debian.qcow2".into()),
        sha256: None,
        checksums_url: Some("https://example.org/SHA256SUMS".into()),
        verified: true,
        file_bytes: Some(400_000_000),
        virtual_bytes: None,
        format: Some(image::ImageFormat::Qcow2),
        min_disk: GiB(3),
        min_memory: MiB(256),
        devices: vm::Devices::Virtio,
        cloud_init: true,
        created_at: NOW,
    };
    golden("image", &Image::from(&image));
}

#[test]
fn a_job_and_a_migration() {
    let job = job::Job {
        id: id::<JobId>(10),
        kind: job::JobKind::Migrate,
        subject: job::JobSubject {
            vm: Some(id(4)),
            host: Some(id(2)),
            ..job::JobSubject::default()
        },
        owner: Some(id(1)),
        created_by: None,
        state: job::JobState::NeedsPerson,
        step: 2,
        data: serde_json::json!({"inside": "only"}),
        progress: job::Progress {
            doing: "Copying memory".into(),
            share: Some(0.5),
            bytes_done: Some(512),
            bytes_total: Some(1024),
            migration: Some(migration::MigrationProgress {
                bytes_done: 512,
                bytes_remaining: 512,
                bytes_total: 1024,
                rate: 100,
                dirty_rate: Some(10),
                rounds: 2,
                elapsed_ms: 5000,
                left_ms: None,
                held_percent: 20,
            }),
        },
        error: Some("The target does not answer.".into()),
        cancel: true,
        holder: Some("inside".into()),
        lease_until: NOW,
        fence: 3,
        attempts: 2,
        not_before: NOW,
        created_at: NOW,
        ended_at: None,
    };
    let journal = [job::JournalLine {
        seq: 1,
        at: NOW,
        event: job::JournalEvent::Doing,
        step: "start".into(),
        text: "Starting the copy".into(),
    }];
    golden("job", &Job::new(&job, &Known).with_journal(&journal));
    let moved = migration::Migration {
        id: id::<MigrationId>(11),
        job: Some(id(10)),
        vm: id(4),
        source: id(2),
        target: id(99),
        copy_disk: false,
        asked_by: Some(id(1)),
        outcome: migration::MigrationOutcome::Completed,
        reason: None,
        started_at: NOW,
        ended_at: Some(NOW),
        total_ms: Some(4200),
        downtime_ms: Some(81),
        bytes: Some(1 << 30),
        rounds: Some(3),
        zero_bytes: Some(4096),
        forecast: Some(migration::Forecast {
            at: Timestamp::from_seconds(1_764_000_000),
            total_ms: migration::Expected {
                low: 1_800.0,
                middle: 2_100.0,
                high: 2_600.0,
            },
            downtime_ms: migration::Expected {
                low: 40.0,
                middle: 80.0,
                high: 300.0,
            },
            bytes: migration::Expected {
                low: 1e9,
                middle: 1.5e9,
                high: 2e9,
            },
            rounds: 3,
            convergence: migration::Convergence::Converges,
            model_ms: 2_000.0,
            model_downtime_ms: 70.0,
            basis: vec!["The way carries 100 MiB a second, by 3 moves.".into()],
        }),
        intent: Some(MigrationPolicy::default()),
        mechanism: Some(Mechanism {
            throttle: true,
            bandwidth: Some(50 << 20),
            pause_limit_ms: 270,
            why: "Plain pre-copy: it writes 21 MiB in a second and the way carries 100 MiB.".into(),
            ..Mechanism::default()
        }),
        phases: vec![Phase {
            at_ms: 12,
            what: "copying begins".into(),
        }],
    };
    golden("migration", &Migration::new(&moved, &Known));
    let check = migration::Check {
        name: "memory".into(),
        verdict: migration::Verdict::Fail,
        text: "h2 has 1 GiB left, 2 GiB are needed.".into(),
    };
    golden("check", &Check::from(&check));
}

#[test]
fn the_policy_and_the_audit_log() {
    let inside = policy::Policy::default();
    let wire = Policy::new(&inside, 7);
    golden("policy", &wire);
    assert_eq!(policy::Policy::from(&wire), inside);
    let line = audit::AuditLine {
        seq: 12,
        at: NOW,
        actor: None,
        actor_login: "system".into(),
        action: "vm.delete".into(),
        about: "vm".into(),
        about_id: id::<VmId>(4).to_string(),
        text: "web: lease over".into(),
    };
    golden("audit_line", &AuditLine::from(&line));
}

#[test]
fn problems_tell_the_person_and_never_the_context() {
    let fields = vec![FieldError {
        field: "memory_mib".into(),
        message: "0 is too small; at least 64".into(),
    }];
    let error = Error::invalid_fields(fields).with_context("secret inside");
    golden(
        "problem_fields",
        &Problem::of(&error, 422, Some("r-1".into())),
    );
    let refusals = vec![Refusal {
        host: id(2),
        host_name: "h1".into(),
        reasons: vec!["1 GiB of memory short".into(), "in maintenance".into()],
    }];
    golden(
        "problem_no_capacity",
        &Problem::of(
            &Error::no_capacity("No host can take it.", refusals),
            409,
            None,
        ),
    );
    let text = serde_json::to_string(&Problem::of(&error, 422, None)).unwrap();
    assert!(!text.contains("secret inside"));
}
