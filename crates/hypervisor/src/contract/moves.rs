//! Live migration.

use super::context::{Context, Failure, Outcome, ensure, refused};
use crate::{Groups, HypervisorError::Cancelled, MigrateSpec};
use bellwether_model::observed::PowerState::{self, Paused, Running};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

pub(super) async fn what_it_writes_is_told(context: &Context) -> Outcome {
    let definition = context.running().await?;
    let (vm, memory) = (definition.uuid, definition.memory.bytes());
    let host = context.host();
    let written = host.written(vm, 1).await?;
    ensure!(
        written.is_some_and(|bytes| bytes <= memory),
        "it wrote {written:?} of {memory} bytes in a second"
    );
    host.force_off(vm).await?;
    ensure!(
        host.written(vm, 1).await?.is_none(),
        "one that is off writes nothing that could be told"
    );
    ensure!(
        host.written(uuid::Uuid::from_u128(1), 1).await?.is_none(),
        "one that is not there neither"
    );
    Ok(())
}

pub(super) async fn there_and_back(context: &Context) -> Outcome {
    let definition = context.running().await?;
    let (vm, subject) = (definition.uuid, context.subject());
    let (host, other) = (context.host(), context.other()?);
    for (from, to, uri) in [
        (host.clone(), other.clone(), subject.peer_uri()),
        (other.clone(), host.clone(), subject.back_uri()),
    ] {
        // Slow enough to be watched.
        let spec = MigrateSpec {
            bandwidth: Some(48),
            ..context.migration(vm, uri)
        };
        let mover = from.clone();
        let moving = tokio::spawn(async move { mover.migrate(&spec).await });
        let (mut seen, mut arriving) = (None, None);
        while !moving.is_finished() {
            if let Ok(Some(progress)) = from.migration_progress(vm).await {
                seen = Some(progress);
                arriving = shown(&*to, vm).await?.or(arriving);
            }
            sleep(Duration::from_millis(20)).await;
        }
        joined(moving).await??;
        let Some(progress) = seen else {
            return Err(Failure("no progress was seen while it moved".into()));
        };
        ensure!(progress.bytes_total > 0, "nothing to move: {progress:?}");
        // The last look may have come after the end.
        ensure!(
            matches!(arriving, Some((Paused, true) | (Running, false))),
            "the target showed what arrives as {arriving:?}"
        );
        ensure!(
            to.power(vm).await? == Some(Running),
            "it does not run at the target"
        );
        ensure!(
            shown(&*to, vm).await? == Some((Running, false)),
            "a sample does not show it running at the target"
        );
        ensure!(from.power(vm).await?.is_none(), "the source still knows it");
        let figures = to.migration_figures(vm).await?;
        ensure!(
            figures
                .as_ref()
                .is_some_and(|figures| figures.total_ms > Some(0)
                    && figures.downtime_ms.is_some()
                    && figures.downtime_ms <= figures.total_ms),
            "implausible figures: {figures:?}"
        );
        let described = to.describe(vm).await?;
        ensure!(
            described.ownership.as_ref() == Some(&definition.ownership),
            "its ownership stayed behind: {described:?}"
        );
    }
    // It is there for good, not only until it stops.
    host.force_off(vm).await?;
    ensure!(host.power(vm).await?.is_some(), "its definition was lost");
    host.start(vm).await?;
    Ok(())
}

/// How a sample of the host shows the VM: its power state, and whether a migration is why it stands still.
async fn shown(host: &dyn crate::Host, vm: uuid::Uuid) -> Outcome<Option<(PowerState, bool)>> {
    let sample = host.sample(Groups::default()).await?;
    let mut vms = sample.vms.into_iter();
    let there = vms.find(|there| there.uuid == vm);
    Ok(there.map(|there| (there.power, there.migrating)))
}

async fn joined<T>(task: tokio::task::JoinHandle<T>) -> Outcome<T> {
    task.await
        .map_err(|error| Failure(format!("the call broke: {error}")))
}

pub(super) async fn outlives_its_caller(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let (host, other) = (context.host(), context.other()?);
    let spec = MigrateSpec {
        bandwidth: Some(16),
        ..context.migration(vm, context.subject().peer_uri())
    };
    let mover = host.clone();
    let moving = tokio::spawn(async move { mover.migrate(&spec).await });
    under_way(context, vm).await?;
    moving.abort();
    let target = &other;
    context
        .eventually(
            "it runs at the target although its caller is gone",
            || async move { Ok(target.power(vm).await? == Some(Running)) },
        )
        .await?;
    let source = &host;
    context
        .eventually("the source lets go of it", || async move {
            Ok(source.power(vm).await?.is_none())
        })
        .await
}

async fn under_way(context: &Context, vm: uuid::Uuid) -> Outcome {
    let source = &context.host();
    context
        .eventually("the migration shows on the source", || async move {
            Ok(source.migration_progress(vm).await?.is_some())
        })
        .await
}

pub(super) async fn can_be_cancelled(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let host = context.host();
    let spec = MigrateSpec {
        bandwidth: Some(1),
        ..context.migration(vm, context.subject().peer_uri())
    };
    let mover = host.clone();
    let moving = tokio::spawn(async move { mover.migrate(&spec).await });
    under_way(context, vm).await?;
    host.abort_migration(vm).await?;
    let end = joined(moving).await?;
    refused!(end, Cancelled);
    stays(context, vm).await?;
    host.abort_migration(vm).await?;
    Ok(())
}

