//! What Grafana is provisioned with is what its definition says.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use xtask::dashboards::{Source, stale, write};

#[test]
fn dashboards_are_as_they_are_defined() {
    let stale = stale(&xtask::root()).unwrap();
    assert!(
        stale.is_empty(),
        "run `cargo xtask dashboards`; these are not what it writes: {stale:?}"
    );
}

#[test]
fn what_is_missing_changed_or_left_over_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    assert!(stale(root).unwrap().len() >= 14);
    write(root).unwrap();
    assert_eq!(stale(root).unwrap(), Vec::<&Path>::new());
    let of = |name: &str| Path::new("deploy/grafana/dashboards/graphite").join(name);
    fs::write(root.join(of("fleet.json")), "{}").unwrap();
    fs::write(root.join(of("gone.json")), "{}").unwrap();
    assert_eq!(stale(root).unwrap(), [of("fleet.json"), of("gone.json")]);
    write(root).unwrap();
    assert_eq!(stale(root).unwrap(), Vec::<&Path>::new());
}

#[test]
fn addresses_and_panels_are_distinct_and_every_panel_is_explained() {
    let mut uids = BTreeSet::new();
    for source in [Source::Prometheus, Source::Graphite] {
        let folder = xtask::root()
            .join("deploy/grafana/dashboards")
            .join(source.word());
        for entry in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let dashboard: Value = serde_json::from_str(&text).unwrap();
            let uid = dashboard["uid"].as_str().unwrap().to_owned();
            assert!((8..=40).contains(&uid.len()), "{uid}");
            assert!(uids.insert(uid.clone()), "{uid}");
            let panels = dashboard["panels"].as_array().unwrap();
            let ids: BTreeSet<String> =
                panels.iter().map(|panel| panel["id"].to_string()).collect();
            assert_eq!(ids.len(), panels.len(), "{uid}");
            for panel in panels.iter().filter(|panel| panel["type"] != "row") {
                let about = panel["description"].as_str().unwrap();
                assert!(about.ends_with('.'), "{uid}: {}: {about:?}", panel["title"]);
            }
        }
    }
    assert_eq!(uids.len(), 10);
}
