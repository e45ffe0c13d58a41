//! Storages: pools that are discovered on hosts, named and confirmed by an admin. That a storage is shared is proven by a
//! marker volume written through one host and read through each other, never guessed from names or paths.

use crate::{Admin, Engine};
use bellwether_model::{
    Error, HostId, Result, StorageId,
    observed::PoolSeen,
    storage::{Storage, StorageKind, StorageMember},
    text::{is_hidden, shown},
};
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

/// Writes a marker through the first member that answers and reads it through every other one. Local storages need no
/// proof, but must not be secretly the same: a local storage whose members share volumes would lose disks.
async fn prove_members(engine: &Engine, storage: &mut Storage) -> Result<()> {
    let marker = format!("bw-marker-{}", Uuid::new_v4());
    let word = Uuid::new_v4().to_string().into_bytes();
    let first = &storage.members[0];
    let first_host = engine.host(first.host)?;
    let first_pool = first.pool.clone();
    first_host
        .upload(
            &first_pool,
            &marker,
            "raw",
            word.len() as u64,
            Box::pin(std::io::Cursor::new(word.clone())),
            Box::new(|_| {}),
        )
        .await?;
    let judged = judge_members(engine, storage, &marker, &word).await;
    // The marker goes whatever came out; one that stays is a few bytes and named for what it is.
    if let Err(error) = first_host.delete_volume(&first_pool, &marker).await {
        tracing::warn!(%error, marker, "a storage marker could not be removed");
    }
    let now = engine.now();
    judged?;
    for member in &mut storage.members {
        member.proven_at = Some(now);
    }
    Ok(())
}

async fn judge_members(
    engine: &Engine,
    storage: &Storage,
    marker: &str,
    word: &[u8],
) -> Result<()> {
    for member in &storage.members[1..] {
        let name = engine.store().host(member.host).await?.name;
        let host = engine.host(member.host)?;
        let read = match host.volume(&member.pool, marker).await? {
            Some(_) => host.read_volume(&member.pool, marker, word.len()).await?,
            None => Vec::new(),
        };
        let same = read == word;
        match storage.kind {
            StorageKind::Shared if !same => {
                return Err(Error::field(
                    "members",
                    format!(
                        "{name} does not see what was written through the first member: the pool '{}' is not shared with it",
                        shown(&member.pool)
                    ),
                ));
            }
            StorageKind::Local if same => {
                return Err(Error::field(
                    "members",
                    format!(
                        "{name} sees what was written through the first member: this storage is shared, not local"
                    ),
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
