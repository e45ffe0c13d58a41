//! Live events: hints that something changed; what it is now is read by its address.

use crate::Moment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One server-sent event: its `event` is the topic, its `id` the `seq` (for `Last-Event-ID`), its `data` this object.
/// Samples of hosts come with the topic `sampled` and no `id`: they are not kept and need no catching up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Order; none for what is not kept.
    pub seq: Option<i64>,
    /// When.
    pub at: Moment,
    /// What kind of thing changed: `vm`, `request`, `job`, `host`, `migration`, `image`, `user`, …; or `sampled`.
    pub topic: String,
    /// Its identifier.
    pub id: String,
}
