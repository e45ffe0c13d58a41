use super::*;
use crate::{
    fleet::Sources,
    testing::{day, host, id, network, seen_host, seen_vm, storage, vm},
};
use bellwether_model::{
    MiB, Timestamp, Vcpus,
    host::{HostHealth, HostMode},
    network::Carrier,
    observed::{CarrierSeen, HostFacts, Observed, PowerState},
};
use std::collections::BTreeMap;

/// VM 1 runs on host 1; host 2 could take it.
struct Scene {
    vm: Vm,
    hosts: Vec<Host>,
    observed: Observed,
    storage: Storage,
    network: Network,
    cpu: CpuMatch,
    route: Route,
    held_by: Option<&'static str>,
    passthrough: Vec<String>,
    snapshots: bool,
    target: usize,
}

fn bridge(active: bool) -> CarrierSeen {
    CarrierSeen {
        carrier: Carrier::Bridge("br0".into()),
        active,
    }
}

fn scene() -> Scene {
    let mut observed = Observed {
        hosts: (1..=3).map(|n| (id(1, n), seen_host(n).into())).collect(),
    };
    for seen in observed.hosts_mut() {
        seen.carriers.push(bridge(true));
    }
    let seen = observed.host_mut(id(1, 1)).unwrap();
    seen.vms.push(seen_vm(id(4, 1), PowerState::Running));
    Scene {
        vm: vm(1),
        hosts: (1..=3).map(host).collect(),
        observed,
        storage: storage(1, StorageKind::Shared, &[1, 2, 3]),
        network: network(&[1, 2, 3]),
        cpu: CpuMatch::Fits,
        route: Route {
            succeeded: Some(Timestamp(0)),
            failed: None,
        },
        held_by: None,
        passthrough: Vec::new(),
        snapshots: false,
        target: 1,
    }
}

impl Scene {
    fn seen(&mut self, number: u64) -> &mut HostSeen {
        self.observed.host_mut(id(1, number)).unwrap()
    }
    fn facts_of(&mut self, number: u64) -> &mut HostFacts {
        self.seen(number).facts.as_mut().unwrap()
    }
    fn with<T>(&self, use_it: impl FnOnce(&PreflightFacts<'_>) -> T) -> T {
        let (vms, storages, networks) = (
            [self.vm.clone()],
            [self.storage.clone()],
            [self.network.clone()],
        );
        let fleet = Fleet::new(&Sources {
            hosts: &self.hosts,
            observed: &self.observed,
            vms: &vms,
            storages: &storages,
            networks: &networks,
            free_addresses: &BTreeMap::new(),
            moving: &[],
            today: day("2026-11-24"),
        });
        let target = self.hosts.get(self.target);
        use_it(&PreflightFacts {
            vm: &self.vm,
            source: &self.hosts[0],
            target,
            source_seen: self.observed.host(self.hosts[0].id),
            target_seen: target.and_then(|target| self.observed.host(target.id)),
            fleet: &fleet,
            storage: Some(&self.storage),
            network: Some(&self.network),
            image_bytes: 0,
            policy: &Policy::default(),
            cpu: &self.cpu,
            route: &self.route,
            held_by: self.held_by,
            passthrough: Some(&self.passthrough),
            snapshots: Some(self.snapshots),
        })
    }
    fn checks(&self) -> Vec<Check> {
        self.with(preflight)
    }
}

/// After `change`, exactly this check is not a pass, with this verdict and these words in it.
fn differs(change: impl FnOnce(&mut Scene), name: &str, verdict: Verdict, part: &str) {
    let mut scene = scene();
    change(&mut scene);
    let checks = scene.checks();
    let other: Vec<&Check> = checks
        .iter()
        .filter(|check| check.verdict != Verdict::Pass)
        .collect();
    assert_eq!(other.len(), 1, "{other:?}");
    assert_eq!(
        (other[0].name.as_str(), other[0].verdict),
        (name, verdict),
        "{other:?}"
    );
    assert!(other[0].text.contains(part), "{}", other[0].text);
    assert_eq!(possible(&checks), verdict != Verdict::Fail);
}

#[test]
fn between_two_like_hosts_all_is_well() {
    let checks = scene().checks();
    assert!(
        checks.iter().all(|check| check.verdict == Verdict::Pass),
        "{checks:?}"
    );
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "vm_running",
            "not_moving",
            "target_differs",
            "target_reachable",
            "cpu",
            "memory",
            "vcpus",
            "disk",
            "network",
            "architecture",
            "qemu",
            "libvirt",
            "kernel",
            "site",
            "route",
            "devices"
        ]
    );
    for check in checks {
        assert!(
            check.text.ends_with('.') || check.text.ends_with(')'),
            "{}",
            check.text
        );
    }
}

