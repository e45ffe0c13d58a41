//! Storages: pools that are discovered on hosts, named and confirmed by an admin. That a storage is shared is proven by a
//! marker volume written through one host and read through each other, never guessed from names or paths.

use crate::{Admin, Engine};
use bellwether_hypervisor::Host;
use bellwether_model::{
    Error, HostId, Result, StorageId,
    observed::PoolSeen,
    storage::{Storage, StorageKind, StorageMember},
    text::{is_hidden, shown},
};
use std::sync::Arc;
use uuid::Uuid;

/// A pool somebody could make a storage of.
#[derive(Clone, Debug)]
pub struct FoundPool {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// The pool as last seen.
    pub pool: PoolSeen,
    /// The storage it belongs to already.
    pub storage: Option<StorageId>,
}

/// What an admin gives for a new storage.
#[derive(Clone, Debug)]
pub struct NewStorage {
    /// Name.
    pub name: String,
    /// Shared or local.
    pub kind: StorageKind,
    /// Host and pool of each member.
    pub members: Vec<(HostId, String)>,
}

/// Every pool last seen on any host.
pub async fn discovered(engine: &Engine, _admin: &Admin) -> Result<Vec<FoundPool>> {
    let observed = engine.observed();
    let records = engine.store().records().await?;
    let mut found = Vec::new();
    for host in records.hosts.iter() {
        for pool in observed
            .hosts
            .get(&host.id)
            .map(|seen| seen.pools.as_slice())
            .unwrap_or_default()
        {
            let storage = records
                .storages
                .iter()
                .find(|storage| {
                    storage
                        .on(host.id)
                        .is_some_and(|member| member.pool == pool.name)
                })
                .map(|storage| storage.id);
            found.push(FoundPool {
                host: host.id,
                host_name: host.name.clone(),
                pool: pool.clone(),
                storage,
            });
        }
    }
    Ok(found)
}

/// Confirms a storage. A shared one is proven at once; a member that does not see the marker is named and refused.
pub async fn create(engine: &Engine, admin: &Admin, new: NewStorage) -> Result<Storage> {
    let mut storage = Storage {
        id: StorageId::new(),
        name: checked_name(&new.name)?,
        kind: new.kind,
        members: members(&new.members)?,
        created_at: engine.now(),
    };
    check_members(engine, &storage).await?;
    prove_members(engine, &mut storage).await?;
    let mut tx = engine.store().begin().await?;
    tx.insert_storage(&storage).await?;
    let text = format!(
        "\"{}\", {}, {} hosts",
        storage.name,
        storage.kind.as_str(),
        storage.members.len()
    );
    engine
        .audit(
            &mut tx,
            Some(admin),
            "storage.create",
            "storage",
            storage.id,
            text,
        )
        .await?;
    engine.emit(&mut tx, "storage", storage.id, None).await?;
    tx.commit().await?;
    engine.inner.fleet_changed.notify_waiters();
    Ok(storage)
}

/// Sets the members anew; a host that VMs use it on must stay.
pub async fn change_members(
    engine: &Engine,
    admin: &Admin,
    id: StorageId,
    wanted: &[(HostId, String)],
) -> Result<Storage> {
    let mut storage = engine.store().storage(id).await?;
    let read = storage.clone();
    storage.members = members(wanted)?;
    check_members(engine, &storage).await?;
    for vm in engine
        .store()
        .vms(bellwether_store::VmQuery::default())
        .await?
    {
        if vm.storage == id {
            let pool = |members: &[StorageMember]| {
                members
                    .iter()
                    .find(|member| member.host == vm.host)
                    .map(|member| member.pool.clone())
            };
            if pool(&storage.members) != pool(&read.members) {
                return Err(Error::conflict(format!(
                    "The VM \"{}\" has its disk there; that member must stay.",
                    vm.name
                )));
            }
        }
    }
    prove_members(engine, &mut storage).await?;
    save(engine, admin, &read, &storage, "storage.change").await?;
    Ok(storage)
}

