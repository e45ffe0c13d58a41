//! Hosts, storages, networks, images, what was last seen.

use crate::world::{Ground, World, at, host, image, network, request, storage};
use bellwether_model::{
    Error, ErrorKind, HostId, MiB, StorageId,
    host::HostMode,
    image::{ImageCopy, ImageState},
    network::{Carrier, NetworkMember},
    observed::{DiskUse, HostSeen, PowerState, TransferRate, VmSeen},
    request::RequestState,
    storage::StorageKind,
    vm::VmState,
};

crate::cases!(
    hosts_round_trip_by_name,
    a_host_with_vms_stays,
    storages_round_trip_with_their_members,
    networks_round_trip_with_their_members,
    what_vms_stand_on_stays,
    images_round_trip_and_stay_while_asked_for,
    a_shared_copy_outlives_the_host_it_came_through,
    what_was_seen_is_replaced_and_goes_with_its_host,
);

fn conflict(error: Error) -> String {
    assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
    error.message
}

async fn hosts_round_trip_by_name(world: World) {
    let store = world.store;
    let mut tx = store.begin().await.unwrap();
    let (mut b, a, c) = (host("b"), host("a"), host("c-2"));
    for h in [&b, &a, &c] {
        tx.insert_host(h).await.unwrap();
    }
    let said = tx.insert_host(&host("A")).await.unwrap_err();
    assert_eq!(said.fields[0].field, "name");
    conflict(said);
    b.mode = HostMode::DeclaredOff;
    b.migration_address = None;
    b.name = "z".into();
    tx.update_host(&b).await.unwrap();
    let mut taken = b.clone();
    taken.name = "c-2".into();
    conflict(tx.update_host(&taken).await.unwrap_err());
    tx.commit().await.unwrap();
    assert_eq!(store.hosts().await.unwrap(), [a, c, b.clone()]);
    assert_eq!(store.host(b.id).await.unwrap(), b);
    assert_eq!(
        store.host(HostId::new()).await.unwrap_err().message,
        "There is no such host."
    );
}

async fn a_host_with_vms_stays(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut tx = store.begin().await.unwrap();
    let mut vms = Vec::new();
    for n in 0..7 {
        let vm = ground.vm(&format!("vm{n}"));
        tx.insert_vm(&vm).await.unwrap();
        vms.push(vm);
    }
    let said = conflict(tx.delete_host(ground.host.id).await.unwrap_err());
    assert!(
        said.contains("the VMs 'vm0', 'vm1', 'vm2', 'vm3', 'vm4' and 2 more"),
        "{said}"
    );
    for vm in &mut vms {
        vm.state = VmState::Gone;
        tx.update_vm(vm).await.unwrap();
    }
    tx.delete_host(ground.host.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.hosts().await.unwrap(), []);
    assert_eq!(store.storages().await.unwrap()[0].members, []);
    assert_eq!(store.networks().await.unwrap()[0].members, []);
    assert_eq!(
        store.vm(vms[0].id).await.unwrap().host,
        ground.host.id,
        "kept for the record"
    );
}

