//! Volumes.

use super::context::{Context, Failure, Outcome, ensure, refused};
use crate::{
    Host,
    HypervisorError::{AlreadyThere, NoSuchPool, NoSuchVolume},
    VolumeSpec,
};
use std::sync::{Arc, Mutex, PoisonError};

const MEBIBYTE: u64 = 1 << 20;

fn spec(context: &Context, format: &str) -> VolumeSpec {
    let spec = VolumeSpec {
        name: context.name("volume"),
        capacity: 8 * MEBIBYTE,
        format: format.into(),
        backing: None,
    };
    context.will_remove(&context.subject().shared_pool(), &spec.name);
    spec
}

pub(super) async fn creating_twice_is_fine_and_differently_is_not(context: &Context) -> Outcome {
    let (host, pool) = (context.host(), context.subject().shared_pool());
    for format in ["qcow2", "raw"] {
        let wanted = spec(context, format);
        let first = host.create_volume(&pool, &wanted).await?;
        ensure!(
            first.name == wanted.name && first.capacity == wanted.capacity,
            "another volume: {first:?}"
        );
        ensure!(
            first.path.ends_with(&wanted.name),
            "another path: {first:?}"
        );
        ensure!(
            first.format.as_deref() == Some(format) && first.backing.is_none(),
            "another format: {first:?}"
        );
        let again = host.create_volume(&pool, &wanted).await?;
        ensure!(again.path == first.path, "made twice: {again:?}");
        let larger = VolumeSpec {
            capacity: 16 * MEBIBYTE,
            ..wanted.clone()
        };
        refused!(host.create_volume(&pool, &larger).await, AlreadyThere(_));
        host.refresh_pool(&pool).await?;
        let listed = host.volumes(&pool).await?;
        ensure!(
            listed.iter().any(|volume| volume.name == wanted.name),
            "not listed: {listed:?}"
        );
        for _ in 0..2 {
            host.delete_volume(&pool, &wanted.name).await?;
            ensure!(
                host.volume(&pool, &wanted.name).await?.is_none(),
                "still there after deletion"
            );
        }
    }
    Ok(())
}

pub(super) async fn an_overlay_names_its_backing(context: &Context) -> Outcome {
    let (host, pool) = (context.host(), context.subject().shared_pool());
    let base = host.create_volume(&pool, &spec(context, "qcow2")).await?;
    let overlay = VolumeSpec {
        capacity: 32 * MEBIBYTE,
        backing: Some((base.name.clone(), "qcow2".into())),
        ..spec(context, "qcow2")
    };
    let made = host.create_volume(&pool, &overlay).await?;
    ensure!(
        made.backing.as_deref() == Some(base.path.as_str()),
        "the backing is not {}: {made:?}",
        base.path
    );
    ensure!(made.capacity == overlay.capacity, "another size: {made:?}");
    host.create_volume(&pool, &overlay).await?;
    let alone = VolumeSpec {
        backing: None,
        ..overlay.clone()
    };
    refused!(host.create_volume(&pool, &alone).await, AlreadyThere(_));
    let orphan = VolumeSpec {
        backing: Some((context.name("nothing"), "qcow2".into())),
        ..spec(context, "qcow2")
    };
    let made = host.create_volume(&pool, &orphan).await;
    ensure!(made.is_err(), "an overlay of nothing was made: {made:?}");
    ensure!(
        host.volume(&pool, &orphan.name).await?.is_none(),
        "an overlay of nothing was left"
    );
    Ok(())
}

