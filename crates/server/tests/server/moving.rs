//! A VM that moves, as pages and REST show it meanwhile and afterwards.

use crate::site::{Site, config, get};
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
use bellwether_model::job::JobState;
use serde_json::Value;

#[tokio::test]
async fn a_vm_that_moves_is_no_alarm_and_one_that_runs_twice_is() {
    let spec = SimSpec {
        // Slow enough to be seen on both hosts.
        link_mib_s: 150,
        ..SimSpec::new("moving", 2)
    };
    let mut site = Site::with_fleet(config(""), SimFleet::new(spec)).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "wanderer").await;
    let admin = site.admin().await;
    let root = site.token(&admin).await;
    let owner = site.token(&ada).await;
    let read = async |path: &str, token| {
        let answer = site.send(get(path).token(token)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    };
    let own = format!("/vms/{}", vm.id);
    // The fleet in REST and as a page, the VM's page as an admin and as its owner.
    let alarms = async || {
        let fleet: Value = serde_json::from_str(&read("/api/v1/fleet", &root).await).unwrap();
        [
            fleet["alarms"] != serde_json::json!([]),
            read("/fleet", &root).await.contains("at the same time"),
            read(&own, &root).await.contains("at the same time"),
            read(&own, &owner).await.contains("on more than one host"),
        ]
    };
    let (_, migration) = site.moves(vm.id).await;
    let mut arriving = false;
    loop {
        let shown: Value =
            serde_json::from_str(&read(&format!("/api/v1{own}"), &root).await).unwrap();
        let sightings = shown["sightings"].as_array().unwrap();
        if sightings.len() == 2 {
            // Each host is sampled at its own instant: at the end of a move the target may
            // already say that it is done while the source's last word is still from before.
            assert!(
                sightings.iter().any(|seen| seen["migrating"] == true),
                "{sightings:?}"
            );
            arriving |= read("/fleet", &root).await.contains("incoming");
        }
        assert_eq!(alarms().await, [false; 4], "{shown:#}");
        let now = site.engine.store().migration(migration.id).await.unwrap();
        if now.ended_at.is_some() && sightings.len() == 1 {
            break;
        }
    }
    assert!(arriving, "it was never seen to arrive");

    let source = site.engine.store().host(migration.source).await.unwrap();
    site.fleet.run_twice(vm.id.0, &source.name).unwrap();
    site.until("everybody is told", async |_| alarms().await == [true; 4])
        .await;
}

#[tokio::test]
async fn a_move_is_marked_on_the_graphs_of_the_vm_and_of_both_hosts() {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "wanderer with a long name").await;
    let admin = site.admin().await;
    let root = site.token(&admin).await;
    let (job, migration) = site.moves(vm.id).await;
    site.until("it has moved", async |site| {
        let job = site.engine.store().job(job.id).await.unwrap();
        job.state == JobState::Done
    })
    .await;
    let store = site.engine.store();
    let source = store.host(migration.source).await.unwrap();
    let target = store.host(migration.target).await.unwrap();
    for (path, mark) in [
        (format!("/vms/{}", vm.id), format!("to {}", target.name)),
        (
            format!("/hosts/{}", source.id),
            "wanderer with a long… left".into(),
        ),
        (
            format!("/hosts/{}", target.id),
            "wanderer with a long… came".into(),
        ),
    ] {
        let page = site.send(get(&path).token(&root)).await.body;
        // Drawn by the server with its words once, and handed to the module that draws it anew.
        let drawn = page.matches(&format!(">{mark}</text>")).count();
        assert_eq!(drawn, 1, "{path} {mark}: {page}");
        assert!(page.contains(&format!(",&#34;{mark}&#34;,")), "{page}");
        let lines = page.matches("class=\"mark migration\"").count();
        assert!(lines >= 2, "on every graph: {page}");
        let metrics = site
            .send(get(&format!("/api/v1{path}/metrics")).token(&root))
            .await
            .json();
        let way = format!("{} → {}, completed", source.name, target.name);
        let marks = metrics["marks"].as_array().unwrap();
        let moved = marks.iter().find(|mark| mark["kind"] == "migration");
        let moved = moved.unwrap_or_else(|| panic!("{metrics:#}"));
        let said = moved["text"].as_str().unwrap();
        assert!(said.contains(&way), "{metrics:#}");
        assert_eq!(moved["label"], mark, "{metrics:#}");
        assert!(moved["until"].is_string(), "it lasted a while: {metrics:#}");
    }
    site.quiet().await;
}

#[tokio::test]
async fn what_a_move_will_take_is_said_before_and_looked_back_on() {
    let mut site = Site::with_fleet(config(""), SimFleet::new(SimSpec::new("foretold", 2))).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "wanderer").await;
    let root = site.token(&*site.admin().await).await;
    let read = async |site: &Site, path: &str| {
        let answer = site.send(get(path).token(&root)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    };
    let empty = read(&site, "/migrations/accuracy").await;
    assert!(empty.contains("Nothing to look back on yet"), "{empty}");
    let accuracy = "/api/v1/migrations/accuracy";
    let before: Value = serde_json::from_str(&read(&site, accuracy).await).unwrap();
    assert_eq!(before["migrations"], 0);
    assert_eq!(before["median_error"], Value::Null);

    let choose = format!("/vms/{}/migrate", vm.id);
    site.until("it is said what it will take", async |site| {
        read(site, &choose).await.contains("standing still for")
    })
    .await;
    let page = read(&site, &choose).await;
    assert!(page.contains("ends by itself"), "{page}");
    assert!(page.contains("No move was made yet"), "{page}");
    let targets = format!("/api/v1/vms/{}/migration-targets", vm.id);
    let targets: Value = serde_json::from_str(&read(&site, &targets).await).unwrap();
    let forecast = &targets["targets"][0]["forecast"];
    assert_eq!(forecast["convergence"], "converges");
    let at = |part: &str| forecast["total_ms"][part].as_f64().unwrap();
    assert!(at("low") <= at("middle") && at("middle") <= at("high"));

    let (job, migration) = site.moves(vm.id).await;
    site.until("it has moved", async |site| {
        site.engine.store().job(job.id).await.unwrap().state == JobState::Done
    })
    .await;
    let page = read(&site, &format!("/migrations/{}", migration.id)).await;
    assert!(page.contains("What this rests on"), "{page}");
    let after: Value = serde_json::from_str(&read(&site, accuracy).await).unwrap();
    assert_eq!(after["migrations"], 1);
    assert_eq!(after["items"][0]["vm"]["name"], "wanderer");
    assert!(after["items"][0]["total_ms"].as_f64() > Some(0.0));
    let page = read(&site, "/migrations/accuracy").await;
    assert!(page.contains("Forecast against outcome"), "{page}");
    assert!(page.contains("wanderer"), "{page}");
    let told = read(&site, "/metrics").await;
    assert!(told.contains("bellwether_migration_forecasts 1"), "{told}");
    site.quiet().await;
}
