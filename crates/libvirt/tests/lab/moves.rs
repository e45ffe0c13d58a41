//! Live migration between two hosts.

use crate::bench::{Bench, eventually};
use bellwether_hypervisor::{Groups, HostEvent, HypervisorError, MigrateSpec, VmDefinition};
use bellwether_model::{migration_policy::Encrypt, observed::PowerState};
use std::{sync::Arc, time::Duration};

fn spec(bench: &Bench, vm: &VmDefinition, target: usize) -> MigrateSpec {
    MigrateSpec {
        migration_address: Some(bench.lab.hosts[target].address.to_string()),
        timeout_seconds: 120,
        ..MigrateSpec::new(vm.uuid, bench.lab.hosts[target].uris.tcp.clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_moves_and_comes_back() {
    let Some(bench) = Bench::up("lvmove") else {
        return;
    };
    let (one, two) = (bench.host(0).await, bench.host(1).await);
    let vm = bench.make_vm(&one, "shared").await;
    assert!(matches!(
        one.migrate(&spec(&bench, &vm, 1)).await,
        Err(HypervisorError::WrongState(_))
    ));
    one.start(vm.uuid).await.unwrap();
    let mut events = one.events();
    one.migrate(&spec(&bench, &vm, 1)).await.unwrap();
    assert_eq!(one.power(vm.uuid).await.unwrap(), None);
    let mut told = Vec::new();
    eventually("the source tells of the passes and of the end", || {
        told.extend(std::iter::from_fn(|| events.try_recv().ok()));
        let first = told.contains(&HostEvent::MigrationIteration(vm.uuid, 1));
        let ended = told.contains(&HostEvent::JobCompleted(vm.uuid));
        async move { first && ended }
    })
    .await;
    assert_eq!(two.power(vm.uuid).await.unwrap(), Some(PowerState::Running));
    let figures = two.migration_figures(vm.uuid).await.unwrap().unwrap();
    println!("{figures:?}");
    assert!(figures.total_ms.unwrap() > 0 && figures.downtime_ms.is_some());
    assert!(figures.bytes.unwrap() > 0);
    assert_eq!(two.migration_figures(vm.uuid).await.unwrap(), Some(figures));
    assert_eq!(two.migration_progress(vm.uuid).await.unwrap(), None);
    two.abort_migration(vm.uuid).await.unwrap();
    // Ownership and the screen come along; the screen listens where the target says.
    assert_eq!(
        two.describe(vm.uuid).await.unwrap().ownership,
        Some(vm.ownership.clone())
    );
    assert!(two.screen(vm.uuid).await.unwrap().is_some());
    // Back, with a definition for the other side, which keeps the carrier for the next start too; encrypted, as from one
    // site to another.
    let back = MigrateSpec {
        encrypt: Encrypt::Always,
        carrier: Some(vm.carrier.clone()),
        ..spec(&bench, &vm, 0)
    };
    two.migrate(&back).await.unwrap();
    let seen = one.describe(vm.uuid).await.unwrap();
    assert_eq!(seen.nics[0].carrier, Some(vm.carrier.clone()));
    let same = one.migrate(&spec(&bench, &vm, 0)).await.unwrap_err();
    println!("to itself: {same}");
    assert_eq!(one.power(vm.uuid).await.unwrap(), Some(PowerState::Running));
    bench.remove(&[&one, &two], &vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_cancel_and_timeout() {
    let Some(bench) = Bench::up("lvcancel") else {
        return;
    };
    let (one, two) = (bench.host(0).await, bench.host(1).await);
    let vm = bench.make_vm(&one, "shared").await;
    one.start(vm.uuid).await.unwrap();
    // So slow that it takes a while.
    let slow = MigrateSpec {
        bandwidth: Some(1),
        ..spec(&bench, &vm, 1)
    };
    let (mover, moved) = (Arc::clone(&one), slow.clone());
    let task = tokio::spawn(async move { mover.migrate(&moved).await });
    eventually("bytes on their way", || async {
        match one.migration_progress(vm.uuid).await.unwrap() {
            Some(progress) if progress.bytes_done > 0 => {
                println!("{progress:?}");
                let known = progress.left_ms.is_some() && progress.dirty_rate.is_some();
                let moves = progress.rate > 0 && progress.rounds > 0;
                progress.bytes_total > 0 && progress.elapsed_ms > 0 && known && moves
            }
            _ => false,
        }
    })
    .await;
    // Sampling goes on while it moves.
    let sample = one.sample(Groups::ALL).await.unwrap();
    assert!(sample.vms.iter().any(|seen| seen.uuid == vm.uuid));
    // Nor is the target silent until its guest has arrived: libvirt answers no question about that one.
    let looked = async {
        two.sample(Groups::ALL).await.unwrap();
        two.places().await.unwrap()
    };
    let places = tokio::time::timeout(Duration::from_secs(20), looked).await;
    assert!(!places.expect("the target answers").pools.is_empty());
    one.abort_migration(vm.uuid).await.unwrap();
    assert_eq!(task.await.unwrap(), Err(HypervisorError::Cancelled));
    assert_eq!(one.power(vm.uuid).await.unwrap(), Some(PowerState::Running));
    assert_eq!(two.power(vm.uuid).await.unwrap(), None);
    one.abort_migration(vm.uuid).await.unwrap();

    let hasty = MigrateSpec {
        timeout_seconds: 2,
        ..slow
    };
    let said = one.migrate(&hasty).await.unwrap_err();
    assert!(said.to_string().contains("given up after 2 s"), "{said}");
    assert_eq!(one.power(vm.uuid).await.unwrap(), Some(PowerState::Running));
    assert_eq!(two.power(vm.uuid).await.unwrap(), None);
    bench.remove(&[&one, &two], &vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_disk_is_copied_along() {
    let Some(bench) = Bench::up("lvcopy") else {
        return;
    };
    let (one, two) = (bench.host(0).await, bench.host(1).await);
    let vm = bench.make_vm(&one, "local").await;
    one.start(vm.uuid).await.unwrap();
    let unshared = one.migrate(&spec(&bench, &vm, 1)).await.unwrap_err();
    println!("without copying: {unshared}");
    assert_eq!(one.power(vm.uuid).await.unwrap(), Some(PowerState::Running));
    // As the engine does: the same base, and an overlay on it, on the target first.
    let base = bench.put_image(&two, "local").await;
    two.create_volume("local", &crate::bench::overlay(&vm, &base))
        .await
        .unwrap();
    let copying = MigrateSpec {
        copy_disks: vec!["vda".into()],
        ..spec(&bench, &vm, 1)
    };
    one.migrate(&copying).await.unwrap();
    assert_eq!(two.power(vm.uuid).await.unwrap(), Some(PowerState::Running));
    let disk = two
        .volume("local", &vm.disks[0].volume)
        .await
        .unwrap()
        .unwrap();
    assert!(
        disk.backing.unwrap().ends_with(&base),
        "it still shares its base"
    );
    println!("{:?}", two.migration_figures(vm.uuid).await.unwrap());
    bench.remove(&[&one, &two], &vm).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_can_not_be_reached_is_said_plainly() {
    let Some(bench) = Bench::up("lvnotarget") else {
        return;
    };
    let one = bench.host(0).await;
    let vm = bench.make_vm(&one, "shared").await;
    one.start(vm.uuid).await.unwrap();
    let to = |peer_uri: &str| MigrateSpec {
        peer_uri: peer_uri.into(),
        ..spec(&bench, &vm, 1)
    };
    let refused = one
        .migrate(&to(&format!(
            "qemu+tcp://{}:1/system",
            bench.lab.hosts[1].address
        )))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("can't reach the target: it refuses the connection"),
        "{refused}"
    );
    let unknown = one
        .migrate(&to("qemu+tcp://nosuchhost.invalid/system"))
        .await
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("its name is not known"), "{unknown}");
    let local = one.migrate(&to("qemu:///system")).await.unwrap_err();
    assert!(matches!(local, HypervisorError::BadUri { .. }), "{local}");
    assert_eq!(one.power(vm.uuid).await.unwrap(), Some(PowerState::Running));
    bench.remove(&[&one], &vm).await;
}
