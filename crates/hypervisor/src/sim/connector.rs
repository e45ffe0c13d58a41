//! `sim://FLEET/HOST`: from an address to a simulated host.

use super::{fault::Fault, fault::Op, fleet::SimFleet, host::SimHost, spec::SimSpec};
use crate::{Connector, Host, HypervisorError, Result};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// Fleets that every [`SimConnector`] of this process sees, by name.
static REGISTRY: LazyLock<Mutex<BTreeMap<String, SimFleet>>> = LazyLock::new(Mutex::default);

/// Serves `sim://FLEET/HOST`. A fleet that does not exist yet is made at the first connection, as the query says:
/// `sim://demo/host01?hosts=50&vms=2000` (see [`SimSpec::from_query`]).
#[derive(Clone, Debug, Default)]
pub struct SimConnector {
    /// Fleets of this connector alone; they come before the process's.
    own: Vec<SimFleet>,
}

impl SimConnector {
    /// Serves the fleets of this process.
    pub fn new() -> Self {
        Self::default()
    }
    /// Serves this fleet, and those of the process by other names.
    pub fn of(fleet: &SimFleet) -> Self {
        Self {
            own: vec![fleet.clone()],
        }
    }

    fn fleet(&self, name: &str, query: &str) -> Result<SimFleet> {
        if let Some(own) = self.own.iter().find(|fleet| fleet.name() == name) {
            return Ok(own.clone());
        }
        let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fleet) = registry.get(name) {
            return Ok(fleet.clone());
        }
        let fleet = SimFleet::new(SimSpec::from_query(name, query)?);
        registry.insert(name.into(), fleet.clone());
        Ok(fleet)
    }
}

/// Makes `fleet` known to every connector of the process; one of the same name is replaced.
pub fn register(fleet: &SimFleet) {
    REGISTRY
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(fleet.name(), fleet.clone());
}

#[async_trait]
impl Connector for SimConnector {
    async fn connect(&self, uri: &str) -> Result<Arc<dyn Host>> {
        let (fleet, host) = parts(uri)?;
        let query = uri.split_once('?').map_or("", |(_, query)| query);
        let fleet = self.fleet(&fleet, query)?;
        let host = SimHost::new(fleet, &host);
        host.call(Op::Connect, |_, _| Ok(())).await?;
        Ok(Arc::new(host))
    }

    fn serves(&self, uri: &str) -> bool {
        uri.starts_with("sim://")
    }
}

/// The fleet's and the host's name in a URI; a query does not matter.
pub(super) fn parts(uri: &str) -> Result<(String, String)> {
    let wrong = || HypervisorError::BadUri {
        uri: uri.into(),
        why: "a simulated host is written sim://FLEET/HOST, such as sim://demo/host01".into(),
    };
    let rest = uri.strip_prefix("sim://").ok_or_else(wrong)?;
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    let (fleet, host) = rest.split_once('/').ok_or_else(wrong)?;
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if !plain(fleet) || !plain(host) {
        return Err(wrong());
    }
    Ok((fleet.into(), host.into()))
}

impl SimFleet {
    /// The next `times` attempts to connect to `host` fail with this error.
    pub fn refuse_connections(&self, host: &str, error: HypervisorError, times: u32) {
        self.fault(host, Op::Connect, Fault::Before(error), times);
    }
}
