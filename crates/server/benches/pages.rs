//! Pages and lists of a fleet of 50 hosts and 2,000 VMs, 20 requests at once, while sampling runs.
//!
//! `cargo bench -p bellwether-server --bench pages`, or with `-- --vms 200 --requests 200` for a quick look. A bellwetherd of
//! its own on simulated hosts is furnished through REST; each path is then asked by 20 connections, each asking again
//! as soon as it has its answer. What counts is the server's own time (`Server-Timing`): from a request's arrival to
//! its finished answer, waiting for a core included. The client shares the machine's cores with the server.

#![allow(clippy::unwrap_used)] // in a bench a panic is the message

mod common;

use bellwether_api::{Access, ROUTES};
use bellwether_server::pages::PAGES;
use common::{PASSWORD, Person, argument, furnish, start};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const AT_ONCE: usize = 20;
const HOSTS: usize = 50;
const PEOPLE: usize = 20;

/// What is no page or list: a stream without end, and a redirection.
const UNLIKE: [&str; 2] = ["/api/v1/events", "/"];

/// What a person without other rights looks at, asked for once more by one.
const OWN: [&str; 6] = [
    "/machines",
    "/requests",
    "/requests/new",
    "/account",
    "/api/v1/vms",
    "/api/v1/requests",
];

/// Migrations that are made before.
const MOVES: usize = 100;

/// What the bar is: 99 of 100 answers take at most this.
const BAR_MS: f64 = 25.0;

/// How long after all machines were made the measuring begins.
const SETTLES: Duration = Duration::from_secs(45);

/// How the simulated fleet is.
fn query() -> String {
    format!("hosts={HOSTS}&cores=32&memory=262144&latency_ms=3")
}

/// People with their machines, all asked for, approved and made.
async fn populate(admin: &Person, image: &str, vms: usize) -> Person {
    let today = jiff::Zoned::now().date();
    let until = today.saturating_add(jiff::Span::new().days(60));
    let mut last = None;
    for n in 0..PEOPLE {
        let login = format!("person{n:02}");
        let account = json!({"login": login, "full_name": format!("Person {n}"), "mail": format!("{login}@example.org"), "password": PASSWORD});
        admin.call(Method::POST, "accounts", Some(account)).await;
        let users = admin.get("users?limit=200").await;
        let user = users["items"].as_array().unwrap().iter();
        let user = user.clone().find(|user| user["login"] == *login).unwrap();
        if user["state"] != "active" {
            let id = user["id"].as_str().unwrap();
            admin
                .call(
                    Method::PATCH,
                    &format!("users/{id}"),
                    Some(json!({"state": "active"})),
                )
                .await;
        }
        let person = Person::sign_in(&admin.client, &admin.base, &login).await;
        for m in 0..vms / PEOPLE {
            let name = format!("vm-{n:02}-{m:03}");
            let wanted = json!({"name": name, "vcpus": 1 + m % 4, "memory_mib": 2048, "disk_gib": 10, "image": image,
                "from": today.to_string(), "until": until.to_string(), "purpose": format!("To run {name}.")});
            let request = person.call(Method::POST, "requests", Some(wanted)).await;
            let path = format!("requests/{}/approve", request["id"].as_str().unwrap());
            admin.call(Method::POST, &path, Some(json!({}))).await;
        }
        last = Some(person);
    }
    admin
        .until("all machines", "fleet", |fleet| {
            let running = |host: &Value| {
                let vms = host["vms"].as_array().unwrap();
                vms.iter().filter(|vm| vm["power"] == "running").count()
            };
            let all: usize = fleet["hosts"].as_array().unwrap().iter().map(running).sum();
            all >= vms / PEOPLE * PEOPLE
        })
        .await;
    let some = admin.get(&format!("vms?limit={MOVES}")).await;
    for vm in some["items"].as_array().unwrap() {
        let path = format!("vms/{}/migrations", vm["id"].as_str().unwrap());
        admin.call(Method::POST, &path, Some(json!({}))).await;
    }
    admin
        .until("all moves", "migrations?running=true", |running| {
            running["items"].as_array().unwrap().is_empty()
        })
        .await;
    // What is done once to what is new is not what a fleet does every day.
    eprintln!("letting it settle for {} s", SETTLES.as_secs());
    tokio::time::sleep(SETTLES).await;
    last.unwrap()
}

