//! Why a call did not give what was asked for.

use crate::Problem;
use reqwest::Url;
use std::error::Error;

/// Shorthand in the client.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a call failed. Each prints as a sentence for the person.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server said no, and why; with the document as it came.
    #[error("{0}")]
    Problem(Box<Problem>, String),
    /// The server can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// What answered is no Bellwether server, or one of another version.
    #[error("{0}")]
    Answer(String),
    /// The client can't be set up as it was told.
    #[error("{0}")]
    Settings(String),
    /// What was to be sent can't be read.
    #[error("{0}")]
    Input(String),
}

impl Failure {
    /// The problem document, where the server gave one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem, _) => Some(problem),
            _ => None,
        }
    }

    /// Whether the same call may succeed a moment later: the server is away or busy.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Problem(problem, _) => matches!(problem.status, 429 | 502..=504),
            Self::Unreachable(_) => true,
            Self::Answer(_) | Self::Settings(_) | Self::Input(_) => false,
        }
    }

    pub(super) fn from_transport(base: &Url, error: &reqwest::Error) -> Self {
        let server = base.as_str().trim_end_matches('/');
        let why = root_cause(error);
        Self::Unreachable(if error.is_timeout() {
            format!("{server} did not answer in time.")
        } else if error.is_connect() && why.contains("certificate") {
            format!("{server} shows a certificate that is not trusted here: {why}.")
        } else if error.is_connect() {
            format!("Can't reach {server}: {why}.")
        } else {
            format!("The connection to {server} broke: {why}.")
        })
    }
}

/// The innermost reason: the outer layers only repeat the address.
pub(super) fn root_cause(error: &dyn Error) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
