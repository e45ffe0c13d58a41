//! VMs, and their first passwords.

use crate::world::{Ground, World, at, commit, request};
use bellwether_model::{ErrorKind, VmId, request::RequestState, vm::VmState};
use bellwether_store::{Store, VmQuery};

crate::cases!(
    vms_round_trip_and_the_later_writer_is_refused,
    the_list_of_all_is_current_whoever_changes_it,
    of_two_who_write_at_once_one_is_refused,
    a_vm_needs_its_ground,
    the_first_password_is_shown_once,
);

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
