//! VMs that are told to go on a bad day: their host is away or declared off, or their disk still carries others.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{delete, hosts};
use bellwether_hypervisor::{
    VolumeSpec, Volumes,
    sim::{Fault, Gate, Op, SimSpec},
};
use bellwether_model::{
    ErrorKind, HostId,
    host::HostMode,
    job::{Job, JobState},
    storage::StorageKind,
    vm::{Vm, VmState},
};
use common::{
    PATIENCE, Site,
    points::{leftovers, no_room_held, nothing_kept, once},
};
use std::time::{Duration, Instant};

async fn told_to_go(site: &Site, vm: &Vm) -> Job {
    let began = Instant::now();
    loop {
        match delete::ask(&site.engine, &site.user, vm.id, &vm.name).await {
            // It may just be on its way to another host.
            Err(error) if error.kind == ErrorKind::Conflict && began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            asked => return asked.unwrap(),
        }
    }
}

async fn mode(site: &Site, host: HostId, mode: HostMode) {
    let name = site.name_of(host).await;
    let typed = (mode == HostMode::DeclaredOff).then_some(name.as_str());
    hosts::set_mode(&site.engine, &site.admin, host, mode, typed)
        .await
        .unwrap();
}

/// The host is back with what it knew: nothing of the VM is left there after a while.
async fn cleared_when_back(site: &Site, vm: &Vm) {
    mode(site, vm.host, HostMode::Active).await;
    site.until("what was left is gone", async |site| {
        site.fleet.whereabouts(vm.id.0).is_empty() && leftovers(site).is_empty()
    })
    .await;
    // A disk that other hosts reach went while this one, which was declared off, still named it.
    nothing_kept(site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_host_is_away_it_keeps_what_it_has_and_goes_when_the_host_is_back() {
    for kind in [StorageKind::Shared, StorageKind::Local] {
        let site = Site::new(SimSpec::new("delete-away", 2), kind).await;
        let vm = site.vm("waits").await;
        let name = site.name_of(vm.host).await;
        site.fleet.power_cut(&name).unwrap();
        let job = told_to_go(&site, &vm).await;
        site.rounds_of_reconcile(2).await;
        let waits = site.engine.store().job(job.id).await.unwrap();
        assert!(waits.state.is_open(), "{waits:?}");
        let kept = site.get(vm.id).await;
        assert_eq!((kept.state, kept.address), (VmState::Deleting, vm.address));
        site.fleet.power_back(&name).unwrap();
        assert_eq!(site.ends(job.id).await.state, JobState::Done);
        assert_eq!(site.get(vm.id).await.state, VmState::Gone);
        assert_eq!(site.fleet.whereabouts(vm.id.0), []);
        no_room_held(&site).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_host_declared_off_it_goes_at_once_and_its_remains_when_the_host_is_back() {
    for kind in [StorageKind::Shared, StorageKind::Local] {
        let site = Site::new(SimSpec::new("delete-off", 2), kind).await;
        let vm = site.vm("gone").await;
        let name = site.name_of(vm.host).await;
        site.fleet.power_cut(&name).unwrap();
        mode(&site, vm.host, HostMode::DeclaredOff).await;
        let job = told_to_go(&site, &vm).await;
        let job = site.ends(job.id).await;
        assert_eq!(job.state, JobState::Done, "{:?}", job.error);
        assert_eq!(site.get(vm.id).await.state, VmState::Gone);
        // Only a local disk has to wait for its host, and whoever reads the job learns that.
        let said = format!("it is deleted when {name} is back");
        let journal = site.engine.store().journal(job.id).await.unwrap();
        let waits = journal.iter().any(|line| line.text.contains(&said));
        assert_eq!(waits, kind == StorageKind::Local, "{journal:?}");
        let pool = kind.as_str();
        let kept = site.fleet.volume_digest(&name, pool, &vm.disk_volume());
        assert_eq!(kept.is_some(), kind == StorageKind::Local);
        site.fleet.power_back(&name).unwrap();
        cleared_when_back(&site, &vm).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_dies_in_the_middle_and_is_declared_off_does_not_keep_it() {
    for (kind, op) in [
        (StorageKind::Shared, Op::ForceOff),
        (StorageKind::Local, Op::Undefine),
        (StorageKind::Local, Op::DeleteVolume),
    ] {
        let site = Site::new(SimSpec::new("delete-midway", 2), kind).await;
        let vm = site.vm("midway").await;
        let name = site.name_of(vm.host).await;
        let gate = Gate::new();
        site.fleet.fault(&name, op, Fault::Hold(gate.clone()), 1);
        let job = told_to_go(&site, &vm).await;
        gate.arrived().await;
        site.fleet.power_cut(&name).unwrap();
        gate.open();
        mode(&site, vm.host, HostMode::DeclaredOff).await;
        assert_eq!(site.ends(job.id).await.state, JobState::Done, "{op:?}");
        assert_eq!(site.get(vm.id).await.state, VmState::Gone);
        site.fleet.power_back(&name).unwrap();
        cleared_when_back(&site, &vm).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_others_are_overlays_of_is_kept_and_its_vm_runs_on() {
    let site = Site::new(SimSpec::new("delete-overlay", 2), StorageKind::Shared).await;
    let vm = site.vm("below").await;
    let host = site.fleet.host(&site.name_of(vm.host).await);
    let disk = host
        .volume("shared", &vm.disk_volume())
        .await
        .unwrap()
        .unwrap();
    let overlay = VolumeSpec {
        name: "by-hand.qcow2".into(),
        capacity: disk.capacity,
        format: "qcow2".into(),
        backing: Some((vm.disk_volume(), "qcow2".into())),
    };
    host.create_volume("shared", &overlay).await.unwrap();
    let job = told_to_go(&site, &vm).await;
    let job = site.ends(job.id).await;
    assert_eq!(job.state, JobState::Failed);
    let said = job.error.unwrap();
    assert!(said.contains("by-hand.qcow2"), "{said}");
    let kept = once(&site, vm.id).await;
    assert!(kept.note.unwrap().contains("by-hand.qcow2"));
    host.delete_volume("shared", "by-hand.qcow2").await.unwrap();
    let job = told_to_go(&site, &vm).await;
    assert_eq!(site.ends(job.id).await.state, JobState::Done);
    no_room_held(&site).await;
}
