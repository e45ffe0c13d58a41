//! Every endpoint and page against nobody, another user, the owner and an admin: the tables are `bellwether_api::ROUTES`
//! and `bellwether_server::pages::PAGES`.

use crate::{
    site::{Answer, Site, ask, config, get, post},
    world::{MARKERS, World},
};
use bellwether_api::{Access, Method, ROUTES};
use bellwether_engine::{
    Actor, approve,
    networks::{self, NewNetwork},
    sessions::{self, NewToken},
};
use bellwether_model::network::Carrier;
use bellwether_server::pages::PAGES;
use serde_json::json;
use std::fmt::Write;

/// How somebody was received.
fn verdict(answer: &Answer) -> &'static str {
    match answer.status {
        // The page where one signs in answers 401 as well, to who mistypes.
        401 if answer.header("content-type").ends_with("json") => "sign in",
        303 if answer.header("location").starts_with("/sign-in?next=") => "sign in",
        403 => "forbidden",
        404 => "not found",
        500 => "broken",
        _ => "in",
    }
}

/// How everybody was received everywhere, and what of it is wrong.
#[derive(Default)]
struct Verdicts {
    table: String,
    wrong: Vec<String>,
}

impl Verdicts {
    async fn of(
        &mut self,
        world: &World,
        name: String,
        (access, twin): (Access, &str),
        ask: impl AsyncFn(Option<&Actor>) -> Answer,
    ) {
        // One's own tokens and one's own word are not even an admin's.
        let personal = ["/me/tokens/{id}", "/withdraw", "/first-password"];
        let personal = personal.iter().any(|end| twin.ends_with(end));
        let anyone = access == Access::Anyone;
        let admins = access == Access::Admin;
        write!(self.table, "{name:<55}").unwrap();
        for (who, actor, expected) in [
            ("nobody", None, if anyone { "in" } else { "sign in" }),
            (
                "other",
                Some(&world.bob),
                match access {
                    Access::Anyone | Access::User => "in",
                    Access::Owner => "not found",
                    Access::Admin => "forbidden",
                },
            ),
            (
                "owner",
                Some(&world.ada),
                if admins { "forbidden" } else { "in" },
            ),
            ("admin", Some(&world.root), "in"),
        ] {
            let answer = ask(actor).await;
            let found = verdict(&answer);
            write!(self.table, " {who}: {found}.").unwrap();
            let not_even_theirs = personal && who == "admin" && found != "broken";
            if found != expected && !not_even_theirs {
                let wrong = format!("{name}: {who}: {found} ({})", answer.status);
                self.wrong.push(wrong);
            }
            let markers = MARKERS.iter().filter(|_| matches!(who, "nobody" | "other"));
            for marker in markers.filter(|marker| answer.body.contains(**marker)) {
                self.wrong.push(format!("{name}: {who} reads {marker}"));
            }
        }
        self.table.push('\n');
    }

    fn check(self) -> String {
        assert!(
            self.wrong.is_empty(),
            "{}\n\n{}",
            self.wrong.join("\n"),
            self.table
        );
        self.table
    }
}

#[tokio::test]
async fn every_endpoint_lets_in_whom_it_should_and_nobody_else() {
    let world = World::new().await;
    let mut verdicts = Verdicts::default();
    for route in ROUTES {
        let name = format!("{} {}", route.method, route.path);
        let who = (route.access, route.path);
        let ask = async |actor: Option<&Actor>| world.endpoint(route, actor).await;
        verdicts.of(&world, name, who, ask).await;
    }
    insta::assert_snapshot!(verdicts.check());
}

#[tokio::test]
async fn every_page_lets_in_whom_it_should_and_nobody_else() {
    let world = World::new().await;
    let mut verdicts = Verdicts::default();
    for page in PAGES {
        let name = format!("{} {}", page.method, page.path);
        let who = (page.access, page.twin);
        let ask = async |actor: Option<&Actor>| world.page(page, actor).await;
        verdicts.of(&world, name, who, ask).await;
    }
    insta::assert_snapshot!(verdicts.check());
}

#[test]
fn every_act_of_a_page_has_its_endpoint_for_the_same_people() {
    for page in PAGES {
        let twin = ROUTES
            .iter()
            .find(|route| format!("{} {}", route.method, route.path) == page.twin);
        let acts = page.method != Method::Get;
        match twin {
            None => assert!(
                page.twin.is_empty() && (!acts || page.path == "/theme"),
                "{} {}: there is no endpoint \"{}\"",
                page.method,
                page.path,
                page.twin
            ),
            Some(twin) => assert!(
                !acts || twin.access == page.access,
                "{} {} is for {:?}, its endpoint for {:?}",
                page.method,
                page.path,
                page.access,
                twin.access
            ),
        }
    }
}

