//! Requests, VMs, addresses, first passwords, the fleet's generation, totals.

use crate::world::{Ground, World, at, request, user};
use bellwether_model::{
    ErrorKind, GiB, Mac, MiB, Result, Timestamp, Vcpus, VmId, request::RequestState, vm::VmState,
};
use bellwether_store::{RequestQuery, Store, Tx, VmQuery};
use std::net::IpAddr;

crate::cases!(
    requests_round_trip_and_are_listed_oldest_first,
    a_name_is_taken_while_a_request_is_open_or_a_vm_there,
    who_comes_second_hears_what_happened,
    vms_round_trip_and_the_later_writer_is_refused,
    the_list_of_all_is_current_whoever_changes_it,
    of_two_who_write_at_once_one_is_refused,
    a_vm_needs_its_ground,
    addresses_and_macs_are_held_by_one_and_rest_after,
    the_first_password_is_shown_once,
    of_two_reservations_on_one_fleet_one_is_made,
    totals_add_up_what_is_not_gone,
    sizes_that_do_not_fit_are_refused,
    a_transaction_in_which_a_statement_failed_is_over,
);

async fn commit(mut tx: Tx, done: Result<()>) -> Result<()> {
    done?;
    tx.active_admins().await?;
    tx.commit().await
}

async fn requests_round_trip_and_are_listed_oldest_first(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let ben = user("ben");
    let mut tx = store.begin().await.unwrap();
    tx.insert_user(&ben, "h").await.unwrap();
    let mut all = Vec::new();
    for (index, (owner, name)) in [
        (&ground.owner, "web"),
        (&ground.owner, "Ünï <b>"),
        (&ben, "web"),
        (&ben, "Zz"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut r = request(owner, &ground.image, name);
        r.created_at = at(100 - index as i64);
        tx.insert_request(&r).await.unwrap();
        all.push(r);
    }
    all[0].state = RequestState::Refused;
    all[0].reason = Some("no".into());
    all[0].decided_by = Some(ben.id);
    all[0].decided_at = Some(at(200));
    all[0].wanted_host = Some(ground.host.id);
    all[0].wanted_storage = Some(ground.storage.id);
    all[0].wanted_network = Some(ground.network.id);
    all[0].vm = Some(VmId::random());
    all[0].spec.ssh_key = None;
    tx.update_request(&all[0], RequestState::Pending)
        .await
        .unwrap();
    assert_eq!(tx.request(all[0].id).await.unwrap(), all[0]);
    tx.commit().await.unwrap();

    assert_eq!(store.request(all[0].id).await.unwrap(), all[0]);
    let names = |query: RequestQuery| {
        let store = store.clone();
        async move {
            store
                .requests(query)
                .await
                .unwrap()
                .into_iter()
                .map(|r| r.spec.name)
                .collect::<Vec<_>>()
        }
    };
    let any = RequestQuery {
        limit: 100,
        ..RequestQuery::default()
    };
    assert_eq!(names(any.clone()).await, ["Zz", "web", "Ünï <b>", "web"]);
    assert_eq!(
        names(RequestQuery {
            limit: 2,
            ..any.clone()
        })
        .await,
        ["Zz", "web"]
    );
    assert_eq!(
        names(RequestQuery {
            owner: Some(ground.owner.id),
            ..any.clone()
        })
        .await,
        ["Ünï <b>", "web"]
    );
    let states = vec![RequestState::Refused, RequestState::WaitingForRoom];
    assert_eq!(names(RequestQuery { states, ..any }).await, ["web"]);
    assert_eq!(
        store.count_requests(RequestState::Pending).await.unwrap(),
        3
    );
}

async fn a_name_is_taken_while_a_request_is_open_or_a_vm_there(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut first = request(&ground.owner, &ground.image, "web");
    let mut tx = store.begin().await.unwrap();
    tx.insert_request(&first).await.unwrap();
    let again = request(&ground.owner, &ground.image, "web");
    let said = tx.insert_request(&again).await.unwrap_err();
    assert_eq!(
        (said.kind, said.fields[0].field.as_str()),
        (ErrorKind::Conflict, "name")
    );
    assert!(said.message.contains("open request named 'web'"), "{said}");
    assert_eq!(
        tx.insert_vm(&ground.vm("web")).await.unwrap_err().fields[0].field,
        "name"
    );
    // Its own VM may have the name.
    let mut vm = ground.vm("web");
    vm.request = Some(first.id);
    tx.insert_vm(&vm).await.unwrap();
    first.state = RequestState::Fulfilled;
    tx.update_request(&first, RequestState::Pending)
        .await
        .unwrap();
    let said = tx.insert_request(&again).await.unwrap_err();
    assert!(said.message.contains("VM named 'web'"), "{said}");
    vm.state = VmState::Gone;
    tx.update_vm(&mut vm).await.unwrap();
    tx.insert_request(&again).await.unwrap();
    tx.insert_request(&request(&ground.owner, &ground.image, "WEB"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn who_comes_second_hears_what_happened(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut r = request(&ground.owner, &ground.image, "web");
    let mut tx = store.begin().await.unwrap();
    tx.insert_request(&r).await.unwrap();
    r.state = RequestState::Withdrawn;
    tx.update_request(&r, RequestState::Pending).await.unwrap();
    tx.commit().await.unwrap();
    r.state = RequestState::Approved;
    let mut tx = store.begin().await.unwrap();
    let said = tx
        .update_request(&r, RequestState::Pending)
        .await
        .unwrap_err();
    assert_eq!(said.kind, ErrorKind::Conflict);
    assert_eq!(said.message, "The request was withdrawn meanwhile.");
    let stranger = request(&ground.owner, &ground.image, "x");
    let said = tx
        .update_request(&stranger, RequestState::Pending)
        .await
        .unwrap_err();
    assert_eq!(said.kind, ErrorKind::NotFound);
}

async fn vms_round_trip_and_the_later_writer_is_refused(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut vm = ground.vm("db");
    vm.address = "fd00::10".parse().unwrap();
    let mut tx = store.begin().await.unwrap();
    tx.insert_vm(&vm).await.unwrap();
    assert_eq!(tx.vm(vm.id).await.unwrap(), vm);
    tx.commit().await.unwrap();
    assert_eq!(store.vm(vm.id).await.unwrap(), vm);

    let mut stale = vm.clone();
    vm.state = VmState::Running;
    vm.note = Some("fine".into());
    let mut tx = store.begin().await.unwrap();
    tx.update_vm(&mut vm).await.unwrap();
    assert_eq!(vm.generation, 1);
    let said = tx.update_vm(&mut stale).await.unwrap_err();
    assert_eq!(said.kind, ErrorKind::Conflict);
    assert!(
        said.message.contains("'db'") && said.message.contains("running"),
        "{said}"
    );
    assert_eq!(stale.generation, 0, "what was refused is unchanged");
    tx.commit().await.unwrap();
    assert_eq!(store.vm(vm.id).await.unwrap(), vm);

    let mut gone = ground.vm("gone");
    gone.state = VmState::Gone;
    let mut tx = store.begin().await.unwrap();
    tx.insert_vm(&gone).await.unwrap();
    tx.commit().await.unwrap();
    let count = |query| {
        let store = store.clone();
        async move { store.vms(query).await.unwrap().len() }
    };
    assert_eq!(count(VmQuery::default()).await, 1);
    assert_eq!(
        count(VmQuery {
            with_gone: true,
            ..VmQuery::default()
        })
        .await,
        2
    );
    assert_eq!(
        count(VmQuery {
            host: Some(ground.host.id),
            ..VmQuery::default()
        })
        .await,
        1
    );
    assert_eq!(
        count(VmQuery {
            owner: Some(bellwether_model::UserId::new()),
            ..VmQuery::default()
        })
        .await,
        0
    );
}

async fn the_list_of_all_is_current_whoever_changes_it(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let other = Store::open(&world.url).await.unwrap();
    assert_eq!(other.vms(VmQuery::default()).await.unwrap(), []);
    let mut vm = ground.vm("db");
    for (step, state) in [VmState::Running, VmState::ShutOff, VmState::Gone]
        .into_iter()
        .enumerate()
    {
        let mut tx = store.begin().await.unwrap();
        if step == 0 {
            tx.insert_vm(&vm).await.unwrap();
        }
        vm.state = state;
        tx.update_vm(&mut vm).await.unwrap();
        let before = other.records().await.unwrap().vms.clone();
        assert!(
            before.iter().all(|v| v.generation < vm.generation),
            "not before the commit"
        );
        tx.commit().await.unwrap();
        let expect = if state == VmState::Gone {
            vec![]
        } else {
            vec![vm.clone()]
        };
        for reader in [&store, &other] {
            assert_eq!(reader.vms(VmQuery::default()).await.unwrap(), expect);
            assert_eq!(reader.totals().await.unwrap().len(), expect.len());
        }
    }
    other.close().await;
}

async fn of_two_who_write_at_once_one_is_refused(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let vm = ground.vm("db");
    let mut tx = store.begin().await.unwrap();
    tx.insert_vm(&vm).await.unwrap();
    tx.commit().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, mut vm) = (store.clone(), vm.clone());
        tasks.spawn(async move {
            vm.state = VmState::Running;
            let mut tx = store.begin().await?;
            let done = tx.update_vm(&mut vm).await;
            commit(tx, done).await
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .flat_map(|o| o.as_ref().err())
            .all(|e| e.kind == ErrorKind::Conflict)
    );
    assert_eq!(store.vm(vm.id).await.unwrap().generation, 1);
}

async fn a_vm_needs_its_ground(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut vm = ground.vm("db");
    vm.image = bellwether_model::ImageId::new();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        tx.insert_vm(&vm).await.unwrap_err().fields[0].field,
        "image"
    );
    // An adopted VM's disk started from nothing we know.
    vm.request = None;
    tx.insert_vm(&vm).await.unwrap();
    vm.host = bellwether_model::HostId::new();
    vm.id = VmId::random();
    vm.name = "other".into();
    assert_eq!(tx.insert_vm(&vm).await.unwrap_err().fields[0].field, "host");
}

async fn hold(
    store: &Store,
    network: bellwether_model::NetworkId,
    address: &str,
    mac: Mac,
    vm: VmId,
) -> Result<()> {
    let address: IpAddr = address.parse().unwrap();
    let mut tx = store.begin().await.unwrap();
    let done = tx.hold_address(network, address, mac, vm).await;
    commit(tx, done).await
}

async fn addresses_and_macs_are_held_by_one_and_rest_after(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let network = ground.network.id;
    let (a, b) = (VmId::random(), VmId::random());
    let mac = |n| Mac::local([0, 0, n]);
    hold(&store, network, "10.7.0.10", mac(1), a).await.unwrap();
    hold(&store, network, "10.7.0.10", mac(1), a).await.unwrap();
    let taken = hold(&store, network, "10.7.0.10", mac(2), b)
        .await
        .unwrap_err();
    assert_eq!(
        (taken.kind, taken.fields[0].field.as_str()),
        (ErrorKind::Conflict, "address")
    );
    let taken = hold(&store, network, "10.7.0.9", mac(1), b)
        .await
        .unwrap_err();
    assert_eq!(
        (taken.kind, taken.fields[0].field.as_str()),
        (ErrorKind::Conflict, "mac")
    );
    hold(&store, network, "10.7.0.9", mac(2), b).await.unwrap();

    let mut tx = store.begin().await.unwrap();
    tx.release_address(a, at(50)).await.unwrap();
    tx.release_address(VmId::random(), at(50)).await.unwrap();
    assert_eq!(tx.addresses(network).await.unwrap().len(), 2);
    tx.commit().await.unwrap();
    let listed = store.addresses(network).await.unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|h| (h.address.to_string(), h.mac, h.vm, h.released_at))
            .collect::<Vec<_>>(),
        [
            ("10.7.0.9".into(), mac(2), Some(b), None),
            ("10.7.0.10".into(), mac(1), None, Some(at(50)))
        ],
        "in numeric order, the released one with its moment"
    );
    hold(&store, network, "10.7.0.10", mac(1), b).await.unwrap();
    assert_eq!(store.addresses(network).await.unwrap()[1].vm, Some(b));

    // Eight at once for one address: one gets it.
    let mut tasks = tokio::task::JoinSet::new();
    for n in 10..18 {
        let store = store.clone();
        tasks.spawn(async move {
            hold(&store, network, "10.7.0.77", mac(n), VmId::random())
                .await
                .is_ok()
        });
    }
    assert_eq!(
        tasks.join_all().await.into_iter().filter(|ok| *ok).count(),
        1
    );
}

async fn the_first_password_is_shown_once(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut request = request(&ground.owner, &ground.image, "db");
    request.state = RequestState::Placed;
    let mut vm = ground.vm("db");
    vm.request = Some(request.id);
    let mut tx = store.begin().await.unwrap();
    tx.insert_request(&request).await.unwrap();
    tx.insert_vm(&vm).await.unwrap();
    assert_eq!(tx.first_password(vm.id).await.unwrap(), None);
    tx.set_first_password(vm.id, "first", at(1)).await.unwrap();
    tx.set_first_password(vm.id, "secret", at(2)).await.unwrap();
    let kept = tx.first_password(vm.id).await.unwrap();
    assert_eq!(kept.as_deref(), Some("secret"));
    tx.commit().await.unwrap();
    // Not while the VM is being made.
    assert!(store.first_passwords(vm.owner).await.unwrap().is_empty());
    let mut tx = store.begin().await.unwrap();
    request.state = RequestState::Fulfilled;
    tx.update_request(&request, RequestState::Placed)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(
        store.first_passwords(vm.owner).await.unwrap(),
        [vm.id].into()
    );
    let other = store
        .first_passwords(bellwether_model::UserId::new())
        .await
        .unwrap();
    assert!(other.is_empty());
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        tx.take_first_password(vm.id).await.unwrap().as_deref(),
        Some("secret")
    );
    tx.rollback().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(
        tx.take_first_password(vm.id).await.unwrap().as_deref(),
        Some("secret"),
        "not shown yet"
    );
    tx.commit().await.unwrap();
    let mut tx = store.begin().await.unwrap();
    assert_eq!(tx.take_first_password(vm.id).await.unwrap(), None);
    assert!(store.first_passwords(vm.owner).await.unwrap().is_empty());
}

