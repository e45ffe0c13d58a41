//! Storages and networks.

use super::super::*;
use super::{Author, Rendered, frame, happened, list, rendered, words};
use crate::pages::view::form::Choice;
use askama::Template;
use bellwether_model::Error;

fn members() -> Vec<places::Member> {
    let member = |host: &str, proven| places::Member {
        host: host.into(),
        host_href: "/hosts/1".into(),
        what: "shared".into(),
        badge: badge::proven(proven),
        more: "312 of 400 GiB".into(),
    };
    vec![member("host1", true), member("host2", false)]
}

fn place_row(name: &str, kind: &str, free: &str) -> places::PlaceRow {
    places::PlaceRow {
        href: "/storages/1".into(),
        name: name.into(),
        badge: badge::proven(true),
        kind: kind.into(),
        hosts: 2,
        free: free.into(),
        machines: 6,
    }
}

fn found() -> Vec<places::Found> {
    ["host1", "host2"]
        .iter()
        .map(|host| places::Found {
            value: format!("{host}/default"),
            host: host.to_string(),
            name: "default".into(),
            words: "dir · /var/lib/libvirt/images · 120 of 200 GiB free".into(),
            badge: badge::started(true),
            ticked: *host == "host1",
        })
        .collect()
}

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    rendered![
        "storages" => places::Storages { frame: frame("Storages", "/storages", true), list: list("/storages", "name", 2), states: words(&["proven", "active"]), rows: vec![place_row(&text("fast"), "shared", "312 of 400 GiB"), place_row("disks", "local", "unknown")], found: found(), form: Form::default(), any_host: true },
        "storage" => places::StoragePage { frame: frame("fast", "/storages", true), id: "s1".into(), name: text("fast"), words: "Shared, on 2 hosts; 6 machines use it.".into(), badge: badge::proven(false), members: members(), may_prove: true, act: Form::default().failed(&Error::field("members", text("host2 does not see what was written"))), found: found(), change: Form::default(), history: happened() },
        "networks" => places::Networks { frame: frame("Networks", "/networks", true), list: list("/networks", "name", 1), states: words(&["active"]), rows: vec![place_row(&text("guests"), "10.78.0.0/24", "173")], found: found(), form: Form::default(), hosts: vec![Choice::new("h1", text("host1")), Choice::new("h2", "host2")], any_host: true },
        "network" => places::NetworkPage { frame: frame("guests", "/networks", true), id: "n1".into(), name: text("guests"), words: "Carried by 2 hosts; 6 machines use it.".into(), facts: vec![("Network", "10.78.0.0/24".into()), ("Gateway", "10.78.0.1".into()), ("Addresses", "10.78.0.20 – 10.78.0.200, 173 free".into())], members: members(), act: Form::default(), found: found(), hosts: vec![Choice::new("h1", text("host1")), Choice::new("h2", "host2")], change: Form::default().with("name", text("guests")).refused(&Error::field("cidr", text("the VM \"web\" has 10.78.0.20, which would be outside"))), history: happened() },
    ]
}
