//! The body of a request: a `prometheus.WriteRequest` as protobuf, packed with snappy's block format.

use super::super::exposition::{Exposed, Kind, Labels, Samples, Sink};
use bytes::Bytes;
use prost::Message;
use std::fmt;

/// Series in one request at most; a server bounds its size.
const SERIES: usize = 5_000;

/// A request, ready to be sent.
pub(super) struct Request {
    pub body: Bytes,
    pub samples: u64,
}

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Everything exposed, in as many requests as it takes.
pub(super) fn requests(exposed: &Exposed) -> Vec<Request> {
    let mut gathered = Gathered {
        at_ms: exposed.at().0 / 1_000,
        series: Vec::new(),
        done: Vec::new(),
    };
    // Nothing here fails to take a sample.
    let _ = exposed.give(&mut gathered);
    gathered.pack();
    gathered.done
}

struct Gathered {
    at_ms: i64,
    series: Vec<TimeSeries>,
    done: Vec<Request>,
}

impl Gathered {
    fn pack(&mut self) {
        if self.series.is_empty() {
            return;
        }
        let timeseries = std::mem::take(&mut self.series);
        let samples = timeseries.len() as u64;
        let plain = WriteRequest { timeseries }.encode_to_vec();
        // Fails only beyond 4 GiB.
        match snap::raw::Encoder::new().compress_vec(&plain) {
            Ok(body) => self.done.push(Request {
                body: body.into(),
                samples,
            }),
            Err(error) => tracing::error!(%error, "measurements can't be packed"),
        }
    }
}

impl Sink for Gathered {
    fn family(
        &mut self,
        kind: Kind,
        name: &str,
        _help: &str,
        samples: &mut dyn FnMut(&mut dyn Samples) -> fmt::Result,
    ) -> fmt::Result {
        let name = match kind {
            Kind::Counter => format!("{name}_total"),
            Kind::Gauge => name.to_owned(),
        };
        samples(&mut OfFamily {
            name,
            gathered: self,
        })
    }
}

struct OfFamily<'a> {
    name: String,
    gathered: &'a mut Gathered,
}

impl Samples for OfFamily<'_> {
    fn sample(&mut self, labels: &Labels<'_>, value: f64) -> fmt::Result {
        let label = |name: &str, value: &str| Label {
            name: name.into(),
            value: value.into(),
        };
        // An empty label is none; the protocol wants them in order.
        let given = labels.iter().filter(|(_, value)| !value.is_empty());
        let mut labels: Vec<Label> = given.map(|(name, value)| label(name, value)).collect();
        labels.push(label("__name__", &self.name));
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        self.gathered.series.push(TimeSeries {
            labels,
            samples: vec![Sample {
                value,
                timestamp: self.gathered.at_ms,
            }],
        });
        if self.gathered.series.len() >= SERIES {
            self.gathered.pack();
        }
        Ok(())
    }
}
