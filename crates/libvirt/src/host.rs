//! A host reached through libvirt, and the connector that makes them.

use crate::{
    ffi::{Connect, Domain},
    link::{Link, Session},
    migration::Unencrypted,
    open::Opener,
    trouble::Trouble,
};
use async_trait::async_trait;
use bellwether_hypervisor::{Connector, Host, HostEvent, HypervisorError, Result};
use bellwether_model::host_uri::{HostUri, SshCommands, Transport, without_credentials};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, broadcast};
use uuid::Uuid;

/// Deadline of a question that libvirtd answers from memory.
pub(crate) const QUICK: Duration = Duration::from_secs(10);
/// Deadline of something that starts or stops a process, or touches storage.
pub(crate) const SLOW: Duration = Duration::from_secs(60);

/// Events kept for a listener that is behind; more are dropped, which it learns.
const EVENTS_KEPT: usize = 1024;

/// Uploads to one host at a time; more would only share its link.
const TRANSFERS_AT_ONCE: usize = 4;
/// Migrations away from one host at a time, as a bound on threads; the engine's own limit is lower.
const MOVES_AT_ONCE: usize = 16;

/// Makes hosts out of libvirt URIs.
#[derive(Default)]
pub struct LibvirtConnector {
    opener: Arc<Opener>,
    commands: SshCommands,
    test_driver: bool,
}

impl LibvirtConnector {
    /// A connector; one is enough for a process.
    pub fn new() -> Self {
        Self::default()
    }
    /// Lets URIs name the ssh program to run (`qemu+ssh://…?command=/path`). Who may add a host may then run a program as
    /// the server's user, and through a peer URI on the hosts; so this is for whoever deploys the server to say.
    #[must_use]
    pub fn allowing_ssh_commands(mut self) -> Self {
        self.commands = SshCommands::Allowed;
        self
    }
    /// Serves libvirt's test driver (`test:///default`), whose host and VMs are not real.
    #[must_use]
    pub fn allowing_test_driver(mut self) -> Self {
        self.test_driver = true;
        self
    }
}

#[async_trait]
impl Connector for LibvirtConnector {
    async fn connect(&self, uri: &str) -> Result<Arc<dyn Host>> {
        let uri = read_uri(uri, self.commands)?;
        if uri.transport() == Transport::Test && !self.test_driver {
            return Err(HypervisorError::BadUri {
                uri: uri.to_string(),
                why: "libvirt's test driver is off; the configuration's allow_simulated_hosts switches it on".into(),
            });
        }
        Ok(Arc::new(
            LibvirtHost::connect(uri, &self.opener, self.commands).await?,
        ))
    }
    fn serves(&self, uri: &str) -> bool {
        // By scheme alone: what is wrong with the rest of it, `connect` says better than "nobody serves this".
        uri.split_once("://")
            .and_then(|(scheme, _)| scheme.split('+').next())
            .is_some_and(|scheme| scheme == "test" || scheme == "qemu")
    }
}

/// Reads an address that libvirt is to open.
pub(crate) fn read_uri(uri: &str, commands: SshCommands) -> Result<HostUri> {
    let wrong = |why: String| HypervisorError::BadUri {
        uri: without_credentials(uri),
        why,
    };
    let read = HostUri::parse(uri, commands).map_err(wrong)?;
    match read.transport() {
        Transport::Simulated => Err(wrong("libvirt knows no simulated hosts".into())),
        _ => Ok(read),
    }
}

/// A host. Reading and control have a connection each; every migration and every transfer opens one of its own.
pub(crate) struct LibvirtHost {
    pub uri: HostUri,
    /// Whether URIs may name programs.
    pub commands: SshCommands,
    pub opener: Arc<Opener>,
    pub reading: Arc<Link>,
    pub control: Arc<Link>,
    pub events: broadcast::Sender<HostEvent>,
    /// Places for uploads.
    pub transfers: Arc<Semaphore>,
    /// Places for migrations.
    pub moves: Arc<Semaphore>,
    /// Where moves go that can't be encrypted.
    pub unencrypted: Arc<Unencrypted>,
}

impl LibvirtHost {
    async fn connect(uri: HostUri, opener: &Arc<Opener>, commands: SshCommands) -> Result<Self> {
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let reading = Link::open(&uri, opener, Some(events.clone())).await?;
        // Hello: what answers must be a hypervisor that lists its guests. Asked for the first time, libvirt starts every
        // QEMU it has to learn what it can do.
        reading
            .call("greeting the host", SLOW, |session| {
                session.platform().map(|_| ())
            })
            .await?;
        let control = Link::open(&uri, opener, None).await?;
        Ok(Self {
            uri,
            commands,
            opener: Arc::clone(opener),
            reading,
            control,
            events,
            transfers: Arc::new(Semaphore::new(TRANSFERS_AT_ONCE)),
            moves: Arc::new(Semaphore::new(MOVES_AT_ONCE)),
            unencrypted: Arc::default(),
        })
    }

    /// A question on the reading connection.
    pub async fn read<T: Send + 'static>(
        &self,
        operation: &str,
        deadline: Duration,
        work: impl FnOnce(&Session) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T> {
        self.reading.call(operation, deadline, work).await
    }
    /// A change on the control connection.
    pub async fn change<T: Send + 'static>(
        &self,
        operation: &str,
        deadline: Duration,
        work: impl FnOnce(&Session) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T> {
        self.control.call(operation, deadline, work).await
    }
    /// A connection for one long affair.
    pub async fn own_connection(&self) -> Result<Connect> {
        self.opener.open(&self.uri, |connect| connect).await
    }
}

/// The domain, or none where the host has none of that UUID.
pub(crate) fn find(connect: &Connect, vm: Uuid) -> Result<Option<Domain>, Trouble> {
    match connect.domain(vm) {
        Ok(domain) => Ok(Some(domain)),
        Err(failure) if failure.code == virt_sys::VIR_ERR_NO_DOMAIN => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(connector: &LibvirtConnector, uri: &str) -> String {
        match connector.connect(uri).await {
            Ok(_) => panic!("{uri} was opened"),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn an_address_libvirt_would_read_otherwise_never_reaches_it() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, mark) = (folder.path().join("secret"), folder.path().join("mark"));
        let program = folder.path().join("program");
        std::fs::write(&secret, "db = \"postgres://u:hunter2@h/x\"").unwrap();
        std::fs::write(&program, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
        let connector = LibvirtConnector::new().allowing_test_driver();
        for uri in [
            format!(
                "qemu+ssh://127.0.0.1/system?no_tty=1;command={}",
                program.display()
            ),
            format!("test://{}", secret.display()),
        ] {
            assert!(connector.serves(&uri));
            let said = refused(&connector, &uri).await;
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains("can't be used"), "{said}");
        }
        assert!(!mark.exists());
        // The one address of the test driver, where it is allowed.
        let said = refused(&LibvirtConnector::new(), "test:///default").await;
        assert!(said.contains("allow_simulated_hosts"), "{said}");
        assert!(connector.connect("test:///default").await.is_ok());
    }

    #[tokio::test]
    async fn networks_of_libvirt_are_found_as_carriers() {
        let connector = LibvirtConnector::new().allowing_test_driver();
        let host = connector.connect("test:///default").await.unwrap();
        let carriers = host.places().await.unwrap().carriers;
        let found = carriers.iter().find(|seen| {
            seen.carrier == bellwether_model::network::Carrier::Libvirt("default".into())
        });
        assert!(found.is_some_and(|seen| seen.active), "{carriers:?}");
    }
}
