//! A runner that is stopped (SIGSTOP) at any of its writes while another takes over and finishes, and then wakes: it
//! changes nothing.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{delete, jobs::Point, migrate::Target};
use bellwether_hypervisor::sim::{Fault, Op, SimSpec};
use bellwether_model::{
    JobId, RequestId, job::JobState, migration::MigrationOutcome, request::RequestState,
    storage::StorageKind,
};
use common::{
    Site,
    points::{Sleeper, die_at, leftovers, no_room_held, once, password_is_the_seeds},
};

/// Asks and approves while only the sleeper runs, waits until it stands at its point and has another take over.
async fn taken_over(
    site: &mut Site,
    name: &str,
    sleeper: &mut Sleeper,
) -> (RequestId, JobId, bool) {
    let asked = site.ask(name).await;
    let job = site.approved(asked.id).await.id;
    let slept = sleeper.stopped(site.ends(job)).await;
    site.leases_run_out().await;
    site.running = Some(site.engine.start().await.unwrap());
    (asked.id, job, slept)
}

async fn alone(site: &mut Site) {
    if let Some(running) = site.running.take() {
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_every_write_of_provision() {
    let mut site = Site::new(SimSpec::new("asleep", 2), StorageKind::Shared).await;
    for at in 0.. {
        alone(&mut site).await;
        let mut sleeper = Sleeper::start(site.opening(), at, |_, _| true);
        let (request, job, slept) = taken_over(&mut site, &format!("vm {at}"), &mut sleeper).await;
        assert_eq!(
            site.ends(job).await.state,
            JobState::Done,
            "stopped at point {at}"
        );
        let vm = site.engine.store().request(request).await.unwrap().vm;
        let vm = once(&site, vm.unwrap()).await;
        // It wakes by turns while the VM runs and when it is long gone.
        let awake = match at % 2 {
            0 => {
                sleeper.wakes().await;
                once(&site, vm.id).await;
                password_is_the_seeds(&site, &vm).await;
                None
            }
            _ => Some(sleeper),
        };
        let gone = delete::ask(&site.engine, &site.user, vm.id, &vm.name)
            .await
            .unwrap();
        assert_eq!(site.ends(gone.id).await.state, JobState::Done);
        if let Some(sleeper) = awake {
            sleeper.wakes().await;
        }
        site.until("what it left behind is gone", async |site| {
            site.fleet.whereabouts(vm.id.0).is_empty() && leftovers(site).is_empty()
        })
        .await;
        assert_eq!(
            site.engine.store().job(job).await.unwrap().state,
            JobState::Done
        );
        no_room_held(&site).await;
        if !slept {
            assert!(at > 26, "there are more points than {at}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_it_was_about_to_write_the_first_password() {
    let mut site = Site::new(SimSpec::new("asleep-password", 1), StorageKind::Shared).await;
    for gone in [false, true] {
        alone(&mut site).await;
        let writes = |point, step: &str| point == Point::BeforeWrite && step == "seed";
        let mut sleeper = Sleeper::start(site.opening(), 0, writes);
        let (request, job, slept) =
            taken_over(&mut site, &format!("gone {gone}"), &mut sleeper).await;
        assert!(slept);
        site.ends(job).await;
        let vm = site.engine.store().request(request).await.unwrap().vm;
        let vm = once(&site, vm.unwrap()).await;
        if gone {
            let gone = delete::ask(&site.engine, &site.user, vm.id, &vm.name)
                .await
                .unwrap();
            site.ends(gone.id).await;
            sleeper.wakes().await;
            no_room_held(&site).await;
        } else {
            password_is_the_seeds(&site, &vm).await;
            sleeper.wakes().await;
            let waiting = site.engine.store().first_passwords(vm.owner).await.unwrap();
            assert!(!waiting.contains(&vm.id));
            let gone = delete::ask(&site.engine, &site.user, vm.id, &vm.name)
                .await
                .unwrap();
            site.ends(gone.id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_it_was_undoing_what_was_asked_for_anew_since() {
    let mut site = Site::new(SimSpec::new("asleep-undo", 1), StorageKind::Shared).await;
    // Before it writes that all is undone, and after.
    for at in [0, 1] {
        alone(&mut site).await;
        site.fleet.fault("host01", Op::Start, Fault::before(), 1);
        let mut sleeper = Sleeper::start(site.opening(), at, |_, step: &str| step == "end");
        let (request, job, slept) =
            taken_over(&mut site, &format!("anew {at}"), &mut sleeper).await;
        assert!(slept);
        assert_eq!(site.ends(job).await.state, JobState::Undone);
        let again = site.approved(request).await;
        let again = site.ends(again.id).await;
        assert_eq!(again.state, JobState::Done);
        sleeper.wakes().await;
        let request = site.engine.store().request(request).await.unwrap();
        assert_eq!(request.state, RequestState::Fulfilled);
        assert_eq!(request.vm, again.subject.vm);
        once(&site, request.vm.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn at_every_write_of_migrate() {
    let mut site = Site::new(SimSpec::new("asleep-move", 2), StorageKind::Shared).await;
    let vm = site.vm("mover").await.id;
    for at in 0.. {
        once(&site, vm).await;
        // Whoever claims it first dies at once, so that it is the sleeper's.
        let died = die_at(&site.engine, 0, || true);
        let (job, migration) = site.moves(vm, Target::Best).await;
        died.notified().await;
        alone(&mut site).await;
        site.leases_run_out().await;
        let mut sleeper = Sleeper::start(site.opening(), at, |_, _| true);
        let slept = sleeper.stopped(site.ends(job.id)).await;
        site.kill_and_start().await;
        let job = site.ends(job.id).await;
        let kept = site.last_migration(vm).await;
        let host = match kept.outcome {
            MigrationOutcome::Completed => migration.target,
            _ => migration.source,
        };
        assert_eq!(once(&site, vm).await.host, host, "stopped at point {at}");
        sleeper.wakes().await;
        site.rounds_of_reconcile(1).await;
        assert_eq!(once(&site, vm).await.host, host, "woke at point {at}");
        assert_eq!(site.last_migration(vm).await, kept);
        assert_eq!(
            site.engine.store().job(job.id).await.unwrap().state,
            job.state
        );
        if !slept {
            assert!(at > 10, "there are more points than {at}");
            break;
        }
    }
}