pub(super) async fn can_be_steered(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let (host, other) = (context.host(), context.other()?);
    // Nothing moves: there is nothing to change.
    host.set_longest_pause(vm, 100).await?;
    host.set_bandwidth(vm, 10).await?;
    let spec = MigrateSpec {
        bandwidth: Some(1),
        throttle: true,
        ..context.migration(vm, context.subject().peer_uri())
    };
    let mover = host.clone();
    let moving = tokio::spawn(async move { mover.migrate(&spec).await });
    under_way(context, vm).await?;
    host.set_longest_pause(vm, 500).await?;
    // At one MiB a second it would take minutes.
    host.set_bandwidth(vm, 1_000).await?;
    joined(moving).await??;
    ensure!(
        other.power(vm).await? == Some(Running),
        "it does not run at the target"
    );
    Ok(())
}

pub(super) async fn goes_on_before_its_memory_is_there(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let (host, other) = (context.host(), context.other()?);
    let spec = MigrateSpec {
        bandwidth: Some(16),
        post_copy: true,
        ..context.migration(vm, context.subject().peer_uri())
    };
    let mover = host.clone();
    let moving = tokio::spawn(async move { mover.migrate(&spec).await });
    let source = &host;
    context
        .eventually("some of its memory is on the way", || async move {
            let progress = source.migration_progress(vm).await?;
            Ok(progress.is_some_and(|progress| progress.bytes_done > 0))
        })
        .await?;
    host.start_post_copy(vm).await?;
    joined(moving).await??;
    ensure!(
        other.power(vm).await? == Some(Running) && host.power(vm).await?.is_none(),
        "it does not run at the target alone"
    );
    let plain = context.migration(vm, context.subject().back_uri());
    other.migrate(&plain).await?;
    Ok(())
}

/// The VM runs on the host, nothing of it is at the other, and nothing moves; the other may need a moment to clear up.
async fn stays(context: &Context, vm: uuid::Uuid) -> Outcome {
    let target = &context.other()?;
    context
        .eventually("nothing is left at the target", || async move {
            Ok(target.power(vm).await?.is_none())
        })
        .await?;
    context.shows(vm, Some(Running), None).await?;
    let progress = context.host().migration_progress(vm).await?;
    ensure!(progress.is_none(), "it still moves: {progress:?}");
    Ok(())
}

pub(super) async fn to_a_dead_peer_stays(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let spec = context.migration(vm, context.subject().dead_uri());
    let end = context.host().migrate(&spec).await;
    ensure!(end.is_err(), "it went to a host that is not there");
    stays(context, vm).await
}

pub(super) async fn to_itself_stays(context: &Context) -> Outcome {
    let vm = context.running().await?.uuid;
    let spec = context.migration(vm, context.subject().back_uri());
    let end = context.host().migrate(&spec).await;
    ensure!(end.is_err(), "it moved to where it was");
    stays(context, vm).await
}

pub(super) async fn with_its_disk(context: &Context) -> Outcome {
    let (host, other) = (context.host(), context.other()?);
    let Some(pool) = context.subject().local_pool() else {
        return Err(Failure("there is no local pool".into()));
    };
    let definition = context.prepared(&*host, &pool).await?;
    let vm = definition.uuid;
    // What the engine does before: the image and the seed are put on the target, and an overlay as on the source.
    for disk in &definition.disks {
        let there = host.volume(&pool, &disk.volume).await?;
        let Some(there) = there else {
            return Err(Failure(format!("no volume '{}'", disk.volume)));
        };
        put_beside(&host, &other, &pool, &there, disk.seed).await?;
    }
    host.define(&definition).await?;
    host.start(vm).await?;
    let mut spec = context.migration(vm, context.subject().peer_uri());
    let disks = host.describe(vm).await?.disks;
    spec.copy_disks = disks
        .into_iter()
        .filter(|disk| !disk.read_only)
        .map(|disk| disk.target)
        .collect();
    host.migrate(&spec).await?;
    context.shows(vm, None, Some(Running)).await?;
    let copy = other.volume(&pool, &definition.disks[0].volume).await?;
    ensure!(copy.is_some(), "the disk is not at the target");
    Ok(())
}

/// Makes `volume` of `host` on `other` too: with its bytes if it is a seed or an image, else empty on the same backing.
async fn put_beside(
    host: &Arc<dyn crate::Host>,
    other: &Arc<dyn crate::Host>,
    pool: &str,
    volume: &crate::VolumeSeen,
    whole: bool,
) -> Outcome {
    if whole {
        let length = usize::try_from(volume.capacity).unwrap_or(usize::MAX);
        let bytes = host.read_volume(pool, &volume.name, length).await?;
        let (length, source) = (bytes.len() as u64, Box::pin(std::io::Cursor::new(bytes)));
        let format = volume.format.clone().unwrap_or_else(|| "raw".into());
        other
            .upload(
                pool,
                &volume.name,
                &format,
                length,
                source,
                Box::new(|_| {}),
            )
            .await?;
        return Ok(());
    }
    let mut backing = None;
    if let Some(path) = &volume.backing {
        let volumes = host.volumes(pool).await?;
        if let Some(image) = volumes.into_iter().find(|other| &other.path == path) {
            let format = image.format.clone().unwrap_or_else(|| "raw".into());
            Box::pin(put_beside(host, other, pool, &image, true)).await?;
            backing = Some((image.name, format));
        }
    }
    let spec = crate::VolumeSpec {
        name: volume.name.clone(),
        capacity: volume.capacity,
        format: volume.format.clone().unwrap_or_else(|| "qcow2".into()),
        backing,
    };
    other.create_volume(pool, &spec).await?;
    Ok(())
}
