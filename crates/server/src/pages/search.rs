//! Finding things by their names.

use super::{
    gather,
    site::{Visit, show},
    view::fleet::{Hit, Search},
};
use crate::{error::Result, extract::Query, names::Directory};
use axum::response::Response;
use bellwether_api::Names;
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    q: String,
}

/// At most so many hits are shown.
const HITS: usize = 100;

pub async fn search(visit: Visit, Query(wanted): Query<Wanted>) -> Result<Response> {
    let engine = visit.engine();
    let q: String = wanted.q.trim().chars().take(200).collect();
    let mut hits = Vec::new();
    if !q.is_empty() {
        let admin = visit.actor.is_admin();
        let owner = (!admin).then_some(visit.actor.user);
        let store = engine.store();
        let (records, requests) = tokio::try_join!(store.records(), store.all_requests())?;
        let names = Directory::of(records.clone());
        let mine = |of| owner.is_none_or(|owner| of == owner);
        let needle = q.to_lowercase();
        let matches = |text: &str| text.to_lowercase().contains(&needle);
        // What can be no part of an identifier or an address is not looked for in thousands of them.
        let number = needle
            .chars()
            .all(|c| c.is_ascii_hexdigit() || "-:.".contains(c));
        for vm in records.vms.iter().filter(|vm| mine(vm.owner)) {
            let numbers = || format!("{} {} {}", vm.address, vm.id, vm.mac);
            if matches(&vm.name) || matches(&vm.hostname) || number && matches(&numbers()) {
                let more = if admin {
                    format!(
                        "{}, on {}",
                        gather::or_removed(names.user(vm.owner), "person"),
                        gather::or_removed(names.host(vm.host), "host")
                    )
                } else {
                    vm.address.to_string()
                };
                hits.push(Hit {
                    href: format!("/vms/{}", vm.id),
                    name: vm.name.clone(),
                    kind: "machine",
                    more,
                });
            }
        }
        if admin {
            for host in records.hosts.iter() {
                if matches(&format!("{} {} {}", host.name, host.uri, host.id)) {
                    hits.push(Hit {
                        href: format!("/hosts/{}", host.id),
                        name: host.name.clone(),
                        kind: "host",
                        more: host.uri.clone(),
                    });
                }
            }
            for user in records.users.iter() {
                if matches(&format!("{} {} {}", user.login, user.full_name, user.mail)) {
                    let href = format!(
                        "/people?q={}",
                        percent_encoding::utf8_percent_encode(
                            &user.login,
                            percent_encoding::NON_ALPHANUMERIC
                        )
                    );
                    hits.push(Hit {
                        href,
                        name: user.full_name.clone(),
                        kind: "person",
                        more: user.login.clone(),
                    });
                }
            }
        }
        // The newest first, as people look for what they asked for lately.
        for request in requests.iter().rev().filter(|request| mine(request.owner)) {
            let spec = &request.spec;
            let found = matches(&spec.name) || matches(&spec.purpose);
            if found || number && matches(&request.id.to_string()) {
                let more = format!(
                    "{}, {}",
                    gather::or_removed(names.user(request.owner), "person"),
                    request.state
                );
                hits.push(Hit {
                    href: format!("/requests/{}", request.id),
                    name: request.spec.name.clone(),
                    kind: "request",
                    more,
                });
            }
        }
    }
    let more = hits.len() > HITS;
    hits.truncate(HITS);
    show(&Search {
        frame: visit.page("Find", "").await?,
        q,
        hits,
        more,
    })
}
