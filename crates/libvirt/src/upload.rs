//! Streaming a file into a pool: bytes come from an asynchronous reader and go through libvirt's blocking stream on a
//! thread of its own and a connection of its own. What was not completed is removed.

use crate::{
    ffi::{Connect, Pool, Stream},
    host::LibvirtHost,
    trouble::Trouble,
    volumes::{self, PLACE, SETTLE, STALL},
    worker,
    xml::volume::{read_volume, volume_xml},
};
use bellwether_hypervisor::{ByteSource, HypervisorError, OnBytes, Result, VolumeSeen};
use bytes::Bytes;
use std::sync::Arc;
use tokio::{io::AsyncReadExt, sync::mpsc, time::timeout};

/// Bytes read at a time; libvirt's messages hold 256 KiB.
const CHUNK: usize = 256 << 10;

/// What is uploaded where.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub pool: String,
    pub name: String,
    pub format: String,
    pub length: u64,
}

const OPERATION: &str = "uploading a volume";

/// Uploads, or leaves nothing behind.
pub(crate) async fn upload(
    host: &LibvirtHost,
    target: Target,
    source: ByteSource,
    on_bytes: OnBytes,
) -> Result<VolumeSeen> {
    let busy = |_| HypervisorError::Busy("too many uploads are under way".into());
    let place = timeout(PLACE, Arc::clone(&host.transfers).acquire_owned())
        .await
        .map_err(busy)?
        .map_err(|_| HypervisorError::Cancelled)?;
    let connect = host.own_connection().await?;
    let (send, receive) = mpsc::channel::<Bytes>(4);
    let (pool, name) = (target.pool.clone(), target.name.clone());
    let result = worker::spawn("libvirt-upload", place, move || {
        write(&connect, &target, receive, &on_bytes)
            .map_err(|trouble| trouble.into_error(OPERATION))
    })
    .map_err(|_| HypervisorError::Cancelled)?;

    // A failure of the source ends the channel early, and the thread then removes what it wrote.
    let read = feed(source, send).await;
    let written = match timeout(SETTLE, result).await {
        Ok(Ok(written)) => written,
        Ok(Err(_)) => Err(HypervisorError::Failed {
            operation: OPERATION.into(),
            message: "the thread of the upload ended early".into(),
        }),
        Err(_) => Err(HypervisorError::TimedOut(OPERATION.into())),
    };
    // The reader's own failure is the cause of "ended early".
    let outcome = match (read, written) {
        (Err(why), Err(_)) => Err(why),
        (_, written) => written,
    };
    if let Err(error) = &outcome
        && error.is_passing()
    {
        // The thread's connection may be what broke; the control connection may still do it.
        use bellwether_hypervisor::Volumes;
        if let Err(left) = host.delete_volume(&pool, &name).await {
            tracing::warn!(pool, name, %left, "a broken upload could not be removed");
        }
    }
    outcome
}

/// Reads the source into the channel; ends quietly when the other side has gone.
async fn feed(mut source: ByteSource, send: mpsc::Sender<Bytes>) -> Result<()> {
    let failed = |message: String| HypervisorError::Failed {
        operation: "reading what is to be uploaded".into(),
        message,
    };
    loop {
        let mut chunk = Vec::with_capacity(CHUNK);
        let mut limited = (&mut source).take(CHUNK as u64);
        match timeout(STALL, limited.read_to_end(&mut chunk)).await {
            Err(_) => {
                return Err(failed(format!("nothing came for {} s", STALL.as_secs())));
            }
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Ok(Ok(0)) => return Ok(()),
            Ok(Ok(_)) => {}
        }
        match timeout(STALL, send.send(chunk.into())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) => return Err(HypervisorError::TimedOut(OPERATION.into())),
        }
    }
}

/// On the thread: makes the volume, fills it, checks it; removes it when anything failed.
fn write(
    connect: &Connect,
    target: &Target,
    chunks: mpsc::Receiver<Bytes>,
    on_bytes: &OnBytes,
) -> Result<VolumeSeen, Trouble> {
    let pool = volumes::pool(connect, &target.pool)?;
    make_room(&pool, target)?;
    // Whatever is in it, to libvirt it is made as bytes: the content brings its own format.
    let volume = pool
        .create_volume(&volume_xml(&target.name, target.length, "raw", None)?)
        .map_err(|failure| match failure.code {
            // Somebody uploads the same at the same time.
            virt_sys::VIR_ERR_STORAGE_VOL_EXIST => {
                Trouble::from(HypervisorError::AlreadyThere(target.name.clone()))
            }
            _ => failure.into(),
        })?;
    let filled = (|| {
        let mut stream = Stream::new(connect)?;
        if target.length > 0 {
            volume.upload(&mut stream, target.length)?;
            fill(stream, target, chunks, on_bytes)?;
        }
        volumes::refresh(&pool)?;
        let volume = volumes::find(&pool, &target.name)?
            .ok_or_else(|| HypervisorError::NoSuchVolume(target.name.clone()))?;
        let seen = read_volume(&volume.xml()?)?;
        volumes::check_format(&volume, &seen, &target.format)?;
        Ok(seen)
    })();
    if filled.is_err()
        && let Err(left) = volumes::delete(&pool, &target.name)
    {
        tracing::warn!(
            name = target.name,
            ?left,
            "a broken upload could not be removed"
        );
    }
    filled
}

/// Removes what an earlier upload of that name left. It is unlinked rather than overwritten, so that whoever still has it
/// open keeps what it had; and not at all where other volumes are built on it.
fn make_room(pool: &Pool, target: &Target) -> Result<(), Trouble> {
    let Some(there) = volumes::find(pool, &target.name)? else {
        return Ok(());
    };
    let path = there.path()?;
    for volume in pool.volumes()? {
        let Ok(xml) = volume.xml() else { continue };
        if read_volume(&xml)?.backing.as_deref() == Some(path.as_str()) {
            return Err(already(target));
        }
    }
    volumes::delete(pool, &target.name)
}

fn fill(
    stream: Stream,
    target: &Target,
    mut chunks: mpsc::Receiver<Bytes>,
    on_bytes: &OnBytes,
) -> Result<(), Trouble> {
    let mut sent = 0u64;
    while let Some(chunk) = chunks.blocking_recv() {
        let length = chunk.len() as u64;
        if sent.saturating_add(length) > target.length {
            return Err(Trouble::said(
                OPERATION,
                format!("more came than the {} bytes announced", target.length),
            ));
        }
        stream.send(&chunk)?;
        sent += length;
        on_bytes(sent);
    }
    if sent < target.length {
        return Err(Trouble::said(
            OPERATION,
            format!("it ended after {sent} of {} bytes", target.length),
        ));
    }
    Ok(stream.finish()?)
}

fn already(target: &Target) -> Trouble {
    HypervisorError::AlreadyThere(format!(
        "a volume '{}' that others are built on",
        bellwether_model::text::shown(&target.name)
    ))
    .into()
}
