//! The history of a VM or host in a terminal.

use crate::{
    context::Context,
    exit::Outcome,
    text::{bytes, clean, parse_span, sparkline, words},
};
use bellwether_api::{
    Moment,
    client::Answer,
    metrics::{Metrics, MetricsQuery},
};
use bellwether_model::Timestamp;
use clap::Args;
use std::time::Duration;

/// Blocks in a line of the graph.
const WIDTH: usize = 40;

/// Which history.
#[derive(Args, Debug)]
pub struct Range {
    /// How far back: 15m, 6h, 1d, 1w
    #[arg(long, default_value = "1h", value_parser = parse_span)]
    last: Duration,
    /// Only these signals, with commas between: cpu,memory,disk_read,…
    #[arg(long)]
    signals: Option<String>,
}

impl Range {
    /// As asked of the server, whose clock counts.
    pub async fn query(&self, cx: &Context) -> Outcome<MetricsQuery> {
        let now: Timestamp = cx.client.server().await?.now.0;
        Ok(MetricsQuery {
            from: Some(Moment(now.minus(self.last))),
            until: Some(Moment(now)),
            step_seconds: None,
            signals: self.signals.clone(),
        })
    }
}

/// Prints it.
pub fn print(cx: &Context, answer: &Answer<Metrics>) -> Outcome {
    cx.answer(answer, |metrics| {
        let mut table = cx.table(["SIGNAL", "LAST", "AVERAGE", "LEAST", "MOST", "COURSE"]);
        for series in &metrics.series {
            let unit = |value: f64| figure(value, &series.unit);
            let count = series.average.len();
            if count == 0 {
                let dash = || "–".to_owned();
                table.row([
                    words(&series.signal),
                    dash(),
                    dash(),
                    dash(),
                    dash(),
                    "unknown".into(),
                ]);
                continue;
            }
            let mean = series.average.iter().sum::<f64>() / count as f64;
            let least = series.minimum.iter().copied().fold(f64::INFINITY, f64::min);
            let most = series
                .maximum
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            table.row([
                words(&series.signal),
                series.average.last().copied().map(unit).unwrap_or_default(),
                unit(mean),
                unit(least),
                unit(most),
                sparkline(&series.average, WIDTH),
            ]);
        }
        let mut text = format!(
            "{} to {}, a point each {} s\n\n{}",
            metrics.from,
            metrics.until,
            metrics.step_seconds,
            table.show("Nothing is known of this time.")
        );
        if !metrics.marks.is_empty() {
            text.push('\n');
        }
        for mark in &metrics.marks {
            text.push('\n');
            text.push_str(&clean(&format!(
                "{}  {}: {}",
                mark.at,
                words(&mark.kind),
                mark.text
            )));
        }
        text
    })
}

/// A value with its unit.
pub fn figure(value: f64, unit: &str) -> String {
    match unit {
        "bytes_per_second" => format!("{}/s", bytes(value)),
        "mib" => bytes(value * f64::from(1 << 20)),
        "cores" => format!("{value:.2} cores"),
        "bytes" => bytes(value),
        "per_second" => format!("{value:.1}/s"),
        "seconds" => format!("{:.2} ms", value * 1e3),
        "count" => format!("{value:.0}"),
        other => format!("{value:.2} {}", words(other)),
    }
}
