//! Who did what, when; append-only.

use crate::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Order; also the id of the live event it causes.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// Who; none for the system itself.
    pub actor: Option<UserId>,
    /// The actor's login at the time, or "system".
    pub actor_login: String,
    /// What: `request.approve`, `vm.delete`, `host.add`, …
    pub action: String,
    /// About what kind of thing: `request`, `vm`, `host`, …
    pub about: String,
    /// Its identifier.
    pub about_id: String,
    /// In words, with the reason where one was given; never a secret.
    pub text: String,
}
