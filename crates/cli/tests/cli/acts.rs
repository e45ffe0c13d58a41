//! What the commands ask of the server, and how they wait for it.

use crate::common::*;
use serde_json::{Value, json};
use std::fs;

fn info() -> Value {
    json!({
        "product": "bellwether", "version": "0.1.0", "api": "v1", "now": "2026-11-24T12:00:00Z",
        "time_zone": "Europe/Berlin", "today": "2026-11-24",
    })
}

fn approved() -> Value {
    json!({ "request": request("placed"), "job": job("provision", "queued", "", None) })
}

#[test]
fn asking_for_a_vm_counts_days_from_the_sites_today() {
    let server = Server::new();
    let key = server.home().join("id.pub");
    fs::write(&key, "ssh-ed25519 AAAA ada@laptop\n").unwrap();
    let private = server.home().join("id");
    fs::write(&private, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
    server
        .on("GET /server", 200, info())
        .on("GET /images", 200, list(vec![image("Debian 12")]))
        .on("POST /requests", 201, request("pending"));
    let mut args = vec![
        "request",
        "create",
        "web",
        "--image",
        "Debian 12",
        "--memory",
        "2GiB",
        "--disk",
        "20G",
        "--vcpus",
        "2",
        "--from",
        "tomorrow",
        "--until",
        "+30d",
        "--purpose",
        "Course web server",
        "--ssh-key",
    ];
    let private = private.to_str().unwrap();
    args.push(private);
    let refused = server.run(&args);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("holds a private key"));
    assert!(!server.lines().iter().any(|line| line.starts_with("POST")));
    args.pop();
    args.push(key.to_str().unwrap());
    let ended = server.run(&args);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "web is asked for; it is pending.\n")
    );
    assert_eq!(
        server.calls().last().unwrap().json(),
        json!({
            "name": "web", "vcpus": 2, "memory_mib": 2048, "disk_gib": 20, "from": "2026-11-25", "until": "2026-12-25",
            "purpose": "Course web server", "image": IMAGE, "ssh_key": "ssh-ed25519 AAAA ada@laptop",
        })
    );
}

#[test]
fn approving_waits_for_the_vm_through_a_restart_of_the_server() {
    let server = Server::new();
    let one = format!("GET /jobs/{JOB}");
    server
        .on("GET /requests", 200, list(vec![request("pending")]))
        .on(
            "GET /hosts",
            200,
            list(vec![host(HOST, "h1"), host(HOST2, "h2")]),
        )
        .on(
            &format!("POST /requests/{REQUEST}/approve"),
            202,
            approved(),
        )
        .on(
            &one,
            200,
            job("provision", "running", "Making the disk", None),
        )
        .raw(
            &one,
            503,
            "application/problem+json",
            &problem("unavailable", 503, "Starting").to_string(),
        )
        .on(&one, 200, job("provision", "done", "", None));
    let ended = server.run(&["request", "approve", "ada/web", "--host", "h2"]);
    assert_eq!((ended.code, ended.out.as_str()), (0, "web runs on h1.\n"));
    assert_eq!(ended.err, "Making the disk\n");
    let asked = server
        .calls()
        .into_iter()
        .find(|call| call.line.starts_with("POST"))
        .unwrap();
    assert_eq!(asked.json(), json!({ "host": HOST2 }));

    let ended = server.run(&["request", "approve", REQUEST, "--json"]);
    assert_eq!(ended.json()["state"], "done");
    let ended = server.run(&["request", "approve", REQUEST, "--no-wait", "--json"]);
    assert_eq!(ended.json(), approved());
    let ended = server.run(&["request", "approve", REQUEST, "--no-wait"]);
    assert_eq!(
        ended.out,
        format!("Started. Follow it with: bellwether job watch {JOB}\n")
    );
}

