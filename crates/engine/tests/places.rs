//! Hosts, storages, networks and images as places: what may be added, changed and forgotten, and what may not.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    hosts::{self, HostChange, NewHost},
    images,
    networks::{self, NewNetwork},
    storages,
};
use bellwether_hypervisor::{
    HypervisorError, VolumeSpec, Volumes as _,
    sim::{Fault, Gate, Op, SimSpec},
};
use bellwether_model::{
    ErrorKind, HostId, MachineId,
    host::{HostMode, NoConnection},
    network::Carrier,
    storage::StorageKind,
};
use common::{Site, points::leftovers};

async fn two() -> Site {
    let spec = SimSpec {
        hosts: 2,
        ..SimSpec::default()
    };
    Site::new(spec, StorageKind::Shared).await
}

fn other_machine() -> MachineId {
    MachineId::new()
}

#[tokio::test]
async fn a_machine_is_added_once() {
    let site = two().await;
    let first = site.name_of(site.hosts[0]).await;
    let again = NewHost {
        name: "again".into(),
        uri: site.fleet.uri(&first),
        ..NewHost::default()
    };
    let error = hosts::add(&site.engine, &site.admin, again)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert_eq!(error.fields[0].field, "uri");
    assert!(error.message.contains(&first), "{error}");
}

#[tokio::test]
async fn the_address_of_a_host_with_vms_leads_to_the_same_machine() {
    let site = two().await;
    let vm = site.vm("db").await;
    site.fleet.add_host("spare");
    let to_spare = || HostChange {
        uri: Some(site.fleet.uri("spare")),
        ..HostChange::default()
    };
    let error = hosts::update(&site.engine, &site.admin, vm.host, to_spare())
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict, "{error}");
    assert!(error.message.contains("another machine"), "{error}");
    // Nothing is bound to the other one: its machine was replaced.
    let free = *site.hosts.iter().find(|id| **id != vm.host).unwrap();
    let before = site.engine.store().host(free).await.unwrap().machine;
    let after = hosts::update(&site.engine, &site.admin, free, to_spare())
        .await
        .unwrap();
    assert!(after.machine.is_some());
    assert_ne!(after.machine, before);
    assert_eq!(after.peer_uri, after.uri, "others follow it there");
}

#[tokio::test]
async fn another_machine_at_the_address_is_not_taken_for_the_host() {
    let site = two().await;
    let vm = site.vm("db").await;
    let name = site.name_of(vm.host).await;
    site.fleet.lose_host(&name).unwrap();
    let silent = |why: NoConnection| {
        move |site: &Site| {
            let observed = site.engine.observed();
            observed.hosts.get(&vm.host).and_then(|seen| seen.why) == Some(why)
        }
    };
    site.until("the host is missed", async |site| {
        let observed = site.engine.observed();
        observed.hosts[&vm.host].trouble.is_some()
    })
    .await;
    site.fleet
        .set_facts(&name, |facts| facts.machine = Some(other_machine()))
        .unwrap();
    site.fleet.find_host(&name).unwrap();
    let told = silent(NoConnection::OtherMachine);
    site.until("the other machine is noticed", async |site| told(site))
        .await;
    let observed = site.engine.observed();
    let trouble = observed.hosts[&vm.host].trouble.clone().unwrap();
    assert!(trouble.contains("another machine"), "{trouble}");
    // Nobody takes its silence about the VM for the VM's end, and no job acts on it.
    site.rounds_of_reconcile(2).await;
    assert_eq!(site.get(vm.id).await.host, vm.host);
    let missing = hosts::unreached(
        &site.engine,
        &site.engine.store().host(vm.host).await.unwrap(),
    );
    assert_eq!(missing, None, "a simulated host has no commands");
    // It does not keep an admin from saying that the machine is gone.
    hosts::set_mode(
        &site.engine,
        &site.admin,
        vm.host,
        HostMode::DeclaredOff,
        Some(&name),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_host_that_something_hangs_on_is_not_forgotten() {
    let site = two().await;
    let vm = site.vm("db").await;
    let target = *site.hosts.iter().find(|id| **id != vm.host).unwrap();
    let refused = async |host: HostId, why: &str| {
        let error = hosts::remove(&site.engine, &site.admin, host)
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains(why), "{error}");
    };
    refused(vm.host, "the VM 'db'").await;

    // It is slow enough to be caught on its way.
    site.fleet
        .set_guest(vm.id.0, |guest| guest.dirty_mib_s = 4_000.0);
    let (job, _) = site
        .moves(vm.id, bellwether_engine::migrate::Target::Host(target))
        .await;
    site.copies(job.id).await;
    refused(target, "on the way").await;
    bellwether_engine::jobs::cancel(&site.engine, &site.admin, job.id)
        .await
        .unwrap();
    site.ends(job.id).await;

    let name = site.name_of(target).await;
    site.fleet.lose_host(&name).unwrap();
    let mut tx = site.engine.store().begin().await.unwrap();
    tx.add_tombstone(vm.id, job.id, target, site.engine.now())
        .await
        .unwrap();
    tx.commit().await.unwrap();
    refused(target, "declare it off").await;
    let off = HostMode::DeclaredOff;
    hosts::set_mode(&site.engine, &site.admin, target, off, Some(&name))
        .await
        .unwrap();
    hosts::remove(&site.engine, &site.admin, target)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_host_that_answers_is_not_off() {
    let site = two().await;
    let host = site.hosts[0];
    let name = site.name_of(host).await;
    let off = |typed: &'static str| {
        hosts::set_mode(
            &site.engine,
            &site.admin,
            host,
            HostMode::DeclaredOff,
            Some(typed),
        )
    };
    assert_eq!(off("no").await.unwrap_err().kind, ErrorKind::Invalid);
    let typed: &'static str = name.clone().leak();
    let error = off(typed).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("answers"), "{error}");
    site.fleet.lose_host(&name).unwrap();
    assert_eq!(off(typed).await.unwrap().mode, HostMode::DeclaredOff);
}

