//! Storages with their member pools.

use crate::{
    Store, Tx, fault,
    people::{found, key},
    sql::{On, Row, sql},
};
use bellwether_model::{
    Error, HostId, Result, StorageId,
    storage::{Storage, StorageKind, StorageMember},
};
use std::collections::BTreeMap;

const SELECT: &str = "SELECT id, name, kind, created_at FROM storages WHERE ($1 IS NULL OR id = $1) ORDER BY created_at, id";
const SELECT_MEMBERS: &str = "SELECT storage, host, pool, proven_at FROM storage_members WHERE ($1 IS NULL OR storage = $1) \
     ORDER BY storage, position, host";

/// All storages, or the one.
async fn read(tx: &mut Reader<'_>, id: Option<StorageId>) -> Result<Vec<Storage>> {
    let mut members: BTreeMap<StorageId, Vec<StorageMember>> = BTreeMap::new();
    let rows = sql(SELECT_MEMBERS).bind(id).all(tx.on()).await?;
    for row in &rows {
        members
            .entry(row.id("storage")?)
            .or_default()
            .push(StorageMember {
                host: row.id("host")?,
                pool: row.get("pool")?,
                proven_at: row.opt_at("proven_at")?,
            });
    }
    let rows = sql(SELECT).bind(id).all(tx.on()).await?;
    rows.iter()
        .map(|row: &Row| {
            let id = row.id("id")?;
            Ok(Storage {
                id,
                name: row.get("name")?,
                kind: row.word("kind")?,
                members: members.remove(&id).unwrap_or_default(),
                created_at: row.at("created_at")?,
            })
        })
        .collect()
}

/// Either side, for reads of more than one statement.
pub(crate) enum Reader<'a> {
    Store(&'a Store),
    Tx(&'a mut Tx),
}

impl Reader<'_> {
    pub(crate) fn on(&mut self) -> On<'_> {
        match self {
            Reader::Store(store) => store.on(),
            Reader::Tx(tx) => On::Tx(tx),
        }
    }
}

impl Store {
    /// The storage.
    pub async fn storage(&self, id: StorageId) -> Result<Storage> {
        read(&mut Reader::Store(self), Some(id))
            .await?
            .pop()
            .ok_or_else(|| Error::not_found("storage"))
    }

    /// All storages, oldest first.
    pub async fn storages(&self) -> Result<Vec<Storage>> {
        read(&mut Reader::Store(self), None).await
    }
}

impl Tx {
    /// The storage, with this transaction's changes.
    pub async fn storage(&mut self, id: StorageId) -> Result<Storage> {
        read(&mut Reader::Tx(self), Some(id))
            .await?
            .pop()
            .ok_or_else(|| Error::not_found("storage"))
    }

    /// All storages, with this transaction's changes.
    pub async fn storages(&mut self) -> Result<Vec<Storage>> {
        read(&mut Reader::Tx(self), None).await
    }

    /// Keeps a new storage with its members; `Conflict` on `name` if another has it.
    pub async fn insert_storage(&mut self, storage: &Storage) -> Result<()> {
        self.storage_is_unique(storage).await?;
        sql("INSERT INTO storages (id, name, name_key, kind, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(storage.id)
            .bind(&storage.name)
            .bind(key(&storage.name))
            .bind(storage.kind.as_str())
            .bind(storage.created_at)
            .run(self.on())
            .await?;
        self.write_members(storage).await
    }

    /// Writes a storage and its members. `Conflict` on `name` if another has it, and where a host would leave on which a VM
    /// (not gone) has its disk in this storage.
    pub async fn update_storage(&mut self, storage: &Storage) -> Result<()> {
        self.storage_is_unique(storage).await?;
        let before = self.storage(storage.id).await?;
        for member in &before.members {
            if storage.on(member.host).is_none() {
                let vms = sql("SELECT name FROM vms WHERE storage = $1 AND host = $2 AND state <> 'gone' ORDER BY name, id")
                    .bind(storage.id)
                    .bind(member.host)
                    .all(self.on())
                    .await?;
                self.unused_by_vms(vms, "pool of one of its hosts").await?;
            }
        }
        sql("UPDATE storages SET name = $2, name_key = $3, kind = $4 WHERE id = $1")
            .bind(storage.id)
            .bind(&storage.name)
            .bind(key(&storage.name))
            .bind(storage.kind.as_str())
            .run(self.on())
            .await?;
        for member in &before.members {
            if storage.on(member.host).is_none() {
                self.leave_storage(storage.id, member.host).await?;
            }
        }
        self.write_members(storage).await
    }

    /// Forgets a storage and which images lie in it. `Conflict` naming the VMs (not gone) whose disks do.
    pub async fn delete_storage(&mut self, id: StorageId) -> Result<()> {
        let vms =
            sql("SELECT name FROM vms WHERE storage = $1 AND state <> 'gone' ORDER BY name, id")
                .bind(id)
                .all(self.on())
                .await?;
        self.unused_by_vms(vms, "storage").await?;
        let changed = sql("DELETE FROM storages WHERE id = $1")
            .bind(id)
            .run(self.on())
            .await?;
        found(changed, "storage")
    }

    async fn write_members(&mut self, storage: &Storage) -> Result<()> {
        for (position, member) in (0i64..).zip(&storage.members) {
            sql("INSERT INTO storage_members (storage, host, pool, proven_at, position) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (storage, host) DO UPDATE SET pool = excluded.pool, proven_at = excluded.proven_at, \
                 position = excluded.position")
            .bind(storage.id)
            .bind(member.host)
            .bind(&member.pool)
            .bind(member.proven_at)
            .bind(position)
            .run(self.on())
            .await?;
        }
        Ok(())
    }

    /// Takes a host's pool out of a storage. Copies of images there are forgotten; those of a shared storage that went in
    /// through this host are still there for the others, and so are written to another member's name.
    pub(crate) async fn leave_storage(&mut self, id: StorageId, host: HostId) -> Result<()> {
        sql("DELETE FROM storage_members WHERE storage = $1 AND host = $2")
            .bind(id)
            .bind(host)
            .run(self.on())
            .await?;
        let storage = self.storage(id).await?;
        if storage.kind == StorageKind::Shared
            && let Some(heir) = storage.members.iter().find(|m| m.proven_at.is_some())
        {
            sql("UPDATE image_copies SET host = $3 WHERE storage = $1 AND host = $2 AND complete AND NOT EXISTS \
                 (SELECT 1 FROM image_copies other WHERE other.image = image_copies.image AND other.storage = $1 AND other.host = $3)")
            .bind(id)
            .bind(host)
            .bind(heir.host)
            .run(self.on())
            .await?;
        }
        sql("DELETE FROM image_copies WHERE storage = $1 AND host = $2")
            .bind(id)
            .bind(host)
            .run(self.on())
            .await
            .map(drop)
    }

    async fn storage_is_unique(&mut self, storage: &Storage) -> Result<()> {
        let other = sql("SELECT id FROM storages WHERE name_key = $1 AND id <> $2")
            .bind(key(&storage.name))
            .bind(storage.id)
            .optional(self.on())
            .await?;
        match other {
            Some(_) => Err(fault::conflict(
                "name",
                format!(
                    "another storage is named '{}'",
                    bellwether_model::text::shown(&storage.name)
                ),
            )),
            None => Ok(()),
        }
    }
}
