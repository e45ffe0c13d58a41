//! What monitoring systems read at `/metrics`: everything that was last seen, as OpenMetrics or in Prometheus's older
//! text format, family by family and never whole in memory.
//!
//! VMs are told under the names of the common libvirt exporters (`libvirt_domain_*`), so that dashboards made for those
//! mostly work; what is ours begins with `bellwether_`. `docs/monitoring.md` lists both and says which names differ.

mod alerts;
mod hosts;
mod own;
mod vms;

use super::OutletStatus;
use crate::{Engine, TaskStatus, alert::TargetStatus, forecast};
use bellwether_decide::forecast::Accuracy;
use bellwether_model::{
    Result, Timestamp,
    alert::Incident,
    host::HostHealth,
    migration::MigrationOutcome,
    observed::{HostSeen, Observed},
};
use bellwether_store::{NoticeTally, Records, Tally};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text},
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
    outlets: Vec<OutletStatus>,
    open: Arc<[Incident]>,
    notices: Vec<NoticeTally>,
    told: Vec<TargetStatus>,
    accuracy: Accuracy,
}

impl Exposed {
    /// Everything, from what was last seen and from the store; no host is asked.
    pub async fn gather(engine: &Engine) -> Result<Self> {
        let tallies = engine.store().tallies().await?;
        let completed = tallies.iter().filter(|tally| {
            tally.of == "migration" && tally.state == MigrationOutcome::Completed.as_str()
        });
        let completed = completed.map(|tally| tally.count).sum();
        Ok(Self {
            now: engine.now(),
            observed: engine.observed(),
            records: engine.store().records().await?,
            accuracy: forecast::recent_accuracy(engine, completed).await?,
            tallies,
            tasks: engine.task_status(),
            outlets: engine.outlets(),
            open: engine.store().open_incidents().await?,
            notices: engine.store().notice_tallies().await?,
            told: engine.told(),
        })
    }
    /// The moment.
    pub(in crate::export) fn at(&self) -> Timestamp {
        self.now
    }
    /// Gives it to `sink`, family by family.
    pub(in crate::export) fn give(&self, sink: &mut dyn Sink) -> fmt::Result {
        hosts::give(self, sink)?;
        vms::give(self, sink)?;
        own::give(self, sink)?;
        alerts::give(self, sink)
    }
    /// Gives all but VMs to `sink`.
    pub(in crate::export) fn give_totals(&self, sink: &mut dyn Sink) -> fmt::Result {
        hosts::give(self, sink)?;
        own::give(self, sink)
    }
}

/// What a family's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) enum Kind {
    /// They only grow; `_total` is written after the name.
    Counter,
    /// They go up and down.
    Gauge,
}

/// Labels of a sample.
pub(in crate::export) type Labels<'a> = [(&'a str, &'a str)];

/// Where families go.
pub(in crate::export) trait Sink {
    /// One family; `samples` gives its samples, one after the other.
    fn family(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: &mut dyn FnMut(&mut dyn Samples) -> fmt::Result,
    ) -> fmt::Result;
}

/// Where the samples of a family go.
pub(in crate::export) trait Samples {
    fn sample(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result;
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
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.give(&mut Text(encoder))
    }
}

/// Text in either format.
struct Text<'a>(DescriptorEncoder<'a>);

struct TextOf<'a>(Kind, MetricEncoder<'a>);

impl Sink for Text<'_> {
    fn family(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        samples: &mut dyn FnMut(&mut dyn Samples) -> fmt::Result,
    ) -> fmt::Result {
        let type_ = match kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let encoder = self.0.encode_descriptor(name, help, None, type_)?;
        samples(&mut TextOf(kind, encoder))
    }
}

impl Samples for TextOf<'_> {
    fn sample(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        let mut one = self.1.encode_family(&labels)?;
        match self.0 {
            Kind::Counter => one.encode_counter::<NoLabelSet, _, u64>(&value, None),
            Kind::Gauge => one.encode_gauge(&value),
        }
    }
}

/// Whether what was seen of the host is told: of one that can't be reached nobody knows how it is now.
pub(crate) fn is_told(seen: &HostSeen) -> bool {
    matches!(seen.health, HostHealth::Ready | HostHealth::Stale)
}

/// Nanoseconds as the seconds monitoring systems count in.
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
