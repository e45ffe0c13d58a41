//! Requests, the fleet's generation, totals.

use crate::world::{Ground, World, at, commit, request, user};
use bellwether_model::{
    ErrorKind, GiB, MiB, Timestamp, Vcpus, VmId, request::RequestState, vm::VmState,
};
use bellwether_store::RequestQuery;

crate::cases!(
    requests_round_trip_and_are_listed_oldest_first,
    a_name_is_taken_while_a_request_is_open_or_a_vm_there,
    who_comes_second_hears_what_happened,
    of_two_reservations_on_one_fleet_one_is_made,
    totals_add_up_what_is_not_gone,
    sizes_that_do_not_fit_are_refused,
    a_transaction_in_which_a_statement_failed_is_over,
);

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
