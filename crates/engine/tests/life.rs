//! The life of a VM on a simulated fleet, through the engine's own functions.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    approve::{self, Choice},
    delete, expire, hosts, jobs,
    power::{self, PowerAction},
    request, secrets,
};
use bellwether_hypervisor::{
    Inventory as _,
    sim::{Fault, Op, SimSpec},
};
use bellwether_model::{
    ErrorKind, MiB,
    host::HostMode,
    job::JobState,
    observed::PowerState,
    request::RequestState,
    storage::StorageKind,
    vm::{VmState, WantedPower},
};
use common::Site;
use secrecy::ExposeSecret;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn requested_approved_made_used_and_deleted() {
    let site = Site::new(SimSpec::new("life", 2), StorageKind::Shared).await;
    let vm = site.vm("Web server").await;
    assert_eq!(vm.state, VmState::Running);
    assert_eq!(vm.address.to_string(), "10.1.0.10");
    assert_eq!(site.fleet.whereabouts(vm.id.0).len(), 1);
    // Whoever looks on the host sees whose it is and what for.
    let host = site.fleet.host(&site.name_of(vm.host).await);
    let there = host.describe(vm.id.0).await.unwrap();
    let owned = there.ownership.unwrap();
    let request = vm.request.unwrap().to_string();
    assert_eq!(there.description, vm.purpose);
    assert_eq!(
        (
            owned.owner,
            owned.name,
            owned.request,
            owned.address,
            owned.image
        ),
        (
            "ada".into(),
            vm.name.clone(),
            request,
            vm.address.to_string(),
            vm.image.to_string()
        )
    );
    assert_eq!(
        (owned.lease_from, owned.lease_until),
        (vm.lease_from.to_string(), vm.lease_until.to_string())
    );
    // No key was given: a first password was made, shown once to its owner and to nobody else.
    let admin = secrets::take_first_password(&site.engine, &site.admin, vm.id).await;
    assert_eq!(admin.unwrap_err().kind, ErrorKind::Forbidden);
    let first = secrets::take_first_password(&site.engine, &site.user, vm.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.expose_secret().len(), 16);
    assert!(
        secrets::take_first_password(&site.engine, &site.user, vm.id)
            .await
            .unwrap()
            .is_none()
    );

    let off = power::ask(&site.engine, &site.user, vm.id, PowerAction::Shutdown)
        .await
        .unwrap();
    assert_eq!(site.ends(off.id).await.state, JobState::Done);
    site.state(vm.id, VmState::ShutOff).await;
    let on = power::ask(&site.engine, &site.user, vm.id, PowerAction::Start)
        .await
        .unwrap();
    assert_eq!(site.ends(on.id).await.state, JobState::Done);
    site.state(vm.id, VmState::Running).await;

    let wrong = delete::ask(&site.engine, &site.user, vm.id, "web server")
        .await
        .unwrap_err();
    assert_eq!(
        (wrong.kind, wrong.fields[0].field.as_str()),
        (ErrorKind::Invalid, "name")
    );
    let gone = delete::ask(&site.engine, &site.user, vm.id, "Web server")
        .await
        .unwrap();
    assert_eq!(site.ends(gone.id).await.state, JobState::Done);
    assert_eq!(site.get(vm.id).await.state, VmState::Gone);
    assert!(site.fleet.whereabouts(vm.id.0).is_empty());
    assert_eq!(
        site.fleet
            .unused_volumes()
            .into_iter()
            .filter(|volume| !volume.contains("image"))
            .collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_approvals_at_once_never_overbook() {
    let spec = SimSpec {
        memory: MiB(4096),
        ..SimSpec::new("book", 1)
    };
    let site = Site::new(spec, StorageKind::Local).await;
    let mut asked = Vec::new();
    for at in 0..6 {
        asked.push(site.ask(&format!("vm {at}")).await.id);
    }
    let approvals = asked
        .iter()
        .map(|id| approve::approve(&site.engine, &site.admin, *id, Choice::default()));
    let placed: Vec<_> = futures::future::join_all(approvals)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let waiting: Vec<_> = placed
        .iter()
        .filter(|placed| placed.request.state == RequestState::WaitingForRoom)
        .collect();
    // The host keeps a part for itself: 3 GiB are offered, three VMs of 1 GiB fit.
    assert_eq!(waiting.len(), 3);
    assert!(
        waiting[0]
            .request
            .reason
            .as_ref()
            .unwrap()
            .contains("memory: 1,024 MiB asked"),
        "{:?}",
        waiting[0].request.reason
    );
    for placed in placed.iter().filter_map(|placed| placed.job.as_ref()) {
        assert_eq!(site.ends(placed.id).await.state, JobState::Done);
    }
    // Room made by a deletion is given to who waits.
    let first = site
        .engine
        .store()
        .vms(Default::default())
        .await
        .unwrap()
        .remove(0);
    let gone = delete::ask(&site.engine, &site.user, first.id, &first.name)
        .await
        .unwrap();
    site.ends(gone.id).await;
    site.until("one of the waiting is placed", async |site| {
        site.engine
            .store()
            .count_requests(RequestState::WaitingForRoom)
            .await
            .unwrap()
            == 2
    })
    .await;
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn approve_after_withdraw_and_twice_at_once() {
    let site = Site::new(SimSpec::new("race", 2), StorageKind::Shared).await;
    let asked = site.ask("one").await;
    request::withdraw(&site.engine, &site.user, asked.id)
        .await
        .unwrap();
    let late = approve::approve(&site.engine, &site.admin, asked.id, Choice::default()).await;
    assert_eq!(late.err().unwrap().kind, ErrorKind::Conflict);
    let again = request::withdraw(&site.engine, &site.user, asked.id).await;
    assert!(again.unwrap_err().message.contains("withdrawn already"));
    let asked = site.ask("two").await;
    let both = futures::future::join(
        approve::approve(&site.engine, &site.admin, asked.id, Choice::default()),
        approve::approve(&site.engine, &site.admin, asked.id, Choice::default()),
    )
    .await;
    assert_eq!(
        usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()),
        1,
        "one of two approvals wins"
    );
    assert_eq!(
        site.engine
            .store()
            .vms(Default::default())
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_undone_and_said() {
    let site = Site::new(SimSpec::new("undo", 1), StorageKind::Shared).await;
    site.fleet.fault("host01", Op::Start, Fault::before(), 100);
    let asked = site.ask("broken").await;
    let placed = approve::approve(&site.engine, &site.admin, asked.id, Choice::default())
        .await
        .unwrap();
    assert_eq!(
        site.ends(placed.job.unwrap().id).await.state,
        JobState::Undone
    );
    let request = site.engine.store().request(asked.id).await.unwrap();
    assert_eq!(request.state, RequestState::Failed);
    assert!(request.reason.is_some());
    assert!(
        site.engine
            .store()
            .vms(Default::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        site.fleet
            .unused_volumes()
            .into_iter()
            .filter(|volume| !volume.contains("image"))
            .collect::<Vec<_>>(),
        Vec::<String>::new()
    );
    site.sound();
    // An admin tries again once it is mended.
    site.fleet.clear_faults();
    let again = approve::approve(&site.engine, &site.admin, asked.id, Choice::default())
        .await
        .unwrap();
    assert_eq!(site.ends(again.job.unwrap().id).await.state, JobState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_the_admin_was_shown_is_taken_or_refused_and_never_changed() {
    let site = Site::new(SimSpec::new("shown", 2), StorageKind::Shared).await;
    let shown = Choice {
        host: Some(site.hosts[1]),
        once: true,
        ..Choice::default()
    };
    let asked = site.ask("there").await;
    let placed = approve::approve(&site.engine, &site.admin, asked.id, shown)
        .await
        .unwrap();
    let vm = placed.request.vm.unwrap();
    assert_eq!(site.get(vm).await.host, site.hosts[1]);
    // It was for that moment: placed anew, it may go anywhere.
    let kept = site.engine.store().request(asked.id).await.unwrap();
    assert_eq!(kept.wanted_host, None);

    hosts::set_mode(
        &site.engine,
        &site.admin,
        site.hosts[1],
        HostMode::Maintenance,
        None,
    )
    .await
    .unwrap();
    let late = site.ask("too late").await;
    let refused = approve::approve(&site.engine, &site.admin, late.id, shown)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.kind, ErrorKind::NoCapacity);
    assert!(refused.message.contains("host02"), "{}", refused.message);
    let still = site.engine.store().request(late.id).await.unwrap();
    assert_eq!(still.state, RequestState::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_before_define_loses_the_request_to_another() {
    let site = Site::new(SimSpec::new("dies", 2), StorageKind::Local).await;
    let host = site.hosts[0];
    // The host hangs in the first call and then is gone.
    site.fleet
        .fault("host01", Op::Upload, Fault::Slow(Duration::from_secs(2)), 1);
    let asked = site.ask("elsewhere").await;
    let choice = Choice {
        host: Some(host),
        ..Choice::default()
    };
    let placed = approve::approve(&site.engine, &site.admin, asked.id, choice)
        .await
        .unwrap();
    assert!(placed.job.is_some());
    site.fleet.power_cut("host01").unwrap();
    site.until("it is made elsewhere", async |site| {
        site.engine.store().request(asked.id).await.unwrap().state == RequestState::Fulfilled
    })
    .await;
    let vm = site
        .engine
        .store()
        .request(asked.id)
        .await
        .unwrap()
        .vm
        .unwrap();
    assert_eq!(site.get(vm).await.host, site.hosts[1]);
    site.sound();
    // The dead host comes back with what had reached it: it is cleared away.
    site.fleet.power_back("host01").unwrap();
    site.until("the leftovers are gone", async |site| {
        site.fleet
            .unused_volumes()
            .into_iter()
            .all(|volume| volume.contains("image"))
    })
    .await;
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_wanted_on_comes_back_with_its_host_and_one_shut_down_inside_stays_off() {
    let site = Site::new(SimSpec::new("reboot", 2), StorageKind::Shared).await;
    let vm = site.vm("always").await;
    let host = site.engine.store().host(vm.host).await.unwrap().name;
    site.fleet.power_cut(&host).unwrap();
    site.state(vm.id, VmState::HostUnreachable).await;
    site.fleet.power_back(&host).unwrap();
    site.state(vm.id, VmState::Running).await;
    assert_eq!(
        site.fleet
            .whereabouts(vm.id.0)
            .iter()
            .filter(|(_, power)| *power == PowerState::Running)
            .count(),
        1
    );
    // Watched for a while, then its guest shuts down by itself.
    tokio::time::sleep(Duration::from_millis(600)).await;
    site.fleet.guest_stops(&host, vm.id.0).unwrap();
    site.state(vm.id, VmState::ShutOff).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let vm = site.get(vm.id).await;
    assert_eq!((vm.state, vm.wanted), (VmState::ShutOff, WantedPower::Off));
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_over_ends_and_can_be_extended() {
    let site = Site::new(SimSpec::new("lease", 1), StorageKind::Shared).await;
    let vm = site.vm("short").await;
    let today = site.engine.today();
    // An admin may shorten; the task sees yesterday's end.
    let mut over = site.get(vm.id).await;
    over.lease_until = today.yesterday().unwrap();
    let mut tx = site.engine.store().begin().await.unwrap();
    tx.update_vm(&mut over).await.unwrap();
    tx.commit().await.unwrap();
    site.until("the lease has ended", async |site| {
        expire::run(&site.engine).await.unwrap();
        site.get(vm.id).await.state == VmState::Ended
    })
    .await;
    let start = power::ask(&site.engine, &site.user, vm.id, PowerAction::Start)
        .await
        .unwrap_err();
    assert!(start.message.contains("extend"), "{start}");
    let extended = expire::extend(&site.engine, &site.user, vm.id, today.tomorrow().unwrap())
        .await
        .unwrap();
    assert_eq!(extended.state, VmState::ShutOff);
    let start = power::ask(&site.engine, &site.user, vm.id, PowerAction::Start)
        .await
        .unwrap();
    assert_eq!(site.ends(start.id).await.state, JobState::Done);
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_uuid_on_two_hosts_is_an_alarm_and_nothing_is_overwritten() {
    let site = Site::new(SimSpec::new("twice", 2), StorageKind::Shared).await;
    let vm = site.vm("twin").await;
    let other = site.hosts.iter().position(|host| *host != vm.host).unwrap();
    site.fleet
        .run_twice(vm.id.0, &site.fleet.hosts()[other])
        .unwrap();
    site.until("the alarm is raised", async |site| {
        site.get(vm.id)
            .await
            .note
            .is_some_and(|note| note.starts_with("ALARM"))
    })
    .await;
    assert_eq!(site.get(vm.id).await.host, vm.host);
    assert_eq!(
        site.fleet.whereabouts(vm.id.0).len(),
        2,
        "neither was touched"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_job_can_be_cancelled() {
    let site = Site::new(SimSpec::new("cancel", 1), StorageKind::Shared).await;
    site.fleet.fault(
        "host01",
        Op::CreateVolume,
        Fault::Slow(Duration::from_secs(1)),
        1,
    );
    let asked = site.ask("never").await;
    let placed = approve::approve(&site.engine, &site.admin, asked.id, Choice::default())
        .await
        .unwrap();
    let job = placed.job.unwrap();
    jobs::cancel(&site.engine, &site.user, job.id)
        .await
        .unwrap();
    assert_eq!(site.ends(job.id).await.state, JobState::Undone);
    assert_eq!(
        site.engine.store().request(asked.id).await.unwrap().state,
        RequestState::Failed
    );
    let late = jobs::cancel(&site.engine, &site.user, job.id)
        .await
        .unwrap_err();
    assert_eq!(late.kind, ErrorKind::Conflict);
    site.sound();
}
