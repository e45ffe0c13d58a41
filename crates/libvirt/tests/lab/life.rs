//! One VM from its disk to its end, on one host.

use crate::bench::{Bench, definition, eventually, overlay};
use bellwether_hypervisor::{Groups, HostEvent, HypervisorError, Ownership, VolumeSpec};
use bellwether_model::observed::PowerState;
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn host_and_places_are_seen() {
    let Some(bench) = Bench::up("lvfacts") else {
        return;
    };
    let host = bench.host(0).await;
    let facts = host.facts().await.unwrap();
    println!("{facts:#?}");
    assert_eq!(facts.arch, "x86_64");
    assert!(facts.hostname.contains("host1"));
    assert!(facts.memory.0 > 0 && facts.cores > 0);
    assert!(facts.libvirt_version.split('.').count() == 3);
    assert_eq!(facts.kvm, bench.lab.kvm);
    let places = host.places().await.unwrap();
    let names: Vec<_> = places
        .pools
        .iter()
        .map(|p| (p.name.as_str(), p.active))
        .collect();
    assert_eq!(names, [("local", true), ("shared", true)]);
    assert!(
        places
            .pools
            .iter()
            .all(|pool| pool.kind == "dir" && pool.capacity > pool.available)
    );
    let sample = host.sample(Groups::ALL).await.unwrap();
    assert!(sample.cpu.is_some() && sample.memory_used.is_some());
    let common = host
        .baseline(&[facts.cpu.clone(), facts.cpu.clone()])
        .await
        .unwrap();
    assert_eq!(common.is_some(), facts.kvm);
    if let Some(common) = common {
        assert_eq!(host.can_run_cpu(&common).await.unwrap(), Ok(()));
        let fantastic = common.replace(
            "</cpu>",
            "<feature policy='require' name='avx512-4fmaps'/></cpu>",
        );
        assert!(host.can_run_cpu(&fantastic).await.unwrap().is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_are_made_streamed_and_removed() {
    let Some(bench) = Bench::up("lvvols") else {
        return;
    };
    let (one, two) = (bench.host(0).await, bench.host(1).await);
    let name = format!("upload-{}.img", Uuid::new_v4());
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let seen_so_far = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&seen_so_far);
    let upload = |bytes: Vec<u8>, length: usize, format: &'static str| {
        let (watched, name, one) = (Arc::clone(&watched), name.clone(), Arc::clone(&one));
        async move {
            let source = Box::pin(std::io::Cursor::new(bytes));
            let on_bytes = Box::new(move |sent| watched.store(sent, Ordering::SeqCst));
            one.upload("shared", &name, format, length as u64, source, on_bytes)
                .await
        }
    };
    let seen = upload(bytes.clone(), bytes.len(), "raw").await.unwrap();
    assert_eq!(
        (seen.name.as_str(), seen.capacity),
        (name.as_str(), bytes.len() as u64)
    );
    assert_eq!(seen_so_far.load(Ordering::SeqCst), bytes.len() as u64);
    // Through the other host, which never heard of it.
    assert_eq!(
        two.read_volume("shared", &name, 1000).await.unwrap(),
        bytes[..1000]
    );
    assert_eq!(
        two.read_volume("shared", &name, usize::MAX >> 1)
            .await
            .unwrap(),
        bytes
    );
    // Again replaces it: an earlier try may have ended half-way.
    let other: Vec<u8> = bytes.iter().map(|byte| byte ^ 0xff).collect();
    upload(other.clone(), other.len(), "raw").await.unwrap();
    assert_eq!(
        two.read_volume("shared", &name, 1000).await.unwrap(),
        other[..1000]
    );
    two.delete_volume("shared", &name).await.unwrap();
    assert_eq!(one.volume("shared", &name).await.unwrap(), None);
    one.delete_volume("shared", &name).await.unwrap();

    // Too short, too long, and not what it says: refused, and nothing stays behind.
    for (length, format) in [
        (bytes.len() + 1, "raw"),
        (bytes.len() - 1, "raw"),
        (bytes.len(), "qcow2"),
    ] {
        let wrong = upload(bytes.clone(), length, format).await.unwrap_err();
        println!("{wrong}");
        assert_eq!(one.volume("shared", &name).await.unwrap(), None, "{wrong}");
    }

    // An overlay, twice; then a different one of the same name.
    let base = bench.put_image(&one, "shared").await;
    let spec = overlay(&definition("shared"), &base);
    let made = one.create_volume("shared", &spec).await.unwrap();
    assert_eq!(made.format.as_deref(), Some("qcow2"));
    assert!(made.backing.as_deref().unwrap().ends_with(&base));
    assert_eq!(
        two.create_volume("shared", &spec).await.unwrap().backing,
        made.backing
    );
    let other = VolumeSpec {
        capacity: 65 << 20,
        ..spec.clone()
    };
    let refused = one.create_volume("shared", &other).await.unwrap_err();
    assert!(
        matches!(refused, HypervisorError::AlreadyThere(_)),
        "{refused}"
    );
    // An image with overlays is not replaced under them.
    let source = Box::pin(std::io::Cursor::new(bytes.clone()));
    let length = bytes.len() as u64;
    let refused = one
        .upload("shared", &base, "raw", length, source, Box::new(|_| ()))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, HypervisorError::AlreadyThere(_)),
        "{refused}"
    );
    one.delete_volume("shared", &spec.name).await.unwrap();
    let names: Vec<_> = two
        .volumes("shared")
        .await
        .unwrap()
        .into_iter()
        .map(|v| v.name)
        .collect();
    assert!(names.contains(&base) && !names.contains(&spec.name));

    assert_eq!(
        one.volumes("nowhere").await.unwrap_err(),
        HypervisorError::NoSuchPool("nowhere".into())
    );
    assert_eq!(
        one.read_volume("shared", "nothing", 1).await.unwrap_err(),
        HypervisorError::NoSuchVolume("nothing".into())
    );
    let huge = VolumeSpec {
        name: "huge.img".into(),
        capacity: 1 << 62,
        format: "raw".into(),
        backing: None,
    };
    let full = one.create_volume("shared", &huge).await;
    println!("a volume of 4 EiB: {full:?}");
    one.delete_volume("shared", "huge.img").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_from_definition_to_removal() {
    let Some(bench) = Bench::up("lvlife") else {
        return;
    };
    let host = bench.host(0).await;
    let mut events = host.events();
    let vm = bench.make_vm(&host, "shared").await;
    // Again is fine; another one's UUID or name is not.
    host.define(&vm).await.unwrap();
    let mut thief = vm.clone();
    thief.name = format!("{}-other", vm.name);
    let refused = host.define(&thief).await.unwrap_err();
    assert!(
        matches!(refused, HypervisorError::AlreadyThere(_)),
        "{refused}"
    );
    thief = vm.clone();
    thief.uuid = Uuid::new_v4();
    let refused = host.define(&thief).await.unwrap_err();
    assert!(
        matches!(refused, HypervisorError::AlreadyThere(_)),
        "{refused}"
    );

    let seen = host.describe(vm.uuid).await.unwrap();
    assert_eq!(seen.ownership.as_ref(), Some(&vm.ownership));
    assert_eq!(seen.description, vm.description);
    assert_eq!((seen.vcpus, seen.memory), (vm.vcpus, vm.memory));
    assert!(!seen.autostart && !seen.snapshots && seen.passthrough.is_empty());
    assert_eq!(
        host.power(vm.uuid).await.unwrap(),
        Some(PowerState::ShutOff)
    );

    host.start(vm.uuid).await.unwrap();
    host.start(vm.uuid).await.unwrap();
    host.resume(vm.uuid).await.unwrap();
    assert_eq!(
        host.power(vm.uuid).await.unwrap(),
        Some(PowerState::Running)
    );
    assert!(matches!(
        host.undefine(vm.uuid).await,
        Err(HypervisorError::WrongState(_))
    ));
    assert_eq!(
        host.can_run_cpu(&host.describe(vm.uuid).await.unwrap().cpu)
            .await
            .unwrap(),
        Ok(())
    );
    eventually("the guest reports its memory", || async {
        let sample = host.sample(Groups::ALL).await.unwrap();
        let seen = sample.vms.iter().find(|seen| seen.uuid == vm.uuid).unwrap();
        seen.counters
            .memory
            .is_some_and(|memory| memory.usable_kib.is_some() && memory.updated_s.is_some())
    })
    .await;
    let sample = host.sample(Groups::ALL).await.unwrap();
    let seen = sample.vms.iter().find(|seen| seen.uuid == vm.uuid).unwrap();
    println!("{seen:#?}");
    assert_eq!(
        (seen.power, seen.vcpus, seen.memory),
        (PowerState::Running, 1, Some(vm.memory))
    );
    let counters = &seen.counters;
    assert!(counters.cpu_ns > Some(0) && counters.delay_ns().is_some());
    // What QEMU does beside the vCPU counts in the total alone.
    assert!(counters.vcpu_ns() > Some(0) && counters.vcpu_ns() <= counters.cpu_ns);
    let disk = &counters.disks.as_ref().unwrap()[0];
    assert!(disk.read.bytes > 0 && disk.read.requests > 0 && disk.read.took_ns > Some(0));
    assert!(counters.nics[0].device.starts_with("vnet"));
    let memory = counters.memory.unwrap();
    assert!(memory.resident_kib > Some(0) && memory.major_faults.is_some());
    assert!(memory.swapped_in_kib.is_some());
    assert!(
        host.places()
            .await
            .unwrap()
            .carriers
            .iter()
            .any(|seen| seen.carrier == vm.carrier)
    );

    // What the host tells unasked: memory taken from the guest, and who comes to and goes from its agent's channel.
    let mut told = Vec::new();
    let mut since = 0;
    let mut hears = |event: HostEvent, anew: bool| {
        told.extend(std::iter::from_fn(|| events.try_recv().ok()));
        if anew {
            since = told.len();
        }
        told[since..].contains(&event)
    };
    bench.virsh(0, &["setmem", &vm.uuid.to_string(), "150MiB", "--live"]);
    eventually("the guest gave memory back", || {
        std::future::ready(hears(HostEvent::Balloon(vm.uuid), false))
    })
    .await;
    let mut console = bench.console(0, vm.uuid);
    for line in ["agent on", "agent off"] {
        // A start tells of an empty channel too.
        hears(HostEvent::Agent(vm.uuid), true);
        eventually(line, || {
            let heard = hears(HostEvent::Agent(vm.uuid), false);
            // A guest that is still starting may miss a line: type it again.
            if !heard {
                writeln!(console, "{line}").unwrap();
            }
            async move {
                tokio::time::sleep(Duration::from_millis(400)).await;
                heard
            }
        })
        .await;
    }

    // The screen: where the host's own configuration says, closed until a password is set.
    let (address, port) = host.screen(vm.uuid).await.unwrap().unwrap();
    println!("screen at {address}:{port}");
    let in_an_hour = 3600
        + std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64;
    host.set_screen_password(vm.uuid, "s3cr&<t", in_an_hour)
        .await
        .unwrap();
    assert!(
        host.set_screen_password(vm.uuid, "ninechars", in_an_hour)
            .await
            .is_err()
    );

    let now = Ownership {
        lease_until: "2027-01-31".into(),
        owner: "grace & co".into(),
        ..vm.ownership.clone()
    };
    host.set_ownership(vm.uuid, &now, "something <else>")
        .await
        .unwrap();
    let seen = host.describe(vm.uuid).await.unwrap();
    assert_eq!(
        (seen.ownership, seen.description.as_str()),
        (Some(now), "something <else>")
    );

    // The test guest obeys the power button.
    eventually("the guest shuts down", || async {
        // One that is still starting may miss the button: press again.
        match host.ask_shutdown(vm.uuid).await {
            Ok(()) | Err(HypervisorError::WrongState(_)) => {}
            Err(error) => panic!("{error}"),
        }
        host.power(vm.uuid).await.unwrap() == Some(PowerState::ShutOff)
    })
    .await;
    // The persistent definition kept what was written while it ran.
    assert_eq!(
        host.describe(vm.uuid).await.unwrap().description,
        "something <else>"
    );
    host.set_ownership(vm.uuid, &Ownership::default(), "")
        .await
        .unwrap();
    let released = host.describe(vm.uuid).await.unwrap();
    assert_eq!(
        (released.ownership, released.description.as_str()),
        (None, "")
    );
    host.force_off(vm.uuid).await.unwrap();
    assert!(matches!(
        host.ask_shutdown(vm.uuid).await,
        Err(HypervisorError::WrongState(_))
    ));
    host.undefine(vm.uuid).await.unwrap();
    host.undefine(vm.uuid).await.unwrap();
    assert_eq!(host.power(vm.uuid).await.unwrap(), None);
    assert_eq!(
        host.force_off(vm.uuid).await,
        Err(HypervisorError::NoSuchVm)
    );
    host.delete_volume("shared", &vm.disks[0].volume)
        .await
        .unwrap();

    told.extend(std::iter::from_fn(|| events.try_recv().ok()));
    let lifecycle = told
        .iter()
        .filter(|told| **told == HostEvent::Lifecycle(vm.uuid))
        .count();
    assert!(
        lifecycle >= 4,
        "defined, started, stopped, undefined: {lifecycle}"
    );
}
