//! The engine: everything the stages share, and what runs in the background.

use crate::{Clock, Links, Live, jobs, tasks};
use bellwether_hypervisor::{Connector, Host};
use bellwether_model::{
    Day, HostId, Result, Timestamp, host_uri::SshCommands, observed::Observed, time,
};
use bellwether_store::{History, Store};
use std::{
    path::PathBuf,
    sync::{Arc, RwLock},
    time::Duration,
};
use tokio::sync::{Mutex, Notify, broadcast};
use tokio_util::sync::CancellationToken;

/// Facts of the deployment the engine needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often hosts are sampled.
    pub period: Duration,
    /// How often that is looked at which costs hosts more.
    pub paces: Paces,
    /// The site's time zone: leases end at its midnights.
    pub zone: jiff::tz::TimeZone,
    /// Where images and half-fetched files are kept.
    pub data_dir: PathBuf,
    /// Name of this process among those that share the database; part of a job's lease.
    pub holder: String,
    /// How long a runner holds a job without renewing. Longer than any single call to a host may take.
    pub job_lease: Duration,
    /// Images may be fetched from plain http and from loopback or private addresses (for a mirror inside the site).
    pub allow_local_image_urls: bool,
    /// How large images may be, and how patiently they are fetched.
    pub fetching: crate::images::Fetching,
    /// Addresses of hosts may name the ssh program to run (`command=`): who adds hosts then runs programs as this process.
    pub allow_ssh_commands: bool,
    /// The clock.
    pub clock: Clock,
    /// The servers that measurements are pushed to.
    pub push: crate::export::Push,
    /// Who is told of alerts.
    pub tell: crate::alert::Tell,
}

impl Settings {
    /// Whether addresses of hosts may name programs.
    pub(crate) fn ssh_commands(&self) -> SshCommands {
        if self.allow_ssh_commands {
            SshCommands::Allowed
        } else {
            SshCommands::Refused
        }
    }
}

/// How often something is looked at that costs a host more than its CPU and network counters: QEMU's monitor is asked for
/// memory and disks, the host's storage for pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paces {
    /// Guests' memory.
    pub memory: Duration,
    /// Disks.
    pub disks: Duration,
    /// Pools and networks, and what the host is.
    pub places: Duration,
    /// What a VM writes: it is measured for some seconds, on one VM of a host at a time.
    pub writes: Duration,
}

/// Long enough that measuring is no load, short enough that a forecast is not of another day.
const WRITES_EVERY: Duration = Duration::from_secs(600);

impl Paces {
    /// What suits a sampling period.
    pub fn of(period: Duration) -> Self {
        Self {
            memory: period * 3,
            disks: period * 3,
            places: period * 30,
            writes: WRITES_EVERY,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            period: Duration::from_secs(10),
            paces: Paces::of(Duration::from_secs(10)),
            zone: jiff::tz::TimeZone::system(),
            data_dir: PathBuf::from("."),
            holder: format!(
                "bellwetherd-{}-{}",
                std::process::id(),
                uuid::Uuid::now_v7().simple()
            ),
            job_lease: Duration::from_secs(120),
            allow_local_image_urls: false,
            fetching: crate::images::Fetching::default(),
            allow_ssh_commands: false,
            clock: Clock::System,
            push: crate::export::Push::default(),
            tell: crate::alert::Tell::default(),
        }
    }
}

/// A cheap clone of the shared engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub store: Store,
    pub history: History,
    pub links: Links,
    pub settings: Settings,
    pub observed: RwLock<Arc<Observed>>,
    pub live: broadcast::Sender<Live>,
    pub last_event: Mutex<i64>,
    /// Wakes the job runner.
    pub jobs_wanted: Notify,
    /// Why measurements are not kept, if they are not.
    pub history_trouble: std::sync::Mutex<Option<crate::monitor::HistoryTrouble>>,
    /// Wakes reconcile and those who wait for room.
    pub fleet_changed: Notify,
    /// Wakes the monitor when a host was added, changed or removed.
    pub hosts_changed: Notify,
    pub tasks: tasks::Board,
    pub probe: jobs::ProbeCell,
    pub reach: crate::reach::Board,
    pub uses: crate::sessions::Uses,
    pub uploads: crate::images::Uploads,
    pub compatibility: crate::migrate::compatibility::Compatibility,
    pub written: crate::forecast::Written,
    pub accuracy: crate::forecast::KeptAccuracy,
    pub look: crate::look::Kept,
    pub exports: crate::export::Exports,
    pub alerts: crate::alert::Alerts,
}

