//! Policy: versioned, every version kept.

use crate::{Store, Tx, sql::sql};
use bellwether_model::{Error, Result, Timestamp, UserId, policy::Policy};

impl Store {
    /// The policy in force and its version; the default, version 0, before anybody set one.
    pub async fn policy(&self) -> Result<(Policy, i64)> {
        let newest = sql("SELECT version, data FROM policies ORDER BY version DESC LIMIT 1")
            .optional(self.on())
            .await?;
        match newest {
            None => Ok((Policy::default(), 0)),
            Some(row) => Ok((row.json("data")?, row.get("version")?)),
        }
    }
}

impl Tx {
    /// Sets the policy as the version after `expected_version`; `Conflict` if that is not the one in force.
    pub async fn set_policy(
        &mut self,
        policy: &Policy,
        expected_version: i64,
        by: Option<UserId>,
        now: Timestamp,
    ) -> Result<()> {
        let newest: i64 = sql("SELECT COALESCE(MAX(version), 0) AS version FROM policies")
            .one(self.on())
            .await?
            .get("version")?;
        if newest != expected_version {
            return Err(Error::conflict(
                "Somebody else changed the policy meanwhile. Look at it again, then save.",
            ));
        }
        sql("INSERT INTO policies (version, at, author, data) VALUES ($1, $2, $3, $4)")
            .bind(newest + 1)
            .bind(now)
            .bind(by)
            .json(policy)
            .run(self.on())
            .await
            .map(drop)
    }
}
