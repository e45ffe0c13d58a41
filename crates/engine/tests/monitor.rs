//! Sampling: every host on its period, whatever another one does.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::{
    Live,
    hosts::{self, HostChange},
};
use bellwether_hypervisor::sim::{Fault, Op, SimSpec};
use bellwether_model::{HostId, host::HostHealth, observed::HostSeen, storage::StorageKind};
use common::Site;

fn seen(site: &Site, host: HostId) -> HostSeen {
    site.engine.observed().host(host).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_delays_none_of_fifty_and_shows_its_age() {
    let site = Site::new(SimSpec::new("hangs", 50), StorageKind::Shared).await;
    site.fleet
        .fault(&site.fleet.hosts()[0], Op::Sample, Fault::Hang, u32::MAX);
    let (hanging, others) = site.hosts.split_first().unwrap();
    site.until("the hanging host is stale", async |site| {
        seen(site, *hanging).health != HostHealth::Ready
    })
    .await;
    let last = seen(&site, *hanging).at;
    for _ in 0..2 {
        let before: Vec<_> = others.iter().map(|host| seen(&site, *host).at).collect();
        site.until("all others are seen again", async |site| {
            let now = site.engine.observed();
            let mut pairs = others.iter().zip(&before);
            pairs.all(|(host, before)| now.hosts[host].at > *before)
        })
        .await;
    }
    let hanging = seen(&site, *hanging);
    assert_eq!(hanging.at, last, "its age shows");
    assert_ne!(hanging.health, HostHealth::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_address_was_changed_is_sampled_there_and_nowhere_else() {
    let site = Site::new(SimSpec::new("edited", 2), StorageKind::Shared).await;
    let old = site.fleet.hosts()[0].clone();
    site.fleet.add_host("spare");
    let change = HostChange {
        uri: Some(site.fleet.uri("spare")),
        ..HostChange::default()
    };
    hosts::update(&site.engine, &site.admin, site.hosts[0], change)
        .await
        .unwrap();
    let shows_spare = |site: &Site| {
        seen(site, site.hosts[0])
            .facts
            .is_some_and(|facts| facts.hostname == "spare")
    };
    site.until("the new address shows", async |site| shows_spare(site))
        .await;
    let counts = |op| (site.fleet.calls(&old, op), site.fleet.calls("spare", op));
    let (old_samples, _) = counts(Op::Sample);
    let connected = counts(Op::Connect);
    let until = site.fleet.calls("spare", Op::Sample) + 4;
    site.until("it was sampled some more", async |site| {
        site.fleet.calls("spare", Op::Sample) >= until
    })
    .await;
    assert!(shows_spare(&site));
    assert_eq!(counts(Op::Sample).0, old_samples, "the old address");
    assert_eq!(counts(Op::Connect), connected, "connected again and again");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_a_host_is_told_when_it_turns_stale() {
    let site = Site::new(SimSpec::new("silent", 1), StorageKind::Shared).await;
    let mut live = site.engine.live();
    let name = &site.fleet.hosts()[0];
    site.fleet.fault(name, Op::Sample, Fault::Hang, u32::MAX);
    let host = site.hosts[0];
    loop {
        let told = tokio::time::timeout(common::PATIENCE, live.recv()).await;
        let told = told.expect("nothing was told").unwrap();
        if matches!(told, Live::Sampled(id) if id == host)
            && seen(&site, host).health != HostHealth::Ready
        {
            break;
        }
    }
    // Not only once its loop has given up waiting for an answer.
    assert_eq!(seen(&site, host).trouble, None);
}