#[test]
fn a_request_that_waits_for_room_has_no_job() {
    let server = Server::new();
    let mut waits = request("waiting_for_room");
    waits["reason"] = "no host has 2 GiB left".into();
    server.on(
        &format!("POST /requests/{REQUEST}/approve"),
        200,
        json!({ "request": waits, "job": null }),
    );
    let ended = server.run(&["request", "approve", REQUEST]);
    assert_eq!(
        ended.out,
        "web is waiting for room: no host has 2 GiB left\n"
    );
}

#[test]
fn a_job_that_fails_fails_the_command() {
    for (state, says) in [
        (
            "undone",
            "The power job was undone, as if it had not been: no answer",
        ),
        ("failed", "The power job failed: no answer"),
        ("needs_person", "The power job needs a person: no answer"),
    ] {
        let server = Server::new();
        server
            .on(
                &format!("POST /vms/{VM}/power"),
                202,
                job("power", "queued", "", None),
            )
            .on(
                &format!("GET /jobs/{JOB}"),
                200,
                job("power", state, "", Some("no answer")),
            );
        let ended = server.run(&["vm", "force-off", VM]);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""));
        assert!(
            ended.err.starts_with(&format!("error: {says}\n")),
            "{}",
            ended.err
        );
        assert_eq!(server.calls()[0].json(), json!({ "action": "force_off" }));
    }
}

