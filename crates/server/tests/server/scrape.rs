//! What monitoring systems read at `/metrics`.

use crate::site::{Ask, Site, config, get};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use bellwether_server::{router, state::ScrapeToken};
use secrecy::SecretString;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tower::ServiceExt;

/// One line with a value: its name, its labels and the value.
#[derive(Debug)]
struct Line {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads a whole answer, strictly: every sample belongs to the family announced last, no family and no series comes twice.
fn read(text: &str, newer: bool) -> Vec<Line> {
    let (mut lines, mut series, mut families) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let (mut family, mut counter) = (String::new(), false);
    let text = match newer {
        true => text.strip_suffix("# EOF\n").expect("it ends with # EOF"),
        false => text,
    };
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, rest) = (words.next(), words.next().unwrap(), words.next());
            match what {
                Some("HELP") => assert!(rest.is_some_and(|help| help.ends_with('.')), "{line}"),
                Some("TYPE") => {
                    assert!(families.insert(name.to_owned()), "{name} comes twice");
                    (family, counter) = (name.to_owned(), rest == Some("counter"));
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let read = sample(line);
        let whole = match counter && newer {
            true => format!("{family}_total"),
            false => family.clone(),
        };
        assert_eq!(read.name, whole, "{line}");
        assert_eq!(counter, read.name.ends_with("_total"), "{line}");
        assert!(
            series.insert((read.name.clone(), read.labels.clone())),
            "{line} comes twice"
        );
        lines.push(read);
    }
    lines
}

fn sample(line: &str) -> Line {
    let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, value) = rest.split_once("=\"").expect(line);
            let (mut decoded, mut end, mut escaped) = (String::new(), None, false);
            for (at, letter) in value.char_indices() {
                match (escaped, letter) {
                    (true, 'n') => decoded.push('\n'),
                    (true, other) => decoded.push(other),
                    (false, '\\') => {}
                    (false, '"') => end = Some(at),
                    (false, other) => decoded.push(other),
                }
                escaped = !escaped && letter == '\\';
                if end.is_some() {
                    break;
                }
            }
            rest = &value[end.expect(line) + 1..];
            rest = rest.strip_prefix(',').unwrap_or(rest);
            assert!(labels.insert(label.to_owned(), decoded).is_none(), "{line}");
        }
        rest = &rest[1..];
    }
    let value = rest.trim().parse().expect(line);
    Line {
        name: name.to_owned(),
        labels,
        value,
    }
}

fn accepting(kind: &str) -> Ask {
    get("/metrics").header("accept", kind)
}

#[tokio::test]
async fn everything_seen_is_told_in_either_format() {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let name = "a \"b\" \\ 机器.x/y";
    let vm = site.vm(&ada, &image, name).await;
    site.until("the VM was looked at twice", async |site| {
        let observed = site.engine.observed();
        let mut seen = observed.sightings(vm.id.0);
        seen.any(|(_, seen)| seen.disk_rate().is_some() && seen.memory_used.is_some())
    })
    .await;
    let root = site.token(&*site.admin().await).await;
    let mut told = Vec::new();
    for (accept, kind) in [
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
    ] {
        let answer = site.send(accepting(accept).token(&root)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.header("content-type").starts_with(kind));
        let lines = read(&answer.body, accept.starts_with("application"));
        let of_vm = |line: &&Line| line.labels.get("uuid") == Some(&vm.id.to_string());
        let names: BTreeSet<String> = lines
            .iter()
            .filter(of_vm)
            .map(|line| line.name.clone())
            .collect();
        for line in lines.iter().filter(of_vm) {
            assert_eq!(line.labels["name"], name);
            assert_eq!(line.labels["domain"], vm.libvirt_name);
            assert!(line.labels["host"].starts_with("host"), "{line:?}");
        }
        let one = |name: &str| lines.iter().find(|line| line.name == name);
        let info = one("bellwether_vm_info").unwrap();
        assert_eq!((&*info.labels["owner"], info.value), ("ada", 1.0));
        let memory = one("libvirt_domain_info_maximum_memory_bytes").unwrap();
        assert_eq!(memory.value, vm.memory.bytes() as f64);
        let held = one("bellwether_person_vms").unwrap();
        assert_eq!((&*held.labels["owner"], held.value), ("ada", 1.0));
        let disk = one("libvirt_domain_block_stats_write_bytes_total").unwrap();
        assert_eq!(disk.labels["target_device"], "vda");
        let hosts = lines.iter().filter(|line| line.name == "libvirt_up");
        assert_eq!(hosts.map(|line| line.value).sum::<f64>(), 2.0);
        let fulfilled = |line: &&Line| line.labels.get("state").is_some_and(|s| s == "fulfilled");
        let requests = lines
            .iter()
            .filter(|line| line.name == "bellwether_requests");
        assert_eq!(
            requests
                .filter(fulfilled)
                .map(|line| line.value)
                .sum::<f64>(),
            1.0
        );
        told.push(names);
    }
    assert_eq!(told[0], told[1], "the formats tell the same");
    insta::assert_snapshot!(told[0].iter().cloned().collect::<Vec<_>>().join("\n"));
}

