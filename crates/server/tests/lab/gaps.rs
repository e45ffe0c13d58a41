//! A VM that moves, and a host whose libvirtd stands still, leave no gap in what is measured of anybody else.

use crate::{
    hosts::{Hosts, signal},
    house::House,
};
use bellwether_api::{host::HostHealth, metrics::MetricsQuery, migration::MigrationOutcome};
use std::time::Duration;
use uuid::Uuid;

/// Seconds between two samples of the CPU of a VM that may pass where they are a second apart: one may be late for another
/// test's load, two may not.
const LONGEST: i64 = 3;

/// When its CPU was measured within the last minutes, seconds since 1970.
async fn measured(house: &House, vm: Uuid) -> Vec<i64> {
    let now = house.daemon.client.server().await.unwrap().value.now.0;
    let query = MetricsQuery {
        from: Some(now.minus(Duration::from_secs(300)).into()),
        step_seconds: Some(1),
        signals: Some("cpu".into()),
        ..MetricsQuery::default()
    };
    let metrics = house.daemon.client.vm_metrics(vm, &query).await.unwrap();
    metrics.value.series[0].at_unix_seconds.clone()
}

fn gaps(times: &[i64], from: i64, until: i64) -> Vec<(i64, i64)> {
    let inside: Vec<i64> = [from]
        .into_iter()
        .chain(
            times
                .iter()
                .copied()
                .filter(|at| (from..=until).contains(at)),
        )
        .chain([until])
        .collect();
    let steps = inside.windows(2).map(|two| (two[0], two[1]));
    steps.filter(|(a, b)| b - a > LONGEST).collect()
}

async fn seconds(house: &House) -> i64 {
    house
        .daemon
        .client
        .server()
        .await
        .unwrap()
        .value
        .now
        .0
        .seconds()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_or_stands_still_leaves_no_gap_elsewhere() {
    let Some(hosts) = Hosts::up("gaps") else {
        return;
    };
    let house = House::open(&hosts.lab, "server").await;
    let (calm, moving) = (house.order("calm", 0).await, house.order("moving", 0).await);
    let (calm, moving) = (house.made(calm).await, house.made(moving).await);
    tokio::time::sleep(Duration::from_secs(5)).await;

    // One moves: the other, on the same host, goes on being measured; and so does the one that moves, once it is there.
    let began = seconds(&house).await;
    let (job, migration) = house.begin_to_move(moving.id, 1).await;
    house.end_of(job).await;
    let told = house.migration(migration).await;
    assert_eq!(told.outcome, MigrationOutcome::Completed, "{told:?}");
    tokio::time::sleep(Duration::from_secs(4)).await;
    let ended = seconds(&house).await;
    let found = gaps(&measured(&house, calm.id).await, began, ended);
    assert!(found.is_empty(), "while another moved: {found:?}");
    let after = measured(&house, moving.id).await;
    assert!(
        after.iter().any(|at| ended - at <= LONGEST),
        "measured where it came to: {after:?}, {ended}"
    );

    // The other host's libvirtd stands still for longer than anybody waits for it.
    let stopped = hosts.libvirtd(1);
    signal(stopped, "-STOP");
    let began = seconds(&house).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let ended = seconds(&house).await;
    let health = house.health(1).await;
    signal(stopped, "-CONT");
    assert_ne!(health, HostHealth::Ready, "it stood still");
    let found = gaps(&measured(&house, calm.id).await, began, ended);
    assert!(found.is_empty(), "while a libvirtd stood still: {found:?}");
}
