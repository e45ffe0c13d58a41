//! Moves that others make, with virsh or virt-manager: noticed, waited for, and kept.

#![allow(clippy::unwrap_used)]

mod common;

use bellwether_engine::migrate::{self, Target};
use bellwether_hypervisor::{MigrateSpec, Migration as _, sim::SimSpec};
use bellwether_model::{
    HostId,
    migration::{Migration, MigrationOutcome},
    storage::StorageKind,
    vm::{Vm, VmState},
};
use bellwether_store::MigrationQuery;
use common::{Site, points::once};

/// Somebody moves it by hand, as slowly as told.
async fn by_hand(site: &Site, vm: &Vm, mib_s: u64) -> HostId {
    let other = *site.hosts.iter().find(|host| **host != vm.host).unwrap();
    let (from, to) = (site.name_of(vm.host).await, site.name_of(other).await);
    let (source, uri) = (site.fleet.host(&from), site.fleet.uri(&to));
    let spec = MigrateSpec {
        bandwidth: Some(mib_s),
        ..MigrateSpec::new(vm.id.0, uri)
    };
    tokio::spawn(async move { source.migrate(&spec).await });
    other
}

async fn ledger(site: &Site, vm: &Vm) -> Vec<Migration> {
    let query = MigrationQuery {
        vm: Some(vm.id),
        limit: 10,
        ..MigrationQuery::default()
    };
    site.engine.store().migrations(query).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_noticed_and_ours_waits_until_it_is_over() {
    let site = Site::new(SimSpec::new("others", 2), StorageKind::Shared).await;
    let vm = site.vm("taken").await;
    let other = by_hand(&site, &vm, 30).await;
    site.until("it is noticed", async |site| {
        let moves = ledger(site, &vm).await;
        moves.first().is_some_and(Migration::is_foreign_and_open)
    })
    .await;
    let note = site.get(vm.id).await.note.unwrap();
    assert!(
        note.starts_with("Somebody else is moving it from"),
        "{note}"
    );
    let refused = migrate::ask(&site.engine, &site.admin, vm.id, Target::Best).await;
    let said = refused.unwrap_err().message;
    assert!(said.contains("somebody else is moving it"), "{said}");
    site.until("the record follows it", async |site| {
        site.get(vm.id).await.host == other
    })
    .await;
    site.until("it is in the ledger", async |site| {
        ledger(site, &vm).await[0].outcome == MigrationOutcome::Completed
    })
    .await;
    let moves = ledger(&site, &vm).await;
    assert_eq!(moves.len(), 1, "{moves:?}");
    assert_eq!((moves[0].job, moves[0].asked_by), (None, None));
    assert!(moves[0].total_ms.is_some() && moves[0].downtime_ms.is_some());
    assert_eq!(site.get(vm.id).await.note, None);
    once(&site, vm.id).await;
    // And ours go on.
    let (job, _) = site.moves(vm.id, Target::Best).await;
    site.ends(job.id).await;
    assert_eq!(site.get(vm.id).await.host, vm.host);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_comes_to_nothing_is_told_as_that() {
    let site = Site::new(SimSpec::new("nothing", 2), StorageKind::Shared).await;
    let vm = site.vm("stays").await;
    by_hand(&site, &vm, 5).await;
    site.until("it is noticed", async |site| {
        !ledger(site, &vm).await.is_empty()
    })
    .await;
    let from = site.name_of(vm.host).await;
    let source = site.fleet.host(&from);
    source.abort_migration(vm.id.0).await.unwrap();
    site.until("it is over", async |site| {
        ledger(site, &vm).await[0].outcome == MigrationOutcome::Failed
    })
    .await;
    let found = site.get(vm.id).await;
    assert_eq!((found.host, found.state), (vm.host, VmState::Running));
    assert_eq!(found.note, None);
    once(&site, vm.id).await;
}
