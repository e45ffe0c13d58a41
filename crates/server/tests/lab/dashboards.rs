//! Grafana's dashboards on what is measured of real hosts and guests.

use crate::{
    hosts::Hosts,
    house::House,
    monitoring::{carbon, dashboards::Servers, free_address, graphite_web, prometheus, wanted},
};
use bellwether_api::migration::MigrationOutcome;
use std::{fs::OpenOptions, io::Write, time::Duration};

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_a_dashboard_has_an_answer_of_real_hosts() {
    if !wanted() {
        return;
    }
    let Some(hosts) = Hosts::up("seen") else {
        return;
    };
    let mut house = House::open(&hosts.lab, "server").await;
    let (lines, scraped) = (free_address(), free_address());
    let servers = Servers {
        prometheus: free_address(),
        graphite: free_address(),
    };
    let file = house.folder.path().join("bellwetherd.toml");
    let mut config = OpenOptions::new().append(true).open(file).unwrap();
    write!(
        config,
        "graphite = [\"{lines}\"]\n[metrics]\nlisten = \"{scraped}\"\n"
    )
    .unwrap();
    house.daemon.kill();
    let token = house.token.clone();
    house.daemon.start_again(&token).await;
    let theirs = tempfile::tempdir().unwrap();
    let _carbon = carbon(theirs.path(), lines);
    let _graphite = graphite_web(theirs.path(), servers.graphite);
    let _prometheus = prometheus(theirs.path(), servers.prometheus, scraped);

    let ordered = house.order("seen", 0).await;
    let vm = house.made(ordered).await;
    house.ask_only("later").await;
    let (job, migration) = house.begin_to_move(vm.id, 1).await;
    house.end_of(job).await;
    let told = house.migration(migration).await;
    assert_eq!(told.outcome, MigrationOutcome::Completed, "{told:?}");
    servers.answer_all(Duration::from_secs(180)).await;
}
