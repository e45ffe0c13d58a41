//! Tombstones: a VM that must not be on a host because the job that put it there was undone or has moved it away.

use super::held;
use crate::Engine;
use bellwether_decide::reconcile::Leftover;
use bellwether_model::{
    HostId, Result, VmId,
    host::{HostHealth, HostMode},
    observed::PowerState,
    storage::{Storage, StorageKind},
    vm::{Vm, VmState},
};
use bellwether_store::Tombstone;
use std::{collections::BTreeSet, time::Duration};

/// A call of a runner that slept may arrive late; after this long none can.
const WATCHED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Undefines what shows where nothing may be, after its host was asked once more.
pub(super) async fn remove(engine: &Engine, leftover: Leftover) -> Result<()> {
    let record = engine.store().host(leftover.host).await?;
    if record.mode == HostMode::DeclaredOff {
        return Ok(());
    }
    let host = engine.host(leftover.host)?;
    let Some(power) = host.power(leftover.vm.0).await? else {
        return Ok(());
    };
    let vm = engine.store().vm(leftover.vm).await?;
    let lives = vm.state != VmState::Gone;
    // It came back meanwhile, or moves; and of two that run a person must say which is the right one.
    if lives && (vm.host == leftover.host || vm.state == VmState::Migrating || power.is_live()) {
        return Ok(());
    }
    if power != PowerState::ShutOff {
        host.force_off(leftover.vm.0).await?;
    }
    host.undefine(leftover.vm.0).await?;
    let text = format!(
        "removed from {} what a job that was undone had left there",
        record.name
    );
    let mut tx = engine.store().begin().await?;
    engine
        .audit(&mut tx, None, "vm.leftover", "vm", leftover.vm, text)
        .await?;
    tx.commit().await
}

/// Deletes the volumes that tombstones speak of, where no host knows their VM any more, and forgets old tombstones.
pub(super) async fn clear_volumes(engine: &Engine) -> Result<()> {
    // Tombstones first: one that a job made since is not looked at, one that a job took back is seen to be held.
    let tombstones = engine.store().tombstones().await?;
    let held = held(engine).await?;
    for tombstone in tombstones {
        if let Err(error) = clear(engine, &tombstone, &held).await {
            tracing::info!(vm = %tombstone.vm, host = %tombstone.host, %error, "a leftover can't be removed yet");
        }
    }
    Ok(())
}

async fn clear(engine: &Engine, tombstone: &Tombstone, held: &BTreeSet<VmId>) -> Result<()> {
    let vm = engine.store().vm(tombstone.vm).await?;
    // A move may be bringing it back there at this moment: its job decides.
    if held.contains(&vm.id) || vm.state == VmState::Migrating {
        return Ok(());
    }
    let bound_here = vm.host == tombstone.host && vm.state != VmState::Gone;
    let Ok(record) = engine.store().host(tombstone.host).await else {
        return forget(engine, tombstone).await;
    };
    if bound_here {
        // It came back here by a later job: the tombstone is about the past.
        return forget(engine, tombstone).await;
    }
    let answers = record.mode != HostMode::DeclaredOff && ready(engine, tombstone.host);
    let storage = engine.store().storage(vm.storage).await?;
    match storage.kind {
        StorageKind::Local if answers => {
            let known = engine.host(tombstone.host)?.power(tombstone.vm.0).await?;
            if known.is_none() {
                delete_through(engine, &storage, tombstone.host, &vm).await?;
            }
        }
        // Its files are those of the VM wherever it is.
        StorageKind::Shared if vm.state == VmState::Gone => {
            if let Some(through) = nobody_knows(engine, &storage, tombstone).await? {
                delete_through(engine, &storage, through, &vm).await?;
            }
        }
        _ => {}
    }
    if answers && engine.now().since(tombstone.at) > WATCHED_FOR {
        return forget(engine, tombstone).await;
    }
    Ok(())
}

fn ready(engine: &Engine, host: HostId) -> bool {
    engine
        .observed()
        .hosts
        .get(&host)
        .is_some_and(|seen| seen.health == HostHealth::Ready)
}

async fn delete_through(engine: &Engine, storage: &Storage, host: HostId, vm: &Vm) -> Result<()> {
    let Some(member) = storage.on(host) else {
        return Ok(());
    };
    let host = engine.host(host)?;
    for volume in [vm.disk_volume(), vm.seed_volume()] {
        host.delete_volume(&member.pool, &volume).await?;
    }
    Ok(())
}

/// A host that sees the shared storage, if every one that is not declared off was asked and none knows the VM.
async fn nobody_knows(
    engine: &Engine,
    storage: &Storage,
    tombstone: &Tombstone,
) -> Result<Option<HostId>> {
    let mut through = None;
    for member in &storage.members {
        if engine.store().host(member.host).await?.mode == HostMode::DeclaredOff {
            continue;
        }
        let host = engine.host(member.host)?;
        if host.power(tombstone.vm.0).await?.is_some() {
            return Ok(None);
        }
        through = through.or(Some(member.host));
    }
    Ok(through)
}

async fn forget(engine: &Engine, tombstone: &Tombstone) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    tx.delete_tombstone(tombstone.vm, tombstone.host).await?;
    tx.commit().await
}
