//! What graphs are drawn of: a VM or a host, over a stretch of time, with what happened meanwhile marked on them.

pub mod heat;
pub mod marks;
pub mod share;
pub mod stretch;

use bellwether_engine::Engine;
use bellwether_model::{
    HostId, Result, Timestamp, VmId, host::Host, migration::Migration, observed::HostSeen,
    signal::Entity, vm::Vm,
};
use bellwether_store::MigrationQuery;
use uuid::Uuid;

/// Migrations and lines of the audit log that are looked through; more could not be told apart on a graph.
const MOST: u32 = 1_000;

/// A VM or a host.
#[derive(Clone, Copy, Debug)]
pub enum Graphed<'a> {
    /// A VM, as it is kept.
    Vm(&'a Vm),
    /// A host.
    Host(HostId),
}

impl Graphed<'_> {
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
            Self::Vm(vm) => vm.id.0,
            Self::Host(id) => id.0,
        }
    }
    /// Its migrations under way, and those that ended at `since` or later, newest first; of very many the newest.
    pub async fn migrations(self, engine: &Engine, since: Timestamp) -> Result<Vec<Migration>> {
        match self {
            Self::Host(host) => engine.store().migrations_of_host(host, since, MOST).await,
            Self::Vm(vm) => of_vm(engine, vm.id, since).await,
        }
    }
}

/// What a host has, whatever of it is offered: what its use is a share of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whole {
    /// Cores.
    pub cores: f64,
    /// Memory, MiB.
    pub memory_mib: f64,
}

impl Whole {
    /// Of this host as it was last seen; what it offers where it has not said what it has.
    pub fn of(host: &Host, seen: Option<&HostSeen>) -> Self {
        let facts = seen.and_then(|seen| seen.facts.as_ref());
        let cores = facts.map_or(host.cores, |facts| facts.cores);
        let memory = facts.map_or(host.memory, |facts| facts.memory);
        Self {
            cores: f64::from(cores.max(1)),
            memory_mib: memory.0.max(1) as f64,
        }
    }
}

async fn of_vm(engine: &Engine, vm: VmId, since: Timestamp) -> Result<Vec<Migration>> {
    let query = MigrationQuery {
        vm: Some(vm),
        limit: MOST,
        ..MigrationQuery::default()
    };
    let mut found = engine.store().migrations(query).await?;
    found.retain(|migration| migration.ended_at.is_none_or(|ended| since <= ended));
    Ok(found)
}
