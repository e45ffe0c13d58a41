//! `top` for scripts, and on a terminal of a test's own.

use crate::common::{HOST, HOST2, Server, VM, host, job, list, other, problem, vm};
use serde_json::{Value, json};

fn row(id: &str, name: &str, power: &str, cpu: Value) -> Value {
    json!({
        "uuid": id, "libvirt_name": format!("bw-{name}"), "power": power, "migrating": false, "vcpus": 2,
        "memory_mib": 2048, "used_vcpus": cpu, "contention_vcpus": 0.1, "used_memory_mib": 512,
        "resident_memory_mib": 900, "cpu_seconds": 125.0, "up_since": null, "disk_read_bytes_per_second": 0.0,
        "disk_written_bytes_per_second": 2048.0, "received_bytes_per_second": null, "sent_bytes_per_second": 10.0,
        "managed": { "name": name, "owner": other(HOST2, "ada"), "state": "running", "lease_until": "2026-12-24" },
    })
}

fn fleet() -> Value {
    json!({
        "at": "2026-11-24T12:00:00Z", "alarms": [], "hosts": [{
            "host": host(HOST, "h1"), "capacity_vcpus": 32, "committed_vcpus": 4, "capacity_memory_mib": 30720,
            "committed_memory_mib": 4096, "pools": [], "carriers": [],
            "vms": [row(VM, "idle", "running", json!(0.1)), row(HOST2, "a,\"b\"", "running", json!(1.5))],
        }],
    })
}

fn server() -> Server {
    let server = Server::new();
    let mut moving = job("migrate", "running", "sending memory", None);
    moving["progress"]["migration"] = json!({
        "done_bytes": 100, "remaining_bytes": 1048576, "total_bytes": 200, "rate_bytes_per_second": 2048,
        "dirty_bytes_per_second": null, "rounds": 1, "elapsed_ms": 10, "left_ms": 512,
    });
    for _ in 0..2 {
        server
            .on("GET /fleet", 200, fleet())
            .on("GET /jobs", 200, list(vec![moving.clone()]));
    }
    server
}

#[test]
fn a_look_as_a_table_as_csv_and_as_json() {
    let table = server().run(&["top"]);
    assert_eq!(table.code, 0, "{}", table.err);
    insta::assert_snapshot!("top", table.out);
    let csv = server().run(&["top", "--csv", "--sort", "name"]);
    insta::assert_snapshot!("top_csv", csv.out);
    let json = server().run(&["top", "--json", "--filter", "IDLE"]).json();
    assert_eq!(json["at"], "2026-11-24T12:00:00Z");
    assert_eq!(json["vms"].as_array().unwrap().len(), 1);
    assert_eq!(json["vms"][0]["cpu_share"], 0.05);
    assert_eq!(json["hosts"][0]["committed_vcpus"], 4);
    assert_eq!(json["migrations"][0]["remaining_bytes"], 1_048_576);
    let hosts = server().run(&["top", "--batch", "--hosts"]);
    assert!(hosts.out.contains("4 on "), "{}", hosts.out);
}

#[test]
fn as_many_looks_as_asked_for() {
    let server = server();
    let ended = server.run(&["top", "--csv", "--count", "2", "--delay", "0.2"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        ended.out.lines().count(),
        1 + 2 * 2,
        "one head: {}",
        ended.out
    );
    let asked = server.lines();
    assert_eq!(
        asked.iter().filter(|line| line.contains("/fleet")).count(),
        2
    );
}

#[test]
fn who_is_no_administrator_sees_what_is_theirs() {
    let server = Server::new();
    let info = json!({
        "product": "bellwether", "version": "0.1.0", "api": "v1", "now": "2026-11-24T12:00:00Z",
        "time_zone": "Europe/Berlin", "today": "2026-11-24",
    });
    server
        .on(
            "GET /fleet",
            403,
            problem("forbidden", 403, "For administrators."),
        )
        .on("GET /vms", 200, list(vec![vm(VM, "ada", "web")]))
        .on("GET /server", 200, info)
        .on("GET /jobs", 200, list(vec![]));
    let json = server.run(&["top", "--json"]).json();
    assert_eq!(json["vms"][0]["name"], "web");
    assert_eq!(json["vms"][0]["disk_written_bytes_per_second"], 2048.0);
    assert_eq!(json["hosts"], json!([]));
}

#[test]
fn what_can_not_be_is_said() {
    let server = Server::new();
    for (args, expect) in [
        (&["top", "--delay", "0"][..], "0.2 to 3600"),
        (&["top", "--sort", "colour"], "possible values"),
        (&["top", "--json", "--csv"], "--json goes with neither"),
        (&["top", "--batch", "--csv"], "cannot be used with"),
    ] {
        let ended = server.run(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.err);
        assert!(ended.err.contains(expect), "{args:?}: {}", ended.err);
    }
    assert!(server.lines().is_empty(), "the server was not asked");
}
