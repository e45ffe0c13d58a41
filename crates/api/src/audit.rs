//! The audit log: who did what, when.

use crate::Moment;
use bellwether_model::audit;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditLine {
    /// Order.
    pub seq: i64,
    /// When.
    pub at: Moment,
    /// Who; none for the system itself.
    pub actor: Option<Uuid>,
    /// The actor's login at the time, or "system".
    pub actor_login: String,
    /// What: `request.approve`, `vm.delete`, `host.add`, …
    pub action: String,
    /// About what kind of thing: `request`, `vm`, `host`, …
    pub about: String,
    /// Its identifier.
    pub about_id: String,
    /// In words, with the reason where one was given.
    pub text: String,
}

impl From<&audit::AuditLine> for AuditLine {
    fn from(line: &audit::AuditLine) -> Self {
        Self {
            seq: line.seq,
            at: line.at.into(),
            actor: line.actor.map(Into::into),
            actor_login: line.actor_login.clone(),
            action: line.action.clone(),
            about: line.about.clone(),
            about_id: line.about_id.clone(),
            text: line.text.clone(),
        }
    }
}

/// Which lines to list, newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only about this kind of thing; with `about_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Only about the thing with this identifier; with `about`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about_id: Option<String>,
    /// Only what this person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Uuid>,
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the part before: a `seq`, of which only older lines follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
