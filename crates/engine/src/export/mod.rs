//! Out: what was seen, for monitoring systems that others run. Read by them ([`exposition`]), or pushed: to Graphite as each
//! host was looked at and totals on a period, by Prometheus's remote-write on a period.
//!
//! Each server pushed to has a [`backlog`] of its own and a sender that nobody waits for: one that is away, slow or refuses
//! delays neither sampling nor the others. What it can't take is kept for a while, then the oldest is dropped, and counted.

mod backlog;
pub mod exposition;
mod graphite;
pub(crate) mod http;
mod lines;
pub(crate) mod pause;
mod remote_write;
mod totals;

use crate::Engine;
use backlog::Backlog;
use bellwether_model::{
    HostId, Timestamp, VmId,
    observed::HostSeen,
    signal::{Entity, Signal},
};
use bellwether_store::Records;
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The servers that are pushed to.
#[derive(Clone, Debug, Default)]
pub struct Push {
    /// Graphite's.
    pub graphite: Vec<ToGraphite>,
    /// Those that speak Prometheus's remote-write.
    pub remote_write: Vec<ToRemoteWrite>,
}

/// A Graphite server: carbon's plaintext listener, or anything that speaks it.
#[derive(Clone, Debug)]
pub struct ToGraphite {
    /// `host:port`.
    pub address: String,
    /// What every path begins with.
    pub prefix: String,
    /// Names with tags instead of paths.
    pub tagged: bool,
    /// How long what it can't take is kept.
    pub keep: Duration,
}

/// A server that speaks Prometheus's remote-write: Prometheus, VictoriaMetrics, Mimir.
#[derive(Clone, Debug)]
pub struct ToRemoteWrite {
    /// Its address, without credentials.
    pub url: String,
    /// How it is told who we are.
    pub credentials: Credentials,
    /// How often.
    pub every: Duration,
    /// How long what it can't take is kept.
    pub keep: Duration,
}

/// How a server is told who we are.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// By a token.
    Bearer(SecretString),
    /// By name and password.
    Basic(String, SecretString),
}

/// How long what a server can't take is kept where nothing else is said: an outage of ten minutes, and some more.
pub const KEEP: Duration = Duration::from_secs(900);
/// Bytes of memory that the backlog of one server takes at most, about.
const MOST_BYTES: usize = 256 << 20;

/// How a server that is pushed to does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutletStatus {
    /// `graphite` or `remote_write`.
    pub kind: &'static str,
    /// Its address.
    pub to: String,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// Samples it took.
    pub sent: u64,
    /// Samples it refused for good.
    pub refused: u64,
    /// Samples dropped because it took none for too long.
    pub dropped: u64,
    /// Samples that wait for it.
    pub waiting: u64,
}

/// What is measured of one thing is labelled with these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Labels {
    pub of: Entity,
    /// The host, or the host of the VM.
    pub host: String,
    pub id: Uuid,
    /// The name people gave it.
    pub name: String,
    /// libvirt's name of a VM; of a host its name.
    pub libvirt_name: String,
    /// The login of a VM's owner.
    pub owner: Option<String>,
}

/// A value with whose it is and what it measures.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub labels: Arc<Labels>,
    pub signal: &'static str,
    pub value: f64,
}

/// What one look at a host measured, or the totals at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub at: Timestamp,
    pub points: Vec<Point>,
    pub totals: Vec<totals::Total>,
}

/// What a sender says of itself; shared with whoever asks.
#[derive(Debug, Default)]
struct Health(Mutex<Option<String>>);

impl Health {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Notes what is wrong; logged when it is new.
    fn trouble(&self, kind: &str, to: &str, trouble: String) {
        let mut known = self.lock();
        if known.as_deref() != Some(&trouble) {
            tracing::warn!(kind, to, "pushing measurements: {trouble}");
            *known = Some(trouble);
        }
    }
    /// Notes that it goes well.
    fn well(&self, kind: &str, to: &str) {
        if self.lock().take().is_some() {
            tracing::info!(kind, to, "pushing measurements goes well again");
        }
    }
}