pub(super) async fn unknown_pools_and_volumes(context: &Context) -> Outcome {
    let (host, pool, nowhere) = (
        context.host(),
        context.subject().shared_pool(),
        context.name("pool"),
    );
    refused!(host.refresh_pool(&nowhere).await, NoSuchPool(_));
    refused!(host.volumes(&nowhere).await, NoSuchPool(_));
    refused!(host.volume(&nowhere, "x").await, NoSuchPool(_));
    refused!(host.delete_volume(&nowhere, "x").await, NoSuchPool(_));
    refused!(host.read_volume(&nowhere, "x", 1).await, NoSuchPool(_));
    let wanted = spec(context, "raw");
    refused!(host.create_volume(&nowhere, &wanted).await, NoSuchPool(_));
    ensure!(
        host.volume(&pool, &wanted.name).await?.is_none(),
        "it is there"
    );
    refused!(
        host.read_volume(&pool, &wanted.name, 1).await,
        NoSuchVolume(_)
    );
    Ok(())
}

/// Bytes that differ from place to place and from salt to salt.
fn pattern(length: usize, salt: usize) -> Vec<u8> {
    (0..length)
        .map(|i| ((i * 31 + i / 251 + salt) % 256) as u8)
        .collect()
}

async fn upload(
    host: &dyn Host,
    pool: &str,
    name: &str,
    bytes: Vec<u8>,
    length: u64,
) -> Outcome<Vec<u64>> {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = steps.clone();
    let on_bytes = Box::new(move |sent| {
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sent);
    });
    let source = Box::pin(std::io::Cursor::new(bytes));
    host.upload(pool, name, "raw", length, source, on_bytes)
        .await?;
    let steps = steps.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok(steps)
}

pub(super) async fn an_upload_arrives_and_tells_how_far_it_is(context: &Context) -> Outcome {
    let (host, pool) = (context.host(), context.subject().shared_pool());
    let name = spec(context, "raw").name;
    // Not a multiple of anything.
    let length = 3 * MEBIBYTE as usize + 4_567;
    for salt in [0, 99] {
        let bytes = pattern(length, salt);
        let steps = upload(&*host, &pool, &name, bytes.clone(), length as u64).await?;
        ensure!(
            steps.is_sorted() && steps.last() == Some(&(length as u64)),
            "progress was told as {steps:?}, of {length}"
        );
        let head = host.read_volume(&pool, &name, 100_000).await?;
        ensure!(
            head == bytes[..100_000],
            "other bytes came back (upload {salt})"
        );
        let seen = host.volume(&pool, &name).await?;
        ensure!(
            seen.as_ref()
                .is_some_and(|volume| volume.capacity >= length as u64),
            "too small: {seen:?}"
        );
    }
    let few = host.read_volume(&pool, &name, 3).await?;
    ensure!(few == pattern(3, 99), "the first three bytes are {few:?}");
    Ok(())
}

pub(super) async fn a_short_upload_leaves_nothing(context: &Context) -> Outcome {
    let (host, pool) = (context.host(), context.subject().shared_pool());
    let name = spec(context, "raw").name;
    let length = MEBIBYTE;
    let short = upload(&*host, &pool, &name, pattern(1_000, 0), length).await;
    let Err(Failure(said)) = short else {
        return Err(Failure(
            "a stream that ended early was taken for whole".into(),
        ));
    };
    ensure!(
        host.volume(&pool, &name).await?.is_none(),
        "half a volume was left after: {said}"
    );
    let whole = upload(&*host, &pool, &name, pattern(1_000, 1), 1_000).await?;
    ensure!(
        whole.last() == Some(&1_000),
        "the second try told {whole:?}"
    );
    Ok(())
}

pub(super) async fn a_shared_pool_is_one(context: &Context) -> Outcome {
    let (host, other, pool) = (
        context.host(),
        context.other()?,
        context.subject().shared_pool(),
    );
    let name = spec(context, "raw").name;
    upload(&*host, &pool, &name, pattern(512, 5), 512).await?;
    ensure!(
        other.read_volume(&pool, &name, 512).await? == pattern(512, 5),
        "the other host reads other bytes"
    );
    other.delete_volume(&pool, &name).await?;
    ensure!(
        host.volume(&pool, &name).await?.is_none(),
        "deleted through the other host, it is still there"
    );
    Ok(())
}
