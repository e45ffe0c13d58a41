//! Live migration on a simulated fleet.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    hosts::{self, HostChange},
    jobs,
    migrate::{self, Target},
};
use bellwether_hypervisor::sim::{Fault, Gate, Guest, Op, SimSpec};
use bellwether_model::{
    ErrorKind, JobId, job::JobState, migration::MigrationOutcome, migration_policy::Encrypt,
    storage::StorageKind,
};
use bellwether_store::SeriesKey;
use common::{Site, points::once};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_moves_and_the_figures_are_kept() {
    for kind in [StorageKind::Shared, StorageKind::Local] {
        let site = Site::new(SimSpec::new("moves", 2), kind).await;
        let vm = site.vm("mover").await;
        let (job, migration) = site.moves(vm.id, Target::Best).await;
        assert_ne!(migration.target, vm.host);
        let job = site.ends(job.id).await;
        assert_eq!(job.state, JobState::Done, "{kind:?} {:?}", job.error);
        let after = once(&site, vm.id).await;
        assert_eq!(after.host, migration.target);
        assert_eq!(after.address, vm.address);
        let kept = site.last_migration(vm.id).await;
        assert_eq!(kept.outcome, MigrationOutcome::Completed);
        assert!(
            kept.downtime_ms.is_some() && kept.total_ms.is_some() && kept.bytes.is_some(),
            "{kept:?}"
        );
        assert_eq!(
            site.fleet
                .unused_volumes()
                .into_iter()
                .filter(|volume| !volume.contains("image"))
                .collect::<Vec<_>>(),
            Vec::<String>::new()
        );
        // And back.
        let (job, _) = site.moves(vm.id, Target::Host(vm.host)).await;
        assert_eq!(site.ends(job.id).await.state, JobState::Done);
        assert_eq!(once(&site, vm.id).await.host, vm.host);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_move_is_refused_in_words() {
    let site = Site::new(SimSpec::new("refused", 2), StorageKind::Shared).await;
    let vm = site.vm("stays").await;
    let same = migrate::ask(&site.engine, &site.admin, vm.id, Target::Host(vm.host))
        .await
        .unwrap_err();
    assert_eq!(
        (same.kind, same.fields[0].field.as_str()),
        (ErrorKind::Invalid, "target")
    );
    let unknown = migrate::ask(
        &site.engine,
        &site.admin,
        vm.id,
        Target::Host(bellwether_model::HostId::new()),
    )
    .await
    .unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::Invalid);
    let other = *site.hosts.iter().find(|host| **host != vm.host).unwrap();
    site.fleet
        .set_guest(vm.id.0, |guest| guest.dirty_mib_s = 5_000.0);
    let (job, _) = site.moves(vm.id, Target::Best).await;
    for target in [Target::Best, Target::Host(other)] {
        let twice = migrate::ask(&site.engine, &site.admin, vm.id, target)
            .await
            .unwrap_err();
        assert_eq!(twice.kind, ErrorKind::Conflict);
        assert!(
            twice.message.contains("it is being moved already"),
            "{twice:?}"
        );
    }
    // It never converges; it is cancelled and stays.
    site.copies(job.id).await;
    jobs::cancel(&site.engine, &site.admin, job.id)
        .await
        .unwrap();
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Undone);
    assert_eq!(
        job.error.as_deref(),
        Some("Cancelled; the VM stayed on its host.")
    );
    assert_eq!(
        site.last_migration(vm.id).await.outcome,
        MigrationOutcome::Cancelled
    );
    assert_eq!(once(&site, vm.id).await.host, vm.host);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_ask_at_once_one_moves_it() {
    let site = Site::new(SimSpec::new("at-once", 3), StorageKind::Shared).await;
    let vm = site.vm("wanted").await;
    site.ready().await;
    let ask = || migrate::ask(&site.engine, &site.admin, vm.id, Target::Best);
    let (one, other) = tokio::join!(ask(), ask());
    let (begun, refused) = match (one, other) {
        (Ok(begun), Err(refused)) | (Err(refused), Ok(begun)) => (begun, refused),
        both => panic!("{both:?}"),
    };
    assert!(
        refused.message.contains("it is being moved already"),
        "{refused:?}"
    );
    assert_eq!(site.ends(begun.0.id).await.state, JobState::Done);
    assert_eq!(once(&site, vm.id).await.host, begun.1.target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_asks_the_named_host_alone_and_once() {
    let site = Site::new(SimSpec::new("quick", 3), StorageKind::Shared).await;
    let vm = site.vm("snapped").await;
    let source = site.name_of(vm.host).await;
    site.fleet
        .set_hindrance(&source, vm.id.0, &[], true)
        .unwrap();
    let others: Vec<_> = site.hosts.iter().filter(|host| **host != vm.host).collect();
    let (named, other) = (
        site.name_of(*others[0]).await,
        site.name_of(*others[1]).await,
    );
    // What is learnt in the background has been learnt.
    site.until("both were asked", async |site| {
        [&named, &other]
            .iter()
            .all(|host| site.fleet.calls(host, Op::CanRunCpu) > 0)
    })
    .await;
    site.ready().await;
    let asked = || [&named, &other].map(|host| site.fleet.calls(host, Op::CanRunCpu));
    let before = asked();
    let refused = migrate::ask(&site.engine, &site.admin, vm.id, Target::Host(*others[0]))
        .await
        .unwrap_err();
    assert!(refused.message.contains("snapshots"), "{refused:?}");
    assert_eq!(asked(), [before[0] + 1, before[1]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_failed_is_not_told_the_figures_of_an_earlier_one() {
    let spec = SimSpec {
        link_mib_s: 300,
        ..SimSpec::new("figures", 2)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("traveller").await;
    let (job, _) = site.moves(vm.id, Target::Best).await;
    site.ends(job.id).await;
    let first = site.last_migration(vm.id).await;
    assert_eq!(first.outcome, MigrationOutcome::Completed);
    let (job, _) = site.moves(vm.id, Target::Best).await;
    site.copies(job.id).await;
    jobs::cancel(&site.engine, &site.admin, job.id)
        .await
        .unwrap();
    site.ends(job.id).await;
    let second = site.last_migration(vm.id).await;
    assert_eq!(second.outcome, MigrationOutcome::Cancelled);
    assert_eq!(second.downtime_ms, None, "its guest never stood still");
    assert!(second.bytes < first.bytes, "{second:?} after {first:?}");
    assert!(second.total_ms.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_takes_part_in_two_moves_at_once_and_the_third_waits() {
    let spec = SimSpec {
        link_mib_s: 400,
        ..SimSpec::new("crowd", 2)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let mut vms = Vec::new();
    for name in ["one", "two", "three"] {
        vms.push(site.vm(name).await);
    }
    let mut jobs = Vec::new();
    for vm in vms {
        jobs.push(site.moves(vm.id, Target::Best).await.0.id);
    }
    let most = AtomicUsize::new(0);
    site.until("all have moved", async |site| {
        most.fetch_max(site.fleet.moving().len(), Ordering::SeqCst);
        let mut open = 0;
        for job in &jobs {
            let job = site.engine.store().job(*job).await.unwrap();
            open += usize::from(job.state.is_open());
            assert!(job.error.is_none(), "{job:?}");
        }
        open == 0
    })
    .await;
    let most = most.into_inner();
    assert_eq!(most, 2);
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn between_sites_a_move_is_encrypted_or_does_not_begin() {
    for tls in [true, false] {
        let spec = SimSpec {
            tls,
            link_mib_s: 400,
            ..SimSpec::new("sites", 2)
        };
        let site = Site::new(spec, StorageKind::Shared).await;
        let vm = site.vm("secret").await;
        let other = *site.hosts.iter().find(|host| **host != vm.host).unwrap();
        let change = HostChange {
            site: Some("overseas".into()),
            ..HostChange::default()
        };
        hosts::update(&site.engine, &site.admin, other, change)
            .await
            .unwrap();
        let (job, _) = site.moves(vm.id, Target::Host(other)).await;
        if tls {
            site.copies(job.id).await;
            assert!(
                site.fleet
                    .moving()
                    .iter()
                    .all(|spec| spec.encrypt == Encrypt::Always)
            );
            assert_eq!(site.ends(job.id).await.state, JobState::Done);
        } else {
            let job = site.ends(job.id).await;
            assert_eq!(job.state, JobState::Failed);
            assert!(job.error.as_ref().unwrap().contains("TLS"), "{job:?}");
            assert_eq!(once(&site, vm.id).await.host, vm.host);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_host_that_runs_a_vm_writes_its_figures() {
    let spec = SimSpec {
        link_mib_s: 150,
        guest: Guest {
            load: 1.0,
            ..Guest::default()
        },
        ..SimSpec::new("series", 2)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("busy").await;
    let (job, migration) = site.moves(vm.id, Target::Best).await;
    site.until("the target shows it too", async |site| {
        let seen = site.engine.observed();
        seen.hosts[&migration.target].vm(vm.id.0).is_some()
    })
    .await;
    assert_eq!(site.ends(job.id).await.state, JobState::Done);
    let key = SeriesKey {
        entity: "vm",
        id: vm.id.0,
        signal: "cpu",
    };
    let (from, to) = (migration.started_at, site.engine.now());
    let series = site
        .engine
        .history()
        .range(&[key], from, to, 1)
        .await
        .unwrap();
    let lowest = series[0].points.iter().map(|(_, _, lowest, _)| *lowest);
    let lowest = lowest.fold(f32::INFINITY, f32::min);
    // What arrives stands still: its nothing beside the busy guest would be a zigzag.
    assert!(lowest > 0.2 && lowest < 2.0, "{:?}", series[0].points);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dangerous_window_is_settled_by_asking_the_target() {
    for (fault, moved) in [
        (Fault::DoubtTargetRuns, true),
        (Fault::DoubtTargetGone, false),
    ] {
        let site = Site::new(SimSpec::new("doubt", 2), StorageKind::Shared).await;
        let vm = site.vm("doubt").await;
        let source = site.engine.store().host(vm.host).await.unwrap().name;
        site.fleet.fault(&source, Op::Migrate, fault, 1);
        let (job, migration) = site.moves(vm.id, Target::Best).await;
        let ended = tokio::time::timeout(Duration::from_secs(100), site.ends(job.id))
            .await
            .unwrap();
        if moved {
            // The target runs it and the source is left paused: what is true is recorded, or a person is called.
            assert!(
                matches!(ended.state, JobState::Done | JobState::NeedsPerson),
                "{ended:?}"
            );
            assert_eq!(site.fleet.check(), Vec::<String>::new());
        } else {
            assert_eq!(ended.state, JobState::Failed);
            assert_eq!(once(&site, vm.id).await.host, migration.source);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_move_left_is_no_leftover_once_the_vm_moves_back() {
    let site = Site::new(SimSpec::new("back", 2), StorageKind::Local).await;
    let vm = site.vm("returns").await;
    let other = *site.hosts.iter().find(|host| **host != vm.host).unwrap();
    let target = site.name_of(other).await;
    // A move whose target was away at its end leaves this behind.
    let mut tx = site.engine.store().begin().await.unwrap();
    let now = site.engine.now();
    tx.add_tombstone(vm.id, JobId::new(), other, now)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    // The disk is made on the target, image and seed are there, and nothing has begun to move.
    let gate = Gate::new();
    let (image, seed) = (Fault::Slow(Duration::ZERO), Fault::HoldAfter(gate.clone()));
    site.fleet.fault(&target, Op::Upload, image, 1);
    site.fleet.fault(&target, Op::Upload, seed, 1);
    let (job, _) = site.moves(vm.id, Target::Host(other)).await;
    gate.arrived().await;
    site.rounds_of_reconcile(3).await;
    let disk = vm.disk_volume();
    assert!(
        site.fleet.volume_digest(&target, "local", &disk).is_some(),
        "the prepared disk was deleted"
    );
    gate.open();
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    assert_eq!(once(&site, vm.id).await.host, other);
}
