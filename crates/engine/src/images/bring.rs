//! Brings a verified image to a pool, once for each shared storage and once for each host of a local one.

use super::file_of;
use crate::jobs::{Halt, Run};
use bellwether_model::{
    Error, HostId, ImageId, StorageId,
    image::{Image, ImageCopy, ImageState},
    job::Progress,
    storage::StorageKind,
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::io::InspectReader;

/// One upload of an image to a storage at a time in this process.
#[derive(Default)]
pub struct Uploads(Mutex<BTreeMap<(ImageId, StorageId, HostId), Turn>>);

type Turn = Arc<tokio::sync::Mutex<()>>;

impl Uploads {
    fn turn(
        &self,
        image: ImageId,
        storage: StorageId,
        host: HostId,
    ) -> Arc<tokio::sync::Mutex<()>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .entry((image, storage, host))
            .or_default()
            .clone()
    }
}

/// Makes sure that the pool of `storage` on `host` holds the image whole.
pub async fn bring(
    run: &mut Run,
    image: &Image,
    storage: StorageId,
    host: HostId,
) -> Result<(), Halt> {
    let engine = run.engine.clone();
    if image.state != ImageState::Ready {
        return Err(Halt::Fail(Error::conflict(format!(
            "The image \"{}\" is {}, not ready.",
            image.name, image.state
        ))));
    }
    let storage = engine.store().storage(storage).await?;
    let pool = storage
        .on(host)
        .map(|member| member.pool.clone())
        .ok_or_else(|| {
            Halt::Fail(Error::conflict(format!(
                "The storage \"{}\" has no pool on that host.",
                storage.name
            )))
        })?;
    // A shared storage holds one copy, whichever member it came in through.
    let shared = storage.kind == StorageKind::Shared;
    let keeper = if shared {
        storage.members[0].host
    } else {
        host
    };
    let turn = engine.inner.uploads.turn(image.id, storage.id, keeper);
    let _turn = turn.lock().await;
    let copies = engine.store().image_copies(image.id).await?;
    let known = copies
        .iter()
        .find(|copy| copy.storage == storage.id && (shared || copy.host == host));
    let connection = run.host(host).await?;
    let volume = connection.volume(&pool, &image.volume()).await?;
    if known.is_some_and(|copy| copy.complete) && volume.is_some() {
        return Ok(());
    }
    if let Some(volume) = &volume {
        // Left half by a process that died, unless overlays say that it was whole once.
        let overlays = connection
            .volumes(&pool)
            .await?
            .iter()
            .any(|other| other.backing.as_deref() == Some(volume.path.as_str()));
        if overlays {
            return mark(run, image, storage.id, keeper, true).await;
        }
        connection.delete_volume(&pool, &image.volume()).await?;
    }
    mark(run, image, storage.id, keeper, false).await?;
    let path = file_of(&engine, image.id);
    let missing = |error: std::io::Error| {
        Halt::Fail(
            Error::conflict(format!(
                "The file of the image \"{}\" is missing; add the image again.",
                image.name
            ))
            .with_context(error),
        )
    };
    let file = tokio::fs::File::open(&path).await.map_err(missing)?;
    let length = file.metadata().await.map_err(missing)?.len();
    if image.file_bytes.is_some_and(|bytes| bytes != length) {
        return Err(Halt::Fail(Error::conflict(format!(
            "The file of the image \"{}\" has changed; add the image again.",
            image.name
        ))));
    }
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    // What is sent is what was verified: a file may be altered, or rot, without its length changing.
    let hash = Arc::new(Mutex::new(Sha256::new()));
    let hashing = hash.clone();
    let file = InspectReader::new(file, move |bytes| {
        hashing
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .update(bytes);
    });
    let format = image.format.map_or("qcow2", |format| format.as_str());
    let name = image.volume();
    let upload = connection.upload(
        &pool,
        &name,
        format,
        length,
        Box::pin(file),
        Box::new(move |bytes| counter.store(bytes, Ordering::Relaxed)),
    );
    tokio::pin!(upload);
    loop {
        tokio::select! {
            done = &mut upload => {
                done?;
                break;
            }
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                if run.cancelled().await? {
                    return Err(Halt::Fail(Error::conflict("Cancelled.")));
                }
                let done = sent.load(Ordering::Relaxed);
                run.progress(Progress {
                    doing: format!("bringing the image \"{}\" to the storage \"{}\"", image.name, storage.name),
                    share: Some(done as f64 / length.max(1) as f64),
                    bytes_done: Some(done),
                    bytes_total: Some(length),
                    migration: None,
                }).await;
            }
        }
    }
    let found = hash
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone();
    let found = hex::encode(found.finalize());
    if image.sha256.as_ref().is_some_and(|sum| *sum != found) {
        connection.delete_volume(&pool, &name).await?;
        return Err(Halt::Fail(Error::conflict(format!(
            "The file of the image \"{}\" is not what it was when it was added: its SHA-256 is {found}. Add the image again.",
            image.name
        ))));
    }
    mark(run, image, storage.id, keeper, true).await
}

async fn mark(
    run: &Run,
    image: &Image,
    storage: StorageId,
    host: HostId,
    complete: bool,
) -> Result<(), Halt> {
    let mut tx = run.begin().await?;
    tx.put_image_copy(&ImageCopy {
        image: image.id,
        storage,
        host,
        complete,
    })
    .await?;
    tx.commit().await?;
    Ok(())
}
