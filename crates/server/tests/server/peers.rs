//! Real monitoring systems: a Prometheus that scrapes and is written to, a carbon that is pushed to and restarted. They are
//! Debian's packages (`scripts/setup monitoring`), each with a folder and ports of its own; `./test` says that they are
//! there by `BELLWETHER_TEST_MONITORING`.

use crate::{
    monitoring::{carbon, free_address, prometheus, victoria_metrics, wanted},
    site::{Site, config, get, to_graphite, to_remote_write},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// What Prometheus answers to a query: the labels of each series with its value.
async fn query(prometheus: SocketAddr, query: &str) -> Vec<(Value, f64)> {
    let mut asked = form_urlencoded::Serializer::new(String::new());
    asked.append_pair("query", query);
    let address = format!("http://{prometheus}/api/v1/query?{}", asked.finish());
    // While it starts it is not there, or says that it is not ready.
    let answer = match reqwest::get(address).await {
        Ok(answer) if answer.status().is_success() => answer,
        _ => return Vec::new(),
    };
    let answer: Value = answer.json().await.unwrap();
    let found = answer["data"]["result"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    found
        .into_iter()
        .map(|series| {
            let value = series["value"][1].as_str().unwrap().parse().unwrap();
            (series["metric"].clone(), value)
        })
        .collect()
}

async fn names(prometheus: SocketAddr, selector: &str) -> BTreeSet<String> {
    let found = query(prometheus, &format!("count by (__name__) ({{{selector}}})")).await;
    let name = |(labels, _): (Value, f64)| labels["__name__"].as_str().unwrap().to_owned();
    found.into_iter().map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_and_is_written_the_same() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut site = Site::pushing_two_hosts(to_remote_write(address)).await;
    let scraped = site.serve_scrapes().await;
    // What was measured before it is there is written to it later.
    let (image, _) = site.furnish().await;
    let name = "a \"b\" \\ 机器.x/y";
    let vm = site.vm(&site.user("ada").await, &image, name).await;
    let _server = prometheus(folder.path(), address, scraped);
    let of_vm = |metric: &str, job: &str| format!("{metric}{{uuid=\"{}\",job=\"{job}\"}}", vm.id);
    for job in ["scraped", ""] {
        let rate = format!(
            "rate({}[10s])",
            of_vm("libvirt_domain_info_cpu_time_seconds_total", job)
        );
        site.until("it knows how busy the VM is", async |_| {
            let found = query(address, &rate).await;
            found.iter().any(|(_, cores)| (0.05..0.15).contains(cores))
        })
        .await;
        let found = query(address, &of_vm("bellwether_vm_info", job)).await;
        let (labels, _) = &found[0];
        assert_eq!(
            (&labels["name"], &labels["owner"]),
            (&name.into(), &"ada".into())
        );
    }
    let of = |name: &str| !name.starts_with("scrape_") && name != "up";
    let both = [
        names(address, "job=\"scraped\"").await,
        names(address, "job=\"\",__name__=~\".+\"").await,
    ];
    let [scraped, written] = both.map(|names| {
        names
            .into_iter()
            .filter(|name| of(name))
            .collect::<BTreeSet<_>>()
    });
    assert_eq!(scraped, written);
    assert!(scraped.len() > 50, "{scraped:?}");
    let outlets = site.engine.outlets();
    assert_eq!(
        (outlets[0].refused, outlets[0].dropped),
        (0, 0),
        "{outlets:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn victoria_metrics_has_every_second_though_it_was_away_in_between() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut site = Site::pushing_two_hosts(to_remote_write(address)).await;
    let (image, _) = site.furnish().await;
    let name = "a \"b\" \\ 机器.x/y";
    let vm = site.vm(&site.user("ada").await, &image, name).await;
    let info = format!("bellwether_vm_info{{uuid=\"{}\"}}", vm.id);
    let samples = "count_over_time(bellwether_person_vms{owner=\"ada\"}[1h])";
    let mut before = 0.0;
    for _ in 0..2 {
        let server = victoria_metrics(folder.path(), address);
        site.until("it knows the VM and gets more", async |_| {
            let known = query(address, &info).await;
            let named = known.iter().any(|(labels, _)| labels["name"] == name);
            let counted = query(address, samples).await;
            named
                && counted
                    .first()
                    .is_some_and(|(_, count)| *count > before + 2.0)
        })
        .await;
        before = query(address, samples).await[0].1;
        server.end();
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    let _server = victoria_metrics(folder.path(), address);
    // What was measured while it was away is written when it is back: no second is missing.
    site.until("there is no gap", async |_| {
        let counted = query(address, samples).await;
        let at = |which: &str| samples.replace("count_over_time", which);
        let first = query(address, &at("tfirst_over_time")).await;
        let last = query(address, &at("tlast_over_time")).await;
        match (counted.first(), first.first(), last.first()) {
            (Some((_, count)), Some((_, first)), Some((_, last))) => {
                *count > before + 4.0 && *count >= last - first - 1.0
            }
            _ => false,
        }
    })
    .await;
    let outlets = site.engine.outlets();
    assert_eq!(
        (outlets[0].refused, outlets[0].dropped),
        (0, 0),
        "{outlets:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong() {
    if !wanted() {
        return;
    }
    let mut site = Site::bare(config("")).await;
    let (image, _) = site.furnish().await;
    site.vm(&site.user("ada").await, &image, "web").await;
    let root = site.token(&*site.admin().await).await;
    let answer = site.send(get("/metrics").token(&root)).await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(answer.body.as_bytes()).unwrap();
    drop(input);
    let said = promtool.wait_with_output().unwrap();
    let said = (
        said.status.success(),
        String::from_utf8_lossy(&said.stderr).into_owned(),
    );
    assert_eq!(said, (true, String::new()));
}

/// The seconds since 1970 at which a series has a value.
fn whisper(file: &Path) -> Vec<i64> {
    let read = Command::new("whisper-fetch").arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&read.stdout).into_owned();
    let known = text.lines().filter_map(|line| line.split_once('\t'));
    let known = known.filter(|(_, value)| *value != "None");
    known.map(|(at, _)| at.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn carbon_has_every_second_though_it_was_away_in_between() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut site = Site::pushing_two_hosts(to_graphite(address, "site", false)).await;
    site.furnish().await;
    let began = site.engine.now().seconds();
    let file = folder
        .path()
        .join("whisper/site/hosts/host01/running_vms.wsp");
    for _ in 0..2 {
        let asked = site.engine.now().seconds();
        let server = carbon(folder.path(), address);
        site.until("it has what is measured now", async |_| {
            let known = whisper(&file);
            known.last().is_some_and(|last| *last > asked + 1)
        })
        .await;
        server.end();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let known = whisper(&file);
    assert!(known[0] <= began + 1, "{began}: {known:?}");
    let gaps = known
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > 2)
        .count();
    assert_eq!(gaps, 0, "{known:?}");
    assert_eq!(site.engine.outlets()[0].dropped, 0);
}

/// Every file below the folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => files(&path),
            path => vec![path],
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn carbon_takes_tagged_names() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let mut site = Site::pushing_two_hosts(to_graphite(address, "site", true)).await;
    let (image, _) = site.furnish().await;
    let ada = site.user("ada").await;
    let vm = site.vm(&ada, &image, "b;a=c d/机器").await;
    let _carbon = carbon(folder.path(), address);
    // carbon keeps what has tags below `_tagged`, the whole name as that of the file.
    site.until("it keeps the VM's CPU with its tags", async |_| {
        files(&folder.path().join("whisper/_tagged"))
            .iter()
            .any(|file| {
                let name = file.to_string_lossy();
                name.contains("vm_DOT_cpu;")
                    && name.contains(";owner=ada;")
                    && name.contains(&format!(";uuid={}", vm.id))
                    && !whisper(file).is_empty()
            })
    })
    .await;
}