/// Server times of `requests` answers in milliseconds, sorted, and the answers a second.
async fn measure(who: &Person, path: &str, requests: usize) -> (Vec<f64>, f64, usize) {
    let began = Instant::now();
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (who, url) = (who.clone(), format!("{}{path}", who.base));
            tokio::spawn(async move {
                let mut took: Vec<f64> = Vec::new();
                let mut bytes = 0;
                for _ in 0..requests.div_ceil(AT_ONCE) {
                    let answer = who
                        .client
                        .get(&url)
                        .bearer_auth(&who.token)
                        .send()
                        .await
                        .unwrap();
                    assert!(answer.status().is_success(), "{url}: {}", answer.status());
                    let timing = answer.headers()["server-timing"]
                        .to_str()
                        .unwrap()
                        .to_string();
                    let ms = timing.split_once("dur=").unwrap().1;
                    took.push(ms.parse().unwrap());
                    bytes = answer.bytes().await.unwrap().len();
                }
                (took, bytes)
            })
        })
        .collect();
    let (mut took, mut bytes) = (Vec::new(), 0);
    for worker in workers {
        let (more, size) = worker.await.unwrap();
        took.extend(more);
        bytes = size;
    }
    let rate = took.len() as f64 / began.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    (took, rate, bytes)
}

#[tokio::main]
async fn main() {
    let (vms, requests) = (argument("--vms", 2000), argument("--requests", 2000));
    let server = start();
    let admin = Person::admin(&server).await;
    let began = Instant::now();
    let image = furnish(&admin, HOSTS, &query(), "local").await;
    let user = populate(&admin, &image, vms).await;
    println!(
        "{HOSTS} hosts with {vms} VMs, asked for and made in {:.0} s\n",
        began.elapsed().as_secs_f64()
    );
    let first = |value: Value| value["items"][0]["id"].as_str().unwrap().to_string();
    let host = first(admin.get("hosts?limit=1").await);
    let vm = first(user.get("vms?limit=1").await);
    let request = first(user.get("requests?limit=1").await);
    let storage = first(admin.get("storages").await);
    let network = first(admin.get("networks").await);
    let job = first(admin.get("jobs?limit=1").await);
    let waiting = json!({"name": "waiting", "vcpus": 2, "memory_mib": 2048, "disk_gib": 10, "image": image,
        "from": jiff::Zoned::now().date().to_string(), "until": jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(30)).to_string(),
        "purpose": "To be considered."});
    let pending = user.call(Method::POST, "requests", Some(waiting)).await;
    let pending = pending["id"].as_str().unwrap();
    let migration = first(admin.get("migrations?limit=1").await);
    let person = first(admin.get("users?limit=1").await);
    let ids = [
        ("vms", &*vm),
        ("hosts", &host),
        ("requests", &request),
        ("inbox", pending),
        ("storages", &storage),
        ("networks", &network),
        ("images", &image),
        ("jobs", &job),
        ("migrations", &migration),
        ("users", &person),
    ];
    let filled = |path: &str| {
        let noun = path.split("/{id}").next().unwrap_or_default();
        let noun = noun.rsplit('/').next().unwrap_or_default();
        let noun = if path.ends_with("/consideration") {
            "inbox"
        } else {
            noun
        };
        let id = ids.iter().find(|(name, _)| *name == noun);
        path.replace("{id}", id.map_or("", |(_, id)| id))
            .replace("/search", "/search?q=vm-07")
    };
    let gets = PAGES
        .iter()
        .map(|page| (page.method, page.path, page.access));
    let gets = gets.chain(
        ROUTES
            .iter()
            .map(|route| (route.method, route.path, route.access)),
    );
    let told = gets.filter(|(method, path, access)| {
        let lists = !UNLIKE.contains(path) && !path.contains("{version}");
        *method == bellwether_api::Method::Get && *access != Access::Anyone && lists
    });
    let mut paths: Vec<(&Person, &str, String)> = told
        .map(|(_, path, _)| (&admin, path, filled(path)))
        .collect();
    for path in OWN {
        paths.push((&user, path, filled(path)));
    }
    println!(
        "| path | KiB | p50 ms | p95 ms | p99 ms | largest ms | CPU ms an answer | answers a second |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let only = std::env::args().skip_while(|arg| arg != "--only").nth(1);
    let mut over = Vec::new();
    for (who, shown, path) in paths {
        if only
            .as_ref()
            .is_some_and(|only| !shown.contains(only.as_str()))
        {
            continue;
        }
        // What only the first answer costs is no matter of the hundredth.
        measure(who, &path, AT_ONCE).await;
        let before = server.cpu_ms();
        let (took, rate, bytes) = measure(who, &path, requests).await;
        let cpu = (server.cpu_ms() - before) / took.len() as f64;
        let at = |share: f64| took[((took.len() as f64 * share) as usize).min(took.len() - 1)];
        println!(
            "| `{shown}` | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {cpu:.2} | {rate:.0} |",
            bytes as f64 / 1024.0,
            at(0.5),
            at(0.95),
            at(0.99),
            at(1.0)
        );
        if at(0.99) > BAR_MS {
            over.push(shown.to_string());
        }
    }
    println!(
        "\np99 above {BAR_MS} ms: {}",
        if over.is_empty() {
            "none".into()
        } else {
            over.join(", ")
        }
    );
}
