//! Hosts as admins recorded them.

use crate::{
    Store, Tx, fault,
    people::{found, key},
    sql::{On, Row, sql},
};
use bellwether_model::{
    Error, HostId, MiB, Result,
    host::{Host, HostTies},
};

macro_rules! columns {
    () => {
        "id, name, uri, peer_uri, migration_address, site, cores, memory_mib, mode, machine, created_at"
    };
}

fn from_row(row: &Row) -> Result<Host> {
    Ok(Host {
        id: row.id("id")?,
        name: row.get("name")?,
        uri: row.get("uri")?,
        peer_uri: row.get("peer_uri")?,
        migration_address: row.get("migration_address")?,
        site: row.get("site")?,
        cores: row.size("cores")?,
        memory: MiB(row.size("memory_mib")?),
        mode: row.word("mode")?,
        machine: row.opt_id("machine")?,
        created_at: row.at("created_at")?,
    })
}

async fn by_id(on: On<'_>, id: HostId) -> Result<Host> {
    let found = sql(concat!("SELECT ", columns!(), " FROM hosts WHERE id = $1"))
        .bind(id)
        .optional(on)
        .await?;
    from_row(&found.ok_or_else(|| Error::not_found("host"))?)
}

async fn list(on: On<'_>) -> Result<Vec<Host>> {
    sql(concat!(
        "SELECT ",
        columns!(),
        " FROM hosts ORDER BY name_key"
    ))
    .list(on, from_row)
    .await
}

impl Store {
    /// The host.
    pub async fn host(&self, id: HostId) -> Result<Host> {
        by_id(self.on(), id).await
    }

    /// All hosts, by name.
    pub async fn hosts(&self) -> Result<Vec<Host>> {
        list(self.on()).await
    }
}

impl Tx {
    /// The host, with this transaction's changes.
    pub async fn host(&mut self, id: HostId) -> Result<Host> {
        by_id(self.on(), id).await
    }

    /// All hosts, by name, with this transaction's changes.
    pub async fn hosts(&mut self) -> Result<Vec<Host>> {
        list(self.on()).await
    }

    /// Keeps a new host; `Conflict` on `name` if another has it.
    pub async fn insert_host(&mut self, host: &Host) -> Result<()> {
        self.host_is_unique(host).await?;
        sql(
            "INSERT INTO hosts (id, name, name_key, uri, peer_uri, migration_address, site, cores, memory_mib, mode, created_at, \
             machine) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(host.id)
        .bind(&host.name)
        .bind(key(&host.name))
        .bind(&host.uri)
        .bind(&host.peer_uri)
        .bind(host.migration_address.clone())
        .bind(&host.site)
        .bind(host.cores)
        .size(host.memory.0)
        .bind(host.mode.as_str())
        .bind(host.created_at)
        .bind(host.machine)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Writes a host; `Conflict` on `name` if another has it.
    pub async fn update_host(&mut self, host: &Host) -> Result<()> {
        self.host_is_unique(host).await?;
        let changed = sql(
            "UPDATE hosts SET name = $2, name_key = $3, uri = $4, peer_uri = $5, migration_address = $6, site = $7, cores = $8, \
             memory_mib = $9, mode = $10, machine = $11 WHERE id = $1",
        )
        .bind(host.id)
        .bind(&host.name)
        .bind(key(&host.name))
        .bind(&host.uri)
        .bind(&host.peer_uri)
        .bind(host.migration_address.clone())
        .bind(&host.site)
        .bind(host.cores)
        .size(host.memory.0)
        .bind(host.mode.as_str())
        .bind(host.machine)
        .run(self.on())
        .await?;
        found(changed, "host")
    }

    /// What hangs on a host.
    pub async fn host_ties(&mut self, id: HostId) -> Result<HostTies> {
        let name = |row: &Row| row.get("name");
        let vms = sql("SELECT name FROM vms WHERE host = $1 AND state <> 'gone' ORDER BY name, id")
            .bind(id)
            .list(self.on(), name)
            .await?;
        let moves = sql(
            "SELECT vms.name AS name FROM migrations JOIN vms ON vms.id = migrations.vm WHERE migrations.ended_at IS NULL \
             AND (migrations.source = $1 OR migrations.target = $1) ORDER BY vms.name, vms.id",
        )
        .bind(id)
        .list(self.on(), name)
        .await?;
        let jobs = sql(
            "SELECT COUNT(*) AS n FROM jobs WHERE host = $1 AND state IN ('queued', 'running', 'undoing')",
        )
        .bind(id)
        .one(self.on())
        .await?
        .size("n")?;
        let tombstones = sql("SELECT COUNT(*) AS n FROM tombstones WHERE host = $1")
            .bind(id)
            .one(self.on())
            .await?
            .size("n")?;
        Ok(HostTies {
            vms,
            moves,
            jobs,
            tombstones,
        })
    }

    /// Removes a host, its membership of storages and networks, what was seen of it and its tombstones. `Conflict` naming
    /// the VMs (not gone) that are bound to it.
    pub async fn delete_host(&mut self, id: HostId) -> Result<()> {
        let vms = sql("SELECT name FROM vms WHERE host = $1 AND state <> 'gone' ORDER BY name, id")
            .bind(id)
            .all(self.on())
            .await?;
        self.unused_by_vms(vms, "host").await?;
        let storages = sql("SELECT storage FROM storage_members WHERE host = $1")
            .bind(id)
            .list(self.on(), |row| row.id("storage"))
            .await?;
        for storage in storages {
            self.leave_storage(storage, id).await?;
        }
        let changed = sql("DELETE FROM hosts WHERE id = $1")
            .bind(id)
            .run(self.on())
            .await?;
        found(changed, "host")
    }

    async fn host_is_unique(&mut self, host: &Host) -> Result<()> {
        let other = sql("SELECT id FROM hosts WHERE name_key = $1 AND id <> $2")
            .bind(key(&host.name))
            .bind(host.id)
            .optional(self.on())
            .await?;
        match other {
            Some(_) => Err(fault::conflict(
                "name",
                format!(
                    "another host is named '{}'",
                    bellwether_model::text::shown(&host.name)
                ),
            )),
            None => Ok(()),
        }
    }
}
