//! The one error that people see. `message` is for the person, `context` only for the log; there is no way to print
//! the two together, so that internals cannot leak by accident.

use crate::HostId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Shorthand used across the workspace.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; the server maps each to one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The input is not acceptable; the message names the field, the value and what would be accepted.
    Invalid,
    /// Nobody is logged in, or the credentials are wrong.
    Unauthenticated,
    /// Somebody is logged in who may not do this.
    Forbidden,
    /// It does not exist, or its existence is none of the asker's business.
    NotFound,
    /// It collides with what is there, or came too late.
    Conflict,
    /// More than the person may have.
    OverQuota,
    /// No host can take it; `refusals` says why for each.
    NoCapacity,
    /// Too many attempts; try again later.
    TooMany,
    /// A part this needs does not answer at the moment.
    Unavailable,
    /// A fault of ours.
    Internal,
}

/// What is wrong with one field of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name as the caller wrote it.
    pub field: String,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

/// Why one host can't take something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// Each reason in words, with figures.
    pub reasons: Vec<String>,
}

/// A failure with a message for the person and a context for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind it is.
    pub kind: ErrorKind,
    /// For the person: one or two sentences.
    pub message: String,
    /// Per field, where the input was a form.
    pub fields: Vec<FieldError>,
    /// Per host, where a placement or migration was refused.
    pub refusals: Vec<Refusal>,
    context: Option<String>,
}

impl Error {
    /// An error of `kind` that tells the person `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            fields: Vec::new(),
            refusals: Vec::new(),
            context: None,
        }
    }
    /// Input that can't be accepted.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }
    /// Input with one wrong field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError {
            field: field.into(),
            message: message.into(),
        }])
    }
    /// Input with wrong fields; the message repeats them in order.
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let message = fields
            .iter()
            .map(|f| format!("{}: {}", f.field, f.message))
            .collect::<Vec<_>>()
            .join("; ");
        Self {
            fields,
            ..Self::invalid(message)
        }
    }
    /// Nobody is logged in.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unauthenticated, message)
    }
    /// Not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Forbidden, message)
    }
    /// There is no such thing: `what` with an article, as in "no such host".
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("There is no such {what}."))
    }
    /// It collides with what is there.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }
    /// A needed part does not answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }
    /// A fault of ours: the person learns that it is, the log learns `context`.
    pub fn internal(context: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::Internal,
            "Something went wrong on our side; the log has the details.",
        )
        .with_context(context)
    }
    /// No host can take it.
    pub fn no_capacity(message: impl Into<String>, refusals: Vec<Refusal>) -> Self {
        Self {
            refusals,
            ..Self::new(ErrorKind::NoCapacity, message)
        }
    }
    /// Adds what only the log may have.
    #[must_use]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        self.context = Some(match self.context {
            Some(inner) => format!("{context}: {inner}"),
            None => context.to_string(),
        });
        self
    }
    /// For the log only.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
