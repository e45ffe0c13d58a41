//! Forms of pages: what they do, and that one that fails comes back with its reason where a person sees it.

use crate::{
    site::{Answer, Site, ask, get, page},
    world::World,
};
use bellwether_engine::Actor;
use bellwether_engine::storages::{self, NewStorage};
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
use bellwether_model::{
    host::{HostHealth, HostMode},
    request::RequestState,
    storage::StorageKind,
    vm::VmState,
};

/// What a browser sends of a form, percent-encoded.
fn encoded(fields: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

pub async fn send(site: &Site, actor: &Actor, path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = site.token(actor).await;
    let asked = ask("POST", path)
        .header("accept", "text/html")
        .text("application/x-www-form-urlencoded", &encoded(fields));
    site.send(asked.token(&token)).await
}

/// Whether the text stands on the page outside of everything that is folded away.
fn in_sight(page: &str, text: &str) -> bool {
    page.match_indices(text).any(|(at, _)| {
        let before = &page[..at];
        let mut folded = Vec::new();
        for (start, _) in before.match_indices('<') {
            let tag = &before[start..];
            let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
            if tag.starts_with("<details") {
                folded.push(!tag.ends_with(" open"));
            } else if tag.starts_with("</details") {
                folded.pop();
            }
        }
        !folded.contains(&true)
    })
}

/// Sends the form and asserts that it comes back with these words in sight.
async fn comes_back(world: &World, path: &str, fields: &[(&str, &str)], words: &str) {
    let answer = send(&world.site, &world.root, path, fields).await;
    assert_eq!(answer.status, 422, "{path} {fields:?}: {}", answer.body);
    assert!(
        in_sight(&answer.body, words),
        "{path} {fields:?} does not say \"{words}\": {}",
        answer.body
    );
}

/// Sends the form and asserts that it leads to the page that starts so.
async fn leads_to(world: &World, path: &str, fields: &[(&str, &str)], to: &str) {
    let answer = send(&world.site, &world.root, path, fields).await;
    assert_eq!(answer.status, 303, "{path} {fields:?}: {}", answer.body);
    let location = answer.header("location");
    assert!(location.starts_with(to), "{path} leads to {location}");
}

#[test]
fn what_is_folded_away_is_not_in_sight() {
    let page = "<details class=\"a\"><p>one</p></details><details open><p>two</p></details>three";
    assert!(!in_sight(page, "one") && in_sight(page, "two") && in_sight(page, "three"));
}

#[tokio::test]
async fn an_act_that_fails_says_why_where_it_was_done() {
    let world = World::new().await;
    let site = &world.site;
    let host = site.engine.store().host(world.host).await.unwrap();
    let [host_page, storage, network, image, vm] =
        ["/hosts", "/storages", "/networks", "/images", "/vms"]
            .map(|page| world.path(&format!("{page}/{{id}}")));
    let act = |page: &str, act: &str| format!("{page}/{act}");
    let name = ("typed_name", host.name.as_str());

    // Nothing goes with the wrong name, and nothing that is in use with the right one.
    let wrong = [("typed_name", "something else")];
    let says_so = "is not its name";
    comes_back(&world, &act(&host_page, "remove"), &wrong, says_so).await;
    comes_back(&world, &act(&image, "remove"), &wrong, says_so).await;
    comes_back(
        &world,
        &act(&vm, "power"),
        &[("action", "force_off"), wrong[0]],
        says_so,
    )
    .await;
    let bound = site.engine.store().vms(Default::default()).await.unwrap()[0].host;
    let bound_host = site.engine.store().host(bound).await.unwrap();
    let bound_page = format!("/hosts/{bound}/remove");
    let bound_name = [("typed_name", bound_host.name.as_str())];
    comes_back(&world, &bound_page, &bound_name, "VM").await;
    comes_back(
        &world,
        &act(&image, "remove"),
        &[("typed_name", "Debian 12")],
        "use",
    )
    .await;
    comes_back(&world, &act(&storage, "remove"), &[], "use").await;
    comes_back(&world, &act(&network, "remove"), &[], "use").await;

    // A host that answers is not off; the form for it is not even offered, and yet the reason is in sight.
    comes_back(
        &world,
        &act(&host_page, "mode"),
        &[("mode", "declared_off"), name],
        "answers",
    )
    .await;
    comes_back(
        &world,
        &act(&host_page, "change"),
        &[
            ("name", "NO"),
            ("uri", &host.uri),
            ("peer_uri", &host.uri),
            ("site", "main"),
        ],
        "is no host name",
    )
    .await;

    comes_back(&world, &act(&image, "retry"), &[], "That did not work").await;
    comes_back(
        &world,
        "/images/catalogue",
        &[("key", "no-such")],
        "an image of the catalogue",
    )
    .await;
    comes_back(
        &world,
        "/images",
        &[("name", "x"), ("os", "X")],
        "give the address",
    )
    .await;
}

#[tokio::test]
async fn a_pool_that_is_not_seen_by_all_is_said_to_be_so() {
    let world = World::new().await;
    let site = &world.site;
    let storage = world.path("/storages/{id}");
    let lost = site.fleet.hosts().remove(1);
    site.fleet.lose_host(&lost).unwrap();
    comes_back(
        &world,
        &format!("{storage}/prove"),
        &[],
        "That did not work",
    )
    .await;
    let screen = world.path("/vms/{id}/screen");
    let vm = site
        .engine
        .store()
        .vms(Default::default())
        .await
        .unwrap()
        .remove(0);
    let bound = site.engine.store().host(vm.host).await.unwrap().name;
    site.fleet.lose_host(&bound).unwrap();
    comes_back(&world, &screen, &[], "That did not work").await;
    site.fleet.find_host(&bound).unwrap();
    site.fleet.find_host(&lost).unwrap();
    // Every pool that is found has its name by now, and the reason is in sight all the same.
    let members: Vec<_> = site.engine.store().hosts().await.unwrap();
    let local: Vec<String> = members
        .iter()
        .map(|host| format!("{}/local", host.id))
        .collect();
    let mut fields = vec![("name", "wrong"), ("kind", "shared")];
    fields.extend(local.iter().map(|value| ("member", value.as_str())));
    comes_back(&world, "/storages", &fields, "not shared").await;
}

#[tokio::test]
async fn a_network_is_changed_and_what_was_typed_wrong_comes_back() {
    let world = World::new().await;
    let site = &world.site;
    let network = world.path("/networks/{id}");
    let record = site.engine.store().networks().await.unwrap().remove(0);
    let members: Vec<String> = record
        .members
        .iter()
        .map(|member| format!("{}/bridge/br0", member.host))
        .collect();
    let fields = |name: &'static str, cidr: &'static str, until: &'static str| {
        let mut fields = vec![
            ("name", name),
            ("cidr", cidr),
            ("gateway", "10.1.0.1"),
            ("range_from", "10.1.0.10"),
            ("range_until", until),
            ("vlan", "7"),
        ];
        fields.extend(members.iter().map(|value| ("member", value.as_str())));
        fields
    };
    let change = format!("{network}/change");
    comes_back(
        &world,
        &change,
        &fields("lan", "10.1.0.0/24", "10.9.9.9"),
        "is outside",
    )
    .await;
    let again = send(
        site,
        &world.root,
        &change,
        &fields("hall", "nonsense", "10.1.0.200"),
    )
    .await;
    assert!(
        again.body.contains("value=\"nonsense\""),
        "what was typed is lost"
    );
    leads_to(
        &world,
        &change,
        &fields("hall", "10.1.0.0/24", "10.1.0.200"),
        &network,
    )
    .await;
    let after = site.engine.store().network(record.id).await.unwrap();
    assert_eq!((after.name.as_str(), after.vlan), ("hall", Some(7)));
    assert_eq!(after.range_until.to_string(), "10.1.0.200");
    assert!(page(site, &world.root, &network).await.contains("hall"));
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_not_added_and_the_reason_is_said() {
    let world = World::new().await;
    let (site, fleet) = (&world.site, &world.site.fleet);
    fleet.add_host("late");
    fleet.lose_host("late").unwrap();
    let uri = fleet.uri("late");
    let known = site.engine.store().hosts().await.unwrap().len();
    let fields = [("name", "late"), ("uri", &*uri)];
    comes_back(&world, "/hosts", &fields, "does not answer").await;
    let token = site.token(&world.root).await;
    for (path, body) in [
        (
            "/api/v1/hosts",
            serde_json::json!({"name": "late", "uri": uri}),
        ),
        ("/api/v1/hosts/try", serde_json::json!({"uri": uri})),
    ] {
        let answer = site.send(ask("POST", path).json(body).token(&token)).await;
        assert_eq!(answer.status, 503, "{path}: {}", answer.body);
        assert!(answer.body.contains("does not answer"), "{}", answer.body);
    }
    assert_eq!(site.engine.store().hosts().await.unwrap().len(), known);
    fleet.find_host("late").unwrap();
    let added = send(site, &world.root, "/hosts", &fields).await;
    assert!(added.body.contains("late is added"), "{}", added.body);
    assert_eq!(site.engine.store().hosts().await.unwrap().len(), known + 1);
}

/// What a browser sends back of an untouched form to `path`, as it stands on a page.
pub fn fields_of(page: &str, path: &str) -> Vec<(String, String)> {
    let form = page.split_once(&format!("action=\"{path}\"")).unwrap().1;
    let form = form.split_once("</form>").unwrap().0;
    let attribute = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        let text = rest.split_once('"')?.0;
        Some(text.replace("&#34;", "\"").replace("&#38;", "&"))
    };
    let inputs = form.split("<input").skip(1).filter_map(|tag| {
        let tag = tag.split_once('>')?.0;
        let sent = !tag.contains("type=\"checkbox\"") || tag.contains(" checked");
        let value = attribute(tag, "value").unwrap_or_default();
        sent.then_some((attribute(tag, "name")?, value))
    });
    inputs.collect()
}

