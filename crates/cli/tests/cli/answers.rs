//! What people and programs get to read: tables, JSON, errors, exit codes.

use crate::common::*;
use serde_json::{Value, json};

#[test]
fn a_list_is_a_table_for_people_and_wire_json_for_programs() {
    let server = Server::new();
    let body = list(vec![vm(VM, "ada", "web"), vm(HOST2, "bob", "データ")]);
    server.on("GET /vms", 200, body.clone());
    let ended = server.run(&["vm", "list"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    insta::assert_snapshot!("vm_list", ended.out);
    let ended = server.run(&["vm", "list", "--json"]);
    assert_eq!(ended.json(), body);
    assert!(
        server
            .calls()
            .iter()
            .all(|call| call.authorization == "Bearer t0ken")
    );
}

#[test]
fn parts_of_a_list_come_together() {
    let server = Server::new();
    let part = |id: &str, next: Option<&str>| {
        let mut part = json!({ "items": [vm(id, "ada", id)], "total": 2 });
        if let Some(next) = next {
            part["next"] = next.into();
        }
        part
    };
    server
        .on("GET /vms", 200, part(VM, Some("a b&c")))
        .on("GET /vms", 200, part(HOST2, None));
    let whole = server.run(&["vm", "list", "--json"]).json();
    assert_eq!(whole["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        (whole["total"].clone(), whole.get("next")),
        (json!(2), None)
    );
    assert_eq!(server.lines()[1], "GET /vms?after=a+b%26c&limit=1000");
}

#[test]
fn one_vm_tells_what_is_seen_and_what_is_unknown() {
    let server = Server::new();
    let audit = json!({
        "seq": 1, "at": "2026-11-24T12:00:00Z", "actor": null, "actor_login": "system", "action": "vm.start",
        "about": "vm", "about_id": VM, "text": "asked for by ada",
    });
    server
        .on("GET /vms", 200, list(vec![vm(VM, "ada", "web")]))
        .on(&format!("GET /vms/{VM}"), 200, vm(VM, "ada", "web"))
        .on(&format!("GET /vms/{VM}/audit"), 200, list(vec![audit]));
    insta::assert_snapshot!("vm_show", server.run(&["vm", "show", "web"]).out);
}

#[test]
fn text_from_elsewhere_cannot_steer_the_terminal() {
    let server = Server::new();
    let evil = "a\u{1b}]0;owned\u{7}\u{1b}[2Jb\nc";
    let mut one = vm(VM, "ada", evil);
    one["purpose"] = json!("line\n\u{1b}[31mred");
    server
        .on("GET /vms", 200, list(vec![one.clone()]))
        .on(&format!("GET /vms/{VM}"), 200, one)
        .on(&format!("GET /vms/{VM}/audit"), 200, list(vec![]))
        .on(
            "GET /hosts",
            503,
            problem("unavailable", 503, "no\u{1b}[2J answer"),
        );
    for args in [&["vm", "list"][..], &["vm", "show", VM], &["host", "list"]] {
        let ended = server.run(args);
        let all = ended.out + &ended.err;
        assert!(!all.contains('\u{1b}') && !all.contains('\u{7}'), "{all:?}");
    }
    let exact = server.run(&["vm", "list", "--json"]).json();
    assert_eq!(exact["items"][0]["name"], json!(evil));
}

#[test]
fn each_kind_of_problem_has_its_exit_code() {
    for (code, status, exit) in [
        ("invalid", 422, 2),
        ("unauthenticated", 401, 5),
        ("forbidden", 403, 5),
        ("not_found", 404, 4),
        ("conflict", 409, 3),
        ("over_quota", 409, 3),
        ("no_capacity", 409, 3),
        ("too_many", 429, 6),
        ("internal", 500, 1),
        ("unavailable", 503, 6),
    ] {
        let server = Server::new();
        server.on(
            "GET /fleet",
            status,
            problem(code, status, "What happened."),
        );
        let ended = server.run(&["fleet"]);
        assert_eq!(ended.code, exit, "{code}");
        assert_eq!(ended.out, "");
        assert!(
            ended.err.starts_with("error: What happened.\n"),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_refusal_names_hosts_and_fields() {
    let server = Server::new();
    let mut full = problem("no_capacity", 409, "No host can take it.");
    full["refusals"] =
        json!([{ "host": HOST, "host_name": "h1", "reasons": ["1 GiB short", "in maintenance"] }]);
    let mut wrong = problem("invalid", 422, "name: too long; until: lies before from");
    wrong["errors"] = json!([
        { "field": "name", "message": "too long" }, { "field": "until", "message": "lies before from" },
    ]);
    server
        .on(
            &format!("POST /requests/{REQUEST}/approve"),
            409,
            full.clone(),
        )
        .on(&format!("POST /requests/{REQUEST}/refuse"), 422, wrong);
    let ended = server.run(&["request", "approve", REQUEST]);
    assert_eq!(
        ended.err,
        "error: No host can take it.\n  h1: 1 GiB short; in maintenance\n"
    );
    let ended = server.run(&["request", "refuse", REQUEST, "--reason", "x"]);
    assert_eq!(
        ended.err,
        "error: A title.\n  name: too long\n  until: lies before from\n"
    );
    let ended = server.run(&["request", "approve", REQUEST, "--json"]);
    assert_eq!((ended.code, ended.out.as_str()), (3, ""));
    assert_eq!(serde_json::from_str::<Value>(&ended.err).unwrap(), full);
}

#[test]
fn a_server_that_is_none_or_away_is_said_so() {
    let server = Server::new();
    server.raw("GET /server", 502, "text/html", "<h1>Bad gateway</h1>");
    let ended = server.run(&["server"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("is it a Bellwether server?") && !ended.err.contains("<h1>"));
    server.raw(
        "GET /policy",
        200,
        "application/json",
        "{\"version\": \"seven\"}",
    );
    assert!(
        server
            .run(&["policy", "show"])
            .err
            .contains("of another version?")
    );

    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ended = server.run(&["server", "--server", &format!("http://{nobody}"), "--json"]);
    assert_eq!(ended.code, 6);
    let document: Value = serde_json::from_str(&ended.err).unwrap();
    assert!(
        document["detail"]
            .as_str()
            .unwrap()
            .starts_with("Can't reach http://127.0.0.1:")
    );
    let ended = server.run(&["server", "--server", "http://192.0.2.1"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("use https"));
}

#[test]
fn names_that_could_be_several_are_refused_with_the_candidates() {
    let server = Server::new();
    server.on(
        "GET /vms",
        200,
        list(vec![vm(VM, "ada", "web"), vm(HOST2, "bob", "web")]),
    );
    let ended = server.run(&["vm", "start", "web"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains(&format!("{VM}  ada/web  running on h1")),
        "{}",
        ended.err
    );
    assert!(ended.err.contains(&format!("{HOST2}  bob/web")));
    let ended = server.run(&["vm", "start", "mail"]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (4, "error: There is no VM 'mail'.\n")
    );
    assert!(server.lines().iter().all(|line| line.starts_with("GET ")));
    server.on(
        &format!("POST /vms/{HOST2}/power"),
        202,
        job("power", "queued", "", None),
    );
    assert_eq!(server.run(&["vm", "start", "bob/web", "--no-wait"]).code, 0);
}

#[test]
fn the_fleet_shows_strangers_and_alarms() {
    let server = Server::new();
    let stranger = json!({
        "uuid": VM, "libvirt_name": "old-one", "power": "shut_off", "migrating": false, "vcpus": 1, "memory_mib": 512,
        "used_vcpus": null, "used_memory_mib": null, "resident_memory_mib": null, "managed": null,
    });
    let fleet = json!({
        "at": "2026-11-24T12:00:00Z", "alarms": ["web is on h1 and h2."], "hosts": [{
            "host": host(HOST, "h1"), "capacity_vcpus": 32, "committed_vcpus": 3, "capacity_memory_mib": 30720,
            "committed_memory_mib": 2560, "vms": [stranger], "pools": [], "carriers": [],
        }],
    });
    server.on("GET /fleet", 200, fleet);
    insta::assert_snapshot!("fleet", server.run(&["fleet"]).out);
}

#[test]
fn history_is_drawn_small() {
    let server = Server::new();
    let info = json!({
        "product": "bellwether", "version": "0.1.0", "api": "v1", "now": "2026-11-24T12:00:00Z",
        "time_zone": "Europe/Berlin", "today": "2026-11-24",
    });
    let series = json!({
        "signal": "cpu", "unit": "cores", "at_unix_seconds": [0, 10, 20], "average": [0.0, 0.5, 1.0],
        "minimum": [0.0, 0.4, 0.9], "maximum": [0.1, 0.6, 1.2],
    });
    let gap = json!({
        "signal": "memory", "unit": "mib", "at_unix_seconds": [], "average": [], "minimum": [], "maximum": [],
    });
    let mark =
        json!({ "at": "2026-11-24T11:30:00Z", "kind": "migration", "text": "from h1 to h2" });
    let metrics = json!({
        "from": "2026-11-24T06:00:00Z", "until": "2026-11-24T12:00:00Z", "step_seconds": 60, "series": [series, gap],
        "marks": [mark],
    });
    server
        .on("GET /server", 200, info)
        .on(&format!("GET /vms/{VM}/metrics"), 200, metrics);
    insta::assert_snapshot!(
        "metrics",
        server.run(&["vm", "metrics", VM, "--last", "6h"]).out
    );
    let asked = &server.lines()[1];
    assert!(
        asked.contains("from=2026-11-24T06%3A00%3A00Z&until=2026-11-24T12%3A00%3A00Z"),
        "{asked}"
    );
}

#[test]
fn the_reader_may_go_away() {
    let server = Server::new();
    server.on("GET /vms", 200, list(vec![vm(VM, "ada", "web")]));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = server
        .command()
        .args(["vm", "list"])
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}
