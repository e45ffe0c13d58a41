//! Periods: those to come, those that are past, and leases that end.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    approve::{self, Choice},
    expire, hosts, jobs, request,
};
use bellwether_hypervisor::sim::{Fault, Op, SimSpec};
use bellwether_model::{
    ErrorKind, MiB,
    host::HostMode,
    job::{Job, JobKind, JobState},
    request::{Request, RequestState},
    storage::StorageKind,
    vm::{Vm, VmState, WantedPower},
};
use bellwether_store::JobQuery;
use common::{
    Site,
    points::{no_room_held, once},
};

/// Asked for from in three days on, approved and placed on the first host.
async fn placed(site: &Site, name: &str) -> (Request, Job) {
    let asked = site.ask_for_later(name, 3).await;
    site.ready().await;
    let choice = Choice {
        host: Some(site.hosts[0]),
        ..Choice::default()
    };
    let placed = approve::approve(&site.engine, &site.admin, asked.id, choice)
        .await
        .unwrap();
    assert_eq!(placed.request.state, RequestState::Placed);
    (placed.request, placed.job.unwrap())
}

/// Nothing is held for it any more, and nothing will be made.
async fn given_back(site: &Site, job: &Job) {
    let job = site.engine.store().job(job.id).await.unwrap();
    assert_eq!(job.state, JobState::Undone);
    let vm = site.get(job.subject.vm.unwrap()).await;
    assert_eq!(vm.state, VmState::Gone);
    no_room_held(site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_placed_for_a_period_to_come_can_be_taken_back_and_refused() {
    let site = Site::new(SimSpec::new("to-come", 1), StorageKind::Shared).await;
    let (asked, job) = placed(&site, "later").await;
    let taken = request::withdraw(&site.engine, &site.user, asked.id)
        .await
        .unwrap();
    assert_eq!((taken.state, taken.vm), (RequestState::Withdrawn, None));
    given_back(&site, &job).await;

    let (asked, job) = placed(&site, "later").await;
    let refused = approve::refuse(&site.engine, &site.admin, asked.id, "the course is off")
        .await
        .unwrap();
    assert_eq!(refused.state, RequestState::Refused);
    assert_eq!(refused.reason.as_deref(), Some("the course is off"));
    given_back(&site, &job).await;

    // Its job can be cancelled too, at once and not on its first day.
    let (asked, job) = placed(&site, "later").await;
    jobs::cancel(&site.engine, &site.user, job.id)
        .await
        .unwrap();
    site.ends(job.id).await;
    let asked = site.engine.store().request(asked.id).await.unwrap();
    assert_eq!(asked.state, RequestState::Failed);
    given_back(&site, &job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_made_can_not_be_taken_back() {
    let site = Site::new(SimSpec::new("begun", 1), StorageKind::Shared).await;
    let vm = site.vm("begun").await;
    let late = request::withdraw(&site.engine, &site.user, vm.request.unwrap()).await;
    assert_eq!(late.unwrap_err().kind, ErrorKind::Conflict);
    once(&site, vm.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_put_aside_or_dead_on_the_first_day_loses_it_to_another() {
    for dead in [false, true] {
        let mut site = Site::new(SimSpec::new("first-day", 2), StorageKind::Local).await;
        let (asked, _) = placed(&site, "later").await;
        if dead {
            site.fleet.power_cut("host01").unwrap();
        } else {
            hosts::set_mode(
                &site.engine,
                &site.admin,
                site.hosts[0],
                HostMode::Maintenance,
                None,
            )
            .await
            .unwrap();
        }
        site.days_later(3).await;
        site.until("it is made elsewhere", async |site| {
            let asked = site.engine.store().request(asked.id).await.unwrap();
            asked.state == RequestState::Fulfilled
        })
        .await;
        let asked = site.engine.store().request(asked.id).await.unwrap();
        assert_eq!(once(&site, asked.vm.unwrap()).await.host, site.hosts[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_that_is_past_is_not_approved_and_one_that_waited_for_room_fails() {
    let spec = SimSpec {
        memory: MiB(2048),
        ..SimSpec::new("past", 1)
    };
    let mut site = Site::new(spec, StorageKind::Shared).await;
    let vm = site.vm("full").await;
    let short = |name: &str| {
        let mut draft = site.draft(name);
        draft.until = draft.from.clone();
        draft
    };
    let undecided = request::submit(&site.engine, &site.user, &short("undecided"))
        .await
        .unwrap();
    let waits = request::submit(&site.engine, &site.user, &short("waits"))
        .await
        .unwrap();
    let placed = approve::approve(&site.engine, &site.admin, waits.id, Choice::default())
        .await
        .unwrap();
    assert_eq!(placed.request.state, RequestState::WaitingForRoom);
    site.days_later(2).await;
    let late = approve::approve(&site.engine, &site.admin, undecided.id, Choice::default()).await;
    let late = late.err().unwrap();
    assert_eq!(late.kind, ErrorKind::Conflict);
    assert!(late.message.contains("The period ended on"), "{late}");
    site.until("the one that waited has failed", async |site| {
        let waits = site.engine.store().request(waits.id).await.unwrap();
        waits.state == RequestState::Failed
    })
    .await;
    let waits = site.engine.store().request(waits.id).await.unwrap();
    let reason = waits.reason.unwrap();
    assert!(reason.contains("before there was room"), "{reason}");
    assert!(reason.contains("memory: 1,024 MiB asked"), "{reason}");
    once(&site, vm.id).await;
}

async fn ends_yesterday(site: &Site, vm: &Vm) {
    let mut over = site.get(vm.id).await;
    over.lease_until = site.engine.today().yesterday().unwrap();
    let mut tx = site.engine.store().begin().await.unwrap();
    tx.update_vm(&mut over).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_extended_while_its_guest_shuts_down_goes_on() {
    let site = Site::new(SimSpec::new("grace", 1), StorageKind::Shared).await;
    let vm = site.vm("grace").await;
    ends_yesterday(&site, &vm).await;
    site.until("its guest was told", async |site| {
        expire::run(&site.engine).await.unwrap();
        site.get(vm.id).await.wanted == WantedPower::Off
    })
    .await;
    let tomorrow = site.engine.today().tomorrow().unwrap();
    expire::extend(&site.engine, &site.user, vm.id, tomorrow)
        .await
        .unwrap();
    // It heeds: nobody takes that for its owner's wish.
    let host = site.name_of(vm.host).await;
    site.until("its guest was off and is on again", async |site| {
        site.fleet.calls(&host, Op::Start) > 1
    })
    .await;
    let vm = once(&site, vm.id).await;
    assert_eq!((vm.wanted, vm.note), (WantedPower::On, None));
}

/// The jobs that switched the VM without anybody's word, oldest first.
async fn switched(site: &Site, vm: &Vm) -> Vec<Job> {
    let query = JobQuery {
        vm: Some(vm.id),
        limit: 100,
        ..JobQuery::default()
    };
    let mut jobs = site.engine.store().jobs(query).await.unwrap();
    jobs.retain(|job| job.kind == JobKind::Power && job.created_by.is_none());
    jobs.reverse();
    jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_does_not_heed_is_asked_at_every_end_before_it_loses_its_power() {
    let mut site = Site::new(SimSpec::new("deaf", 1), StorageKind::Shared).await;
    site.grace(2).await;
    let vm = site.vm("deaf").await;
    site.fleet
        .set_guest(vm.id.0, |guest| guest.obeys_shutdown = false);
    // The first time its host fails before the guest was told: that is no ask.
    site.fleet
        .fault("host01", Op::AskShutdown, Fault::before(), 1);
    ends_yesterday(&site, &vm).await;
    site.until("its guest was told", async |site| {
        let jobs = switched(site, &vm).await;
        if jobs.len() < 2 {
            expire::run(&site.engine).await.unwrap();
        }
        jobs.last().is_some_and(|job| job.step > 0)
    })
    .await;
    // Its owner extends before the grace is over: the ask is of no account for the next end.
    let tomorrow = site.engine.today().tomorrow().unwrap();
    expire::extend(&site.engine, &site.user, vm.id, tomorrow)
        .await
        .unwrap();
    let asks = switched(&site, &vm).await;
    assert_eq!(asks.len(), 2);
    site.ends(asks[1].id).await;
    site.days_later(3).await;
    site.until("its lease has ended", async |site| {
        expire::run(&site.engine).await.unwrap();
        site.get(vm.id).await.state == VmState::Ended
    })
    .await;
    let did: Vec<_> = switched(&site, &vm)
        .await
        .into_iter()
        .map(|job| (job.data["action"].clone(), job.state))
        .collect();
    let asked = ("shutdown".into(), JobState::Failed);
    let forced = ("force_off".into(), JobState::Done);
    // A look from before its end may have had it told once more, when it was off.
    assert_eq!(did[..4], [asked.clone(), asked.clone(), asked, forced]);
}
