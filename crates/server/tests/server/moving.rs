//! A VM that moves, as pages and REST show it meanwhile and afterwards.

use crate::site::{Site, config, get};
use bellwether_engine::migrate::{self, Target};
use bellwether_hypervisor::sim::{SimFleet, SimSpec};
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
    let (_, migration) = migrate::ask(&site.engine, &admin, vm.id, Target::Best)
        .await
        .unwrap();
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
