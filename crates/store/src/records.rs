//! What pages stand on, kept in memory: read all the time and changed seldom. Whether it is current costs one small read.
//!
//! A transaction that changes a table listed in [`counter_of`] counts that when it commits ([`Tx::commit`]); who finds a
//! counter moved on reads that part anew. So every process on the database sees every change, whoever made it.

use crate::{
    HeldAddress, RequestQuery, Store, Tally, VmQuery, addresses,
    fresh::Fresh,
    incidents,
    sql::{On, sql},
    vms,
};
use bellwether_model::{
    HostId, ImageId, NetworkId, Result, StorageId, Timestamp, UserId, VmId, alert::Incident,
    host::Host, image::Image, job::Job, migration::Migration, network::Network, people::User,
    policy::Policy, request::Request, storage::Storage, vm::Vm,
};
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    sync::Arc,
};
use tokio::sync::Mutex;
use uuid::Uuid;

/// People, the fleet as it is recorded and the VMs, as of one look. A part may be newer than another, none is older than
/// the moment it was asked for.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Everybody, oldest account first.
    pub users: Arc<[User]>,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// All hosts, by name.
    pub hosts: Arc<[Host]>,
    /// All storages, oldest first.
    pub storages: Arc<[Storage]>,
    /// All networks, oldest first.
    pub networks: Arc<[Network]>,
    /// All images, by name.
    pub images: Arc<[Image]>,
    /// Addresses held and resting, by network, in their order.
    pub addresses: Arc<BTreeMap<NetworkId, Vec<HeldAddress>>>,
    /// All VMs that are not gone, oldest first.
    pub vms: Arc<[Vm]>,
    /// Where a VM is in `vms`.
    places: Arc<HashMap<VmId, usize>>,
    /// Logins of people, names of hosts, storages, networks and images.
    names: Arc<HashMap<Uuid, Arc<str>>>,
}

impl Records {
    /// The VM, unless it is gone.
    pub fn vm(&self, id: VmId) -> Option<&Vm> {
        self.vms.get(*self.places.get(&id)?)
    }
    /// The host.
    pub fn host(&self, id: HostId) -> Option<&Host> {
        self.hosts.iter().find(|host| host.id == id)
    }
    /// The storage.
    pub fn storage(&self, id: StorageId) -> Option<&Storage> {
        self.storages.iter().find(|storage| storage.id == id)
    }
    /// The network.
    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id)
    }
    /// The image.
    pub fn image(&self, id: ImageId) -> Option<&Image> {
        self.images.iter().find(|image| image.id == id)
    }
    /// The person.
    pub fn user(&self, id: UserId) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }
    /// A person's login, or the name of a host, storage, network or image.
    pub fn name(&self, id: Uuid) -> Option<&str> {
        self.names.get(&id).map(AsRef::as_ref)
    }

    fn index(&mut self) {
        let all = self.users.iter().map(|user| (user.id.0, &user.login));
        let all = all.chain(self.hosts.iter().map(|host| (host.id.0, &host.name)));
        let all = all.chain(self.storages.iter().map(|one| (one.id.0, &one.name)));
        let all = all.chain(self.networks.iter().map(|one| (one.id.0, &one.name)));
        let all = all.chain(self.images.iter().map(|image| (image.id.0, &image.name)));
        self.names = Arc::new(all.map(|(id, name)| (id, name.as_str().into())).collect());
        let vms = self.vms.iter().enumerate();
        self.places = Arc::new(vms.map(|(place, vm)| (vm.id, place)).collect());
    }
}

/// The counter that a change of the table moves on; none for tables that nothing is kept of.
pub(crate) fn counter_of(table: &str) -> Option<&'static str> {
    Some(match table {
        "users" => "users",
        "policies" => "policies",
        "hosts" => "hosts",
        "storages" | "storage_members" => "storages",
        "networks" | "network_members" => "networks",
        "images" => "images",
        "addresses" => "addresses",
        "vms" => "vms",
        "requests" => "requests",
        "migrations" => "migrations",
        "incidents" => "incidents",
        _ => return None,
    })
}

/// The table a statement changes; none for one that only reads.
pub(crate) fn changed_table(statement: &'static str) -> Option<&'static str> {
    let mut words = statement.split_ascii_whitespace();
    match words.next()? {
        "UPDATE" => words.next(),
        "INSERT" | "DELETE" => words.nth(1),
        _ => None,
    }
}

/// How often each thing was changed.
type Counters = HashMap<String, i64>;

/// Whether what was read when it had been changed so often is current.
fn covers(known: &Counters, name: &str, now: &Counters) -> bool {
    match (known.get(name), now.get(name)) {
        (Some(known), Some(now)) => known >= now,
        _ => false,
    }
}

const PARTS: [&str; 8] = [
    "users",
    "policies",
    "hosts",
    "storages",
    "networks",
    "images",
    "addresses",
    "vms",
];

/// What was read, and what the counters said before it was.
type Counted<T> = Mutex<Option<(Arc<Counters>, Arc<T>)>>;

/// What is kept of a store, shared by its clones.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    counters: Fresh<Counters>,
    pub open_jobs: Fresh<Vec<Job>>,
    pub tallies: Fresh<Vec<Tally>>,
    records: Counted<Records>,
    requests: Counted<[Request]>,
    /// Those under way, and those that ended at this moment or later.
    migrations: Counted<(Timestamp, Vec<Migration>)>,
    incidents: Counted<[Incident]>,
}

