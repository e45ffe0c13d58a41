//! Acts on pages, sent as a browser sends their forms: each does what its button says.

use crate::{
    forms::{fields_of, send},
    site::{Answer, Site, page},
    world::World,
};
use bellwether_engine::{
    Actor,
    sessions::{self, NewToken},
};
use bellwether_model::{
    RequestId, VmId,
    host::HostMode,
    people::{AccountState, Role},
    request::RequestState,
    vm::{Vm, VmState},
};

/// Sends the form of an act that leads on.
async fn act(world: &World, actor: &Actor, path: &str, fields: &[(&str, &str)]) -> Answer {
    let answer = send(&world.site, actor, path, fields).await;
    assert_eq!(answer.status, 303, "{path} {fields:?}: {}", answer.body);
    answer
}

/// The only VM there is.
async fn vm(world: &World) -> Vm {
    let records = world.site.engine.store().records().await.unwrap();
    records.vms[0].clone()
}

async fn until_vm(world: &World, state: VmState) {
    let site = &world.site;
    site.until(state.as_str(), async |_| vm(world).await.state == state)
        .await;
}

async fn until_idle(world: &World) {
    let idle = async |site: &Site| site.engine.store().open_jobs().await.unwrap().is_empty();
    world.site.until("no job is open", idle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_refused_and_withdrawn() {
    let world = World::new().await;
    let (site, store) = (&world.site, world.site.engine.store());
    let inbox = world.path("/inbox/{id}");
    let refused: RequestId = inbox.rsplit('/').next().unwrap().parse().unwrap();
    let reason = [("reason", "We have no <b>room</b>.")];
    act(&world, &world.root, &format!("{inbox}/refuse"), &reason).await;
    let seen = store.request(refused).await.unwrap();
    assert_eq!(seen.state, RequestState::Refused);
    assert_eq!(seen.reason.as_deref(), Some("We have no <b>room</b>."));
    let shown = page(site, &world.ada, &world.path("/requests/{id}")).await;
    assert!(shown.contains("We have no &#60;b&#62;room"), "{shown}");

    let second = site.requested(&world.ada, &world.image, "second").await;
    let withdraw = format!("/requests/{}/withdraw", second.id);
    act(&world, &world.ada, &withdraw, &[]).await;
    let seen = store.request(second.id).await.unwrap();
    assert_eq!(seen.state, RequestState::Withdrawn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_switched_extended_and_looked_at() {
    let world = World::new().await;
    let own = world.path("/vms/{id}");
    let id: VmId = own.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(vm(&world).await.id, id);
    until_vm(&world, VmState::Running).await;
    until_idle(&world).await;
    let power = format!("{own}/power");
    for (action, state) in [("shutdown", VmState::ShutOff), ("start", VmState::Running)] {
        act(&world, &world.ada, &power, &[("action", action)]).await;
        until_vm(&world, state).await;
        until_idle(&world).await;
    }
    let last = vm(&world).await.lease_until.tomorrow().unwrap();
    let fields = [("until", &*last.to_string())];
    act(&world, &world.ada, &format!("{own}/extend"), &fields).await;
    assert_eq!(vm(&world).await.lease_until, last);
    let screen = send(&world.site, &world.ada, &format!("{own}/screen"), &[]).await;
    assert_eq!(screen.status, 200);
    assert!(screen.body.contains("VNC at"), "{}", screen.body);
    act(&world, &world.ada, &power, &[("action", "reboot")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_let_in_locked_out_and_made_administrators() {
    let world = World::new().await;
    let (bob, store) = (world.bob.user, world.site.engine.store());
    for state in [AccountState::Disabled, AccountState::Active] {
        let fields = [("state", state.as_str())];
        act(
            &world,
            &world.root,
            &format!("/people/{bob}/state"),
            &fields,
        )
        .await;
        assert_eq!(store.user(bob).await.unwrap().state, state);
    }
    for role in [Role::Admin, Role::User] {
        let fields = [("role", role.as_str())];
        act(&world, &world.root, &format!("/people/{bob}/role"), &fields).await;
        assert_eq!(store.user(bob).await.unwrap().role, role);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_ended_and_the_theme_is_kept() {
    let world = World::new().await;
    let (site, bob) = (&world.site, &world.bob);
    let named = async || {
        let tokens = site.engine.store().tokens(bob.user).await.unwrap();
        tokens.into_iter().find(|token| token.name == "laptop")
    };
    let new = NewToken {
        name: "laptop",
        days: 30,
        with: None,
    };
    sessions::create_api_token(&site.engine, bob, new)
        .await
        .unwrap();
    assert!(page(site, bob, "/account").await.contains("laptop"));
    let token = named().await.expect("it was made").id;
    act(&world, bob, &format!("/account/tokens/{token}/end"), &[]).await;
    assert!(named().await.is_none());
    let dark = act(
        &world,
        bob,
        "/theme",
        &[("theme", "dark"), ("back", "/machines")],
    )
    .await;
    assert!(dark.header("set-cookie").contains("dark"));
    assert_eq!(dark.header("location"), "/machines");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_put_aside_storages_proven_and_the_policy_set() {
    let world = World::new().await;
    let (site, store) = (&world.site, world.site.engine.store());
    for mode in [HostMode::Maintenance, HostMode::Active] {
        let path = world.path("/hosts/{id}/mode");
        act(&world, &world.root, &path, &[("mode", mode.as_str())]).await;
        assert_eq!(store.host(world.host).await.unwrap().mode, mode);
    }
    let before = store.storages().await.unwrap().remove(0);
    act(
        &world,
        &world.root,
        &world.path("/storages/{id}/prove"),
        &[],
    )
    .await;
    let after = store.storages().await.unwrap().remove(0);
    let proven = |storage: &bellwether_model::storage::Storage| storage.members[0].proven_at;
    assert!(proven(&after) > proven(&before));

    let fields = fields_of(&page(site, &world.root, "/policy").await, "/policy");
    let mut fields: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| *name != "max_lease_days")
        .collect();
    fields.push(("max_lease_days", "77"));
    act(&world, &world.root, "/policy", &fields).await;
    assert_eq!(store.policy().await.unwrap().0.max_lease_days, 77);
}
