//! The simulation itself: that its faults, its time and its rules are what they claim.

use super::*;
use crate::{
    Connector, DiskDefinition, Groups, GuestCpu, Host, HostEvent, HypervisorError, Inventory,
    MigrateSpec, Migration, Ownership, Power, VmDefinition, VolumeSpec, Volumes,
};
use bellwether_model::{Mac, MiB, Vcpus, network::Carrier, observed::PowerState, vm::Devices};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

fn definition(number: u8) -> VmDefinition {
    VmDefinition {
        uuid: Uuid::from_u128(0x1000 + u128::from(number)),
        name: format!("bw-{number}"),
        title: "web".into(),
        description: "tests".into(),
        ownership: Ownership {
            address: "10.0.0.7".into(),
            ..Ownership::default()
        },
        vcpus: Vcpus(2),
        memory: MiB(1_024),
        cpu: GuestCpu::Emulated,
        devices: Devices::Virtio,
        disks: vec![DiskDefinition {
            pool: "shared".into(),
            volume: format!("disk-{number}"),
            format: "qcow2".into(),
            seed: false,
        }],
        mac: Mac::local([0, 0, number]),
        carrier: Carrier::Bridge("br0".into()),
    }
}

async fn running(fleet: &SimFleet, host: &str, number: u8) -> Uuid {
    let there = fleet.host(host);
    let definition = definition(number);
    for disk in &definition.disks {
        let spec = VolumeSpec {
            name: disk.volume.clone(),
            capacity: 1 << 30,
            format: "qcow2".into(),
            backing: None,
        };
        there.create_volume(&disk.pool, &spec).await.unwrap();
    }
    there.define(&definition).await.unwrap();
    there.start(definition.uuid).await.unwrap();
    definition.uuid
}

fn to(fleet: &SimFleet, vm: Uuid, host: &str) -> MigrateSpec {
    MigrateSpec {
        timeout_seconds: 600,
        ..MigrateSpec::new(vm, fleet.uri(host))
    }
}

fn fleet() -> SimFleet {
    SimFleet::new(SimSpec::new("test", 2))
}

const ON: PowerState = PowerState::Running;

#[tokio::test(start_paused = true)]
async fn faults_come_before_or_after_the_effect() {
    let fleet = fleet();
    let host = fleet.host("host01");
    let vm = definition(1);
    fleet.fault("host01", Op::Define, Fault::before(), 1);
    assert!(host.define(&vm).await.is_err());
    assert_eq!(host.power(vm.uuid).await, Ok(None));
    fleet.fault("host01", Op::Define, Fault::After, 1);
    let error = host.define(&vm).await.unwrap_err();
    assert!(error.leaves_doubt(), "{error}");
    assert_eq!(host.power(vm.uuid).await, Ok(Some(PowerState::ShutOff)));
    let began = Instant::now();
    fleet.fault("host01", Op::Undefine, Fault::Hang, 1);
    assert!(matches!(
        host.undefine(vm.uuid).await,
        Err(HypervisorError::TimedOut(_))
    ));
    assert_eq!(began.elapsed(), Duration::from_secs(30));
    assert!(host.power(vm.uuid).await.unwrap().is_some());
    host.undefine(vm.uuid).await.unwrap();
    assert_eq!(fleet.calls("host01", Op::Undefine), 2);
}