async fn of_two_reservations_on_one_fleet_one_is_made(world: World) {
    let store = world.store;
    let seen = store.fleet_generation().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let store = store.clone();
        tasks.spawn(async move {
            let mut tx = store.begin().await?;
            let done = tx.advance_generation(seen).await;
            commit(tx, done).await
        });
    }
    let outcomes = tasks.join_all().await;
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    assert!(
        outcomes
            .iter()
            .flat_map(|o| o.as_ref().err())
            .all(|e| e.kind == ErrorKind::Conflict)
    );
    assert_eq!(store.fleet_generation().await.unwrap(), seen + 1);
}

async fn totals_add_up_what_is_not_gone(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    assert_eq!(store.totals().await.unwrap(), []);
    let mut tx = store.begin().await.unwrap();
    for (name, state) in [
        ("a", VmState::Running),
        ("b", VmState::Ended),
        ("c", VmState::Gone),
    ] {
        let mut vm = ground.vm(name);
        (vm.state, vm.memory, vm.disk) = (state, MiB(1 << 40), GiB(7));
        tx.insert_vm(&vm).await.unwrap();
    }
    tx.commit().await.unwrap();
    let totals = store.totals().await.unwrap();
    assert_eq!(totals.len(), 1);
    let t = totals[0];
    assert_eq!(
        (t.user, t.vms, t.vcpus, t.memory, t.disk),
        (ground.owner.id, 2, Vcpus(4), MiB(2 << 40), GiB(14))
    );
}

