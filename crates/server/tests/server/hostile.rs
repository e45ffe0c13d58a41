//! What people should not type: refused with the field's name, or stored and shown exactly.

use crate::site::{Site, ask, config, get, post};
use bellwether_model::image::Image;
use serde_json::{Value, json};

async fn site() -> (Site, Image) {
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    (site, image)
}

#[tokio::test]
async fn impossible_requests_name_the_field() {
    let (site, image) = site().await;
    let token = site.token(&site.user("ada").await).await;
    let long = "x".repeat(10_000);
    let yesterday = site.engine.today().yesterday().unwrap().to_string();
    let cases: Vec<(&str, Value)> = vec![
        ("vcpus", json!(0)),
        ("vcpus", json!(-1)),
        ("vcpus", json!(i64::MAX)),
        ("vcpus", json!(1e30)),
        ("vcpus", json!(1.5)),
        ("vcpus", json!("four")),
        ("vcpus", json!(null)),
        ("vcpus", json!([1])),
        ("memory_mib", json!(0)),
        ("memory_mib", json!(-512)),
        ("memory_mib", json!(i64::MAX)),
        ("memory_mib", json!(i64::MIN)),
        ("disk_gib", json!(0)),
        ("disk_gib", json!(9_007_199_254_740_993_i64)),
        ("disk_gib", json!("10 GB")),
        ("until", json!(yesterday)),
        ("until", json!("2026-02-30")),
        ("until", json!("tomorrow")),
        ("until", json!("9999-12-31")),
        ("until", json!("999999999-01-01")),
        ("from", json!("1970-01-01")),
        ("from", json!("")),
        ("name", json!("")),
        ("name", json!("   ")),
        ("name", json!(long)),
        ("name", json!("two\nlines")),
        ("name", json!("nul\u{0}")),
        ("name", json!(7)),
        ("purpose", json!("")),
        ("purpose", json!(long)),
        ("image", json!("no-uuid")),
        ("image", json!(uuid::Uuid::nil())),
        ("ssh_key", json!("not a key")),
        ("ssh_key", json!("ssh-ed25519 AAAA\nroot: x")),
    ];
    for (field, value) in cases {
        let mut request = site.request_json(&image, "vm");
        request[field] = value.clone();
        let answer = site
            .send(post("/api/v1/requests", request).token(&token))
            .await;
        let shown: String = value.to_string().chars().take(40).collect();
        assert!(
            matches!(answer.status, 400 | 422),
            "{field} = {shown}: {} {}",
            answer.status,
            answer.body
        );
        let problem = answer.problem(answer.status);
        let named = problem["errors"]
            .as_array()
            .is_some_and(|errors| errors.iter().any(|error| error["field"] == field));
        assert!(named, "{field} = {shown}: {problem}");
        assert!(answer.body.len() < 4_000, "{field}: {}", answer.body.len());
    }
    let mut several = site.request_json(&image, "vm");
    several["vcpus"] = json!(0);
    several["memory_mib"] = json!(-1);
    let problem = site
        .send(post("/api/v1/requests", several).token(&token))
        .await
        .problem(422);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    let requests = site
        .send(get("/api/v1/requests").token(&token))
        .await
        .json();
    assert_eq!(requests["total"], 0);
}

#[tokio::test]
async fn strange_names_are_kept_exactly() {
    let (site, image) = site().await;
    let token = site.token(&site.user("ada").await).await;
    for name in [
        "O'Brien \"quoted\"",
        "<script>alert(1)</script>",
        "'; DROP TABLE vms; --",
        "../../etc/passwd",
        "データベース",
        "קוד 🐑",
        "a%20b&c=d;e",
        "{{7*7}} ${x}",
    ] {
        let made = site
            .send(post("/api/v1/requests", site.request_json(&image, name)).token(&token))
            .await;
        assert_eq!(made.status, 201, "{name}: {}", made.body);
        let at = made.header("location").to_string();
        let shown = site.send(get(&at).token(&token)).await.json();
        assert_eq!(shown["name"], name);
        assert_eq!(shown["purpose"], format!("purpose of {name}"));
    }
}

