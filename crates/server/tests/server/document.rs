//! The OpenAPI document is checked in, complete and consistent.

use crate::site::{Site, config, get};
use bellwether_api::ROUTES;
use std::collections::BTreeSet;

#[test]
fn the_document_checked_in_is_the_server_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let now = bellwether_server::router::openapi()
        .to_pretty_json()
        .unwrap()
        + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == now,
        "docs/openapi.json is old: bellwetherd openapi > docs/openapi.json"
    );
}

#[test]
fn it_has_every_endpoint_of_the_table_and_no_other() {
    let document = serde_json::to_value(bellwether_server::router::openapi()).unwrap();
    let documented: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .filter(|key| *key != "parameters")
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let listed: BTreeSet<String> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(documented, listed);
}

#[test]
fn references_lead_somewhere_and_names_are_unique() {
    let document = serde_json::to_value(bellwether_server::router::openapi()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = BTreeSet::new();
    let mut stack = vec![&document];
    while let Some(value) = stack.pop() {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(target) = map.get("$ref").and_then(|target| target.as_str()) {
                    let pointer = target.trim_start_matches('#');
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                if let Some(id) = map.get("operationId") {
                    assert!(operations.insert(id.to_string()), "{id} stands twice");
                }
                stack.extend(map.values());
            }
            serde_json::Value::Array(items) => stack.extend(items),
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_server_serves_it() {
    let site = Site::bare(config("")).await;
    let answer = site.send(get("/api/v1/openapi.json")).await;
    assert_eq!(answer.json()["info"]["title"], "Bellwether");
}