async fn sizes_that_do_not_fit_are_refused(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut r = request(&ground.owner, &ground.image, "huge");
    r.spec.memory = MiB(u64::MAX);
    let mut tx = store.begin().await.unwrap();
    let said = tx.insert_request(&r).await.unwrap_err();
    assert_eq!(said.kind, ErrorKind::Invalid);
    assert!(said.message.contains("18446744073709551615"), "{said}");
    r.spec.memory = MiB(i64::MAX as u64);
    r.created_at = Timestamp(i64::MIN);
    tx.insert_request(&r).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.request(r.id).await.unwrap(), r);
}

async fn a_transaction_in_which_a_statement_failed_is_over(world: World) {
    let store = world.store;
    let ground = Ground::lay(&store).await;
    let mut tx = store.begin().await.unwrap();
    tx.insert_user(&user("ben"), "h").await.unwrap();
    // The same identifier again is no conflict the store looks for: the database finds it.
    let mut twin = user("cleo");
    twin.id = ground.owner.id;
    assert_eq!(
        tx.insert_user(&twin, "h").await.unwrap_err().kind,
        ErrorKind::Conflict
    );
    assert_eq!(tx.commit().await.unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(store.users().await.unwrap().len(), 1);
    let tx = store.begin().await.unwrap();
    tx.commit().await.unwrap();
}