/// Proves a shared storage again.
pub async fn prove(engine: &Engine, admin: &Admin, id: StorageId) -> Result<Storage> {
    let mut storage = engine.store().storage(id).await?;
    let read = storage.clone();
    prove_members(engine, &mut storage).await?;
    save(engine, admin, &read, &storage, "storage.prove").await?;
    Ok(storage)
}

/// Forgets a storage that no VM uses; pools and volumes stay as they are.
pub async fn remove(engine: &Engine, admin: &Admin, id: StorageId) -> Result<()> {
    let storage = engine.store().storage(id).await?;
    let mut tx = engine.store().begin().await?;
    tx.delete_storage(id).await?;
    engine
        .audit(
            &mut tx,
            Some(admin),
            "storage.remove",
            "storage",
            id,
            format!("\"{}\"", storage.name),
        )
        .await?;
    engine.emit(&mut tx, "storage", id, None).await?;
    tx.commit().await
}

/// Writes what `read` has become, unless somebody else changed it meanwhile.
async fn save(
    engine: &Engine,
    admin: &Admin,
    read: &Storage,
    storage: &Storage,
    action: &str,
) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    if tx.storage(storage.id).await? != *read {
        return Err(Error::conflict(format!(
            "\"{}\" was changed by somebody else meanwhile; look at it again.",
            read.name
        )));
    }
    tx.update_storage(storage).await?;
    engine
        .audit(
            &mut tx,
            Some(admin),
            action,
            "storage",
            storage.id,
            format!("\"{}\"", storage.name),
        )
        .await?;
    engine.emit(&mut tx, "storage", storage.id, None).await?;
    tx.commit().await?;
    engine.inner.fleet_changed.notify_waiters();
    Ok(())
}

pub(crate) fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 63 || name.chars().any(is_hidden) {
        return Err(Error::field(
            "name",
            format!("'{}' can't be a name; give 1 to 63 characters", shown(name)),
        ));
    }
    Ok(name.into())
}

fn members(wanted: &[(HostId, String)]) -> Result<Vec<StorageMember>> {
    let mut members: Vec<StorageMember> = Vec::new();
    for (host, pool) in wanted {
        if members.iter().any(|member| member.host == *host) {
            return Err(Error::field("members", "a host can be a member once only"));
        }
        members.push(StorageMember {
            host: *host,
            pool: pool.trim().to_owned(),
            proven_at: None,
        });
    }
    if members.is_empty() {
        return Err(Error::field(
            "members",
            "choose at least one pool of a host",
        ));
    }
    Ok(members)
}

/// Each pool must be there, active, and in no other storage.
async fn check_members(engine: &Engine, storage: &Storage) -> Result<()> {
    let found = discovered_by_host(engine).await?;
    for member in &storage.members {
        let host = engine.store().host(member.host).await?;
        let pool = found
            .iter()
            .find(|found| found.host == member.host && found.pool.name == member.pool);
        let trouble = match pool {
            None => Some("has not been seen there"),
            Some(found) if !found.pool.active => Some("is not started"),
            Some(found) if found.storage.is_some_and(|other| other != storage.id) => {
                Some("belongs to another storage already")
            }
            Some(_) => None,
        };
        if let Some(trouble) = trouble {
            return Err(Error::field(
                "members",
                format!(
                    "the pool '{}' of {} {trouble}",
                    shown(&member.pool),
                    host.name
                ),
            ));
        }
    }
    Ok(())
}

async fn discovered_by_host(engine: &Engine) -> Result<Vec<FoundPool>> {
    let storages = engine.store().storages().await?;
    let observed = engine.observed();
    Ok(observed
        .hosts
        .values()
        .flat_map(|seen| {
            let storages = &storages;
            seen.pools.iter().map(move |pool| FoundPool {
                host: seen.host,
                host_name: String::new(),
                pool: pool.clone(),
                storage: storages
                    .iter()
                    .find(|storage| {
                        storage
                            .on(seen.host)
                            .is_some_and(|member| member.pool == pool.name)
                    })
                    .map(|storage| storage.id),
            })
        })
        .collect())
}