#[tokio::test]
async fn of_two_who_change_the_same_at_once_neither_undoes_the_other_unknowingly() {
    let world = World::new().await;
    let (site, root) = (&world.site, &world.root);
    let answer = async |path: &str, fields: &[(String, String)], set: &[(&str, &str)]| {
        let mut fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        for (name, value) in set {
            fields.retain(|(other, _)| other != name);
            fields.push((name, value));
        }
        send(site, root, path, &fields).await
    };
    let host = world.path("/hosts/{id}");
    let change = format!("{host}/change");
    let opened = fields_of(&page(site, root, &host).await, &change);
    assert!(opened.iter().any(|(name, _)| name == "site"), "{opened:?}");
    // Another thing of it was changed meanwhile: both hold.
    assert_eq!(
        answer(&change, &opened, &[("site", "cellar")]).await.status,
        303
    );
    assert_eq!(
        answer(&change, &opened, &[("cores", "3")]).await.status,
        303
    );
    let now = site.engine.store().hosts().await.unwrap();
    let now = now
        .iter()
        .find(|one| host.ends_with(&one.id.to_string()))
        .unwrap();
    assert_eq!((now.site.as_str(), now.cores), ("cellar", 3));
    // The same was: it is said, what was typed stays, and sent once more it holds.
    let refused = answer(&change, &opened, &[("site", "attic")]).await;
    assert_eq!(refused.status, 422);
    let told = "somebody else set it to &#39;cellar&#39;";
    assert!(in_sight(&refused.body, told), "{}", refused.body);
    let again = fields_of(&refused.body, &change);
    assert!(
        again.contains(&("site".into(), "attic".into())),
        "{again:?}"
    );
    assert_eq!(answer(&change, &again, &[]).await.status, 303);
    let after = site.engine.store().host(now.id).await.unwrap();
    assert_eq!((after.site.as_str(), after.cores), ("attic", 3));

    let network = world.path("/networks/{id}");
    let change = format!("{network}/change");
    let opened = fields_of(&page(site, root, &network).await, &change);
    let members = opened.iter().filter(|(name, _)| name == "member").count();
    assert!(members > 0, "{opened:?}");
    assert_eq!(
        answer(&change, &opened, &[("name", "hall")]).await.status,
        303
    );
    assert_eq!(answer(&change, &opened, &[("vlan", "7")]).await.status, 303);
    let after = site.engine.store().networks().await.unwrap().remove(0);
    assert_eq!((after.name.as_str(), after.vlan), ("hall", Some(7)));
    assert_eq!(after.members.len(), members);

    // Pools are a field like others.
    let storage = world.path("/storages/{id}");
    let change = format!("{storage}/change");
    let opened = fields_of(&page(site, root, &storage).await, &change);
    assert_eq!(answer(&change, &opened, &[]).await.status, 303);
    let mut other = opened.clone();
    other.retain(|(name, _)| name == "member");
    let held = opened.iter().find(|(name, _)| name == "held").unwrap();
    let stale = held
        .1
        .replace("/local", "/other")
        .replace("/shared", "/other");
    assert_ne!(stale, held.1);
    let mut typed = opened.clone();
    typed.retain(|(name, value)| name != "member" || *value != other[0].1);
    let refused = answer(&change, &typed, &[("held", &stale)]).await;
    assert_eq!(refused.status, 422);
    assert!(
        in_sight(&refused.body, "somebody else changed what it is on"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn a_host_that_comes_later_joins_what_is_there_from_its_own_page() {
    let fleet = SimFleet::new(SimSpec::new("site", 3));
    let mut site = Site::with_fleet(crate::site::config(""), fleet).await;
    site.furnish().await;
    let root = (*site.admin().await).clone();
    let admin = root.admin().unwrap();
    let store = site.engine.store();
    let storage = store.storages().await.unwrap().remove(0);
    let third = storage.members[2].clone();
    let without: Vec<_> = storage.members[..2]
        .iter()
        .map(|member| (member.host, member.pool.clone()))
        .collect();
    storages::change_members(&site.engine, &admin, storage.id, &without)
        .await
        .unwrap();
    let own = page(&site, &root, &format!("/hosts/{}", third.host)).await;
    let join = format!("/storages/{}/join", storage.id);
    assert!(own.contains(&format!("action=\"{join}\"")), "{own}");
    let member = format!("{}/{}", third.host, third.pool);
    assert!(own.contains(&format!("name=\"member\" value=\"{member}\"")));
    let answer = send(&site, &root, &join, &[("member", &member)]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let after = store.storage(storage.id).await.unwrap();
    assert_eq!(after.members.len(), 3);
    assert!(after.members[2].proven_at.is_some());

    // The pool that does not belong there is refused, and the page says so.
    let wrong = NewStorage {
        name: "disks".into(),
        kind: StorageKind::Local,
        members: vec![(third.host, "local".into())],
    };
    let local = storages::create(&site.engine, &admin, wrong).await.unwrap();
    let join = format!("/storages/{}/join", local.id);
    let shared = format!("{}/{}", storage.members[0].host, storage.members[0].pool);
    let answer = send(&site, &root, &join, &[("member", &shared)]).await;
    assert_eq!(answer.status, 422);
    assert!(
        in_sight(&answer.body, "belongs to another storage"),
        "{}",
        answer.body
    );
    site.quiet().await;
}

#[tokio::test]
async fn a_host_never_seen_is_not_said_to_be_empty() {
    let world = World::new().await;
    let site = &world.site;
    let mut hosts = site.engine.store().hosts().await.unwrap();
    let mut dark = hosts.remove(0);
    dark.id = bellwether_model::HostId::new();
    dark.name = "dark".into();
    dark.uri = "sim://site/nobody".into();
    let mut tx = site.engine.store().begin().await.unwrap();
    tx.insert_host(&dark).await.unwrap();
    tx.commit().await.unwrap();
    let health = |site: &Site| {
        let observed = site.engine.observed();
        observed
            .hosts
            .get(&dark.id)
            .map(|seen| (seen.health, seen.at))
    };
    assert!(!matches!(health(site), Some((HostHealth::Ready, _))));
    let list = page(site, &world.root, "/hosts?q=dark").await;
    assert!(
        list.contains("unknown") && !list.contains(">0</td>"),
        "{list}"
    );
    assert!(list.contains("1 of 3 hosts"), "{list}");
}

#[tokio::test]
async fn taking_the_power_away_asks_for_the_name() {
    let world = World::new().await;
    let site = &world.site;
    let vm = site
        .engine
        .store()
        .vms(Default::default())
        .await
        .unwrap()
        .remove(0);
    let path = format!("/vms/{}/power", vm.id);
    let fields = [("action", "force_off"), ("typed_name", vm.name.as_str())];
    leads_to(&world, &path, &fields, "/vms/").await;
    site.until("it is off", async |site| {
        site.engine.store().vm(vm.id).await.unwrap().state == VmState::ShutOff
    })
    .await;
}

/// The value of a hidden field on the page.
fn hidden(page: &str, name: &str) -> String {
    let field = format!("type=\"hidden\" name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&field).expect(name);
    rest.split('"').next().unwrap().to_string()
}

#[tokio::test]
async fn what_is_approved_is_what_was_shown_or_it_is_shown_anew() {
    let mut site = Site::bare(crate::site::config("")).await;
    let (image, hosts) = site.furnish().await;
    let root = (*site.admin().await).clone();
    let admin = root.admin().unwrap();
    let ada = site.user("ada").await;
    let first = site.requested(&ada, &image, "first").await;
    let second = site.requested(&ada, &image, "second").await;
    let decide = |id| format!("/inbox/{id}");
    let shown = page(&site, &root, &decide(first.id)).await;
    let [host, storage, network] = ["host", "storage", "network"].map(|name| hidden(&shown, name));
    let fields = [
        ("host", host.as_str()),
        ("storage", storage.as_str()),
        ("network", network.as_str()),
        ("once", "on"),
    ];
    let approve = |id| format!("/inbox/{id}/approve");
    let answer = send(&site, &root, &approve(first.id), &fields).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let name = site
        .engine
        .store()
        .host(host.parse().unwrap())
        .await
        .unwrap()
        .name;
    let said = answer.header("set-cookie");
    assert!(said.contains(&format!("on%20{name}")), "{said}");

    // Meanwhile that host is put aside: it is not made anywhere else behind the administrator's back.
    let shown = hosts.iter().find(|id| id.to_string() == host).unwrap();
    bellwether_engine::hosts::set_mode(&site.engine, &admin, *shown, HostMode::Maintenance, None)
        .await
        .unwrap();
    let answer = send(&site, &root, &approve(second.id), &fields).await;
    assert_eq!(answer.status, 422);
    assert!(
        in_sight(&answer.body, &format!("{name} can&#39;t take it")),
        "{}",
        answer.body
    );
    assert_ne!(hidden(&answer.body, "host"), host);
    let still = site.engine.store().request(second.id).await.unwrap();
    assert_eq!(still.state, RequestState::Pending);

    // Where no host has room, no key says yes by accident.
    for id in &hosts {
        bellwether_engine::hosts::set_mode(&site.engine, &admin, *id, HostMode::Maintenance, None)
            .await
            .unwrap();
    }
    let none = page(&site, &root, &decide(second.id)).await;
    assert!(none.contains("wait for room") && !none.contains("data-key=\"a\""));
    site.quiet().await;
}

#[tokio::test]
async fn the_figures_shown_add_up_on_page_and_in_rest() {
    let mut site = Site::bare(crate::site::config("")).await;
    let (image, hosts) = site.furnish().await;
    let root = (*site.admin().await).clone();
    let ada = site.user("ada").await;
    // Something runs today, and something is promised for the week after next; asked is both together.
    site.vm(&ada, &image, "now").await;
    let token = site.token(&ada).await;
    let day = |days: i64| {
        site.engine
            .today()
            .checked_add(jiff::ToSpan::days(days))
            .unwrap()
            .to_string()
    };
    let mut later = site.request_json(&image, "later");
    later["from"] = day(14).into();
    later["until"] = day(20).into();
    let made = site
        .send(crate::site::post("/api/v1/requests", later.clone()).token(&token))
        .await;
    let approve = format!("/inbox/{}/approve", made.json()["id"].as_str().unwrap());
    let answer = send(&site, &root, &approve, &[("host", &hosts[1].to_string())]).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    later["name"] = "both".into();
    later["from"] = day(0).into();
    let made = site
        .send(crate::site::post("/api/v1/requests", later).token(&token))
        .await;
    let id = made.json()["id"].as_str().unwrap().to_string();

    let token = site.token(&root).await;
    let asked = get(&format!("/api/v1/requests/{id}/consideration")).token(&token);
    let considered = site.send(asked).await.json();
    for host in considered["hosts"].as_array().unwrap() {
        let number = |value: &serde_json::Value| value.as_u64().unwrap();
        let (capacity, committed, left) = (
            number(&host["capacity_memory_mib"]),
            number(&host["committed_memory_mib"]),
            number(&host["after"]["memory_mib"]),
        );
        assert_eq!(capacity - committed - 512, left, "{host}");
        let (capacity, committed, left) = (
            number(&host["capacity_disk_gib"]),
            number(&host["committed_disk_gib"]),
            number(&host["after"]["disk_gib"]),
        );
        assert!(capacity - committed >= left + 4, "{host}");
    }
    let shown = page(&site, &root, &format!("/inbox/{id}")).await;
    let fullest = site
        .engine
        .today()
        .checked_add(jiff::ToSpan::days(14))
        .unwrap();
    let fullest = fullest.strftime("committed on %-d %b %Y").to_string();
    assert!(
        shown.contains(&fullest),
        "the fullest day is not named: {shown}"
    );
    assert!(shown.contains(">Disk<"), "disk is not drawn");
    site.quiet().await;
}
