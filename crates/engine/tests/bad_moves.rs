//! Moves on bad days: processes, daemons, hosts and links that go away in the middle. Afterwards what is recorded is true
//! and the VM runs exactly once.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    jobs::{self, Point},
    migrate::Target,
};
use bellwether_hypervisor::{
    Power,
    sim::{Fault, Gate, Op, SimFleet, SimSpec},
};
use bellwether_model::{
    VmId,
    job::{Job, JobState},
    migration::{Migration, MigrationOutcome},
    observed::PowerState,
    storage::StorageKind,
    vm::VmState,
};
use common::{
    Site,
    points::{leftovers, once},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// A move takes some two seconds; a peer that is lost is given up soon.
fn slow(name: &str) -> SimSpec {
    SimSpec {
        link_mib_s: 200,
        lost_peer_ms: 500,
        ..SimSpec::new(name, 2)
    }
}

/// A move under way.
struct Moving {
    site: Site,
    vm: VmId,
    migration: Migration,
    source: String,
    target: String,
}

impl Moving {
    /// Asked for.
    async fn asked(spec: SimSpec, kind: StorageKind, plan: impl FnOnce(&SimFleet, &str)) -> Self {
        let site = Site::new(spec, kind).await;
        let vm = site.vm("mover").await;
        plan(&site.fleet, &site.name_of(vm.host).await);
        let (_, migration) = site.moves(vm.id, Target::Best).await;
        Self {
            source: site.name_of(migration.source).await,
            target: site.name_of(migration.target).await,
            vm: vm.id,
            site,
            migration,
        }
    }

    /// In the middle of its copy.
    async fn copying(spec: SimSpec) -> Self {
        let moving = Self::asked(spec, StorageKind::Shared, |_, _| ()).await;
        moving.site.copies(moving.migration.job.unwrap()).await;
        moving
    }

    async fn ends(&self) -> Job {
        self.site.ends(self.migration.job.unwrap()).await
    }

    /// The move is over as recorded, and the VM runs once, where it should.
    async fn is(&self, outcome: MigrationOutcome) {
        self.site
            .until("it is known how it ended", async |site| {
                site.last_migration(self.vm).await.ended_at.is_some()
            })
            .await;
        let job = self.ends().await;
        let kept = self.site.last_migration(self.vm).await;
        assert_eq!(kept.outcome, outcome, "{job:?}");
        let (host, state) = match outcome {
            MigrationOutcome::Completed => (self.migration.target, JobState::Done),
            MigrationOutcome::Cancelled => (self.migration.source, JobState::Undone),
            _ => (self.migration.source, JobState::Failed),
        };
        assert_eq!(job.state, state, "{job:?}");
        // What the job could not clear away itself, reconcile does, after the job has ended.
        self.site
            .until("nothing is left behind", async |site| {
                leftovers(site).is_empty() && site.fleet.whereabouts(self.vm.0).len() == 1
            })
            .await;
        assert_eq!(once(&self.site, self.vm).await.host, host);
    }

    /// The move failed, and the job says why.
    async fn failed_because(&self, words: &str) {
        self.is(MigrationOutcome::Failed).await;
        let said = self.ends().await.error.unwrap();
        assert!(said.contains(words), "{said}");
        assert_eq!(self.site.last_migration(self.vm).await.reason, Some(said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_the_copy_it_goes_on_and_is_found_to_have_moved() {
    let mut moving = Moving::copying(slow("killed-copy")).await;
    moving.site.kill_and_start().await;
    moving.is(MigrationOutcome::Completed).await;
    assert!(
        moving
            .site
            .last_migration(moving.vm)
            .await
            .downtime_ms
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_copy_that_then_fails_it_is_found_to_have_stayed() {
    let mut moving = Moving::copying(slow("killed-fails")).await;
    moving.site.fleet.cut(&moving.source, &moving.target);
    moving.site.kill_and_start().await;
    moving.is(MigrationOutcome::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_cut_off_in_the_middle_leaves_the_vm_where_it_was_and_the_job_says_why() {
    let moving = Moving::copying(slow("cut")).await;
    moving.site.fleet.cut(&moving.source, &moving.target);
    moving
        .failed_because("connection to the peer lost: keepalive timeout")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libvirtd_restarted_under_an_idle_vm_changes_nothing() {
    let site = Site::new(SimSpec::new("idle", 2), StorageKind::Shared).await;
    let vm = site.vm("idle").await;
    let host = site.name_of(vm.host).await;
    let before = site.fleet.calls(&host, Op::Sample);
    site.fleet
        .restart_libvirtd(&host, Duration::from_millis(400))
        .unwrap();
    site.until("the host is away and back", async |site| {
        let seen = site.engine.observed();
        site.fleet.calls(&host, Op::Sample) > before + 3 && seen.hosts[&vm.host].trouble.is_none()
    })
    .await;
    site.ready().await;
    site.rounds_of_reconcile(2).await;
    let after = once(&site, vm.id).await;
    assert_eq!((after.host, after.note), (vm.host, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn libvirtd_restarted_in_the_middle_leaves_the_vm_where_it_was() {
    for at_target in [false, true] {
        let moving = Moving::copying(slow("restarted")).await;
        let host = if at_target {
            &moving.target
        } else {
            &moving.source
        };
        moving
            .site
            .fleet
            .restart_libvirtd(host, Duration::from_millis(400))
            .unwrap();
        moving.is(MigrationOutcome::Failed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_loses_its_power_in_the_middle_is_not_waited_for() {
    let moving = Moving::copying(slow("target-dies")).await;
    moving.site.fleet.power_cut(&moving.target).unwrap();
    moving.is(MigrationOutcome::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_loses_its_power_in_the_middle_runs_the_vm_again_when_it_is_back() {
    let moving = Moving::copying(slow("source-dies")).await;
    moving.site.fleet.power_cut(&moving.source).unwrap();
    moving
        .site
        .until("the loss is noticed", async |site| {
            let seen = site.engine.observed();
            seen.hosts[&moving.migration.source].trouble.is_some()
        })
        .await;
    assert!(
        moving.site.fleet.whereabouts(moving.vm.0).len() <= 1,
        "what was coming in is gone"
    );
    moving.site.fleet.power_back(&moving.source).unwrap();
    moving.is(MigrationOutcome::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_comes_before_the_move_has_begun_is_not_lost() {
    let gate = Gate::new();
    let moving = Moving::asked(
        slow("early-cancel"),
        StorageKind::Shared,
        |fleet, source| {
            fleet.fault(source, Op::Migrate, Fault::Hold(gate.clone()), 1);
            // And the first word is not even heard.
            fleet.fault(source, Op::AbortMigration, Fault::before(), 1);
        },
    )
    .await;
    gate.arrived().await;
    let job = moving.migration.job.unwrap();
    jobs::cancel(&moving.site.engine, &moving.site.admin, job)
        .await
        .unwrap();
    let words = moving.site.fleet.calls(&moving.source, Op::AbortMigration) + 2;
    moving
        .site
        .until("it was told twice that nothing moves", async |site| {
            site.fleet.calls(&moving.source, Op::AbortMigration) >= words
        })
        .await;
    gate.open();
    moving.is(MigrationOutcome::Cancelled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_while_the_target_is_prepared_waits_for_no_upload() {
    let gate = Gate::new();
    let moving = Moving::asked(slow("preparing"), StorageKind::Local, |fleet, source| {
        for target in fleet.hosts().iter().filter(|host| *host != source) {
            fleet.fault(target, Op::Upload, Fault::Hold(gate.clone()), 1);
        }
    })
    .await;
    gate.arrived().await;
    let job = moving.migration.job.unwrap();
    jobs::cancel(&moving.site.engine, &moving.site.admin, job)
        .await
        .unwrap();
    moving.is(MigrationOutcome::Cancelled).await;
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_slept_past_its_lease_does_not_begin_the_move() {
    let gate = Gate::new();
    let mut moving = Moving::asked(slow("late"), StorageKind::Shared, |fleet, source| {
        fleet.fault(source, Op::Migrate, Fault::Hold(gate.clone()), 1);
    })
    .await;
    gate.arrived().await;
    // Its call stands; its process is dead as far as others can see, and another takes over when the lease is out.
    let job = moving.migration.job.unwrap();
    let lease = moving
        .site
        .engine
        .store()
        .job(job)
        .await
        .unwrap()
        .lease_until;
    moving.site.running.take().unwrap().kill();
    moving
        .site
        .until("the lease is out", async |site| site.engine.now() > lease)
        .await;
    moving.site.kill_and_start().await;
    moving.is(MigrationOutcome::Failed).await;
    gate.open();
    moving.site.rounds_of_reconcile(3).await;
    assert_eq!(moving.site.fleet.moving(), [], "the late call began a move");
    moving.is(MigrationOutcome::Failed).await;
}

/// The move is done and its source never heard of the end; nobody has asked yet how it ended.
async fn unsettled(name: &str) -> Moving {
    let site = Site::new(SimSpec::new(name, 2), StorageKind::Shared).await;
    let vm = site.vm("mover").await;
    let source = site.name_of(vm.host).await;
    site.fleet
        .fault(&source, Op::Migrate, Fault::DoubtTargetRuns, 1);
    let died = Arc::new(Notify::new());
    let told = died.clone();
    site.engine.set_probe(Arc::new(move |point, step: &str| {
        let dies = point == Point::BeforeJournal && step == "settle";
        if dies {
            told.notify_one();
        }
        dies
    }));
    let (_, migration) = site.moves(vm.id, Target::Best).await;
    died.notified().await;
    Moving {
        target: site.name_of(migration.target).await,
        source,
        vm: vm.id,
        site,
        migration,
    }
}

/// The job needs a person, says so, and nothing was changed.
async fn left_to_a_person(moving: &Moving, words: &[&str]) {
    let site = &moving.site;
    site.until("a person is called", async |site| {
        let job = site.engine.store().job(moving.migration.job.unwrap()).await;
        job.unwrap().state == JobState::NeedsPerson
    })
    .await;
    let kept = site.last_migration(moving.vm).await;
    assert_eq!(
        (kept.outcome, kept.ended_at),
        (MigrationOutcome::Unknown, None)
    );
    let reason = kept.reason.unwrap();
    for words in words {
        assert!(reason.contains(words), "{reason}");
    }
    assert_eq!(site.get(moving.vm).await.state, VmState::Migrating);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_source_is_not_continued_where_the_target_may_have_run_the_guest() {
    let mut moving = unsettled("stale").await;
    let vm = moving.vm.0;
    moving.site.fleet.guest_stops(&moving.target, vm).unwrap();
    moving.site.kill_and_start().await;
    left_to_a_person(&moving, &["says it is paused", "says it is shut off"]).await;
    assert!(
        moving
            .site
            .fleet
            .whereabouts(vm)
            .contains(&(moving.source.clone(), PowerState::Paused)),
        "old memory was continued on a newer disk"
    );
    // A person takes the stale one away; the rest is found out.
    let source = moving.site.fleet.host(&moving.source);
    source.force_off(vm).await.unwrap();
    source.undefine(vm).await.unwrap();
    moving.is(MigrationOutcome::Completed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_run_are_an_alarm_until_a_person_has_stopped_one() {
    let mut moving = unsettled("both").await;
    let vm = moving.vm.0;
    moving.site.fleet.run_twice(vm, &moving.source).unwrap();
    moving.site.kill_and_start().await;
    left_to_a_person(&moving, &[&moving.source, &moving.target]).await;
    moving
        .site
        .until("the alarm is raised", async |site| {
            let note = site.get(moving.vm).await.note;
            note.is_some_and(|note| note.starts_with("ALARM"))
        })
        .await;
    moving.site.fleet.guest_stops(&moving.source, vm).unwrap();
    moving.is(MigrationOutcome::Completed).await;
}
