//! What the store costs at the size we promise: measurements of 2,000 VMs, and the lists behind pages.
//!
//! `cargo bench -p bellwether-store` prints the figures; nothing is asserted. `-- postgres` runs on the server that
//! `BELLWETHER_TEST_POSTGRES` names (in its database: give it one of its own).
#![allow(clippy::unwrap_used)]

use bellwether_model::Timestamp;
use bellwether_store::{History, SeriesKey};
use std::time::{Duration, Instant};
use uuid::Uuid;

const VMS: u128 = 2_000;
const SIGNALS: [&str; 6] = [
    "cpu",
    "memory",
    "disk_read",
    "disk_write",
    "net_rx",
    "net_tx",
];
/// The beginning of a block of every tier.
const T0: i64 = 1_296_000 * 1381;
const HOURS: i64 = 8;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = if std::env::args().any(|arg| arg == "postgres") {
        std::env::var("BELLWETHER_TEST_POSTGRES").expect("BELLWETHER_TEST_POSTGRES")
    } else {
        format!("sqlite://{}/bellwether.db", folder.path().display())
    };
    runtime.block_on(measurements(&url, folder.path()));
}

/// A load like a guest's: mostly idle, with plateaus, bursts and noise; no two alike, always the same.
fn value(vm: u128, signal: usize, t: i64) -> f32 {
    let mut x = (vm as u64) << 40 ^ (signal as u64) << 32 ^ (t / 10) as u64;
    x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 31;
    let noise = (x % 1000) as f32 / 1000.0;
    let busy = ((t / 1800) as u64 ^ vm as u64).is_multiple_of(3);
    match signal {
        0 => (if busy { 0.7 } else { 0.02 }) + noise * 0.05,
        1 => 1_073_741_824.0 + (t / 600) as f32 * 4096.0,
        2 | 3 if busy => (noise * 2e7).floor(),
        4 | 5 => (noise * 2e4).floor(),
        _ => 0.0,
    }
}

fn keys() -> Vec<SeriesKey> {
    (0..VMS)
        .flat_map(|vm| {
            SIGNALS.map(|signal| SeriesKey {
                entity: "vm",
                id: Uuid::from_u128(vm + 1),
                signal,
            })
        })
        .collect()
}

fn cpu_time() -> Duration {
    // user and system time of this process, in ticks of 1/100 s: fields 14 and 15 of proc(5).
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    Duration::from_millis(
        10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()),
    )
}

fn spread(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what:<52} median {:>10.2?}  p99 {:>10.2?}  worst {:>10.2?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

async fn measurements(url: &str, folder: &std::path::Path) {
    let history = History::open(url).await.unwrap();
    let keys = keys();
    println!(
        "{} VMs x {} signals every 10 s, {HOURS} hours",
        VMS,
        SIGNALS.len()
    );
    let (mut appends, mut settling) = (Vec::new(), Vec::new());
    let (began, cpu) = (Instant::now(), cpu_time());
    let mut samples = 0;
    let mut making = Duration::ZERO;
    for hour in 0..HOURS {
        for t in (0..3600).step_by(10).map(|t| hour * 3600 + t) {
            let start = Instant::now();
            let values: Vec<_> = keys
                .iter()
                .enumerate()
                .map(|(n, key)| (*key, value(n as u128 / 6, n % 6, t)))
                .collect();
            making += start.elapsed();
            samples += values.len();
            let start = Instant::now();
            history
                .append(Timestamp::from_seconds(T0 + t), &values)
                .await
                .unwrap();
            appends.push(start.elapsed());
        }
        let start = Instant::now();
        history
            .settle(Timestamp::from_seconds(T0 + (hour + 1) * 3600 + 31))
            .await
            .unwrap();
        settling.push(start.elapsed());
    }
    let used = cpu_time() - cpu - making;
    spread("append one moment (12,000 values)", appends);
    spread("close an hour (12,000 series x 360)", settling);
    println!(
        "{:<52} {:.2} % of one core at 10 s  ({:.2?} of CPU for {HOURS} h; {:.1?} of wall clock here)",
        "steady cost",
        used.as_secs_f64() / (HOURS * 3600) as f64 * 100.0,
        used,
        began.elapsed()
    );

    let range = async |key: &SeriesKey, from: i64, step| {
        let (from, to) = (
            Timestamp::from_seconds(T0 + from),
            Timestamp::from_seconds(T0 + HOURS * 3600),
        );
        let start = Instant::now();
        let series = history
            .range(std::slice::from_ref(key), from, to, step)
            .await
            .unwrap();
        (start.elapsed(), series[0].points.len())
    };
    for (what, from, step) in [
        ("last hour at 10 s", (HOURS - 1) * 3600, 10),
        ("all hours at 10 s", 0, 10),
        ("all hours at 1 min", 0, 60),
    ] {
        let mut times = Vec::new();
        let mut points = 0;
        for key in keys.iter().step_by(97) {
            let (time, count) = range(key, from, step).await;
            times.push(time);
            points = count;
        }
        spread(&format!("query a series: {what} ({points} points)"), times);
    }
    history.close().await;
    let file = folder.join("metrics.db");
    if let Ok(meta) = std::fs::metadata(&file) {
        println!(
            "{:<52} {:.2} B a sample with every roll-up and the free pages of the journal ({:.1} MB)",
            "metrics.db",
            meta.len() as f64 / samples as f64,
            meta.len() as f64 / 1e6
        );
    }
}