#[test]
fn deleting_needs_the_name() {
    let server = Server::new();
    server
        .on("GET /vms", 200, list(vec![vm(VM, "ada", "my web")]))
        .on(&format!("GET /vms/{VM}"), 200, vm(VM, "ada", "my web"))
        .on(
            &format!("DELETE /vms/{VM}"),
            202,
            job("delete", "queued", "", None),
        )
        .on(
            &format!("GET /jobs/{JOB}"),
            200,
            job("delete", "done", "", None),
        );
    let ended = server.run(&["vm", "delete", "my web"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .err
            .contains("20 GiB disk and everything on it will be gone"),
        "{}",
        ended.err
    );
    assert!(!server.lines().iter().any(|line| line.starts_with("DELETE")));
    let ended = server.run(&["vm", "delete", "my web", "--confirm", "my web"]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (0, "my web is gone; its disk and address are free.\n")
    );
    assert!(
        server
            .lines()
            .contains(&format!("DELETE /vms/{VM}?confirm=my+web"))
    );
}

#[test]
fn a_lease_is_extended_from_its_end() {
    let server = Server::new();
    server
        .on(&format!("GET /vms/{VM}"), 200, vm(VM, "ada", "web"))
        .on(&format!("PUT /vms/{VM}/lease"), 200, vm(VM, "ada", "web"));
    assert_eq!(server.run(&["vm", "extend", VM, "+1w"]).code, 0);
    assert_eq!(server.calls()[1].json(), json!({ "until": "2026-12-31" }));
}

fn choices(possible: bool) -> Value {
    let check = |name: &str, verdict: &str, text: &str| json!({ "name": name, "verdict": verdict, "text": text });
    let memory = if possible {
        check("memory", "pass", "12 GiB left, 2 GiB needed.")
    } else {
        check("memory", "fail", "1 GiB left, 2 GiB needed.")
    };
    json!({
        "vm": other(VM, "web"), "source": other(HOST, "h1"),
        "policy": { "name": "careful", "longest_pause_ms": 300, "may_throttle": true, "may_post_copy": false,
            "may_compress": true, "link_share_percent": 100, "last_resort": "give_up" },
        "targets": [{
            "host": other(HOST2, "h2"), "possible": possible, "copy_disk": false, "score": 0.5,
            "checks": [memory, check("host_pair", "warn", "h1 and h2 have not yet been proven to reach each other.")],
        }],
    })
}

#[test]
fn a_dry_run_tells_and_moves_nothing() {
    let server = Server::new();
    server.on(
        &format!("GET /vms/{VM}/migration-targets"),
        200,
        choices(true),
    );
    let ended = server.run(&["vm", "migrate", VM, "--dry-run"]);
    assert_eq!(ended.code, 0);
    insta::assert_snapshot!("migrate_dry_run", ended.out);

    let server = Server::new();
    server
        .on("GET /hosts", 200, list(vec![host(HOST2, "h2")]))
        .on(
            &format!("GET /vms/{VM}/migration-targets"),
            200,
            choices(false),
        );
    let ended = server.run(&["vm", "migrate", VM, "--to", "h2", "--dry-run"]);
    assert_eq!(ended.code, 3);
    assert_eq!(
        ended.err,
        "error: It can't be moved there.\n  h2: 1 GiB left, 2 GiB needed.\n"
    );
    assert!(!server.lines().iter().any(|line| line.starts_with("POST")));
}

#[test]
fn a_migration_is_watched_and_its_figures_told() {
    let server = Server::new();
    let moved = |outcome: &str, total: Value, downtime: Value| {
        json!({
            "id": MOVE, "job": JOB, "vm": other(VM, "web"), "source": other(HOST, "h1"), "target": other(HOST2, "h2"),
            "copy_disk": false, "asked_by": other(PERSON, "ada"), "outcome": outcome, "reason": null,
            "started_at": "2026-11-24T12:00:00Z", "ended_at": null, "total_ms": total, "downtime_ms": downtime,
            "sent_bytes": null, "rounds": null,
        })
    };
    let mut under_way = job("migrate", "running", "Copying memory", None);
    under_way["progress"]["migration"] = json!({
        "done_bytes": 536870912, "remaining_bytes": 536870912, "total_bytes": 1073741824u64,
        "rate_bytes_per_second": 104857600, "dirty_bytes_per_second": 1048576, "rounds": 2, "elapsed_ms": 5000,
        "left_ms": 5100,
    });
    let started = json!({
        "job": job("migrate", "queued", "", None), "migration": moved("running", Value::Null, Value::Null),
    });
    server
        .on(&format!("POST /vms/{VM}/migrations"), 202, started)
        .on(&format!("GET /jobs/{JOB}"), 200, under_way)
        .on(
            &format!("GET /jobs/{JOB}"),
            200,
            job("migrate", "done", "", None),
        )
        .on(
            &format!("GET /migrations/{MOVE}"),
            200,
            moved("completed", json!(4200), json!(81)),
        );
    let ended = server.run(&["vm", "migrate", VM, "--watch"]);
    assert_eq!(
        ended.out,
        "web runs on h2 now: 4.2 s in all, standing still for 81 ms.\n"
    );
    assert_eq!(
        ended.err,
        "Copying memory: 50 %, 512 MiB of 1.0 GiB, 512 MiB left, 100 MiB/s, 1.0 MiB/s dirtied, round 2, about 5.1 s to go\n"
    );
    assert_eq!(server.calls()[0].json(), json!({}));
}

#[test]
fn an_image_is_streamed_whole() {
    let server = Server::new();
    let file = server.home().join("mine.qcow2");
    let bytes: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(&file, &bytes).unwrap();
    server.on("POST /images/upload", 201, image("Mine"));
    let file = file.to_str().unwrap();
    let ended = server.run(&[
        "image",
        "upload",
        file,
        "--name",
        "Mine & co",
        "--os",
        "Debian 12",
        "--min-disk",
        "3GiB",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let call = &server.calls()[0];
    assert!(call.body == bytes, "{} bytes came", call.body.len());
    assert!(
        call.line
            .ends_with("/images/upload?min_disk_gib=3&name=Mine+%26+co&os=Debian+12"),
        "{}",
        call.line
    );
    let ended = server.run(&["image", "upload", "/nowhere", "--name", "x", "--os", "y"]);
    assert_eq!(ended.code, 2);
}

#[test]
fn policy_is_set_on_the_version_that_was_read() {
    let server = Server::new();
    let model = bellwether_model::policy::Policy::default();
    let policy = |version| {
        serde_json::to_value(bellwether_api::policy::Policy::new(&model, version)).unwrap()
    };
    server
        .on("GET /policy", 200, policy(7))
        .on("PUT /policy", 200, policy(8));
    let ended = server.run(&[
        "policy",
        "set",
        "max_lease_days=180",
        "users_may_extend=false",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut sent = policy(7);
    sent["max_lease_days"] = json!(180);
    sent["users_may_extend"] = json!(false);
    assert_eq!(server.calls()[1].json(), sent);
}

#[test]
fn storages_and_networks_name_hosts_by_name() {
    let server = Server::new();
    let storage = json!({
        "id": HOST2, "name": "main", "kind": "shared", "created_at": "2026-11-24T12:00:00Z",
        "members": [{ "host": other(HOST, "h1"), "pool": "nfs", "proven_at": null, "seen": null }],
    });
    let network = json!({
        "id": HOST2, "name": "guests", "cidr": "10.0.0.0/24", "gateway": null, "dns": [], "range_from": "10.0.0.100",
        "range_until": "10.0.0.199", "vlan": null, "created_at": "2026-11-24T12:00:00Z",
        "members": [{ "host": other(HOST, "h1"), "carrier": { "kind": "bridge", "name": "br0" } }],
    });
    server
        .on(
            "GET /hosts",
            200,
            list(vec![host(HOST, "h1"), host(HOST2, "h2")]),
        )
        .on("POST /storages", 201, storage.clone())
        .on(&format!("GET /storages/{HOST2}"), 200, storage.clone())
        .on(&format!("PATCH /storages/{HOST2}"), 200, storage)
        .on("POST /networks", 201, network);
    assert_eq!(
        server
            .run(&[
                "storage", "create", "main", "--kind", "shared", "h1:nfs", "h2:nfs"
            ])
            .code,
        0
    );
    let sent = server.calls().last().unwrap().json();
    assert_eq!(
        sent,
        json!({ "name": "main", "kind": "shared", "members": [{ "host": HOST, "pool": "nfs" }, { "host": HOST2, "pool": "nfs" }] })
    );
    assert_eq!(
        server
            .run(&[
                "storage", "change", HOST2, "--add", "h2:nfs", "--remove", "h1"
            ])
            .code,
        0
    );
    let sent = server.calls().last().unwrap().json();
    assert_eq!(
        sent,
        json!({ "members": [{ "host": HOST2, "pool": "nfs" }] })
    );
    let ended = server.run(&[
        "network",
        "create",
        "guests",
        "--cidr",
        "10.0.0.0/24",
        "--from",
        "10.0.0.100",
        "--until",
        "10.0.0.199",
        "--on",
        "h1=bridge:br0",
    ]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let sent = server.calls().last().unwrap().json();
    assert_eq!(
        sent["members"],
        json!([{ "host": HOST, "carrier": { "kind": "bridge", "name": "br0" } }])
    );
    assert_eq!(
        server
            .run(&["storage", "create", "main", "--kind", "shared", "nfs"])
            .code,
        2
    );
}

#[test]
fn live_events_come_a_line_each() {
    let server = Server::new();
    let stream = ": hello\n\nid: 7\nevent: vm\ndata: {\"seq\":7,\"at\":\"2026-11-24T12:00:00Z\",\"topic\":\"vm\",\"id\":\"x\"}\n\n\
                  event: sampled\ndata: {\"seq\":null,\"at\":\"2026-11-24T12:00:01Z\",\"topic\":\"sampled\",\"id\":\"h\"}\n\n";
    server.raw("GET /events", 200, "text/event-stream", stream);
    let ended = server.run(&["events", "--count", "2"]);
    assert_eq!(
        ended.out,
        "2026-11-24T12:00:00Z  vm  x\n2026-11-24T12:00:01Z  sampled  h\n"
    );
    let ended = server.run(&["events", "--count", "1", "--topic", "vm", "--json"]);
    assert_eq!(ended.json()["seq"], 7);
}
