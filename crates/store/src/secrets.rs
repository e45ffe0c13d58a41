//! First passwords: made for a guest whose owner gave no SSH key, shown once, then gone.
//!
//! It must be readable until it is shown, so it is kept as it is; on SQLite what is deleted is overwritten
//! (`secure_delete`), and the file is its owner's only.

use crate::{Store, Tx, sql::sql};
use bellwether_model::{Result, Timestamp, UserId, VmId};
use std::collections::BTreeSet;

impl Store {
    /// A person's VMs whose first password waits to be shown; none before it was made.
    pub async fn first_passwords(&self, owner: UserId) -> Result<BTreeSet<VmId>> {
        let found = sql("SELECT p.vm FROM first_passwords p JOIN vms v ON v.id = p.vm \
             LEFT JOIN requests r ON r.id = v.request WHERE v.owner = $1 AND (r.state IS NULL OR r.state <> 'placed')")
            .bind(owner)
            .list(self.on(), |row| row.id("vm"))
            .await?;
        Ok(found.into_iter().collect())
    }
}

impl Tx {
    /// Keeps a VM's first password, in place of an earlier one.
    pub async fn set_first_password(
        &mut self,
        vm: VmId,
        secret: &str,
        now: Timestamp,
    ) -> Result<()> {
        sql(
            "INSERT INTO first_passwords (vm, secret, at) VALUES ($1, $2, $3) \
             ON CONFLICT (vm) DO UPDATE SET secret = excluded.secret, at = excluded.at",
        )
        .bind(vm)
        .bind(secret)
        .bind(now)
        .run(self.on())
        .await
        .map(drop)
    }

    /// A VM's first password, which stays.
    pub async fn first_password(&mut self, vm: VmId) -> Result<Option<String>> {
        sql("SELECT secret FROM first_passwords WHERE vm = $1")
            .bind(vm)
            .optional(self.on())
            .await?
            .map(|row| row.get("secret"))
            .transpose()
    }

    /// The first password, which is forgotten with this transaction's commit; nothing if it was shown before.
    pub async fn take_first_password(&mut self, vm: VmId) -> Result<Option<String>> {
        sql("DELETE FROM first_passwords WHERE vm = $1 RETURNING secret")
            .bind(vm)
            .optional(self.on())
            .await?
            .map(|row| row.get("secret"))
            .transpose()
    }
}