#[test]
fn each_hindrance_is_named() {
    use Verdict::{Fail, Unknown, Warn};
    differs(
        |s| s.seen(1).vms.clear(),
        "vm_running",
        Fail,
        "host01 does not show it",
    );
    differs(
        |s| s.seen(1).vms[0].power = PowerState::ShutOff,
        "vm_running",
        Fail,
        "shut off on host01",
    );
    differs(
        |s| s.seen(1).health = HostHealth::Stale,
        "vm_running",
        Fail,
        "does not answer",
    );
    differs(
        |s| s.held_by = Some("it is being deleted"),
        "not_moving",
        Fail,
        "it is being deleted",
    );
    differs(
        |s| s.seen(2).health = HostHealth::Unreachable,
        "target_reachable",
        Fail,
        "host02: it does not answer",
    );
    differs(
        |s| s.hosts[1].mode = HostMode::Maintenance,
        "target_reachable",
        Fail,
        "maintenance",
    );
    differs(
        |s| s.cpu = CpuMatch::Lacks("it has no avx2".into()),
        "cpu",
        Fail,
        "it has no avx2",
    );
    differs(
        |s| s.cpu = CpuMatch::NotChecked("host02 was not asked".into()),
        "cpu",
        Warn,
        "not known",
    );
    differs(
        |s| s.vm.memory = MiB(16_385),
        "memory",
        Fail,
        "16,385 MiB asked, 16,384 MiB free",
    );
    differs(
        |s| s.vm.vcpus = Vcpus(9),
        "vcpus",
        Fail,
        "the host has 8 cores",
    );
    differs(
        |s| s.storage.members[1].proven_at = None,
        "disk",
        Fail,
        "not yet proven",
    );
    differs(
        |s| drop(s.storage.members.remove(1)),
        "disk",
        Fail,
        "has no pool on host02",
    );
    differs(
        |s| s.seen(2).pools.clear(),
        "disk",
        Fail,
        "was not seen running",
    );
    differs(
        |s| {
            s.seen(1).pools[0].path = Some("/srv/vms".into());
            s.seen(2).pools[0].path = Some("/data/vms".into());
        },
        "disk",
        Fail,
        "at /srv/vms on host01 and at /data/vms on host02",
    );
    differs(
        |s| s.storage.kind = StorageKind::Local,
        "disk",
        Warn,
        "copied too",
    );
    differs(
        |s| {
            s.storage.kind = StorageKind::Local;
            s.seen(2).pools[0].available = 3 << 30;
        },
        "disk",
        Fail,
        "10 GiB needed, 3 GiB free",
    );
    differs(
        |s| drop(s.network.members.remove(1)),
        "network",
        Fail,
        "'lan' (10.0.0.0/24) is not carried on host02: that host is in another subnet",
    );
    differs(
        |s| s.seen(2).carriers = vec![bridge(false)],
        "network",
        Fail,
        "is down",
    );
    differs(
        |s| s.seen(2).carriers.clear(),
        "network",
        Warn,
        "as configured, not as seen",
    );
    differs(
        |s| s.facts_of(2).arch = "aarch64".into(),
        "architecture",
        Fail,
        "aarch64",
    );
    differs(|s| s.facts_of(2).kvm = false, "architecture", Fail, "KVM");
    differs(
        |s| s.facts_of(2).hypervisor_version = "9.2.0".into(),
        "qemu",
        Warn,
        "older",
    );
    differs(
        |s| s.facts_of(1).hypervisor_version = "10.2.0".into(),
        "qemu",
        Warn,
        "older",
    );
    differs(
        |s| s.facts_of(2).hypervisor_version = "11.0.0".into(),
        "qemu",
        Warn,
        "differ",
    );
    differs(
        |s| s.facts_of(2).libvirt_version = "9.0.0".into(),
        "libvirt",
        Warn,
        "older",
    );
    differs(
        |s| s.facts_of(2).libvirt_version = "?".into(),
        "libvirt",
        Unknown,
        "not known",
    );
    differs(
        |s| s.facts_of(2).kernel = Some("6.1.0".into()),
        "kernel",
        Warn,
        "6.1.0 on host02",
    );
    differs(
        |s| s.facts_of(2).kernel = None,
        "kernel",
        Unknown,
        "not known",
    );
    differs(|s| s.seen(2).facts = None, "versions", Unknown, "not known");
    differs(
        |s| s.hosts[1].site = "there".into(),
        "site",
        Warn,
        "another site ('there', not 'here')",
    );
    differs(
        |s| {
            s.hosts[1].site = "there".into();
            s.hosts[1].peer_uri = "qemu+tcp://host02/system".into();
        },
        "site",
        Fail,
        "not encrypted",
    );
    let failed = |at| Some((Timestamp(at), "the key was refused".to_owned()));
    differs(
        |s| s.route = Route::default(),
        "route",
        Warn,
        "not yet proven",
    );
    differs(
        |s| (s.route.succeeded, s.route.failed) = (None, failed(1)),
        "route",
        Warn,
        "no move took it so far; the last one failed: the key was refused",
    );
    differs(
        |s| s.route.failed = failed(1),
        "route",
        Warn,
        "the last one failed: the key was refused",
    );
    differs(
        |s| s.passthrough.push("a graphics card".into()),
        "devices",
        Fail,
        "a graphics card",
    );
    differs(|s| s.snapshots = true, "devices", Fail, "snapshots");
    differs(
        |s| s.target = 0,
        "target_differs",
        Fail,
        "runs on host01 already",
    );
    differs(|s| s.target = 9, "target_known", Fail, "no such host");
}

