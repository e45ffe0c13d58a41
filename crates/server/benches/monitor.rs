//! Sampling a large fleet: what it costs the server, and what reading it costs meanwhile.
//!
//! `cargo bench -p bellwether-server --bench monitor`, with `-- --hosts 50 --vms 1000 --seconds 20` for a quick look. The hosts
//! are simulated inside the server: their part of its CPU is measured with it.

#![allow(clippy::unwrap_used)] // in a bench a panic is the message

mod common;

use common::{Person, argument, start};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (hosts, vms) = (argument("--hosts", 500), argument("--vms", 10_000));
    let seconds = argument("--seconds", 120);
    let server = start();
    let admin = Person::admin(&server).await;
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
    admin.until("all hosts to be ready", "fleet", ready).await;
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
