//! Connections to hosts: one place that knows which hosts are reached, and why others are not.

use bellwether_hypervisor::{Connector, Host, HypervisorError};
use bellwether_model::{
    Error, HostId, Result, Timestamp,
    host::{Host as Record, NoConnection},
    observed::HostFacts,
    text::shown,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;

/// How long opening a connection may take.
pub const OPEN_DEADLINE: Duration = Duration::from_secs(20);

/// Whether what says this of itself is the machine that was added.
pub(crate) fn is_the_same(record: &Record, facts: &HostFacts) -> Result<(), HypervisorError> {
    match (record.machine, facts.machine) {
        (Some(known), Some(found)) if known != found => Err(HypervisorError::no_connection(
            NoConnection::OtherMachine,
            format!(
                "another machine answers at its address, which calls itself {} (its UUID is {found}, not {known})",
                shown(&facts.hostname)
            ),
        )),
        _ => Ok(()),
    }
}

enum Link {
    Up { uri: String, host: Arc<dyn Host> },
    Down { why: String },
}

/// Connections by host.
pub struct Links {
    connector: Arc<dyn Connector>,
    links: Mutex<BTreeMap<HostId, Link>>,
    wakes: Mutex<BTreeMap<HostId, Arc<Notify>>>,
    /// Since when each host has been sampled without a gap.
    watched: Mutex<BTreeMap<HostId, Timestamp>>,
}

impl Links {
    pub(crate) fn new(connector: Arc<dyn Connector>) -> Self {
        Self {
            connector,
            links: Mutex::default(),
            wakes: Mutex::default(),
            watched: Mutex::default(),
        }
    }
    /// What wakes the sampling of a host before its period is over.
    pub(crate) fn waker(&self, id: HostId) -> Arc<Notify> {
        self.wakes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .entry(id)
            .or_default()
            .clone()
    }
    /// Notes that the host was just sampled, or (with `None`) that it did not answer.
    pub(crate) fn watched(&self, id: HostId, at: Option<Timestamp>) {
        let mut watched = self
            .watched
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match at {
            Some(at) => {
                watched.entry(id).or_insert(at);
            }
            None => {
                watched.remove(&id);
            }
        }
    }
    /// Since when the host has been sampled without a gap, by this process.
    pub(crate) fn watched_since(&self, id: HostId) -> Option<Timestamp> {
        self.watched
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .get(&id)
            .copied()
    }
    /// Has the host sampled at once: something on it was just changed.
    pub fn wake(&self, id: HostId) {
        self.waker(id).notify_one();
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<HostId, Link>> {
        self.links
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    /// The connection, or why there is none.
    pub fn get(&self, id: HostId) -> Result<Arc<dyn Host>> {
        match self.lock().get(&id) {
            Some(Link::Up { host, .. }) => Ok(host.clone()),
            Some(Link::Down { why }) => Err(Error::unavailable(format!(
                "The host can't be reached: {why}."
            ))),
            None => Err(Error::unavailable(
                "The host is not connected yet; try again in a moment.",
            )),
        }
    }
    /// Opens `uri` without keeping it.
    pub async fn try_open(&self, uri: &str) -> Result<Arc<dyn Host>, HypervisorError> {
        if !self.connector.serves(uri) {
            return Err(HypervisorError::BadUri {
                uri: uri.into(),
                why: "accepted are libvirt addresses such as qemu+ssh://user@host/system, qemu+tls://host/system or qemu:///system".into(),
            });
        }
        tokio::time::timeout(OPEN_DEADLINE, self.connector.connect(uri))
            .await
            .unwrap_or_else(|_| {
                Err(HypervisorError::no_connection(
                    NoConnection::TimedOut,
                    format!("no answer within {} s", OPEN_DEADLINE.as_secs()),
                ))
            })
    }
    /// The connection to a host, opened now if there is none to its URI. What answers there must be the machine that was
    /// added: another one's silence about a VM would be taken for the VM's end.
    pub async fn ensure(&self, record: &Record) -> Result<Arc<dyn Host>, HypervisorError> {
        let (id, uri) = (record.id, record.uri.as_str());
        if let Some(Link::Up { uri: open, host }) = self.lock().get(&id)
            && open == uri
        {
            return Ok(host.clone());
        }
        let opened = async {
            let host = self.try_open(uri).await?;
            if record.machine.is_some() {
                is_the_same(record, &host.facts().await?)?;
            }
            Ok::<_, HypervisorError>(host)
        };
        match opened.await {
            Ok(host) => {
                self.lock().insert(
                    id,
                    Link::Up {
                        uri: uri.into(),
                        host: host.clone(),
                    },
                );
                Ok(host)
            }
            Err(error) => {
                self.lock().insert(
                    id,
                    Link::Down {
                        why: error.to_string(),
                    },
                );
                Err(error)
            }
        }
    }
    /// Forgets the connection.
    pub fn close(&self, id: HostId) {
        self.lock().remove(&id);
    }
}
