//! Grafana's dashboards on what this server measures: they ask for metrics there are, and every query has an answer.

use crate::{
    monitoring::{
        carbon,
        dashboards::{Chosen, Query, Servers, all, senseless},
        free_address, graphite_web, prometheus, wanted,
    },
    site::{Site, config, get, to_graphite},
};
use bellwether_model::migration::MigrationOutcome;
use std::{collections::BTreeSet, time::Duration};

/// Lets something of everything happen: VMs of two people, one of them moved, and a request that waits.
async fn live(site: &mut Site) {
    let (image, _) = site.furnish().await;
    let (ada, grace) = (site.user("ada").await, site.user("grace.h").await);
    let vm = site.vm(&ada, &image, "web").await;
    site.vm(&grace, &image, "a \"b\" 机器").await;
    site.requested(&grace, &image, "later").await;
    let (_, migration) = site.moves(vm.id).await;
    site.until("it has moved", async |site| {
        let migration = site.engine.store().migration(migration.id).await.unwrap();
        migration.outcome == MigrationOutcome::Completed
    })
    .await;
}

/// The names of metrics in an expression.
fn metrics(expression: &str) -> BTreeSet<&str> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("libvirt_") || word.starts_with("bellwether_"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_ask_for_metrics_there_are() {
    let of_prometheus = |query: &Query| query.place.starts_with("prometheus");
    let queries = all().into_iter().flat_map(|dashboard| dashboard.queries());
    let mut asked = BTreeSet::new();
    for query in queries.filter(of_prometheus) {
        asked.extend(metrics(&query.text).into_iter().map(str::to_owned));
    }
    assert!(asked.len() > 30, "{asked:?}");
    let mut site = Site::bare(config("")).await;
    live(&mut site).await;
    let root = site.token(&*site.admin().await).await;
    let began = tokio::time::Instant::now();
    loop {
        let answer = site.send(get("/metrics").token(&root)).await;
        let told: BTreeSet<&str> = answer.body.lines().flat_map(metrics).collect();
        let unknown: Vec<_> = asked
            .iter()
            .filter(|name| !told.contains(name.as_str()))
            .collect();
        if unknown.is_empty() {
            return;
        }
        // Some are known from the second look on.
        assert!(began.elapsed() < Duration::from_secs(30), "{unknown:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_a_dashboard_has_an_answer() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let lines = free_address();
    let mut site = Site::pushing_two_hosts(to_graphite(lines, "bellwether", false)).await;
    let scraped = site.serve_scrapes().await;
    let servers = Servers {
        prometheus: free_address(),
        graphite: free_address(),
    };
    let _carbon = carbon(folder.path(), lines);
    let _graphite = graphite_web(folder.path(), servers.graphite);
    let _prometheus = prometheus(folder.path(), servers.prometheus, scraped);
    live(&mut site).await;
    servers.answer_all(Duration::from_secs(90)).await;
    let chosen = Chosen::from([("prefix".into(), "bellwether".into())]);
    for (panel, last) in [
        ("self-service: Wait for an administrator", 1.0),
        ("self-service: VMs people have", 2.0),
        ("migrations: Over", 1.0),
        ("migrations: Not completed", 0.0),
        ("fleet: VMs that run", 2.0),
    ] {
        let queries = all().into_iter().flat_map(|dashboard| dashboard.queries());
        let asked: Vec<Query> = queries
            .filter(|query| query.place.ends_with(panel))
            .collect();
        assert_eq!(asked.len(), 2, "{panel}");
        for query in asked {
            assert_eq!(
                servers.last(&query, &chosen).await,
                [last],
                "{}",
                query.place
            );
        }
    }
    for of_graphite in [false, true] {
        let answers = servers.answers(&senseless(of_graphite), &chosen).await;
        assert!(!answers, "what was never measured has no answer");
    }
}
