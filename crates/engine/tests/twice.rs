//! A VM never runs twice: copies that somebody made by hand, and hosts that can't be asked.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    delete,
    power::{self, PowerAction},
};
use bellwether_hypervisor::{
    Power,
    sim::{Op, SimSpec},
};
use bellwether_model::{
    job::JobState,
    observed::PowerState,
    storage::StorageKind,
    vm::{Vm, VmState},
};
use common::{Site, points::once};

/// A VM that runs, the name of its host and that of the other one.
async fn scene(name: &str) -> (Site, Vm, String, String) {
    let site = Site::new(SimSpec::new(name, 2), StorageKind::Shared).await;
    let vm = site.vm("twin").await;
    let home = site.name_of(vm.host).await;
    let hosts = site.fleet.hosts();
    let other = hosts.into_iter().find(|host| *host != home).unwrap();
    (site, vm, home, other)
}

async fn note(site: &Site, vm: &Vm, begins: &str, words: &[&str]) {
    let what = format!("the note begins with '{begins}' and has {words:?}");
    site.until(&what, async |site| {
        let note = site.get(vm.id).await.note.unwrap_or_default();
        note.starts_with(begins) && words.iter().all(|word| note.contains(word))
    })
    .await;
}

fn shows(site: &Site, vm: &Vm, host: &str) -> Option<PowerState> {
    let all = site.fleet.whereabouts(vm.id.0).into_iter();
    all.filter(|(name, _)| name == host)
        .map(|(_, power)| power)
        .next()
}

#[tokio::test(flavor = "multi_thread")]
async fn running_here_and_paused_there_is_an_alarm_and_neither_is_touched() {
    let (site, vm, home, other) = scene("run-paused").await;
    site.fleet.run_twice(vm.id.0, &other).unwrap();
    site.fleet.pause(&other, vm.id.0).unwrap();
    note(&site, &vm, "ALARM", &["running on", "paused on"]).await;
    site.rounds_of_reconcile(2).await;
    assert_eq!(site.get(vm.id).await.host, vm.host);
    assert_eq!(shows(&site, &vm, &home), Some(PowerState::Running));
    assert_eq!(shows(&site, &vm, &other), Some(PowerState::Paused));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_paused_here_is_not_continued_while_it_runs_elsewhere() {
    let (site, vm, home, other) = scene("paused-run").await;
    site.fleet.run_twice(vm.id.0, &other).unwrap();
    site.fleet.pause(&home, vm.id.0).unwrap();
    note(&site, &vm, "ALARM", &["running on", "paused on"]).await;
    let resumed = site.fleet.calls(&home, Op::Resume);
    let job = power::ask(&site.engine, &site.user, vm.id, PowerAction::Start)
        .await
        .unwrap();
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Failed);
    let said = job.error.unwrap();
    assert!(
        said.contains(&format!("running on {other}; a VM never runs twice")),
        "{said}"
    );
    assert_eq!(site.fleet.calls(&home, Op::Resume), resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_off_here_and_runs_elsewhere_is_followed_there() {
    let (site, vm, home, other) = scene("moved").await;
    let started = site.fleet.calls(&home, Op::Start);
    // Somebody moved it with virsh; the definition stayed behind.
    site.fleet.run_twice(vm.id.0, &other).unwrap();
    site.fleet.guest_stops(&home, vm.id.0).unwrap();
    site.until("it is followed", async |site| {
        site.get(vm.id).await.host != vm.host
    })
    .await;
    site.state(vm.id, VmState::Running).await;
    let words = format!("shut off on {home}");
    note(&site, &vm, "It shows on another host too", &[&words]).await;
    assert_eq!(site.fleet.calls(&home, Op::Start), started);
    assert_eq!(shows(&site, &vm, &home), Some(PowerState::ShutOff));
    // Nothing says so any more once somebody has cleared it away.
    site.fleet.host(&home).undefine(vm.id.0).await.unwrap();
    site.until("the note is gone", async |site| {
        site.get(vm.id).await.note.is_none()
    })
    .await;
    once(&site, vm.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_asked_is_waited_for_and_the_reason_is_said() {
    let (site, vm, _, other) = scene("silent").await;
    let off = power::ask(&site.engine, &site.user, vm.id, PowerAction::ForceOff)
        .await
        .unwrap();
    assert_eq!(site.ends(off.id).await.state, JobState::Done);
    site.state(vm.id, VmState::ShutOff).await;
    site.fleet.lose_host(&other).unwrap();
    let on = power::ask(&site.engine, &site.user, vm.id, PowerAction::Start)
        .await
        .unwrap();
    let on = site.ends(on.id).await;
    assert_eq!(on.state, JobState::Failed);
    let words = format!("is not started while {other} does not answer");
    assert!(on.error.as_ref().unwrap().contains(&words), "{on:?}");
    note(&site, &vm, "", &[&words]).await;
    site.rounds_of_reconcile(2).await;
    assert_eq!(
        site.fleet.whereabouts(vm.id.0)[0].1,
        PowerState::ShutOff,
        "it could have been running there"
    );
    // The wish stands.
    site.fleet.find_host(&other).unwrap();
    let vm = once(&site, vm.id).await;
    assert_eq!(vm.note, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_another_host_knows_too_is_not_deleted() {
    let (site, vm, home, other) = scene("delete-twin").await;
    site.fleet.run_twice(vm.id.0, &other).unwrap();
    site.fleet.guest_stops(&other, vm.id.0).unwrap();
    let words = format!("shut off on {other}");
    note(&site, &vm, "It shows on another host too", &[&words]).await;
    let job = delete::ask(&site.engine, &site.user, vm.id, &vm.name)
        .await
        .unwrap();
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Failed);
    let said = job.error.unwrap();
    assert!(
        said.contains(&format!("{other} knows the VM too")),
        "{said}"
    );
    // Nothing of it was touched: it runs on.
    assert_eq!(shows(&site, &vm, &home), Some(PowerState::Running));
    site.state(vm.id, VmState::Running).await;
    site.fleet.host(&other).undefine(vm.id.0).await.unwrap();
    let job = delete::ask(&site.engine, &site.user, vm.id, &vm.name)
        .await
        .unwrap();
    assert_eq!(site.ends(job.id).await.state, JobState::Done);
    site.sound();
}
