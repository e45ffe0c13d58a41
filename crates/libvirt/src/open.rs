//! Opening connections, bounded: opening one to a host that hangs may never come back, so only a few may be under way
//! to one URI, and who waits longer than the deadline is told that the host does not answer.

use crate::{ffi::Connect, trouble::connect_error, worker};
use bellwether_hypervisor::{HypervisorError, Result};
use bellwether_model::{
    host::NoConnection,
    host_uri::{HostUri, Transport},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Connections that may be in the middle of being opened to one URI.
const AT_ONCE: usize = 3;

/// How long opening may take.
pub(crate) const OPEN_DEADLINE: Duration = Duration::from_secs(15);

/// Opens connections; shared by all hosts of a connector.
#[derive(Default)]
pub(crate) struct Opener {
    under_way: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Opener {
    /// Opens a connection, and prepares it on the same thread.
    pub async fn open<T: Send + 'static>(
        &self,
        uri: &HostUri,
        prepare: impl FnOnce(Connect) -> T + Send + 'static,
    ) -> Result<T> {
        let places = Arc::clone(
            self.under_way
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .entry(uri.as_str().to_owned())
                .or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))),
        );
        let address = to_open(uri);
        let opened = worker::run("libvirt-open", &places, OPEN_DEADLINE, move || {
            Connect::open(&address).map(prepare)
        })
        .await;
        match opened {
            Ok(Ok(prepared)) => Ok(prepared),
            Ok(Err(failure)) => Err(match connect_error(&failure) {
                HypervisorError::BadUri { why, .. } => HypervisorError::BadUri {
                    uri: uri.as_str().to_owned(),
                    why,
                },
                error => error,
            }),
            Err(worker::NoResult::Late | worker::NoResult::NoPlace) => {
                Err(HypervisorError::no_connection(
                    NoConnection::TimedOut,
                    format!(
                        "nothing came back in {} s; is it switched on, does libvirt answer, and does a firewall let us through?",
                        OPEN_DEADLINE.as_secs()
                    ),
                ))
            }
            Err(worker::NoResult::Broken(why)) => Err(HypervisorError::Failed {
                operation: "opening the connection".into(),
                message: why,
            }),
        }
    }
}

/// As handed to libvirt: ssh must never ask anybody at a terminal.
fn to_open(uri: &HostUri) -> String {
    let address = uri.as_str();
    if uri.transport() == Transport::Ssh && uri.parameter("no_tty").is_none() {
        let joint = if address.contains('?') { '&' } else { '?' };
        return format!("{address}{joint}no_tty=1");
    }
    address.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::host_uri::SshCommands;

    #[test]
    fn ssh_never_asks() {
        for (uri, opened) in [
            ("qemu+ssh://h/system", "qemu+ssh://h/system?no_tty=1"),
            (
                "qemu+ssh://h/system?keyfile=/k",
                "qemu+ssh://h/system?keyfile=/k&no_tty=1",
            ),
            (
                "qemu+ssh://h/system?no_tty=1",
                "qemu+ssh://h/system?no_tty=1",
            ),
            ("qemu:///system", "qemu:///system"),
        ] {
            let uri = HostUri::parse(uri, SshCommands::Refused).unwrap();
            assert_eq!(to_open(&uri), opened);
        }
    }
}
