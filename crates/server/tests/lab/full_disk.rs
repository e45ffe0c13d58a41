//! The disk of the measurements runs full: a real one, a small tmpfs of the test's own.

use crate::{daemon::Daemon, hosts::until};
use bellwether_api::{
    alert::{AlertQuery, AlertRule},
    host::HostInput,
    metrics::{HistoryQuery, HistoryStatus, MetricsQuery},
};
use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// A file system of its own; gone with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir(at).unwrap();
        let disk = Self(at.to_owned());
        disk.call(&["mount", "-t", "tmpfs", "-o", "size=1m", "bellwether-test"]);
        disk
    }
    fn grow(&self) {
        self.call(&["mount", "-o", "remount,size=64m"]);
    }
    fn call(&self, words: &[&str]) {
        let done = Command::new(words[0])
            .args(&words[1..])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success(), "{words:?}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still has files there is ending; the place goes when they have.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn status(daemon: &Daemon) -> HistoryStatus {
    let asked = daemon.client.history(&HistoryQuery::default()).await;
    asked.unwrap().value
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_history_with_an_alarm_and_nothing_else() {
    if std::env::var("BELLWETHER_LAB").as_deref() != Ok("1") {
        eprintln!("not run: it mounts a small disk; set BELLWETHER_LAB=1 and be root");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(&folder.path().join("small"));
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::symlink(disk.0.join("metrics.db"), data.join("metrics.db")).unwrap();
    let token = Daemon::prepare(folder.path()).await;
    let file = folder.path().join("bellwetherd.toml");
    let mut config = OpenOptions::new().append(true).open(file).unwrap();
    writeln!(config, "allow_simulated_hosts = true").unwrap();
    let daemon = Daemon::start(folder.path(), "full", Some(&token)).await;
    let host = HostInput {
        name: "busy".into(),
        uri: "sim://full/host01?hosts=1&vms=900&memory=16777216".into(),
        peer_uri: None,
        migration_address: None,
        site: None,
        offered_cores: None,
        offered_memory_mib: None,
    };
    let host = daemon.client.add_host(&host).await.unwrap().value.host.id;

    let trouble = until("the disk is full", || async {
        status(&daemon).await.trouble
    })
    .await;
    assert!(trouble.contains("full"), "{trouble}");
    // It is told, and everything else goes on: hosts are looked at, what was kept is shown, things are changed.
    let fleet = daemon.client.fleet().await.unwrap().value;
    let alarm = fleet.alarms.join("\n");
    assert!(alarm.contains("Measurements are not kept since"), "{alarm}");
    let seen = async || daemon.client.host(host).await.unwrap().value.seen.at;
    let before = seen().await;
    until("the host is looked at", || async {
        (seen().await > before).then_some(())
    })
    .await;
    let kept = daemon
        .client
        .host_metrics(host, &MetricsQuery::default())
        .await;
    let kept = kept.unwrap().value;
    assert!(
        kept.series.iter().any(|series| !series.average.is_empty()),
        "{kept:?}"
    );
    daemon
        .client
        .add_host(&HostInput {
            name: "second".into(),
            uri: "sim://full-too/host01?hosts=1".into(),
            peer_uri: None,
            migration_address: None,
            site: None,
            offered_cores: None,
            offered_memory_mib: None,
        })
        .await
        .unwrap();

    until("an alert is open", || async {
        let alerts = daemon
            .client
            .alerts(&AlertQuery::default(), 100)
            .await
            .unwrap();
        let mut alerts = alerts.value.items.into_iter();
        alerts.find(|alert| alert.rule == AlertRule::HistoryStopped)
    })
    .await;

    disk.grow();
    until("measurements are kept again", || async {
        status(&daemon).await.trouble.is_none().then_some(())
    })
    .await;
    let log = daemon.log();
    assert_eq!(
        log.matches("measurements are not kept any more").count(),
        1,
        "{log}"
    );
    assert!(log.contains("measurements are kept again"), "{log}");
    assert!(daemon.client.fleet().await.unwrap().value.alarms.is_empty());
}