#[tokio::test]
async fn hostile_admin_inputs_are_refused_too() {
    let (site, _) = site().await;
    let token = site.token(&*site.admin().await).await;
    let host = |change: (&str, Value)| {
        let mut host = json!({"name": "new", "uri": site.fleet.uri("host02")});
        host[change.0] = change.1;
        post("/api/v1/hosts", host)
    };
    let network = |change: (&str, Value)| {
        let mut network = json!({"name": "n", "cidr": "10.9.0.0/24", "range_from": "10.9.0.10",
            "range_until": "10.9.0.20", "members": []});
        network[change.0] = change.1;
        post("/api/v1/networks", network)
    };
    let image = |change: (&str, Value)| {
        let mut image = json!({"name": "i", "os": "o", "url": "https://example.org/i.qcow2"});
        image[change.0] = change.1;
        post("/api/v1/images", image)
    };
    let policy = |change: (&str, Value)| {
        let mut policy = serde_json::to_value(bellwether_api::policy::Policy::new(
            &bellwether_model::policy::Policy::default(),
            1,
        ))
        .unwrap();
        policy[change.0] = change.1;
        ask("PUT", "/api/v1/policy").json(policy)
    };
    let token_of = |days: Value| post("/api/v1/me/tokens", json!({"name": "t", "days": days}));
    for (field, asked) in [
        ("name", host(("name", json!("Not A Name")))),
        ("uri", host(("uri", json!("http://example.org")))),
        ("uri", host(("uri", json!("qemu+ssh://a b/system")))),
        (
            "uri",
            host((
                "uri",
                json!("qemu+ssh://h/system?no_tty=1;command=/tmp/evil"),
            )),
        ),
        ("uri", host(("uri", json!("test:///etc/passwd")))),
        ("peer_uri", host(("peer_uri", json!("qemu:///system")))),
        ("site", host(("site", json!("s".repeat(64))))),
        ("site", host(("site", json!("a\nb")))),
        ("offered_cores", host(("offered_cores", json!(0)))),
        ("offered_cores", host(("offered_cores", json!(-4)))),
        ("offered_cores", host(("offered_cores", json!(i64::MAX)))),
        ("offered_memory_mib", host(("offered_memory_mib", json!(0)))),
        (
            "offered_memory_mib",
            host(("offered_memory_mib", json!(-1))),
        ),
        ("cidr", network(("cidr", json!("10.9.0.0/33")))),
        ("cidr", network(("cidr", json!("ten")))),
        ("range_until", network(("range_until", json!("10.8.0.1")))),
        ("gateway", network(("gateway", json!("1.2.3.4.5")))),
        ("vlan", network(("vlan", json!(4095)))),
        ("vlan", network(("vlan", json!(-1)))),
        ("url", image(("url", json!("file:///etc/passwd")))),
        ("url", image(("url", json!("nonsense")))),
        ("sha256", image(("sha256", json!("abc")))),
        ("min_disk_gib", image(("min_disk_gib", json!(-1)))),
        (
            "from_catalogue",
            image(("from_catalogue", json!("windows-95"))),
        ),
        ("cpu_overcommit", policy(("cpu_overcommit", json!(-1)))),
        ("cpu_overcommit", policy(("cpu_overcommit", json!(1e300)))),
        ("max_vcpus", policy(("max_vcpus", json!(0)))),
        ("max_vcpus", policy(("max_vcpus", json!(-1)))),
        ("max_memory_mib", policy(("max_memory_mib", json!(0)))),
        ("days", token_of(json!(0))),
        ("days", token_of(json!(-1))),
        ("days", token_of(json!(1e12))),
    ] {
        let shown = format!("{asked:?}");
        let answer = site.send(asked.token(&token)).await;
        assert!(
            matches!(answer.status, 400 | 422),
            "{shown}: {} {}",
            answer.status,
            answer.body
        );
        let problem = answer.problem(answer.status);
        let named = problem["errors"]
            .as_array()
            .is_some_and(|errors| errors.iter().any(|error| error["field"] == field));
        assert!(named, "{field}, {shown}: {problem}");
    }
}
