//! Problem documents (RFC 9457): the one shape of every error answer, `application/problem+json`.

use bellwether_model::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;
use uuid::Uuid;

/// The media type of a problem document.
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

words! {
    /// What kind of failure it is: the stable word for programs.
    ProblemCode from ErrorKind {
        /// The input is not acceptable; `errors` names the fields.
        Invalid = "invalid",
        /// Nobody is logged in, or the credentials are wrong.
        Unauthenticated = "unauthenticated",
        /// Somebody is logged in who may not do this.
        Forbidden = "forbidden",
        /// It does not exist, or its existence is none of the asker's business.
        NotFound = "not_found",
        /// It collides with what is there, or came too late.
        Conflict = "conflict",
        /// More than the person may have.
        OverQuota = "over_quota",
        /// No host can take it; `refusals` says why for each.
        NoCapacity = "no_capacity",
        /// Too many attempts; `Retry-After` says when to try again.
        TooMany = "too_many",
        /// A part this needs does not answer at the moment.
        Unavailable = "unavailable",
        /// A fault of ours.
        Internal = "internal",
    }
}

impl ProblemCode {
    /// The short title that goes with it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Invalid => "The input is not acceptable",
            Self::Unauthenticated => "Not signed in",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::Conflict => "Conflict",
            Self::OverQuota => "Over quota",
            Self::NoCapacity => "No room",
            Self::TooMany => "Too many attempts",
            Self::Unavailable => "Not available at the moment",
            Self::Internal => "Something went wrong on our side",
        }
    }
}

/// What is wrong with one field of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// The field's name as it stands in the request.
    pub field: String,
    /// What is wrong, and what would be accepted.
    pub message: String,
}

/// Why one host can't take something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostRefusal {
    /// The host.
    pub host: Uuid,
    /// Its name.
    pub host_name: String,
    /// Each reason in words, with figures.
    pub reasons: Vec<String>,
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:bellwether:problem:` and the code.
    pub r#type: String,
    /// Short title of the kind.
    pub title: String,
    /// HTTP status, repeated.
    pub status: u16,
    /// What happened, for the person: one or two sentences.
    pub detail: String,
    /// The kind, for programs.
    pub code: ProblemCode,
    /// Names the request in the server's log; also in the header `x-request-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Per field, where the input was at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// Per host, where a placement or migration was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<HostRefusal>,
}

impl Problem {
    /// A problem with words of its own. The server alone knows which status goes with which code.
    pub fn new(code: ProblemCode, status: u16, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:bellwether:problem:{code}"),
            title: code.title().into(),
            status,
            detail: detail.into(),
            code,
            request_id: None,
            errors: Vec::new(),
            refusals: Vec::new(),
        }
    }
    /// The problem that tells of `error`; its context stays in the log.
    pub fn of(error: &Error, status: u16, request_id: Option<String>) -> Self {
        Self {
            request_id,
            errors: error
                .fields
                .iter()
                .map(|f| FieldProblem {
                    field: f.field.clone(),
                    message: f.message.clone(),
                })
                .collect(),
            refusals: error
                .refusals
                .iter()
                .map(|r| HostRefusal {
                    host: r.host.into(),
                    host_name: r.host_name.clone(),
                    reasons: r.reasons.clone(),
                })
                .collect(),
            ..Self::new(error.kind.into(), status, error.message.clone())
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}