#[tokio::test]
async fn what_is_said_to_be_shared_or_local_is_proven_for_each_two_hosts() {
    let site = Site::new(SimSpec::new("apart", 3), StorageKind::Local).await;
    let there = site.engine.store().storages().await.unwrap().remove(0);
    storages::remove(&site.engine, &site.admin, there.id)
        .await
        .unwrap();
    let add = |kind, pools: [&str; 3]| {
        let pools = pools.map(str::to_owned);
        let new = storages::NewStorage {
            name: "disks".into(),
            kind,
            members: site.hosts.iter().copied().zip(pools).collect(),
        };
        storages::create(&site.engine, &site.admin, new)
    };
    for (kind, pools, why) in [
        (
            StorageKind::Local,
            ["local", "shared", "shared"],
            "host02 sees what host03 wrote",
        ),
        (
            StorageKind::Shared,
            ["shared", "shared", "local"],
            "host03 does not see what host01 wrote",
        ),
    ] {
        let error = add(kind, pools).await.unwrap_err();
        assert_eq!(error.fields[0].field, "members");
        assert!(error.message.contains(why), "{error}");
        assert_eq!(leftovers(&site), Vec::<String>::new());
    }
    // A host that can't look now has seen nothing, which proves nothing.
    for (kind, pool) in [
        (StorageKind::Local, "local"),
        (StorageKind::Shared, "shared"),
    ] {
        let busy = HypervisorError::Busy("something is being written".into());
        site.fleet
            .fault("host02", Op::RefreshPool, Fault::Before(busy), 1);
        let error = add(kind, [pool; 3]).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.starts_with("host02: "), "{error}");
        assert_eq!(leftovers(&site), Vec::<String>::new());
    }
    add(StorageKind::Local, ["local"; 3]).await.unwrap();
    assert_eq!(leftovers(&site), Vec::<String>::new());
}

fn network(site: &Site, name: &str, from: &str, until: &str) -> NewNetwork {
    NewNetwork {
        name: name.into(),
        cidr: "10.1.0.0/24".into(),
        range_from: from.into(),
        range_until: until.into(),
        members: vec![(site.hosts[0], Carrier::Bridge("br0".into()))],
        ..NewNetwork::default()
    }
}

#[tokio::test]
async fn no_two_networks_give_one_address() {
    let site = two().await;
    let add = |new| networks::create(&site.engine, &site.admin, new);
    let error = add(network(&site, "second", "10.1.0.99", "10.1.0.120"))
        .await
        .unwrap_err();
    assert_eq!(error.fields[0].field, "range_from");
    assert!(error.message.contains("\"lan\""), "{error}");
    let beside = add(network(&site, "second", "10.1.0.100", "10.1.0.120"))
        .await
        .unwrap();
    let grown = network(&site, "second", "10.1.0.50", "10.1.0.120");
    let error = networks::change(&site.engine, &site.admin, beside.id, grown)
        .await
        .unwrap_err();
    assert_eq!(error.fields[0].field, "range_from", "{error}");
    // A tag does not keep apart what one bridge carries.
    let tagged = NewNetwork {
        vlan: Some(7),
        ..network(&site, "tagged", "10.1.0.50", "10.1.0.120")
    };
    let error = add(tagged).await.unwrap_err();
    assert_eq!(error.fields[0].field, "range_from", "{error}");
}

