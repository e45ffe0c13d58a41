//! libvirt's failures in the words of [`HypervisorError`].

mod calls;
mod connecting;

pub(crate) use calls::call_error;
pub(crate) use connecting::connect_error;

use crate::{ffi::Failure, xml::writer::Forbidden};
use bellwether_hypervisor::HypervisorError;

/// What can go wrong inside a call: libvirt's own failure, or something we say ourselves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// libvirt refused or failed.
    Libvirt(Failure),
    /// Already in the engine's words.
    Said(HypervisorError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Libvirt(failure)
    }
}

impl From<HypervisorError> for Trouble {
    fn from(error: HypervisorError) -> Self {
        Self::Said(error)
    }
}

impl From<Forbidden> for Trouble {
    fn from(forbidden: Forbidden) -> Self {
        Self::Said(HypervisorError::BadDefinition(forbidden.to_string()))
    }
}

impl Trouble {
    /// Something failed, in our own words.
    pub fn said(operation: &str, message: impl Into<String>) -> Self {
        Self::Said(HypervisorError::Failed {
            operation: operation.into(),
            message: message.into(),
        })
    }
    /// The host can't do it.
    pub fn unsupported(why: &str) -> Self {
        Self::Said(HypervisorError::Unsupported(why.into()))
    }
    /// In the engine's words.
    pub fn into_error(self, operation: &str) -> HypervisorError {
        match self {
            Self::Said(error) => error,
            Self::Libvirt(failure) => call_error(operation, &failure),
        }
    }
}

/// Words by which libvirt says that the connection itself is gone.
pub(crate) const BROKEN: &[&str] = &[
    "client socket is closed",
    "End of file while reading data",
    "received hangup / error event on socket",
    "connection closed due to keepalive timeout",
    "Cannot write data",
    "Cannot recv data",
    "Connection reset by peer",
    "Broken pipe",
];

/// As libvirt would report it.
#[cfg(test)]
fn failure(code: u32, message: &str) -> Failure {
    Failure {
        code,
        domain: virt_sys::VIR_FROM_NONE,
        errno: 0,
        message: message.into(),
    }
}