#[tokio::test(start_paused = true)]
async fn a_gate_stops_a_call_until_it_is_opened() {
    let fleet = fleet();
    let (gate, host) = (Gate::new(), fleet.host("host01"));
    fleet.fault("host01", Op::Define, Fault::Hold(gate.clone()), 1);
    let call = tokio::spawn(async move { host.define(&definition(1)).await });
    gate.arrived().await;
    assert!(fleet.whereabouts(definition(1).uuid).is_empty());
    gate.open();
    call.await.unwrap().unwrap();
    assert_eq!(fleet.whereabouts(definition(1).uuid).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn counters_follow_the_clock_and_contention_shows_as_delay() {
    let fleet = SimFleet::new(SimSpec {
        cores: 1,
        ..SimSpec::new("test", 1)
    });
    fleet.set_guests(|guest| guest.load = 1.0);
    let (a, b) = (
        running(&fleet, "host01", 1).await,
        running(&fleet, "host01", 2).await,
    );
    sleep(Duration::from_secs(10)).await;
    let sample = fleet.host("host01").sample(Groups::ALL).await.unwrap();
    for id in [a, b] {
        let vm = sample.vms.iter().find(|vm| vm.uuid == id).unwrap();
        let seconds = |ns: Option<u64>| ns.unwrap() as f64 / 1e9;
        assert!((seconds(vm.counters.cpu_ns) - 5.0).abs() < 0.01, "{vm:?}");
        assert!(
            (seconds(vm.counters.delay_ns()) - 5.0).abs() < 0.01,
            "{vm:?}"
        );
    }
    assert_eq!(sample.cpu.map(|cpu| cpu.busy_ns() / 100_000_000), Some(100));
}

#[tokio::test(start_paused = true)]
async fn a_guest_obeys_in_its_own_time_or_not_at_all_and_tells_without_being_asked() {
    let fleet = fleet();
    let vm = running(&fleet, "host01", 1).await;
    let host = fleet.host("host01");
    fleet.set_guest(vm, |guest| guest.obeys_shutdown = false);
    host.ask_shutdown(vm).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(host.power(vm).await, Ok(Some(ON)));
    fleet.set_guest(vm, |guest| guest.obeys_shutdown = true);
    let mut events = host.events();
    host.ask_shutdown(vm).await.unwrap();
    assert_eq!(events.recv().await, Ok(HostEvent::Lifecycle(vm)));
    assert_eq!(host.power(vm).await, Ok(Some(PowerState::ShutOff)));
}

#[tokio::test(start_paused = true)]
async fn a_migration_outlives_its_caller() {
    let fleet = fleet();
    fleet.set_link("host01", 100).unwrap();
    let vm = running(&fleet, "host01", 1).await;
    let (host, spec) = (fleet.host("host01"), to(&fleet, vm, "host02"));
    let call = tokio::spawn(async move { host.migrate(&spec).await });
    sleep(Duration::from_secs(1)).await;
    let source = fleet.host("host01");
    let progress = source.migration_progress(vm).await.unwrap().unwrap();
    assert!(
        progress.bytes_done > 0 && progress.bytes_remaining > 0,
        "{progress:?}"
    );
    call.abort();
    assert_eq!(fleet.whereabouts(vm).len(), 2, "the target shows it paused");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fleet.whereabouts(vm), [("host02".to_string(), ON)]);
    let figures = fleet
        .host("host02")
        .migration_figures(vm)
        .await
        .unwrap()
        .unwrap();
    assert!(figures.downtime_ms.unwrap() >= 50, "{figures:?}");
    assert!(figures.total_ms > figures.downtime_ms, "{figures:?}");
    assert_eq!(fleet.check(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_dirties_faster_than_the_link_never_ends_until_its_time_is_over() {
    let fleet = fleet();
    fleet.set_link("host02", 10).unwrap();
    fleet.set_guests(|guest| guest.dirty_mib_s = 50.0);
    let vm = running(&fleet, "host01", 1).await;
    let host = fleet.host("host01");
    let (other, spec) = (host.clone(), to(&fleet, vm, "host02"));
    let call = tokio::spawn(async move { other.migrate(&spec).await });
    sleep(Duration::from_secs(300)).await;
    let progress = host.migration_progress(vm).await.unwrap().unwrap();
    assert_eq!(progress.left_ms, None);
    assert!(progress.rounds > 2, "{progress:?}");
    let end = call.await.unwrap();
    assert!(matches!(end, Err(HypervisorError::TimedOut(_))), "{end:?}");
    assert_eq!(fleet.whereabouts(vm), [("host01".to_string(), ON)]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_is_given_up_after_half_a_minute_and_a_short_loss_only_delays() {
    let fleet = fleet();
    fleet.set_link("host01", 50).unwrap();
    let vm = running(&fleet, "host01", 1).await;
    for (away, stays) in [(10, false), (40, true)] {
        let (source, target) = match fleet.whereabouts(vm)[0].0.as_str() {
            "host01" => ("host01", "host02"),
            _ => ("host02", "host01"),
        };
        let (host, spec) = (fleet.host(source), to(&fleet, vm, target));
        let call = tokio::spawn(async move { host.migrate(&spec).await });
        sleep(Duration::from_secs(2)).await;
        fleet.cut("host01", "host02");
        sleep(Duration::from_secs(away)).await;
        fleet.heal("host02", "host01");
        assert_eq!(call.await.unwrap().is_err(), stays);
        let expected = if stays { source } else { target };
        assert_eq!(fleet.whereabouts(vm), [(expected.to_string(), ON)]);
    }
    assert_eq!(fleet.check(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn both_ends_of_the_dangerous_window_can_be_had() {
    for (fault, target_runs) in [
        (Fault::DoubtTargetRuns, true),
        (Fault::DoubtTargetGone, false),
    ] {
        let fleet = fleet();
        let vm = running(&fleet, "host01", 1).await;
        fleet.fault("host01", Op::Migrate, fault, 1);
        let host = fleet.host("host01");
        assert!(host.migrate(&to(&fleet, vm, "host02")).await.is_err());
        assert_eq!(host.power(vm).await, Ok(Some(PowerState::Paused)));
        let target = fleet.host("host02").power(vm).await.unwrap();
        assert_eq!(target, target_runs.then_some(ON));
        host.resume(vm).await.unwrap();
        let twice = fleet
            .check()
            .iter()
            .any(|wrong| wrong.contains("runs on host01 and host02"));
        assert_eq!(twice, target_runs, "{:?}", fleet.check());
    }
}

#[tokio::test(start_paused = true)]
async fn libvirtd_restarts_and_power_cuts() {
    let fleet = fleet();
    fleet.set_link("host01", 50).unwrap();
    let vm = running(&fleet, "host01", 1).await;
    let (host, spec) = (fleet.host("host01"), to(&fleet, vm, "host02"));
    let mut events = host.events();
    let call = {
        let (host, spec) = (host.clone(), spec.clone());
        tokio::spawn(async move { host.migrate(&spec).await })
    };
    sleep(Duration::from_secs(1)).await;
    fleet
        .restart_libvirtd("host01", Duration::from_secs(5))
        .unwrap();
    assert!(call.await.unwrap().is_err());
    assert!(matches!(
        host.power(vm).await,
        Err(HypervisorError::Unreachable(_))
    ));
    sleep(Duration::from_secs(6)).await;
    assert_eq!(fleet.whereabouts(vm), [("host01".to_string(), ON)]);
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    assert!(
        seen.contains(&HostEvent::Disconnected) && seen.contains(&HostEvent::Reconnected),
        "{seen:?}"
    );
    fleet.power_cut("host01").unwrap();
    assert!(host.sample(Groups::ALL).await.is_err());
    fleet.power_back("host01").unwrap();
    assert_eq!(host.power(vm).await, Ok(Some(PowerState::ShutOff)));
    // Alive, only not for us:
    host.start(vm).await.unwrap();
    fleet.lose_host("host01").unwrap();
    assert!(host.power(vm).await.is_err());
    assert_eq!(fleet.whereabouts(vm), [("host01".to_string(), ON)]);
}

#[tokio::test(start_paused = true)]
async fn what_must_never_be_is_told() {
    let fleet = fleet();
    let vm = running(&fleet, "host01", 1).await;
    assert_eq!(fleet.check(), Vec::<String>::new());
    fleet.run_twice(vm, "host02").unwrap();
    assert!(
        fleet
            .check()
            .iter()
            .any(|w| w.contains("runs on host01 and host02"))
    );
    let host = fleet.host("host01");
    host.delete_volume("shared", "disk-1").await.unwrap();
    let told = fleet.check().join("; ");
    assert!(
        told.contains("'disk-1' was deleted on host01 although"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_local_disk_needs_copying_and_its_seed_must_be_there_first() {
    let fleet = fleet();
    let mut vm = definition(1);
    vm.disks[0].pool = "local".into();
    vm.disks.push(DiskDefinition {
        pool: "local".into(),
        volume: "seed-1".into(),
        format: "raw".into(),
        seed: true,
    });
    let (host, target) = (fleet.host("host01"), fleet.host("host02"));
    let volume = |name: &str, format: &str| VolumeSpec {
        name: name.into(),
        capacity: 1 << 20,
        format: format.into(),
        backing: None,
    };
    host.create_volume("local", &volume("disk-1", "qcow2"))
        .await
        .unwrap();
    host.create_volume("local", &volume("seed-1", "raw"))
        .await
        .unwrap();
    host.define(&vm).await.unwrap();
    host.start(vm.uuid).await.unwrap();
    let mut spec = to(&fleet, vm.uuid, "host02");
    assert!(host.migrate(&spec).await.is_err());
    spec.copy_disks = vec!["vda".into()];
    assert!(host.migrate(&spec).await.is_err(), "the seed stayed behind");
    assert!(target.volume("local", "disk-1").await.unwrap().is_none());
    target
        .create_volume("local", &volume("seed-1", "raw"))
        .await
        .unwrap();
    host.migrate(&spec).await.unwrap();
    assert!(target.volume("local", "disk-1").await.unwrap().is_some());
    assert_eq!(
        fleet.unused_volumes(),
        ["host01/local/disk-1", "host01/local/seed-1"]
    );
}

#[tokio::test]
async fn fifty_hosts_and_two_thousand_vms_are_cheap() {
    let connector = SimConnector::new();
    let uri = "sim://large/host01?hosts=50&vms=2000&cores=64&memory=262144";
    let first: Arc<dyn Host> = connector.connect(uri).await.unwrap();
    assert_eq!(first.sample(Groups::ALL).await.unwrap().vms.len(), 40);
    let last = connector.connect("sim://large/host50").await.unwrap();
    assert_eq!(last.power_states().await.unwrap().len(), 40);
    assert!(connector.connect("sim://large/host51").await.is_err());
    for wrong in [
        "sim://",
        "sim://x",
        "qemu:///system",
        "sim://a/b/c",
        "sim://n/h?hosts=x",
    ] {
        let error = connector.connect(wrong).await.err().unwrap();
        assert!(
            matches!(error, HypervisorError::BadUri { .. }),
            "{wrong}: {error}"
        );
    }
}

/// Whatever is done to hosts and links while VMs move: afterwards each VM is known to exactly one host, runs there unless
/// its host lost power, and no move is left over.
#[tokio::test(start_paused = true)]
async fn moves_amid_troubles_never_double_or_lose_a_vm() {
    for seed in 0..40 {
        let fleet = SimFleet::new(SimSpec::new("test", 3));
        for host in fleet.hosts() {
            fleet.set_link(&host, 60).unwrap();
        }
        let mut vms = Vec::new();
        for number in 1..=4 {
            vms.push(running(&fleet, &format!("host0{}", number % 3 + 1), number).await);
        }
        let mut lost_power = false;
        for step in 0..40 {
            let draw = super::spec::scramble(seed, step);
            let pick = |shift: u32| format!("host0{}", (draw >> shift) % 3 + 1);
            let (a, b, vm) = (pick(8), pick(16), vms[(draw >> 24) as usize % vms.len()]);
            match draw % 9 {
                0..=3 => {
                    let (host, spec) = (fleet.host(&a), to(&fleet, vm, &b));
                    let call = tokio::spawn(async move { host.migrate(&spec).await });
                    if draw & 64 != 0 {
                        sleep(Duration::from_millis(10)).await;
                        call.abort();
                    }
                }
                4 if a != b => fleet.cut(&a, &b),
                5 => fleet.heal(&a, &b),
                6 => fleet.restart_libvirtd(&a, Duration::from_secs(2)).unwrap(),
                7 if draw & 3 == 0 => {
                    lost_power = true;
                    fleet.power_cut(&a).unwrap();
                    fleet.power_back(&a).unwrap();
                }
                _ => drop(fleet.host(&a).abort_migration(vm).await),
            }
            sleep(Duration::from_millis(draw >> 32 & 0xfff)).await;
        }
        for (a, b) in [
            ("host01", "host02"),
            ("host01", "host03"),
            ("host02", "host03"),
        ] {
            fleet.heal(a, b);
        }
        sleep(Duration::from_secs(120)).await;
        assert_eq!(fleet.moving(), [], "seed {seed}");
        assert_eq!(fleet.check(), Vec::<String>::new(), "seed {seed}");
        for vm in vms {
            let shown = fleet.whereabouts(vm);
            assert_eq!(shown.len(), 1, "seed {seed}: {shown:?}");
            assert!(lost_power || shown[0].1 == ON, "seed {seed}: {shown:?}");
        }
    }
}
