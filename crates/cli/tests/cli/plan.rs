//! `plan`: without a server.

use crate::common::{Server, run};

const FILE: &str = r#"{
  "hosts": [
    {"name": "kvm1", "memory_mib": 8192, "link_mbit": 1000},
    {"name": "kvm2", "memory_mib": 8192, "link_mbit": 1000},
    {"name": "kvm3", "memory_mib": 12288, "link_mbit": 1000}],
  "vms": [
    {"name": "web", "host": "kvm1", "memory_mib": 8192, "used_mib": 2000, "apart": ["front"]},
    {"name": "db", "host": "kvm2", "memory_mib": 4096, "hot_mib": 20, "cold_mib_per_s": 5},
    {"name": "mail", "host": "kvm2", "memory_mib": 4096},
    {"name": "relay", "host": "kvm3", "memory_mib": 512, "apart": ["front"]}],
  "moves": [{"vm": "web", "to": "kvm2"}, {"vm": "db", "to": "kvm1"}, {"vm": "mail", "to": "kvm3"}, {"vm": "relay", "to": "kvm2"}]}"#;

#[test]
fn moves_are_put_in_order_and_what_can_not_be_is_named() {
    let server = Server::new();
    let file = server.home().join("moves.json");
    std::fs::write(&file, FILE).unwrap();
    let file = file.to_str().unwrap();
    let table = run(server.bare().args(["plan", "order", file]), "");
    assert_eq!(table.code, 0, "{}", table.err);
    insta::assert_snapshot!("plan_order", table.out);
    let json = run(server.bare().args(["plan", "order", "-", "--json"]), FILE).json();
    let steps = json["steps"].as_array().unwrap();
    assert!(
        steps
            .iter()
            .all(|step| step["end_s"].as_f64() > step["start_s"].as_f64())
    );
    assert!(json["makespan_s"].as_f64() >= json["bound_s"].as_f64());
    assert!(
        json["left"]
            .as_array()
            .unwrap()
            .iter()
            .any(|left| left["vm"] == "relay")
    );
    let broken = run(server.bare().args(["plan", "order", "-"]), "{\"hosts\": 1}");
    assert_eq!(broken.code, 2);
    assert!(broken.err.contains("line 1"), "{}", broken.err);
    let missing = run(server.bare().args(["plan", "order", "/no/such/file"]), "");
    assert!(
        missing.err.contains("/no/such/file can't be read"),
        "{}",
        missing.err
    );
}