/// Proves the members, all of which must answer: what one of a shared storage writes all see, and of a local one no two
/// are secretly the same, which would lose disks.
async fn prove_members(engine: &Engine, storage: &mut Storage) -> Result<()> {
    match storage.kind {
        StorageKind::Shared => are_one(engine, &storage.members).await?,
        StorageKind::Local => are_apart(engine, &storage.members).await?,
    }
    let now = engine.now();
    for member in &mut storage.members {
        member.proven_at = Some(now);
    }
    Ok(())
}

/// A small volume that shows where else one comes to the same storage.
struct Marker {
    host: Arc<dyn Host>,
    host_name: String,
    pool: String,
    name: String,
    word: Vec<u8>,
}

impl Marker {
    async fn write(engine: &Engine, member: &StorageMember) -> Result<Self> {
        let marker = Self {
            host: engine.host(member.host)?,
            host_name: engine.store().host(member.host).await?.name,
            pool: member.pool.clone(),
            name: format!("bw-marker-{}", Uuid::new_v4()),
            word: Uuid::new_v4().to_string().into_bytes(),
        };
        let bytes = Box::pin(std::io::Cursor::new(marker.word.clone()));
        let length = marker.word.len() as u64;
        marker
            .host
            .upload(
                &marker.pool,
                &marker.name,
                "raw",
                length,
                bytes,
                Box::new(|_| {}),
            )
            .await?;
        Ok(marker)
    }
    /// One that stays is a few bytes and named for what it is.
    async fn remove(self) {
        if let Err(error) = self.host.delete_volume(&self.pool, &self.name).await {
            tracing::warn!(%error, marker = self.name, "a storage marker could not be removed");
        }
    }
}

/// Has the host look at its pool: what it only did not look at would pass as not being there.
async fn look_anew(host: &dyn Host, name: &str, pool: &str) -> Result<()> {
    host.refresh_pool(pool).await.map_err(|error| {
        let mut error = Error::from(error);
        error.message = format!("{name}: {}", error.message);
        error
    })
}

async fn are_one(engine: &Engine, members: &[StorageMember]) -> Result<()> {
    let Some((first, others)) = members.split_first() else {
        return Ok(());
    };
    let marker = Marker::write(engine, first).await?;
    let judged = async {
        for member in others {
            let host = engine.host(member.host)?;
            let (pool, length) = (&member.pool, marker.word.len());
            let name = engine.store().host(member.host).await?.name;
            look_anew(&*host, &name, pool).await?;
            let read = match host.volume(pool, &marker.name).await? {
                Some(_) => host.read_volume(pool, &marker.name, length).await?,
                None => Vec::new(),
            };
            if read != marker.word {
                return Err(Error::field(
                    "members",
                    format!(
                        "{name} does not see what {} wrote: the pool '{}' is not shared with it",
                        marker.host_name,
                        shown(pool)
                    ),
                ));
            }
        }
        Ok(())
    };
    let judged = judged.await;
    marker.remove().await;
    judged
}

async fn are_apart(engine: &Engine, members: &[StorageMember]) -> Result<()> {
    let mut markers = Vec::with_capacity(members.len());
    let judged = async {
        for member in members {
            markers.push(Marker::write(engine, member).await?);
        }
        for here in &markers {
            look_anew(&*here.host, &here.host_name, &here.pool).await?;
            let volumes = here.host.volumes(&here.pool).await?;
            let foreign = |marker: &&Marker| {
                marker.name != here.name && volumes.iter().any(|seen| seen.name == marker.name)
            };
            if let Some(other) = markers.iter().find(foreign) {
                return Err(Error::field(
                    "members",
                    format!(
                        "{} sees what {} wrote: this storage is shared, not local",
                        here.host_name, other.host_name
                    ),
                ));
            }
        }
        Ok(())
    };
    let judged = judged.await;
    for marker in markers {
        marker.remove().await;
    }
    judged
}