async fn storages_round_trip_with_their_members(world: World) {
    let store = world.store;
    let (h1, h2, h3) = (host("h1"), host("h2"), host("h3"));
    let mut shared = storage("Shared", StorageKind::Shared, &[&h2, &h1]);
    let mut tx = store.begin().await.unwrap();
    for h in [&h1, &h2, &h3] {
        tx.insert_host(h).await.unwrap();
    }
    tx.insert_storage(&shared).await.unwrap();
    tx.insert_storage(&storage("local", StorageKind::Local, &[]))
        .await
        .unwrap();
    let said = tx
        .insert_storage(&storage("shared", StorageKind::Local, &[]))
        .await
        .unwrap_err();
    assert!(conflict(said).contains("'shared'"));
    tx.commit().await.unwrap();
    assert_eq!(store.storage(shared.id).await.unwrap(), shared);

    shared.members = storage("x", StorageKind::Shared, &[&h3, &h2]).members;
    shared.members[0].proven_at = None;
    shared.members[1].pool = "other".into();
    let mut tx = store.begin().await.unwrap();
    tx.update_storage(&shared).await.unwrap();
    assert_eq!(tx.storage(shared.id).await.unwrap(), shared);
    tx.commit().await.unwrap();
    assert_eq!(store.storages().await.unwrap()[0], shared);
    let mut tx = store.begin().await.unwrap();
    tx.delete_storage(shared.id).await.unwrap();
    assert_eq!(
        tx.delete_storage(shared.id).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert_eq!(
        tx.update_storage(&shared).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
    tx.commit().await.unwrap();
    assert_eq!(store.storages().await.unwrap().len(), 1);
}

async fn networks_round_trip_with_their_members(world: World) {
    let store = world.store;
    let (h1, h2) = (host("h1"), host("h2"));
    let mut guests = network("guests", &[&h1]);
    let mut tx = store.begin().await.unwrap();
    tx.insert_host(&h1).await.unwrap();
    tx.insert_host(&h2).await.unwrap();
    tx.insert_network(&guests).await.unwrap();
    conflict(
        tx.insert_network(&network("GUESTS", &[]))
            .await
            .unwrap_err(),
    );
    tx.commit().await.unwrap();
    assert_eq!(store.network(guests.id).await.unwrap(), guests);

    guests.cidr_address = "fd00:7::".parse().unwrap();
    guests.cidr_prefix = 64;
    guests.gateway = None;
    guests.dns.clear();
    guests.vlan = None;
    guests.members = vec![NetworkMember {
        host: h2.id,
        carrier: Carrier::Libvirt("default".into()),
    }];
    let mut tx = store.begin().await.unwrap();
    tx.update_network(&guests).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.networks().await.unwrap(), [guests.clone()]);
    let mut tx = store.begin().await.unwrap();
    tx.delete_network(guests.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        store.network(guests.id).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}

async fn what_vms_stand_on_stays(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut vm = ground.vm("db");
    let mut tx = store.begin().await.unwrap();
    tx.insert_vm(&vm).await.unwrap();
    assert!(
        conflict(tx.delete_storage(ground.storage.id).await.unwrap_err()).contains("the VM 'db'")
    );
    assert!(
        conflict(tx.delete_network(ground.network.id).await.unwrap_err()).contains("the VM 'db'")
    );
    assert!(conflict(tx.delete_image(ground.image.id).await.unwrap_err()).contains("the VM 'db'"));
    let mut smaller = ground.storage.clone();
    smaller.members.clear();
    assert!(conflict(tx.update_storage(&smaller).await.unwrap_err()).contains("'db'"));
    let mut smaller = ground.network.clone();
    smaller.members.clear();
    assert!(conflict(tx.update_network(&smaller).await.unwrap_err()).contains("'db'"));
    assert_eq!(
        tx.storage(ground.storage.id).await.unwrap(),
        ground.storage,
        "refused, nothing changed"
    );
    vm.state = VmState::Gone;
    tx.update_vm(&mut vm).await.unwrap();
    tx.delete_storage(ground.storage.id).await.unwrap();
    tx.delete_network(ground.network.id).await.unwrap();
    tx.delete_image(ground.image.id).await.unwrap();
    tx.commit().await.unwrap();
}

async fn images_round_trip_and_stay_while_asked_for(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut other = image("alpine");
    other.state = ImageState::Listed;
    (
        other.url,
        other.sha256,
        other.file_bytes,
        other.virtual_bytes,
        other.format,
    ) = (None, None, None, None, None);
    let mut tx = store.begin().await.unwrap();
    tx.insert_image(&other).await.unwrap();
    conflict(tx.insert_image(&image("Debian")).await.unwrap_err());
    tx.commit().await.unwrap();
    assert_eq!(
        store.images().await.unwrap(),
        [other.clone(), ground.image.clone()]
    );
    other.state = ImageState::Failed;
    other.reason = Some("404".into());
    other.file_bytes = Some(i64::MAX as u64);
    let mut asked = request(&ground.owner, &ground.image, "web");
    let mut tx = store.begin().await.unwrap();
    tx.update_image(&other).await.unwrap();
    tx.insert_request(&asked).await.unwrap();
    assert!(
        conflict(tx.delete_image(ground.image.id).await.unwrap_err()).contains("1 open request")
    );
    asked.state = RequestState::Refused;
    tx.update_request(&asked, RequestState::Pending)
        .await
        .unwrap();
    tx.delete_image(ground.image.id).await.unwrap();
    let said = tx
        .insert_request(&request(&ground.owner, &ground.image, "late"))
        .await
        .unwrap_err();
    assert_eq!(said.fields[0].field, "image");
    assert_eq!(tx.image(other.id).await.unwrap(), other);
    tx.commit().await.unwrap();
    assert_eq!(store.image(other.id).await.unwrap(), other);
}

async fn a_shared_copy_outlives_the_host_it_came_through(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let h2 = host("h2");
    let shared = storage("nfs", StorageKind::Shared, &[&ground.host, &h2]);
    let copy = |storage: StorageId, complete| ImageCopy {
        image: ground.image.id,
        storage,
        host: ground.host.id,
        complete,
    };
    let mut tx = store.begin().await.unwrap();
    tx.insert_host(&h2).await.unwrap();
    tx.insert_storage(&shared).await.unwrap();
    for storage in [shared.id, ground.storage.id] {
        tx.put_image_copy(&copy(storage, false)).await.unwrap();
        tx.put_image_copy(&copy(storage, true)).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert_eq!(store.image_copies(ground.image.id).await.unwrap().len(), 2);
    let mut tx = store.begin().await.unwrap();
    tx.delete_host(ground.host.id).await.unwrap();
    tx.commit().await.unwrap();
    let left = ImageCopy {
        host: h2.id,
        ..copy(shared.id, true)
    };
    assert_eq!(
        store.image_copies(ground.image.id).await.unwrap(),
        std::slice::from_ref(&left)
    );
    let mut tx = store.begin().await.unwrap();
    tx.delete_image_copy(left.image, left.storage, left.host)
        .await
        .unwrap();
    tx.delete_image_copy(left.image, left.storage, left.host)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.image_copies(ground.image.id).await.unwrap(), []);
}

async fn what_was_seen_is_replaced_and_goes_with_its_host(world: World) {
    let store = world.store;
    let h = host("h1");
    let mut tx = store.begin().await.unwrap();
    tx.insert_host(&h).await.unwrap();
    tx.commit().await.unwrap();
    let mut seen = HostSeen::nothing(h.id);
    store.save_seen(&seen).await.unwrap();
    seen.at = Some(at(9));
    seen.cpu = Some(0.1 + 0.2);
    seen.trouble = Some("connection refused".into());
    seen.vms.push(VmSeen {
        migrating: true,
        vcpus: 1,
        memory: MiB(1),
        up_since: Some(at(8)),
        contention: Some(0.1 + 0.2),
        disks: vec![DiskUse {
            device: "vda".into(),
            read: Some(TransferRate {
                bytes: 1.5,
                ..TransferRate::default()
            }),
            ..DiskUse::default()
        }],
        ..VmSeen::nothing(h.id.0, "x".into(), PowerState::Running)
    });
    store.save_seen(&seen).await.unwrap();
    assert_eq!(store.seen().await.unwrap(), [seen.clone()]);
    let mut tx = store.begin().await.unwrap();
    tx.delete_host(h.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.seen().await.unwrap(), []);
    assert_eq!(
        store.save_seen(&seen).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}