/// All servers that are pushed to, with what waits for them.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    graphite: Vec<Arc<graphite::Outlet>>,
    remote_write: Vec<Arc<remote_write::Outlet>>,
}

impl Exports {
    pub fn new(push: &Push) -> Self {
        let graphite = push.graphite.iter().cloned();
        let remote_write = push.remote_write.iter().cloned();
        Self {
            graphite: graphite.map(graphite::Outlet::new).map(Arc::new).collect(),
            remote_write: remote_write
                .map(remote_write::Outlet::new)
                .map(Arc::new)
                .collect(),
        }
    }

    /// How each does.
    pub fn status(&self) -> Vec<OutletStatus> {
        let graphite = self.graphite.iter().map(|outlet| outlet.status());
        let remote = self.remote_write.iter().map(|outlet| outlet.status());
        graphite.chain(remote).collect()
    }
}

/// Starts a sender for each server.
pub(crate) fn spawn_all(engine: &Engine, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
    let exports = engine.exports();
    let mut tasks = Vec::new();
    for outlet in &exports.graphite {
        let (outlet, stop) = (outlet.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            stop.run_until_cancelled(outlet.send_all()).await;
        }));
    }
    if !exports.graphite.is_empty() {
        let (engine, stop) = (engine.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            stop.run_until_cancelled(totals::gather_all(&engine)).await;
        }));
    }
    for outlet in &exports.remote_write {
        let (gathering, stopping) = (outlet.clone(), stop.clone());
        let engine = engine.clone();
        tasks.push(tokio::spawn(async move {
            let gather = gathering.gather_all(&engine);
            stopping.run_until_cancelled(gather).await;
        }));
        let (outlet, stop) = (outlet.clone(), stop.clone());
        tasks.push(tokio::spawn(async move {
            stop.run_until_cancelled(outlet.send_all()).await;
        }));
    }
    tasks
}

/// Gives what a look measured to every Graphite server.
pub(crate) async fn measured(engine: &Engine, seen: &HostSeen, values: &[(Uuid, Signal, f64)]) {
    let exports = engine.exports();
    if exports.graphite.is_empty() || values.is_empty() {
        return;
    }
    let records = match engine.store().records().await {
        Ok(records) => records,
        Err(error) => {
            tracing::warn!(%error, context = error.context(), "measurements are not pushed: names can't be read");
            return;
        }
    };
    let mut known: BTreeMap<Uuid, Arc<Labels>> = BTreeMap::new();
    let points = values.iter().filter_map(|(id, signal, value)| {
        let labels = match known.get(id) {
            Some(labels) => labels.clone(),
            None => {
                let labels = Arc::new(labels(&records, seen, *id, signal.of)?);
                known.insert(*id, labels.clone());
                labels
            }
        };
        Some(Point {
            labels,
            signal: signal.word,
            value: *value,
        })
    });
    let batch = Arc::new(Batch {
        at: seen.at.unwrap_or_else(|| engine.now()),
        points: points.collect(),
        totals: Vec::new(),
    });
    for outlet in &exports.graphite {
        outlet.take(batch.clone());
    }
}

/// What the thing is labelled with; none for one of a host that is being removed.
fn labels(records: &Records, seen: &HostSeen, id: Uuid, of: Entity) -> Option<Labels> {
    let host = records.host(HostId(seen.host.0))?.name.clone();
    Some(match of {
        Entity::Host => Labels {
            of,
            id,
            name: host.clone(),
            libvirt_name: host.clone(),
            host,
            owner: None,
        },
        Entity::Vm => {
            let libvirt_name = seen.vm(id)?.name.clone();
            let ours = records.vm(VmId(id));
            Labels {
                of,
                host,
                id,
                name: ours.map_or_else(|| libvirt_name.clone(), |vm| vm.name.clone()),
                libvirt_name,
                owner: ours.and_then(|vm| records.name(vm.owner.0).map(str::to_owned)),
            }
        }
    })
}
