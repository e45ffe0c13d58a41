//! Bad days of a VM that is to be made: no space, no image, names taken, hosts that die at the wrong moment.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    approve::{self, Choice},
    hosts,
    place::Placed,
    power::{self, PowerAction},
    request,
};
use bellwether_hypervisor::{
    Inventory, Volumes,
    sim::{Fault, Gate, Op, SimSpec},
};
use bellwether_model::{
    ErrorKind, MiB, RequestId,
    host::HostMode,
    job::{Job, JobState},
    observed::PowerState,
    request::{Request, RequestState},
    storage::StorageKind,
    vm::{VmState, WantedPower},
};
use common::{
    Site,
    points::{leftovers, no_room_held, once},
};

async fn request(site: &Site, id: RequestId) -> Request {
    site.engine.store().request(id).await.unwrap()
}

/// The request's VM could not be made, the person reads why, and nothing of it is left.
async fn not_made(site: &Site, job: &Job, words: &str) {
    let ended = site.ends(job.id).await;
    assert_eq!(ended.state, JobState::Undone);
    let request = request(site, job.subject.request.unwrap()).await;
    assert_eq!(request.state, RequestState::Failed);
    let said = request.reason.unwrap();
    assert!(said.contains(words), "{said}");
    no_room_held(site).await;
}

