//! What measurements take on disk: a week of 500 real VMs, as samples every 10 s, and a quarter of a year of some of them.
//!
//! `cargo bench -p bellwether-store --bench space -- FOLDER [--vms N] [--days N]` with the folder that holds
//! `bitbrains/rnd-2013-08-week1.csv.gz` (GWA-T-12, Grid Workloads Archive; Shen et al., CCGrid 2015). It prints figures and
//! asserts nothing; without the data it says so.
//!
//! The trace has a sample every five minutes. They are taken one after the other as though they were 10 s apart, which is
//! harder to compress than what a host gives: two that follow each other differ more.
#![allow(clippy::unwrap_used)]

use bellwether_model::Timestamp;
use bellwether_store::{History, SeriesKey};
use std::{collections::BTreeMap, path::Path, process::Command};
use uuid::Uuid;

/// The beginning of a block of every tier.
const T0: i64 = 1_296_000 * 1381;
/// What whisper takes for a point: a time of four bytes and a value of eight.
const WHISPER: f64 = 12.0;

const SIGNALS: [&str; 6] = [
    "cpu",
    "memory",
    "disk_read",
    "disk_write",
    "net_rx",
    "net_tx",
];

/// By VM: the columns of the signals above.
type Trace = Vec<[Vec<f32>; SIGNALS.len()]>;

fn read(folder: &Path) -> Option<Trace> {
    let file = folder.join("bitbrains/rnd-2013-08-week1.csv.gz");
    let unpacked = Command::new("gzip").arg("-dc").arg(&file).output().ok()?;
    if !unpacked.status.success() {
        return None;
    }
    let text = String::from_utf8(unpacked.stdout).unwrap();
    let mut vms: BTreeMap<&str, [Vec<f32>; SIGNALS.len()]> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |n: usize| cells[n].parse::<f64>().unwrap_or(0.0);
        // As we measure them: cores, MiB, bytes a second.
        let cores = number(4) / (number(3) / number(2)).max(1.0);
        let values = [
            cores,
            number(6) / 1024.0,
            number(7) * 1024.0,
            number(8) * 1024.0,
            number(9) * 1024.0,
            number(10) * 1024.0,
        ];
        let columns = vms.entry(cells[0]).or_default();
        for (column, value) in columns.iter_mut().zip(values) {
            column.push(value as f32);
        }
    }
    Some(vms.into_values().collect())
}

fn argument(name: &str, usual: usize) -> usize {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).map_or(usual, |number| number.parse().unwrap())
}

fn key(vm: usize, signal: usize) -> SeriesKey {
    SeriesKey {
        entity: "vm",
        id: Uuid::from_u128(vm as u128 + 1),
        signal: SIGNALS[signal],
    }
}

/// Takes `moments` samples of the VMs, 10 s apart, the trace over and over, and closes every hour.
async fn take(history: &History, trace: &[[Vec<f32>; SIGNALS.len()]], moments: usize) -> usize {
    let mut samples = 0;
    for moment in 0..moments {
        let values: Vec<(SeriesKey, f32)> = trace
            .iter()
            .enumerate()
            .flat_map(|(vm, columns)| {
                columns
                    .iter()
                    .enumerate()
                    .map(move |(signal, column)| (key(vm, signal), column[moment % column.len()]))
            })
            .collect();
        samples += values.len();
        let at = T0 + 10 * moment as i64;
        history
            .append(Timestamp::from_seconds(at), &values)
            .await
            .unwrap();
        if (moment + 1) % 360 == 0 {
            let after = Timestamp::from_seconds(at + 10 + 31);
            history.settle(after).await.unwrap();
        }
    }
    samples
}

/// Bytes in blocks and points in them, by signal and seconds a point stands for.
async fn blocks(folder: &Path) -> Vec<(String, i64, i64, i64)> {
    use sqlx::Row;
    let url = format!("sqlite://{}/metrics.db", folder.display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let rows = sqlx::query(
        "SELECT s.signal, b.tier, SUM(LENGTH(b.data)), COUNT(*) FROM metrics_blocks b JOIN metrics_series s ON s.id = b.series \
         GROUP BY s.signal, b.tier ORDER BY b.tier, s.signal",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let rows = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect();
    pool.close().await;
    rows
}

fn size(folder: &Path) -> f64 {
    std::fs::metadata(folder.join("metrics.db")).unwrap().len() as f64
}

async fn open(folder: &Path) -> History {
    let url = format!("sqlite://{}/bellwether.db", folder.display());
    History::open(&url).await.unwrap()
}

async fn week(trace: &Trace) {
    let folder = tempfile::tempdir().unwrap();
    let history = open(folder.path()).await;
    // Whole hours of 360 samples: the week's 2,016 are five of them and a half.
    let moments = trace[0][0].len() / 360 * 360;
    let samples = take(&history, trace, moments).await;
    history.close().await;
    println!(
        "{} VMs x {} signals x {moments} samples of the week",
        trace.len(),
        SIGNALS.len()
    );
    for (signal, tier, bytes, _) in blocks(folder.path()).await {
        if tier == 0 {
            let each = bytes as f64 * SIGNALS.len() as f64 / samples as f64;
            println!("  {signal:<12} {each:.2} bytes a sample in closed blocks");
        }
    }
}

async fn quarter(trace: &Trace, vms: usize, days: usize) {
    let folder = tempfile::tempdir().unwrap();
    let history = open(folder.path()).await;
    // VMs from all over the trace.
    let chosen: Trace = trace
        .iter()
        .step_by(trace.len() / vms)
        .take(vms)
        .cloned()
        .collect();
    let began = std::time::Instant::now();
    let samples = take(&history, &chosen, days * 8_640).await;
    history.close().await;
    let series = chosen.len() * SIGNALS.len();
    println!(
        "{} VMs x {} signals, {days} days every 10 s: {samples} samples taken in {:.0?}",
        chosen.len(),
        SIGNALS.len(),
        began.elapsed()
    );
    let mut kept = 0.0;
    for (tier, step, hours) in [
        (0, 10, 26.0),
        (60, 60, 9.0 * 24.0),
        (600, 600, 92.0 * 24.0),
        (3_600, 3_600, 732.0 * 24.0),
    ] {
        let rows = blocks(folder.path()).await;
        let bytes: i64 = rows
            .iter()
            .filter(|row| row.1 == tier)
            .map(|row| row.2)
            .sum();
        let held = f64::min(hours, days as f64 * 24.0) * 3600.0 / f64::from(step);
        let points = held * series as f64;
        kept += points;
        println!(
            "  {step:>5} s a point: {:.2} bytes a point",
            bytes as f64 / points
        );
    }
    let file = size(folder.path());
    println!(
        "  the whole file: {:.1} MB, {:.2} bytes a point it holds (whisper: {WHISPER}, and three such files for average, lowest \
         and highest), {:.3} bytes a sample that was taken",
        file / 1e6,
        file / kept,
        file / samples as f64
    );
}

fn main() {
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with("--"));
    let Some(trace) = folder.as_deref().and_then(|folder| read(Path::new(folder))) else {
        println!("skipped: no data; give the folder that holds bitbrains/rnd-2013-08-week1.csv.gz");
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        week(&trace).await;
        quarter(&trace, argument("--vms", 20), argument("--days", 90)).await;
    });
}