impl Store {
    /// Everything pages stand on, as of now or later. One small read where nothing changed; who comes while another reads
    /// anew waits for that one's.
    pub async fn records(&self) -> Result<Arc<Records>> {
        let asked = self.counters().await?;
        let mut kept = self.kept.records.lock().await;
        if let Some((known, records)) = &*kept
            && PARTS.iter().all(|part| covers(known, part, &asked))
        {
            return Ok(records.clone());
        }
        // Counted before it is read: what is kept may hold later changes, and never misses one it claims to have.
        let now = self.counters().await?;
        let (known, mut records) = match &*kept {
            Some((known, records)) => (known.clone(), Records::clone(records)),
            None => Default::default(),
        };
        for part in PARTS.iter().filter(|part| !covers(&known, part, &now)) {
            match *part {
                "users" => records.users = self.users().await?.into(),
                "policies" => records.policy = Arc::new(self.policy().await?.0),
                "hosts" => records.hosts = self.hosts().await?.into(),
                "storages" => records.storages = self.storages().await?.into(),
                "networks" => records.networks = self.networks().await?.into(),
                "images" => records.images = self.images().await?.into(),
                "addresses" => records.addresses = Arc::new(addresses::all(self.on()).await?),
                _ => records.vms = vms::list(self.on(), VmQuery::default()).await?.into(),
            }
        }
        records.index();
        let records = Arc::new(records);
        *kept = Some((now, records.clone()));
        Ok(records)
    }

    /// The VM, by what is kept; one that is gone from the database.
    pub async fn vm_of(&self, records: &Records, id: VmId) -> Result<Vm> {
        match records.vm(id) {
            Some(vm) => Ok(vm.clone()),
            None => self.vm(id).await,
        }
    }

    /// All requests, oldest first, as of now or later; kept as [`Store::records`] are.
    pub async fn all_requests(&self) -> Result<Arc<[Request]>> {
        let asked = self.counters().await?;
        let mut kept = self.kept.requests.lock().await;
        if let Some((known, requests)) = &*kept
            && covers(known, "requests", &asked)
        {
            return Ok(requests.clone());
        }
        let now = self.counters().await?;
        let every = RequestQuery {
            limit: u32::MAX,
            ..RequestQuery::default()
        };
        let requests: Arc<[Request]> = self.requests(every).await?.into();
        *kept = Some((now, requests.clone()));
        Ok(requests)
    }

    /// The migrations under way or ended at `since` or later, read by `recent` where what is kept does not tell.
    pub(crate) async fn kept_migrations<R: Future<Output = Result<Vec<Migration>>>>(
        &self,
        since: Timestamp,
        recent: impl FnOnce(Timestamp) -> R,
    ) -> Result<Vec<Migration>> {
        let asked = self.counters().await?;
        let mut kept = self.kept.migrations.lock().await;
        let current = kept
            .as_ref()
            .filter(|(known, kept)| covers(known, "migrations", &asked) && kept.0 <= since);
        let migrations = match current {
            Some((_, migrations)) => migrations.clone(),
            None => {
                let now = self.counters().await?;
                let migrations = Arc::new((since, recent(since).await?));
                *kept = Some((now, migrations.clone()));
                migrations
            }
        };
        let counts = |migration: &&Migration| migration.ended_at.is_none_or(|ended| since <= ended);
        Ok(migrations.1.iter().filter(counts).cloned().collect())
    }

    /// The incidents that are open, oldest first, as of now or later; kept as [`Store::records`] are.
    pub async fn open_incidents(&self) -> Result<Arc<[Incident]>> {
        let asked = self.counters().await?;
        let mut kept = self.kept.incidents.lock().await;
        if let Some((known, incidents)) = &*kept
            && covers(known, "incidents", &asked)
        {
            return Ok(incidents.clone());
        }
        let now = self.counters().await?;
        let incidents: Arc<[Incident]> = incidents::open(self.on()).await?.into();
        *kept = Some((now, incidents.clone()));
        Ok(incidents)
    }

    async fn counters(&self) -> Result<Arc<Counters>> {
        let read = async {
            let rows = sql("SELECT name, value FROM counters")
                .all(self.on())
                .await?;
            rows.iter()
                .map(|row| Ok((row.get("name")?, row.get("value")?)))
                .collect()
        };
        self.kept.counters.get(read).await
    }
}

/// Counts changes of a thing.
pub(crate) async fn count(on: On<'_>, counter: &'static str) -> Result<()> {
    sql("UPDATE counters SET value = value + 1 WHERE name = $1")
        .bind(counter)
        .run(on)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_tell_what_they_change() {
        assert_eq!(
            changed_table("INSERT INTO vms (id) VALUES ($1)"),
            Some("vms")
        );
        assert_eq!(changed_table("UPDATE hosts SET mode = $1"), Some("hosts"));
        assert_eq!(
            changed_table("DELETE FROM images WHERE id = $1"),
            Some("images")
        );
        assert_eq!(changed_table("SELECT id FROM vms"), None);
        for part in PARTS {
            assert_eq!(counter_of(part), Some(part));
        }
        assert_eq!(counter_of("storage_members"), Some("storages"));
        assert_eq!(counter_of("jobs"), None);
    }
}