#[tokio::test]
async fn what_carries_a_network_stays_where_vms_are_on_it() {
    let site = two().await;
    let vm = site.vm("db").await;
    let lan = site.engine.store().network(vm.network).await.unwrap();
    let elsewhere = |moved: HostId| NewNetwork {
        members: site
            .hosts
            .iter()
            .map(|host| (*host, if *host == moved { "br1" } else { "br0" }))
            .map(|(host, bridge)| (host, Carrier::Bridge(bridge.into())))
            .collect(),
        ..network(&site, "lan", "10.1.0.10", "10.1.0.99")
    };
    let change = |new| networks::change(&site.engine, &site.admin, lan.id, new);
    let error = change(elsewhere(vm.host)).await.unwrap_err();
    assert_eq!(error.fields[0].field, "members");
    assert!(error.message.contains("\"db\" is on it there"), "{error}");
    let other = *site.hosts.iter().find(|id| **id != vm.host).unwrap();
    change(elsewhere(other)).await.unwrap();
}

#[tokio::test]
async fn an_image_that_a_strangers_disk_hangs_on_stays() {
    let site = two().await;
    let vm = site.vm("db").await;
    let job = bellwether_engine::delete::ask(&site.engine, &site.admin, vm.id, "db")
        .await
        .unwrap();
    site.ends(job.id).await;
    let host = site.fleet.host(&site.name_of(vm.host).await);
    let copy = site.image.volume();
    assert!(host.volume("shared", &copy).await.unwrap().is_some());
    let stranger = VolumeSpec {
        name: "stranger.qcow2".into(),
        capacity: 1 << 30,
        format: "qcow2".into(),
        backing: Some((copy.clone(), "raw".into())),
    };
    host.create_volume("shared", &stranger).await.unwrap();
    let error = images::remove(&site.engine, &site.admin, site.image.id)
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("stranger.qcow2"), "{error}");
    assert!(host.volume("shared", &copy).await.unwrap().is_some());

    host.delete_volume("shared", &stranger.name).await.unwrap();
    images::remove(&site.engine, &site.admin, site.image.id)
        .await
        .unwrap();
    assert_eq!(host.volume("shared", &copy).await.unwrap(), None);
}

/// Two admins with the same page before them: the second learns that the first was there.
#[tokio::test]
async fn a_change_of_something_that_was_changed_meanwhile_is_refused() {
    let site = two().await;
    let storage = site.engine.store().storages().await.unwrap().remove(0);
    let name = site.name_of(site.hosts[0]).await;
    // The first proof waits for the host while the second is made.
    let gate = Gate::new();
    site.fleet
        .fault(&name, Op::Upload, Fault::Hold(gate.clone()), 1);
    let (engine, admin, id) = (site.engine.clone(), site.admin.clone(), storage.id);
    let first = tokio::spawn(async move { storages::prove(&engine, &admin, id).await });
    gate.arrived().await;
    storages::prove(&site.engine, &site.admin, storage.id)
        .await
        .unwrap();
    gate.open();
    let refused = first.await.unwrap().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_done_by_hand_is_named_until_a_move_has_proven_it() {
    let site = two().await;
    let vm = site.vm("db").await;
    let (from, to) = (
        vm.host,
        *site.hosts.iter().find(|id| **id != vm.host).unwrap(),
    );
    let (job, _) = site
        .moves(vm.id, bellwether_engine::migrate::Target::Host(to))
        .await;
    site.ends(job.id).await;
    assert_eq!(site.get(vm.id).await.host, to, "it has moved");
    // From here on as if they reached each other by ssh.
    let mut tx = site.engine.store().begin().await.unwrap();
    for id in [from, to] {
        let mut host = tx.host(id).await.unwrap();
        host.peer_uri = format!("qemu+ssh://root@{}/system", host.name);
        tx.update_host(&host).await.unwrap();
    }
    tx.commit().await.unwrap();
    let (runs_on, leads_to) = (site.name_of(to).await, site.name_of(from).await);
    for id in [from, to] {
        let host = site.engine.store().host(id).await.unwrap();
        let missing = hosts::missing(&site.engine, &host).await.unwrap();
        assert_eq!(missing.len(), 1, "one way is proven: {missing:?}");
        let said = format!("So that {runs_on} can move VMs to {leads_to},");
        assert!(missing[0].what.starts_with(&said), "{missing:?}");
        assert_eq!(
            missing[0].commands[0],
            format!("ssh-copy-id root@{leads_to}")
        );
    }
}
