//! One way to write the audit log.

use crate::{Actor, Engine};
use bellwether_model::Result;
use bellwether_store::{NewAudit, Tx};

impl Engine {
    /// Records in the transaction that `actor` (none: the system) did `action` to `about`/`id`. `text` holds no secret.
    pub(crate) async fn audit(
        &self,
        tx: &mut Tx,
        actor: Option<&Actor>,
        action: &str,
        about: &str,
        id: impl ToString,
        text: impl Into<String>,
    ) -> Result<()> {
        tx.audit(NewAudit {
            at: self.now(),
            actor: actor.map(|actor| actor.user),
            actor_login: actor.map_or_else(|| "system".into(), |actor| actor.login.clone()),
            action: action.into(),
            about: about.into(),
            about_id: id.to_string(),
            text: text.into(),
        })
        .await?;
        Ok(())
    }
}