/// Once it is mended an admin has it made after all.
async fn made_after_all(site: &Site, id: RequestId) {
    let job = site.approved(id).await;
    assert_eq!(site.ends(job.id).await.state, JobState::Done);
    once(site, request(site, id).await.vm.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_is_full() {
    let site = Site::new(SimSpec::new("full", 1), StorageKind::Shared).await;
    let gate = Gate::new();
    let image = Fault::Hold(gate.clone());
    site.fleet.fault("host01", Op::CreateVolume, image, 1);
    let asked = site.ask("too much").await;
    let job = site.approved(asked.id).await;
    gate.arrived().await;
    // Somebody else's file took what was free a moment ago.
    site.fleet.fill_pool("host01", "shared").unwrap();
    gate.open();
    not_made(&site, &job, "o space left").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_is_missing() {
    let site = Site::new(SimSpec::new("no-image", 1), StorageKind::Shared).await;
    let file = site.image_file();
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let asked = site.ask("no image").await;
    let job = site.approved(asked.id).await;
    not_made(&site, &job, "The file of the image \"Debian\" is missing").await;
    std::fs::write(&file, &kept).unwrap();
    made_after_all(&site, asked.id).await;
    // Where only the pool lost it, it is brought there again.
    let site = Site::new(SimSpec::new("lost-image", 1), StorageKind::Shared).await;
    let asked = site.ask("first").await;
    site.fleet.fault("host01", Op::Define, Fault::before(), 1);
    let job = site.approved(asked.id).await;
    site.ends(job.id).await;
    let host = site.fleet.host("host01");
    host.delete_volume("shared", &site.image.volume())
        .await
        .unwrap();
    made_after_all(&site, asked.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_was_altered() {
    let site = Site::new(SimSpec::new("altered", 1), StorageKind::Shared).await;
    let file = site.image_file();
    let kept = std::fs::read(&file).unwrap();
    let mut altered = kept.clone();
    altered[4_242] ^= 1;
    std::fs::write(&file, &altered).unwrap();
    let asked = site.ask("altered").await;
    let job = site.approved(asked.id).await;
    not_made(&site, &job, "is not what it was").await;
    let host = site.fleet.host("host01");
    let image = site.image.volume();
    assert!(
        host.volume("shared", &image).await.unwrap().is_none(),
        "what was altered stays in no pool"
    );
    std::fs::write(&file, &kept).unwrap();
    made_after_all(&site, asked.id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_is_taken() {
    let site = Site::new(SimSpec::new("names", 1), StorageKind::Shared).await;
    site.ask("web").await;
    let again = request::submit(&site.engine, &site.user, &site.draft("web")).await;
    let again = again.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Conflict);
    assert_eq!(again.fields[0].field, "name");
    assert!(again.fields[0].message.contains("web"), "{again:?}");
    // Twice in the same moment.
    let draft = site.draft("both");
    let both = futures::future::join(
        request::submit(&site.engine, &site.user, &draft),
        request::submit(&site.engine, &site.user, &draft),
    )
    .await;
    assert_eq!(usize::from(both.0.is_ok()) + usize::from(both.1.is_ok()), 1);
    // And one that a VM has.
    let vm = site.vm("vm").await;
    let draft = site.draft(&vm.name);
    let again = request::submit(&site.engine, &site.user, &draft).await;
    assert_eq!(again.unwrap_err().fields[0].field, "name");
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_and_approvals_at_once_never_overbook() {
    let spec = SimSpec {
        memory: MiB(4096),
        ..SimSpec::new("starts", 1)
    };
    let site = Site::new(spec, StorageKind::Shared).await;
    // Three fit; as many again are off.
    let mut off = Vec::new();
    for name in ["a", "b", "c"] {
        let vm = site.vm(name).await;
        let job = power::ask(&site.engine, &site.user, vm.id, PowerAction::ForceOff)
            .await
            .unwrap();
        site.ends(job.id).await;
        off.push(vm.id);
    }
    let mut asked = Vec::new();
    for name in ["d", "e", "f"] {
        asked.push(site.ask(name).await.id);
    }
    site.ready().await;
    let starts = off
        .iter()
        .map(|vm| power::ask(&site.engine, &site.user, *vm, PowerAction::Start));
    let approvals = asked
        .iter()
        .map(|id| approve::approve(&site.engine, &site.admin, *id, Choice::default()));
    let (started, _) = futures::future::join(
        futures::future::join_all(starts),
        futures::future::join_all(approvals),
    )
    .await;
    let vms = site.engine.store().vms(Default::default()).await.unwrap();
    let hold = vms.iter().filter(|vm| vm.holds_memory()).count();
    assert!(hold <= 3, "{hold} of 1 GiB each are promised of 3 GiB");
    for refused in started.into_iter().filter_map(Result::err) {
        match refused.kind {
            ErrorKind::NoCapacity => {
                assert!(
                    refused.message.contains("memory: 1,024 MiB asked"),
                    "{refused}"
                );
            }
            kind => assert_eq!(kind, ErrorKind::Conflict, "{refused}"),
        }
    }
}

/// Asks for a VM on the first host, which loses its power once the VM is defined there and before that is known.
async fn dies_after_define(site: &Site, name: &str) -> (Request, Placed) {
    let asked = site.ask(name).await;
    let choice = Choice {
        host: Some(site.hosts[0]),
        ..Choice::default()
    };
    let gate = Gate::new();
    let defined = Fault::HoldAfter(gate.clone());
    site.fleet.fault("host01", Op::Define, defined, 1);
    let placed = approve::approve(&site.engine, &site.admin, asked.id, choice)
        .await
        .unwrap();
    gate.arrived().await;
    site.fleet.power_cut("host01").unwrap();
    gate.open();
    (asked, placed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_after_define_keeps_its_vm_until_it_answers() {
    for kind in [StorageKind::Shared, StorageKind::Local] {
        let site = Site::new(SimSpec::new("dies-after", 2), kind).await;
        let (asked, placed) = dies_after_define(&site, "bound").await;
        let vm = placed.request.vm.unwrap();
        site.state(vm, VmState::HostUnreachable).await;
        assert_eq!(request(&site, asked.id).await.state, RequestState::Placed);
        site.rounds_of_reconcile(2).await;
        assert_eq!(site.get(vm).await.host, site.hosts[0]);
        site.fleet.power_back("host01").unwrap();
        assert_eq!(
            site.ends(placed.job.unwrap().id).await.state,
            JobState::Done
        );
        assert_eq!(once(&site, vm).await.host, site.hosts[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_after_define_and_is_declared_off_loses_the_request_to_another() {
    let site = Site::new(SimSpec::new("declared", 2), StorageKind::Shared).await;
    let (asked, placed) = dies_after_define(&site, "elsewhere").await;
    site.state(placed.request.vm.unwrap(), VmState::HostUnreachable)
        .await;
    hosts::set_mode(
        &site.engine,
        &site.admin,
        site.hosts[0],
        HostMode::DeclaredOff,
        Some("host01"),
    )
    .await
    .unwrap();
    site.until("it is made elsewhere", async |site| {
        request(site, asked.id).await.state == RequestState::Fulfilled
    })
    .await;
    let vm = request(&site, asked.id).await.vm.unwrap();
    let running = [("host02".to_owned(), PowerState::Running)];
    assert_eq!(site.fleet.whereabouts(vm.0), running);
    // It comes back with what had reached it: that is cleared away.
    site.fleet.power_back("host01").unwrap();
    hosts::set_mode(
        &site.engine,
        &site.admin,
        site.hosts[0],
        HostMode::Active,
        None,
    )
    .await
    .unwrap();
    let first = placed.request.vm.unwrap();
    site.until("what was there is gone", async |site| {
        site.fleet.whereabouts(first.0).is_empty() && leftovers(site).is_empty()
    })
    .await;
    assert_eq!(site.fleet.whereabouts(vm.0), running);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_does_not_heed_the_power_button_is_forced_off_on_request() {
    let site = Site::new(SimSpec::new("stubborn", 1), StorageKind::Shared).await;
    site.grace(1).await;
    let vm = site.vm("stubborn").await;
    site.fleet
        .set_guest(vm.id.0, |guest| guest.obeys_shutdown = false);
    let ask = async |action| {
        let job = power::ask(&site.engine, &site.user, vm.id, action)
            .await
            .unwrap();
        site.ends(job.id).await
    };
    let job = ask(PowerAction::Shutdown).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(job.error.unwrap().contains("force it off"));
    once(&site, vm.id).await;
    assert_eq!(ask(PowerAction::Reboot).await.state, JobState::Done);
    let vm = once(&site, vm.id).await;
    assert_eq!(vm.wanted, WantedPower::On);
    assert_eq!(ask(PowerAction::ForceOff).await.state, JobState::Done);
    site.state(vm.id, VmState::ShutOff).await;
    site.rounds_of_reconcile(2).await;
    assert_eq!(site.get(vm.id).await.state, VmState::ShutOff);
    let off = power::ask(&site.engine, &site.user, vm.id, PowerAction::Reboot).await;
    assert_eq!(off.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_goes_down_in_order_has_its_guests_started_again_when_it_is_back() {
    let site = Site::new(SimSpec::new("in-order", 1), StorageKind::Shared).await;
    let (wanted, unwanted) = (site.vm("wanted").await, site.vm("unwanted").await);
    let off = power::ask(&site.engine, &site.user, unwanted.id, PowerAction::Shutdown)
        .await
        .unwrap();
    site.ends(off.id).await;
    // The host shuts its guests down, one after the other, while it still answers.
    site.until("that is taken for the guest's own wish", async |site| {
        let vm = site.get(wanted.id).await;
        if vm.wanted == WantedPower::On {
            // Before the host was watched for a while it is started again at once.
            site.fleet.guest_stops("host01", wanted.id.0).unwrap();
        }
        vm.wanted == WantedPower::Off
    })
    .await;
    site.fleet.power_cut("host01").unwrap();
    site.state(wanted.id, VmState::HostUnreachable).await;
    site.state(unwanted.id, VmState::HostUnreachable).await;
    site.fleet.power_back("host01").unwrap();
    once(&site, wanted.id).await;
    site.state(unwanted.id, VmState::ShutOff).await;
    site.rounds_of_reconcile(2).await;
    assert_eq!(site.get(unwanted.id).await.state, VmState::ShutOff);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_without_a_cpu_in_common_each_make_vms_for_their_like() {
    let site = Site::new(SimSpec::new("vendors", 3), StorageKind::Shared).await;
    site.fleet
        .set_facts("host02", |facts| facts.cpu = "other:vendor;".into())
        .unwrap();
    site.fleet.set_cpu_features("host03", &["sse4.2"]).unwrap();
    site.facts_seen().await;
    let asked = site.ask("mixed").await;
    let choice = Choice {
        host: Some(site.hosts[0]),
        ..Choice::default()
    };
    let placed = approve::approve(&site.engine, &site.admin, asked.id, choice)
        .await
        .unwrap();
    let job = site.ends(placed.job.unwrap().id).await;
    assert_eq!(job.state, JobState::Done, "{:?}", job.error);
    let vm = placed.request.vm.unwrap();
    let cpu = site.fleet.host("host01").describe(vm.0).await.unwrap().cpu;
    assert_eq!(cpu, "sim:baseline;sse4.2", "what host01 and host03 share");
}