impl Engine {
    /// An engine on this store and these hosts; nothing runs until [`Engine::start`].
    pub fn new(
        store: Store,
        history: History,
        connector: Arc<dyn Connector>,
        settings: Settings,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                links: Links::new(connector),
                exports: crate::export::Exports::new(&settings.push),
                alerts: crate::alert::Alerts::new(&settings.tell),
                store,
                history,
                settings,
                observed: RwLock::default(),
                live: broadcast::channel(1024).0,
                last_event: Mutex::new(0),
                jobs_wanted: Notify::new(),
                history_trouble: std::sync::Mutex::new(None),
                written: crate::forecast::Written::default(),
                accuracy: crate::forecast::KeptAccuracy::default(),
                fleet_changed: Notify::new(),
                hosts_changed: Notify::new(),
                tasks: tasks::Board::default(),
                probe: jobs::ProbeCell::default(),
                reach: crate::reach::Board::default(),
                uses: crate::sessions::Uses::default(),
                uploads: crate::images::Uploads::default(),
                compatibility: crate::migrate::compatibility::Compatibility::default(),
                look: crate::look::Kept::default(),
            }),
        }
    }
    /// The database.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }
    /// What was measured over time.
    pub fn history(&self) -> &History {
        &self.inner.history
    }
    /// The deployment's facts.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }
    /// What `monitor` last saw.
    pub fn observed(&self) -> Arc<Observed> {
        self.inner
            .observed
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
    /// Changes what was last seen, by making a new value of it.
    pub(crate) fn observe(&self, change: impl FnOnce(&mut Observed)) {
        let mut guard = self
            .inner
            .observed
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(Arc::make_mut(&mut guard));
    }
    /// The servers that measurements are pushed to, with what waits for them.
    pub(crate) fn exports(&self) -> &crate::export::Exports {
        &self.inner.exports
    }
    /// How each server that measurements are pushed to does.
    pub fn outlets(&self) -> Vec<crate::export::OutletStatus> {
        self.inner.exports.status()
    }
    /// Who is told of alerts, and how that goes.
    pub fn told(&self) -> Vec<crate::alert::TargetStatus> {
        self.inner.alerts.status()
    }
    /// The site's time zone.
    pub fn zone(&self) -> &jiff::tz::TimeZone {
        &self.inner.settings.zone
    }
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.inner.settings.clock.now()
    }
    /// Today, in the site's time zone.
    pub fn today(&self) -> Day {
        time::day_of(self.now(), self.zone())
    }
    /// Live events from now on.
    pub fn live(&self) -> broadcast::Receiver<Live> {
        self.inner.live.subscribe()
    }
    /// The open connection to a host.
    pub(crate) fn host(&self, host: HostId) -> Result<Arc<dyn Host>> {
        self.inner.links.get(host)
    }
    /// Connections to hosts.
    pub fn links(&self) -> &Links {
        &self.inner.links
    }
    /// How the background tasks are doing.
    pub fn task_status(&self) -> Vec<tasks::TaskStatus> {
        self.inner.tasks.status()
    }
    /// Starts the background tasks; they end when the returned handle is stopped.
    pub async fn start(&self) -> Result<Running> {
        *self.inner.last_event.lock().await = self.store().last_event().await?;
        let seen = self.store().seen().await?;
        self.observe(|observed| {
            for host in seen {
                observed
                    .hosts
                    .entry(host.host)
                    .or_insert_with(|| Arc::new(host));
            }
        });
        let stop = CancellationToken::new();
        let mut handles = tasks::spawn_all(self, &stop);
        handles.extend(crate::export::spawn_all(self, &stop));
        handles.extend(crate::alert::spawn_all(self, &stop));
        Ok(Running { stop, handles })
    }
}

/// The background tasks of an engine.
pub struct Running {
    stop: CancellationToken,
    handles: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Asks every task to end and waits until they have; jobs in the middle of a step are left for the next start.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for handle in std::mem::take(&mut self.handles) {
            // A task that panicked has ended too.
            let _ = handle.await;
        }
    }
    /// Ends everything at once, as a kill would; for crash tests.
    pub fn kill(&mut self) {
        for handle in &self.handles {
            handle.abort();
        }
        self.stop.cancel();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
