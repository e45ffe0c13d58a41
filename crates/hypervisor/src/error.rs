//! What can go wrong when a host is asked for something. Variants name the failed thing; `Display` is fit for people.

use bellwether_model::{Error, host::NoConnection, text::shown};

/// Shorthand.
pub type Result<T, E = HypervisorError> = std::result::Result<T, E>;

/// A failure of a hypervisor host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HypervisorError {
    /// The URI is not one this connector serves, or is malformed.
    #[error("the address '{}' can't be used: {why}", shown(.uri))]
    BadUri {
        /// As given, credentials removed.
        uri: String,
        /// What would be accepted.
        why: String,
    },
    /// No connection could be opened.
    #[error("the host does not {}: {said}", if .why.is_refusal() { "let us in" } else { "answer" })]
    NoConnection {
        /// Which trouble it is.
        why: NoConnection,
        /// In words.
        said: String,
    },
    /// There was a connection and it broke, or the host is known to be gone.
    #[error("the host does not answer: {0}")]
    Unreachable(String),
    /// The host answered and did not let us do it.
    #[error("the host does not let us in: {0}")]
    NotLetIn(String),
    /// No VM with that UUID there.
    #[error("there is no such VM on the host")]
    NoSuchVm,
    /// A VM, volume or other thing of that name or UUID is there already.
    #[error("{0} is there already")]
    AlreadyThere(String),
    /// No such pool there.
    #[error("there is no pool '{}' on the host", shown(.0))]
    NoSuchPool(String),
    /// No such volume in the pool.
    #[error("there is no volume '{}' in the pool", shown(.0))]
    NoSuchVolume(String),
    /// The pool or host file system is full.
    #[error("no space left: {0}")]
    NoSpace(String),
    /// The VM or volume is held by another call, or the host takes no more at once: later it can be done.
    #[error("the host is busy: {0}")]
    Busy(String),
    /// The VM is in a state in which this can't be done (already running, not running).
    #[error("the VM can't do that now: {0}")]
    WrongState(String),
    /// The host can't do this at all.
    #[error("the host can't do that: {0}")]
    Unsupported(String),
    /// The definition was refused.
    #[error("the host refused the definition: {0}")]
    BadDefinition(String),
    /// The call did not come back in time; what it did is unknown.
    #[error("no answer in time ({0}); what was done is not yet known")]
    TimedOut(String),
    /// Cancelled on request.
    #[error("cancelled")]
    Cancelled,
    /// Anything else, with what was being done.
    #[error("{operation} failed: {message}")]
    Failed {
        /// What was being done.
        operation: String,
        /// What the host said.
        message: String,
    },
}

impl HypervisorError {
    /// No connection, because of `why`.
    pub fn no_connection(why: NoConnection, said: impl Into<String>) -> Self {
        Self::NoConnection {
            why,
            said: said.into(),
        }
    }
    /// Whether asking again later may succeed without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoConnection { why, .. } => !why.is_refusal(),
            Self::Unreachable(_) | Self::TimedOut(_) | Self::Busy(_) => true,
            _ => false,
        }
    }
    /// Whether, after this error, the effect of the call is unknown and the host must be asked.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Self::NoConnection { why, .. } => !why.is_refusal(),
            Self::Unreachable(_) | Self::TimedOut(_) | Self::Failed { .. } => true,
            _ => false,
        }
    }
}

impl From<HypervisorError> for Error {
    fn from(error: HypervisorError) -> Self {
        let said = error.to_string();
        let mut chars = said.chars();
        let sentence = match chars.next() {
            Some(first) => first
                .to_uppercase()
                .chain(chars)
                .chain(['.'])
                .collect::<String>(),
            None => said,
        };
        match error {
            HypervisorError::BadUri { .. } | HypervisorError::BadDefinition(_) => {
                Error::invalid(sentence)
            }
            HypervisorError::NoConnection { .. }
            | HypervisorError::Unreachable(_)
            | HypervisorError::NotLetIn(_)
            | HypervisorError::TimedOut(_)
            | HypervisorError::Busy(_) => Error::unavailable(sentence),
            HypervisorError::NoSuchVm
            | HypervisorError::NoSuchPool(_)
            | HypervisorError::NoSuchVolume(_) => {
                Error::new(bellwether_model::ErrorKind::NotFound, sentence)
            }
            HypervisorError::AlreadyThere(_)
            | HypervisorError::WrongState(_)
            | HypervisorError::Unsupported(_)
            | HypervisorError::Cancelled => Error::conflict(sentence),
            HypervisorError::NoSpace(_) => {
                Error::new(bellwether_model::ErrorKind::NoCapacity, sentence)
            }
            HypervisorError::Failed { .. } => Error::unavailable(sentence),
        }
    }
}
