//! kill -9 before and after every write of provision, delete and migrate, forwards and backwards. After each: nothing
//! orphaned, doubled or lost.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{delete, migrate::Target};
use bellwether_hypervisor::sim::{Fault, Op, SimSpec};
use bellwether_model::{
    job::JobState, migration::MigrationOutcome, request::RequestState, storage::StorageKind,
    vm::VmState,
};
use common::{
    Site,
    points::{die_at, leftovers, no_room_held, once, password_is_the_seeds},
};

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_journal_write_of_provision_and_delete() {
    let mut site = Site::new(SimSpec::new("crash-provision", 2), StorageKind::Shared).await;
    for at in 0.. {
        let died = die_at(&site.engine, at, || true);
        let asked = site.ask(&format!("vm {at}")).await;
        let job = site.approved(asked.id).await.id;
        let whole = tokio::select! {
            () = died.notified() => false,
            _ = site.ends(job) => true,
        };
        site.kill_and_start().await;
        assert_eq!(
            site.ends(job).await.state,
            JobState::Done,
            "killed at point {at}"
        );
        let request = site.engine.store().request(asked.id).await.unwrap();
        assert_eq!(request.state, RequestState::Fulfilled);
        let vm = once(&site, request.vm.unwrap()).await;
        if at % 2 == 0 {
            password_is_the_seeds(&site, &vm).await;
        }

        let died = die_at(&site.engine, at, || true);
        let job = delete::ask(&site.engine, &site.user, vm.id, &vm.name)
            .await
            .unwrap()
            .id;
        let deleted_whole = tokio::select! {
            () = died.notified() => false,
            _ = site.ends(job) => true,
        };
        site.kill_and_start().await;
        assert_eq!(
            site.ends(job).await.state,
            JobState::Done,
            "killed at point {at} of delete"
        );
        no_room_held(&site).await;
        if whole && deleted_whole {
            assert!(at > 20, "there are more points than {at}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_journal_write_of_migrate() {
    for kind in [StorageKind::Shared, StorageKind::Local] {
        let mut site = Site::new(SimSpec::new("crash-migrate", 2), kind).await;
        let vm = site.vm("mover").await.id;
        for at in 0.. {
            once(&site, vm).await;
            site.ready().await;
            let died = die_at(&site.engine, at, || true);
            let (job, migration) = site.moves(vm, Target::Best).await;
            let whole = tokio::select! {
                () = died.notified() => false,
                _ = site.ends(job.id) => true,
            };
            site.kill_and_start().await;
            let job = site.ends(job.id).await;
            let after = once(&site, vm).await;
            let kept = site.engine.store().migration(migration.id).await.unwrap();
            // The reported outcome is the true one.
            match kept.outcome {
                MigrationOutcome::Completed => {
                    assert_eq!((after.host, job.state), (migration.target, JobState::Done))
                }
                MigrationOutcome::Failed => assert_eq!(
                    (after.host, job.state),
                    (migration.source, JobState::Failed)
                ),
                other => panic!("killed at point {at}: {other:?}"),
            }
            site.until("nothing is left behind", async |site| {
                leftovers(site).is_empty()
            })
            .await;
            if whole {
                assert!(at > 8, "there are more points than {at}");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_write_while_undoing() {
    for kind in [StorageKind::Shared, StorageKind::Local] {
        let mut site = Site::new(SimSpec::new("crash-undo", 1), kind).await;
        for at in 0.. {
            site.fleet.fault("host01", Op::Start, Fault::before(), 1);
            let (fleet, before) = (site.fleet.clone(), site.fleet.calls("host01", Op::Start));
            let failed = move || fleet.calls("host01", Op::Start) > before;
            let died = die_at(&site.engine, at, failed);
            let asked = site.ask(&format!("vm {at}")).await;
            let job = site.approved(asked.id).await;
            let whole = tokio::select! {
                () = died.notified() => false,
                _ = site.ends(job.id) => true,
            };
            site.kill_and_start().await;
            let ended = site.ends(job.id).await;
            let request = site.engine.store().request(asked.id).await.unwrap();
            let vm = site.get(job.subject.vm.unwrap()).await;
            // Killed before the failure was written, the step is simply done again.
            match ended.state {
                JobState::Undone => {
                    assert_eq!(request.state, RequestState::Failed, "killed at {at}");
                    assert_eq!((request.vm, vm.state), (None, VmState::Gone));
                    assert!(request.reason.unwrap().contains("planned fault"));
                }
                JobState::Done => {
                    let made = once(&site, vm.id).await;
                    let gone = delete::ask(&site.engine, &site.user, made.id, &made.name)
                        .await
                        .unwrap();
                    site.ends(gone.id).await;
                }
                other => panic!("killed at {at}: {other}"),
            }
            no_room_held(&site).await;
            if whole {
                assert!(at > 10, "there are more points than {at}");
                break;
            }
        }
    }
}
