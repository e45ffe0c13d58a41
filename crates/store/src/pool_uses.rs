//! How storages fill: what was used of each, every now and then.

use crate::{Store, Tx, sql::sql};
use bellwether_model::{Result, StorageId, Timestamp};
use std::collections::BTreeMap;

/// Bytes used at moments, by storage and part of it, in the order of time.
pub type PoolUses = BTreeMap<(StorageId, String), Vec<(Timestamp, u64)>>;

impl Store {
    /// What was used of every storage since `since`.
    pub async fn pool_uses(&self, since: Timestamp) -> Result<PoolUses> {
        let rows = sql(
            "SELECT storage, part, at, used FROM pool_uses WHERE at >= $1 ORDER BY storage, part, at",
        )
        .bind(since)
        .all(self.on())
        .await?;
        let mut uses = PoolUses::new();
        for row in rows {
            let key = (row.id("storage")?, row.get("part")?);
            let point = (row.at("at")?, row.size("used")?);
            uses.entry(key).or_default().push(point);
        }
        Ok(uses)
    }
}

impl Tx {
    /// Keeps what is used of a part of a storage.
    pub async fn add_pool_use(
        &mut self,
        storage: StorageId,
        part: &str,
        at: Timestamp,
        used: u64,
    ) -> Result<()> {
        sql(
            "INSERT INTO pool_uses (storage, part, at, used) VALUES ($1, $2, $3, $4) ON CONFLICT (storage, part, at) DO NOTHING",
        )
        .bind(storage)
        .bind(part)
        .bind(at)
        .size(used)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Forgets what was used before `before`.
    pub async fn prune_pool_uses(&mut self, before: Timestamp) -> Result<()> {
        sql("DELETE FROM pool_uses WHERE at < $1")
            .bind(before)
            .run(self.on())
            .await
            .map(drop)
    }
}
