//! The hosts this server can reach: libvirt's where it is built in, simulated ones where the configuration lets them.

use async_trait::async_trait;
use bellwether_hypervisor::{Connector, Host, HypervisorError};
use bellwether_model::text::shown;
use std::sync::Arc;

/// Several connectors as one: the first that serves a URI gets it.
pub struct Connectors {
    each: Vec<Arc<dyn Connector>>,
    simulated: bool,
}

impl Connectors {
    /// The connectors of this build and configuration.
    pub fn new(each: Vec<Arc<dyn Connector>>, simulated: bool) -> Self {
        Self { each, simulated }
    }
    fn find(&self, uri: &str) -> Option<&Arc<dyn Connector>> {
        self.each.iter().find(|connector| connector.serves(uri))
    }
}

#[async_trait]
impl Connector for Connectors {
    async fn connect(&self, uri: &str) -> bellwether_hypervisor::Result<Arc<dyn Host>> {
        match self.find(uri) {
            Some(connector) => connector.connect(uri).await,
            None => Err(HypervisorError::BadUri {
                uri: shown(uri),
                why: if uri.starts_with("sim:") && !self.simulated {
                    "simulated hosts are off; the configuration's allow_simulated_hosts switches them on".into()
                } else {
                    "accepted are libvirt addresses such as qemu+ssh://user@host/system, qemu+tls://host/system or qemu:///system".into()
                },
            }),
        }
    }
    fn serves(&self, uri: &str) -> bool {
        // A refusal of ours is clearer than "nobody serves this".
        self.find(uri).is_some() || uri.starts_with("sim:")
    }
}
