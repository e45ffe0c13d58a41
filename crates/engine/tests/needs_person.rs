//! Jobs that can't go on alone, that wait for what passes, and that can't be cancelled any more.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    delete, jobs,
    power::{self, PowerAction},
};
use bellwether_hypervisor::{
    HypervisorError,
    sim::{Fault, Gate, Op, SimSpec},
};
use bellwether_model::{
    ErrorKind, JobId,
    job::{Job, JobState},
    request::RequestState,
    storage::StorageKind,
};
use common::{
    Site,
    points::{no_room_held, once},
};

async fn job(site: &Site, id: JobId) -> Job {
    site.engine.store().job(id).await.unwrap()
}

fn refuses(site: &Site, op: Op, words: &str) {
    let fault = Fault::Before(HypervisorError::Unsupported(words.into()));
    site.fleet.fault("host01", op, fault, u32::MAX);
}

/// Waits until the host was asked to take the power away and the job tries that again later.
async fn undo_has_failed(site: &Site, id: JobId) {
    site.until("its undo has failed", async |site| {
        let job = job(site, id).await;
        job.state == JobState::Undoing && job.progress.doing.contains("Trying again")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_keeps_failing_calls_a_person_who_has_it_try_again() {
    let mut site = Site::new(SimSpec::new("gives-up", 1), StorageKind::Shared).await;
    refuses(&site, Op::Start, "it is broken");
    refuses(&site, Op::ForceOff, "its switch is stuck");
    let asked = site.ask("stuck").await;
    let id = site.approved(asked.id).await.id;
    undo_has_failed(&site, id).await;
    let early = jobs::retry(&site.engine, &site.admin, id).await;
    assert_eq!(early.unwrap_err().kind, ErrorKind::Conflict);
    site.days_later(2).await;
    let given_up = site.ends(id).await;
    assert_eq!(given_up.state, JobState::NeedsPerson);
    let why = given_up.error.unwrap();
    for words in ["it is broken", "its switch is stuck"] {
        assert!(why.contains(words), "{why}");
    }
    // Tried again in vain, it has its patience anew.
    jobs::retry(&site.engine, &site.admin, id).await.unwrap();
    undo_has_failed(&site, id).await;
    site.days_later(2).await;
    let again = site.ends(id).await;
    assert_eq!(again.state, JobState::NeedsPerson);
    assert_eq!(again.error, Some(why), "the reasons do not pile up");
    // Once it is mended, it is undone to the end.
    site.fleet.clear_faults();
    jobs::retry(&site.engine, &site.admin, id).await.unwrap();
    assert_eq!(site.ends(id).await.state, JobState::Undone);
    let asked = site.engine.store().request(asked.id).await.unwrap();
    assert_eq!(asked.state, RequestState::Failed);
    assert!(asked.reason.unwrap().contains("it is broken"));
    no_room_held(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_has_its_patience_from_when_it_turned_back() {
    let mut site = Site::new(SimSpec::new("patience", 1), StorageKind::Shared).await;
    // Approved days before it is made.
    let asked = site.ask_for_later("later", 3).await;
    let id = site.approved(asked.id).await.id;
    refuses(&site, Op::Start, "it is broken");
    refuses(&site, Op::ForceOff, "its switch is stuck");
    site.days_later(3).await;
    undo_has_failed(&site, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_busy_is_asked_again() {
    let site = Site::new(SimSpec::new("busy", 1), StorageKind::Shared).await;
    let busy = Fault::Before(HypervisorError::Busy("it can't get the lock".into()));
    site.fleet.fault("host01", Op::Start, busy, 1);
    let vm = site.vm("patient").await;
    once(&site, vm.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_cancelled_is_refused_with_the_reason() {
    let site = Site::new(SimSpec::new("late-cancel", 1), StorageKind::Shared).await;
    let vm = site.vm("goes").await;
    let gate = Gate::new();
    let held = Fault::Hold(gate.clone());
    site.fleet.fault("host01", Op::ForceOff, held, 1);
    let gone = delete::ask(&site.engine, &site.user, vm.id, &vm.name)
        .await
        .unwrap();
    gate.arrived().await;
    let late = jobs::cancel(&site.engine, &site.user, gone.id).await;
    let late = late.unwrap_err();
    assert_eq!(late.kind, ErrorKind::Conflict);
    assert!(late.message.contains("told to go"), "{late}");
    gate.open();
    let gone = site.ends(gone.id).await;
    assert_eq!((gone.state, gone.cancel), (JobState::Done, false));
    no_room_held(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_waits_for_a_busy_host_can_be_cancelled() {
    let site = Site::new(SimSpec::new("busy-cancel", 1), StorageKind::Shared).await;
    let vm = site.vm("waits").await;
    let ask = async |action| {
        power::ask(&site.engine, &site.user, vm.id, action)
            .await
            .unwrap()
    };
    site.ends(ask(PowerAction::ForceOff).await.id).await;
    let busy = Fault::Before(HypervisorError::Busy("it can't get the lock".into()));
    site.fleet.fault("host01", Op::Start, busy, u32::MAX);
    let start = ask(PowerAction::Start).await;
    site.until("it waits", async |site| {
        let job = job(site, start.id).await;
        job.progress.doing.contains("Trying again")
    })
    .await;
    jobs::cancel(&site.engine, &site.user, start.id)
        .await
        .unwrap();
    let start = site.ends(start.id).await;
    assert_eq!(start.state, JobState::Failed);
    assert_eq!(start.error.as_deref(), Some("Cancelled."));
}