#[test]
fn the_best_target_is_possible_and_has_the_most_room() {
    let mut scene = scene();
    scene.hosts[2].memory = MiB(32_768);
    let judged = |scene: &mut Scene| -> Vec<Target> {
        (0..3)
            .filter_map(|target| {
                scene.target = target;
                scene.with(judge)
            })
            .collect()
    };
    assert_eq!(best_target(&judged(&mut scene)), Some(id(1, 3)));
    let mut nearly_full = judged(&mut scene);
    for check in &mut nearly_full[2].checks {
        if check.name == "route" {
            check.verdict = Verdict::Warn;
        }
    }
    assert_eq!(
        best_target(&nearly_full),
        Some(id(1, 3)),
        "room before a proven way"
    );
    scene.hosts[2].site = "there".into();
    assert_eq!(
        best_target(&judged(&mut scene)),
        Some(id(1, 2)),
        "same site first"
    );
    scene.seen(2).health = HostHealth::Unreachable;
    assert_eq!(best_target(&judged(&mut scene)), Some(id(1, 3)));
    scene.snapshots = true;
    let all = judged(&mut scene);
    assert_eq!(best_target(&all), None);
    assert_eq!(in_order(all).len(), 3, "those that can't are shown too");
}

#[test]
fn a_host_takes_part_in_two_moves_at_once_and_the_others_wait_their_turn() {
    let moving = |number: u64, source: u64, target: u64| Migration {
        id: id(7, number),
        job: None,
        vm: id(4, number),
        source: id(1, source),
        target: id(1, target),
        copy_disk: false,
        asked_by: None,
        outcome: MigrationOutcome::Running,
        reason: None,
        started_at: Timestamp(0),
        ended_at: None,
        total_ms: None,
        downtime_ms: None,
        bytes: None,
        rounds: None,
        zero_bytes: None,
        forecast: None,
        intent: None,
        mechanism: None,
        phases: Vec::new(),
    };
    let mut moves = [
        moving(1, 1, 2),
        moving(2, 1, 3),
        moving(3, 1, 4),
        moving(4, 4, 2),
    ];
    assert_eq!(waits_for(&moves[0], &moves), None);
    assert_eq!(waits_for(&moves[1], &moves), None);
    assert_eq!(waits_for(&moves[2], &moves), Some(id(1, 1)));
    assert_eq!(waits_for(&moves[3], &moves), None, "another pair of hosts");
    moves[0].outcome = MigrationOutcome::Completed;
    assert_eq!(waits_for(&moves[2], &moves), None);
}
