//! What graphs are drawn of: a VM or a host, with the migrations that are marked on them.

use bellwether_engine::Engine;
use bellwether_model::{HostId, Result, Timestamp, VmId, migration::Migration, signal::Entity};
use bellwether_store::MigrationQuery;
use uuid::Uuid;

/// Migrations that are looked through; more could not be told apart on a graph.
const MOST: u32 = 1_000;

/// A VM or a host.
#[derive(Clone, Copy, Debug)]
pub enum Graphed {
    /// A VM.
    Vm(VmId),
    /// A host.
    Host(HostId),
}

impl Graphed {
    /// What kind of thing it is.
    pub fn entity(self) -> Entity {
        match self {
            Self::Vm(_) => Entity::Vm,
            Self::Host(_) => Entity::Host,
        }
    }
    /// Its identifier.
    pub fn id(self) -> Uuid {
        match self {
            Self::Vm(id) => id.0,
            Self::Host(id) => id.0,
        }
    }
    /// Its migrations under way, and those that ended at `since` or later, newest first; of very many the newest.
    pub async fn migrations(self, engine: &Engine, since: Timestamp) -> Result<Vec<Migration>> {
        let store = engine.store();
        let vm = match self {
            Self::Host(host) => return store.migrations_of_host(host, since, MOST).await,
            Self::Vm(vm) => vm,
        };
        let query = MigrationQuery {
            vm: Some(vm),
            limit: MOST,
            ..MigrationQuery::default()
        };
        let mut found = store.migrations(query).await?;
        found.retain(|migration| migration.ended_at.is_none_or(|ended| since <= ended));
        Ok(found)
    }
}
