//! What monitoring systems read at `/metrics`: everything that was last seen, as OpenMetrics or in Prometheus's older
//! text format, family by family and never whole in memory.
//!
//! VMs are told under the names of the common libvirt exporters (`libvirt_domain_*`), so that dashboards made for those
//! mostly work; what is ours begins with `bellwether_`. `docs/monitoring.md` lists both and says which names differ.

mod hosts;
mod own;
mod vms;

use bellwether_engine::{Engine, TaskStatus};
use bellwether_model::{Result, Timestamp, observed::Observed};
use bellwether_store::{Records, Tally};
use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder,
        NoLabelSet, prometheus_text, text,
    },
    metrics::MetricType,
    registry::Registry,
};
use std::{
    fmt::{self, Write},
    sync::Arc,
};

/// What is exposed, as of one moment.
#[derive(Debug)]
pub struct Exposed {
    now: Timestamp,
    observed: Arc<Observed>,
    records: Arc<Records>,
    tallies: Arc<Vec<Tally>>,
    tasks: Vec<TaskStatus>,
}

impl Exposed {
    /// Everything, from what was last seen and from the store; no host is asked.
    pub async fn gather(engine: &Engine) -> Result<Self> {
        Ok(Self {
            now: engine.now(),
            observed: engine.observed(),
            records: engine.store().records().await?,
            tallies: engine.store().tallies().await?,
            tasks: engine.task_status(),
        })
    }
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/).
    OpenMetrics,
    /// Prometheus's text format 0.0.4.
    Prometheus,
}

impl Format {
    /// The one a client accepts, by its `Accept` header: the older one unless the newer is named.
    pub fn accepted(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }
    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes everything, in pieces as they come about.
///
/// # Errors
/// Where `to` takes no more.
pub fn write(exposed: Exposed, format: Format, to: &mut impl Write) -> fmt::Result {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(exposed));
    match format {
        Format::OpenMetrics => text::encode(to, &registry),
        Format::Prometheus => prometheus_text::encode(to, &registry),
    }
}

impl Collector for Exposed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        hosts::write(self, &mut encoder)?;
        vms::write(self, &mut encoder)?;
        own::write(self, &mut encoder)
    }
}

/// One family: counters or gauges of one name, written one after the other.
struct Family<'a>(MetricEncoder<'a>);

impl<'a> Family<'a> {
    /// Counters; OpenMetrics and Prometheus both write `_total` after the name.
    fn counters(
        encoder: &'a mut DescriptorEncoder<'_>,
        name: &'a str,
        help: &str,
    ) -> Result<Self, fmt::Error> {
        let family = encoder.encode_descriptor(name, help, None, MetricType::Counter);
        family.map(Self)
    }
    /// Gauges.
    fn gauges(
        encoder: &'a mut DescriptorEncoder<'_>,
        name: &'a str,
        help: &str,
    ) -> Result<Self, fmt::Error> {
        let family = encoder.encode_descriptor(name, help, None, MetricType::Gauge);
        family.map(Self)
    }
    fn counter(
        &mut self,
        labels: &impl EncodeLabelSet,
        value: &impl EncodeCounterValue,
    ) -> fmt::Result {
        self.0
            .encode_family(labels)?
            .encode_counter::<NoLabelSet, _, u64>(value, None)
    }
    fn gauge(
        &mut self,
        labels: &impl EncodeLabelSet,
        value: &impl EncodeGaugeValue,
    ) -> fmt::Result {
        self.0.encode_family(labels)?.encode_gauge(value)
    }
}

/// Nanoseconds as the seconds monitoring systems count in.
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
