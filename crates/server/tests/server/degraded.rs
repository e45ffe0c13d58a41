//! Bad days: the database can't be written, the database is gone, a host is gone.

use crate::site::{PASSWORD, Site, config, get, pass, post};
use bellwether_engine::Clock;
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
use bellwether_model::{Timestamp, host::HostHealth};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_locked_database_still_shows_and_refuses_to_write() {
    let site = Site::bare(config("")).await;
    let ada = site.user("ada").await;
    let token = site.token(&ada).await;
    // Another process holds the writer's lock.
    let file = site.folder.path().join("bellwether.db");
    let holder = Holder::lock(&file);
    let listed = site.send(get("/api/v1/vms").token(&token)).await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    let refused = site
        .send(post("/api/v1/me/tokens", json!({"name": "x", "days": 1})).token(&token))
        .await;
    let problem = refused.problem(503);
    assert_eq!(problem["code"], "unavailable");
    assert!(!refused.header("retry-after").is_empty());
    drop(holder);
    let again = site
        .send(post("/api/v1/me/tokens", json!({"name": "x", "days": 1})).token(&token))
        .await;
    assert_eq!(again.status, 201, "{}", again.body);
}

#[tokio::test]
async fn a_read_only_database_is_shown_and_what_would_write_says_so() {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "web").await;
    let (token, root) = (
        site.token(&ada).await,
        site.token(&*site.admin().await).await,
    );
    let mut site = site.read_only(config("")).await;
    let reopened = Some(site.engine.now());
    site.running = Some(site.engine.start().await.unwrap());
    site.until("hosts are sampled all the same", async |site| {
        let observed = site.engine.observed();
        observed.hosts.len() == 2 && observed.hosts.values().all(|seen| seen.at > reopened)
    })
    .await;
    let own = format!("/vms/{}", vm.id);
    for path in ["/machines", &own, &format!("/api/v1{own}"), "/api/v1/me"] {
        let seen = site.send(get(path).token(&token)).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.body);
    }
    for path in ["/fleet", "/jobs", "/api/v1/fleet"] {
        let seen = site.send(get(path).token(&root)).await;
        assert_eq!(seen.status, 200, "{path}: {}", seen.body);
    }
    for refused in [
        post("/api/v1/requests", site.request_json(&image, "second")).token(&token),
        post(&format!("/api/v1{own}/power"), json!({"action": "reboot"})).token(&token),
        post(
            "/api/v1/session",
            json!({"login": "ada", "password": PASSWORD}),
        ),
    ] {
        let path = refused.path.clone();
        let problem = site.send(refused).await.problem(503);
        let said = problem["detail"].as_str().unwrap();
        assert!(said.contains("read-only"), "{path}: {said}");
    }
    site.quiet().await;
}

#[tokio::test]
async fn looking_does_not_wait_for_a_database_that_others_write_to() {
    let clock = Clock::simulated(Timestamp::from_seconds(1_800_000_000));
    let fleet = SimFleet::new(SimSpec::new("site", 1));
    let site = Site::with_clock(config(""), fleet, clock).await;
    let token = site.token(&site.user("ada").await).await;
    // The token's use is due to be noted.
    pass(Duration::from_secs(120)).await;
    let holder = Holder::lock(&site.folder.path().join("bellwether.db"));
    let looked = async {
        for _ in 0..20 {
            let seen = site.send(get("/api/v1/me").token(&token)).await;
            assert_eq!(seen.status, 200, "{}", seen.body);
        }
    };
    tokio::select! {
        () = looked => {}
        _ = site.engine.store().begin() => panic!("a writer gave up waiting before twenty looks were done"),
    }
    drop(holder);
}

#[tokio::test]
async fn without_a_database_everything_says_so() {
    let site = Site::bare(config("")).await;
    let token = site.token(&site.user("ada").await).await;
    site.engine.store().close().await;
    for asked in [
        get("/api/v1/vms").token(&token),
        get("/api/v1/me").token(&token),
        post(
            "/api/v1/session",
            json!({"login": "ada", "password": PASSWORD}),
        ),
    ] {
        let answer = site.send(asked).await;
        let problem = answer.problem(503);
        // What the database said is for the log.
        assert!(!answer.body.to_lowercase().contains("sql"), "{problem}");
    }
    assert_eq!(site.send(get("/healthz")).await.status, 200);
    let ready = site.send(get("/readyz")).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["ok"], false);
}

#[tokio::test]
async fn a_lost_host_hides_nothing() {
    let mut site = Site::bare(config("")).await;
    let (image, hosts) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "web").await;
    let name = site.engine.store().host(vm.host).await.unwrap().name;
    site.until("the VM is seen", async |site| {
        site.engine.observed().sightings(vm.id.into()).count() == 1
    })
    .await;
    site.fleet.lose_host(&name).unwrap();
    site.until("the loss is noticed", async |site| {
        site.engine
            .observed()
            .hosts
            .get(&vm.host)
            .is_some_and(|seen| seen.health != HostHealth::Ready)
    })
    .await;
    let token = site.token(&*site.admin().await).await;
    let fleet = site.send(get("/api/v1/fleet").token(&token)).await.json();
    assert_eq!(fleet["hosts"].as_array().unwrap().len(), hosts.len());
    let lost = fleet["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|host| host["host"]["name"] == name.as_str())
        .unwrap();
    assert_ne!(lost["host"]["seen"]["health"], "ready");
    assert!(lost["host"]["seen"]["age_seconds"].is_u64());
    assert_eq!(
        lost["vms"].as_array().unwrap().len(),
        1,
        "what ran there is still shown"
    );
    for path in [
        "/api/v1/vms",
        "/api/v1/hosts",
        "/api/v1/storages",
        "/api/v1/jobs",
        "/api/v1/totals",
    ] {
        assert_eq!(
            site.send(get(path).token(&token)).await.status,
            200,
            "{path}"
        );
    }
}

/// Another process that writes to the database and does not finish.
struct Holder(std::process::Child);

impl Holder {
    fn lock(file: &std::path::Path) -> Self {
        use std::io::BufRead;
        let script = "import sqlite3, sys\n\
             c = sqlite3.connect(sys.argv[1], isolation_level=None)\n\
             c.execute('BEGIN IMMEDIATE')\n\
             print('locked', flush=True)\n\
             sys.stdin.read()";
        let mut child = std::process::Command::new("python3")
            .args(["-c", script])
            .arg(file)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "locked\n");
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
