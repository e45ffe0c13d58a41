//! Sampling a large fleet: what it costs the server, and what reading it costs meanwhile.
//!
//! `cargo bench -p bellwether-server --bench monitor`, with `-- --hosts 50 --vms 1000 --seconds 20` for a quick look. The hosts
//! are simulated inside the server: their part of its CPU is measured with it. Twenty of them get a year of history first
//! (a point every ten minutes, the last day every ten seconds), so that graphs have what they have after a year; that takes
//! some minutes, and `--years 0` leaves it out. `bellwether top` is run where it was built beside the server.

#![allow(clippy::unwrap_used)] // in a bench a panic is the message

mod common;

use bellwether_model::{
    Timestamp,
    signal::{self, Entity},
};
use bellwether_store::{History, SeriesKey};
use common::{Person, argument, start};
use reqwest::Method;
use serde_json::json;
use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Hosts that get a year of history.
const WITH_PAST: usize = 20;
/// Questions of each kind.
const QUESTIONS: usize = 300;

/// Writes a year of every signal of these hosts: until yesterday a value every ten minutes, then every ten seconds.
async fn past(url: &str, hosts: &[String]) {
    let history = History::open(url).await.unwrap();
    let keys: Vec<SeriesKey> = hosts
        .iter()
        .flat_map(|host| {
            let id = host.parse().unwrap();
            signal::of(Entity::Host).map(move |signal| SeriesKey::new(id, signal))
        })
        .collect();
    let now = now() / 3_600 * 3_600;
    let mut at = now - 365 * 86_400;
    while at < now {
        let values: Vec<(SeriesKey, f32)> = keys
            .iter()
            .enumerate()
            .map(|(n, key)| (*key, ((at / 600 + n as i64 * 7) % 97) as f32 / 3.0))
            .collect();
        history
            .append(Timestamp::from_seconds(at), &values)
            .await
            .unwrap();
        at += if at < now - 86_400 { 600 } else { 10 };
        if at % 3_600 == 0 {
            let after = Timestamp::from_seconds(at + 31);
            history.settle(after).await.unwrap();
        }
    }
    history.close().await;
}

/// Milliseconds an answer takes: the median and the 99th in a hundred.
fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    (at(0.5), at(0.99))
}