#[tokio::test]
async fn what_people_type_is_text_on_every_page() {
    let hostile = "<i id=typed>\"'&amp;";
    let world = World::named(hostile).await;
    let site = &world.site;
    let admin = world.root.admin().unwrap();
    let refused = site
        .requested(&world.ada, &world.image, &format!("no{hostile}"))
        .await;
    approve::refuse(&site.engine, &admin, refused.id, hostile)
        .await
        .unwrap();
    let token = NewToken {
        name: hostile,
        days: 1,
        with: None,
    };
    sessions::create_api_token(&site.engine, &world.root, token)
        .await
        .unwrap();
    let network = NewNetwork {
        name: hostile.into(),
        cidr: "10.9.0.0/24".into(),
        range_from: "10.9.0.10".into(),
        range_until: "10.9.0.20".into(),
        members: vec![(world.host, Carrier::Bridge("br0".into()))],
        ..NewNetwork::default()
    };
    networks::create(&site.engine, &admin, network)
        .await
        .unwrap();
    let mut shown = 0;
    for page in PAGES.iter().filter(|page| page.method == Method::Get) {
        let mut paths = vec![world.path(page.path)];
        match page.path {
            "/requests/{id}" => paths.push(format!("/requests/{}", refused.id)),
            "/search" => paths.push("/search?q=%3Ci%20id%3Dtyped%3E".into()),
            _ => {}
        }
        for path in paths {
            let token = site.token(&world.root).await;
            let asked = get(&path).header("accept", "text/html").token(&token);
            let answer = site.send(asked).await;
            assert!(answer.status < 400, "{path}: {}", answer.body);
            if answer.header("content-type").starts_with("text/html") {
                assert!(!answer.body.contains("<i id=typed"), "{path}");
                shown += u32::from(answer.body.contains("id=typed"));
            }
        }
    }
    assert!(shown > 10, "only {shown} pages show what was typed");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_yours_look_the_same() {
    let world = World::new().await;
    let token = world.site.token(&world.bob).await;
    for (noun, id) in &world.ids {
        if !matches!(*noun, "requests" | "vms" | "jobs") {
            continue;
        }
        let theirs = world
            .site
            .send(ask("GET", &format!("/api/v1/{noun}/{id}")).token(&token))
            .await;
        let nothing = world
            .site
            .send(ask("GET", &format!("/api/v1/{noun}/{}", uuid::Uuid::new_v4())).token(&token))
            .await;
        let (mut theirs, mut nothing) = (theirs.problem(404), nothing.problem(404));
        theirs["request_id"].take();
        nothing["request_id"].take();
        assert_eq!(theirs, nothing, "{noun}");
    }
}

#[tokio::test]
async fn where_images_come_from_is_for_admins() {
    let site = Site::bare(config("")).await;
    let admin = site.admin().await;
    // Nothing runs, so it is not fetched.
    let new = json!({"name": "web", "os": "Debian", "url": "https://mirror.example/i?key=geheim",
        "checksums_url": "https://mirror.example/sums?key=geheim"});
    let token = site.token(&admin).await;
    let added = site.send(post("/api/v1/images", new).token(&token)).await;
    let one = format!(
        "/api/v1/images/{}",
        added.json()["image"]["id"].as_str().unwrap()
    );
    for path in ["/api/v1/images", &one] {
        let seen = site.send(get(path).token(&token)).await;
        assert!(seen.body.contains("geheim"), "{}", seen.body);
        let token = site.token(&site.user("ada").await).await;
        let seen = site.send(get(path).token(&token)).await;
        assert_eq!(seen.status, 200);
        assert!(
            seen.body.contains("web") && !seen.body.contains("geheim"),
            "{}",
            seen.body
        );
    }
}

#[tokio::test]
async fn looking_never_asks_a_host() {
    let mut world = World::new().await;
    // Sampling ends; from here on every call to a host is made by an endpoint.
    world.site.quiet().await;
    let before = world.site.fleet.all_calls();
    for route in ROUTES.iter().filter(|route| route.method == Method::Get) {
        let answer = world.endpoint(route, Some(&world.root)).await;
        assert!(answer.status < 500, "{}: {}", route.path, answer.body);
    }
    for page in PAGES.iter().filter(|page| page.method == Method::Get) {
        let answer = world.page(page, Some(&world.root)).await;
        assert!(answer.status < 400, "{}: {}", page.path, answer.body);
    }
    assert_eq!(world.site.fleet.all_calls(), before);
}