#[tokio::test]
async fn a_silent_host_is_down_and_its_figures_grow_old_in_sight() {
    let mut site = Site::bare(config("")).await;
    site.furnish().await;
    let root = site.token(&*site.admin().await).await;
    site.fleet.lose_host("host01").unwrap();
    let down = async |site: &Site| {
        let answer = site.send(accepting("text/plain").token(&root)).await;
        let lines = read(&answer.body, false);
        let of = |name: &str, host: &str| {
            let mut found = lines.iter().filter(|line| line.name == name);
            found
                .find(|line| line.labels["host"] == host)
                .map(|line| line.value)
        };
        let ages = ["host01", "host02"].map(|host| of("bellwether_host_sample_age_seconds", host));
        (of("libvirt_up", "host01"), of("libvirt_up", "host02"), ages)
    };
    site.until("it counts as down", async |site| {
        down(site).await.0 == Some(0.0)
    })
    .await;
    site.until("its age shows", async |site| {
        let (_, other, [age, fresh]) = down(site).await;
        other == Some(1.0) && age.unwrap() > fresh.unwrap() + 0.5
    })
    .await;
}

#[tokio::test]
async fn what_no_balloon_reports_is_absent_not_nothing() {
    let mut site = Site::bare(config("")).await;
    site.fleet.set_guests(|guest| guest.balloon = false);
    let (image, _) = site.furnish().await;
    let vm = site.vm(&site.user("ada").await, &image, "web").await;
    site.until("the VM was looked at twice", async |site| {
        let observed = site.engine.observed();
        let mut seen = observed.sightings(vm.id.0);
        seen.any(|(_, seen)| seen.cpu.is_some() && seen.memory_resident.is_some())
    })
    .await;
    let root = site.token(&*site.admin().await).await;
    let answer = site.send(accepting("text/plain").token(&root)).await;
    let lines = read(&answer.body, false);
    let told = |name: &str| lines.iter().any(|line| line.name == name);
    for name in [
        "bellwether_person_used_vcpus",
        "libvirt_domain_memory_stats_rss_bytes",
    ] {
        assert!(told(name), "{name}");
    }
    for name in [
        "bellwether_person_used_memory_bytes",
        "bellwether_vm_memory_used_bytes",
        "libvirt_domain_memory_stats_usable_bytes",
    ] {
        assert!(!told(name), "{name}");
    }
}

#[tokio::test]
async fn only_admins_and_who_has_the_token_read_it() {
    let mut site = Site::bare(config("")).await;
    let (token, wrong) = (
        SecretString::from("0123456789abcdef"),
        SecretString::from("0123456789abcdeg"),
    );
    site.state.scrape_token = Some(Arc::new(ScrapeToken::new(&token)));
    site.app = router::router(&site.state);
    let (root, ada) = (
        site.token(&*site.admin().await).await,
        site.token(&site.user("ada").await).await,
    );
    let status = async |ask: Ask| site.send(ask).await.status;
    assert_eq!(status(get("/metrics")).await, 401);
    assert_eq!(status(get("/metrics").token(&wrong)).await, 401);
    assert_eq!(status(get("/metrics").token(&ada)).await, 403);
    assert_eq!(status(get("/metrics").token(&root)).await, 200);
    assert_eq!(status(get("/metrics").token(&token)).await, 200);
    for path in ["/api/v1/vms", "/api/v1/hosts", "/api/v1/me"] {
        assert_eq!(status(get(path).token(&token)).await, 401, "{path}");
    }
    // On its own listener the token counts as well; without one it is open to whoever can connect.
    let alone = async |state, token: Option<&str>| {
        let mut request = Request::get("/metrics");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let app = router::scrapes(&state);
        app.oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    };
    let answer = alone(site.state.clone(), None).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let answer = alone(site.state.clone(), Some("0123456789abcdef")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    site.state.scrape_token = None;
    let answer = alone(site.state.clone(), None).await;
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert!(!read(std::str::from_utf8(&body).unwrap(), false).is_empty());
}