/// The heat map of all hosts, by REST: nothing of it is kept from one answer to the next.
async fn heat(admin: &Person) {
    for (what, seconds) in [("hour", 3_600), ("day", 86_400), ("week", 604_800)] {
        let from = Timestamp::from_seconds(now() - seconds).rfc3339();
        let path = format!("fleet/heat?from={from}");
        let mut times = Vec::new();
        for _ in 0..QUESTIONS {
            times.push(admin.time(&path).await.0);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let (median, p99) = spread(times);
        println!("heat map, {what:<11} p50 {median:.1} ms, p99 {p99:.1} ms");
    }
}

/// What the page of one thing asks for its graphs, all ten signals in one question.
async fn graphs(admin: &Person, hosts: &[String]) {
    for (what, seconds, step) in [
        ("day", 86_400, 300),
        ("month", 2_678_400, 7_200),
        ("year", 31_536_000, 86_400),
    ] {
        let from = Timestamp::from_seconds(now() - seconds).rfc3339();
        let (mut times, mut points) = (Vec::new(), 0);
        for n in 0..QUESTIONS {
            let host = &hosts[n % hosts.len()];
            let path = format!("hosts/{host}/metrics?from={from}&step_seconds={step}");
            let (took, answer) = admin.time(&path).await;
            times.push(took);
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            points = answer["series"][0]["average"].as_array().unwrap().len();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (median, p99) = spread(times);
        println!(
            "graphs of a {what:<9} p50 {median:.1} ms, p99 {p99:.1} ms ({points} points, ten signals)"
        );
    }
}

/// `bellwether top` on a terminal of its own, a look a second: CPU it takes for each, from asking to the last character.
fn top(admin: &Person) {
    const LOOKS: f64 = 20.0;
    let program = Path::new(env!("CARGO_BIN_EXE_bellwetherd")).with_file_name("bellwether");
    if !program.exists() {
        println!("bellwether top        not built: cargo build --release -p bellwether-cli");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let times = folder.path().join("times");
    // What the shell says of itself and of what it ran: minutes and seconds as user, then in the kernel.
    let words =
        "stty rows 50 cols 200; \"$TOP\" top --delay 1 --count \"$LOOKS\"; times > \"$TIMES\"";
    let ended = Command::new("script")
        .args(["--quiet", "--return", "--command", words, "/dev/null"])
        .env("TOP", program)
        .env("LOOKS", format!("{LOOKS:.0}"))
        .env("TIMES", &times)
        .env("TERM", "xterm-256color")
        .env("BELLWETHER_SERVER", &admin.base)
        .env("BELLWETHER_TOKEN", &admin.token)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(ended.success(), "top ended with {ended}");
    let said = std::fs::read_to_string(times).unwrap();
    let seconds = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    let used: f64 = said.split_whitespace().map(seconds).sum();
    println!(
        "bellwether top        {:.0} ms of CPU a look",
        used / LOOKS * 1e3
    );
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (hosts, vms) = (argument("--hosts", 500), argument("--vms", 10_000));
    let seconds = argument("--seconds", 120);
    let mut server = start();
    let mut admin = Person::admin(&server).await;
    for n in 1..=hosts {
        let name = format!("host{n:02}");
        let uri = format!("sim://bench/{name}?hosts={hosts}&vms={vms}&cores=64&memory=262144");
        let host = json!({"name": name, "uri": uri});
        admin.call(Method::POST, "hosts", Some(host)).await;
    }
    let ready = |fleet: &serde_json::Value| {
        let all = fleet["hosts"].as_array().unwrap();
        all.len() == hosts
            && all
                .iter()
                .all(|host| host["host"]["seen"]["health"] == "ready")
    };
    let fleet = admin.until("all hosts to be ready", "fleet", ready).await;
    let with_past: Vec<String> = fleet["hosts"]
        .as_array()
        .unwrap()
        .iter()
        .take(WITH_PAST)
        .map(|host| host["host"]["id"].as_str().unwrap().to_owned())
        .collect();
    if argument("--years", 1) > 0 {
        eprintln!("writing a year");
        let url = format!("sqlite://{}/bellwether.db", server.data().display());
        server.while_stopped(past(&url, &with_past)).await;
        admin.base = server.base.clone();
        admin.until("all hosts to be ready", "fleet", ready).await;
    }
    eprintln!("settling");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (began, cpu) = (Instant::now(), server.cpu_ms());
    tokio::time::sleep(Duration::from_secs(seconds as u64)).await;
    let share = (server.cpu_ms() - cpu) / began.elapsed().as_secs_f64() / 10.0;
    println!("{hosts} hosts, {vms} VMs");
    println!(
        "steady                {share:.1} % of a core, {:.0} MiB",
        server.resident_mib()
    );
    for (what, path) in [
        ("/metrics", "/metrics"),
        ("REST's fleet", "/api/v1/fleet"),
        ("the fleet's page", "/fleet"),
    ] {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for _ in 0..10 {
            let began = Instant::now();
            let asked = admin
                .client
                .get(format!("{}{path}", server.base))
                .bearer_auth(&admin.token);
            let asked = asked.header(
                "accept",
                "text/html, application/openmetrics-text, application/json",
            );
            let answer = asked.send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            bytes = answer.bytes().await.unwrap().len();
            times.push(began.elapsed().as_millis());
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        times.sort_unstable();
        println!(
            "{what:<20}  {} ms (at most {}), {:.1} MiB",
            times[5],
            times[9],
            bytes as f64 / 1_048_576.0
        );
    }
    top(&admin);
    heat(&admin).await;
    graphs(&admin, &with_past).await;
    let mut size = 0;
    for entry in std::fs::read_dir(server.data()).unwrap() {
        let entry = entry.unwrap();
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("metrics.db")
        {
            size += entry.metadata().unwrap().len();
        }
    }
    println!(
        "history               {:.1} MiB so far",
        size as f64 / 1_048_576.0
    );
}
