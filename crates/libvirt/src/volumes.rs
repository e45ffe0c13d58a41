//! Volumes.

use crate::{
    ffi::{Connect, Failure, Pool, Volume, VolumeKind},
    host::{LibvirtHost, QUICK, SLOW},
    trouble::Trouble,
    upload,
    xml::volume::{read_volume, volume_xml},
};
use async_trait::async_trait;
use bellwether_hypervisor::{
    ByteSource, HypervisorError, OnBytes, Result, VolumeSeen, VolumeSpec, Volumes,
};
use std::{thread, time::Duration};

#[async_trait]
impl Volumes for LibvirtHost {
    async fn refresh_pool(&self, pool_name: &str) -> Result<()> {
        let pool_name = pool_name.to_owned();
        self.read("looking at a pool", SLOW, move |session| {
            look_anew(&pool(&session.connect, &pool_name)?)
        })
        .await
    }

    async fn volumes(&self, pool_name: &str) -> Result<Vec<VolumeSeen>> {
        let pool_name = pool_name.to_owned();
        self.read("listing volumes", SLOW, move |session| {
            let pool = pool(&session.connect, &pool_name)?;
            refresh(&pool)?;
            let mut seen = Vec::new();
            for volume in pool.volumes()? {
                // One that goes while we look is not worth failing for.
                if let Ok(xml) = volume.xml() {
                    seen.push(read_volume(&xml)?);
                }
            }
            seen.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(seen)
        })
        .await
    }

    async fn volume(&self, pool_name: &str, name: &str) -> Result<Option<VolumeSeen>> {
        let (pool_name, name) = (pool_name.to_owned(), name.to_owned());
        self.read("looking for a volume", SLOW, move |session| {
            see(&pool(&session.connect, &pool_name)?, &name)
        })
        .await
    }

    async fn create_volume(&self, pool_name: &str, spec: &VolumeSpec) -> Result<VolumeSeen> {
        let (pool_name, spec) = (pool_name.to_owned(), spec.clone());
        self.change("making a volume", SLOW, move |session| {
            create(&pool(&session.connect, &pool_name)?, &spec)
        })
        .await
    }

    async fn upload(
        &self,
        pool_name: &str,
        name: &str,
        format: &str,
        length: u64,
        bytes: ByteSource,
        on_bytes: OnBytes,
    ) -> Result<VolumeSeen> {
        let target = upload::Target {
            pool: pool_name.to_owned(),
            name: name.to_owned(),
            format: format.to_owned(),
            length,
        };
        upload::upload(self, target, bytes, on_bytes).await
    }

    async fn read_volume(&self, pool_name: &str, name: &str, most: usize) -> Result<Vec<u8>> {
        let (pool_name, name) = (pool_name.to_owned(), name.to_owned());
        self.read("reading a volume", SLOW, move |session| {
            let pool = pool(&session.connect, &pool_name)?;
            let volume = find(&pool, &name)?.ok_or(HypervisorError::NoSuchVolume(name))?;
            read_start(&session.connect, &volume, most)
        })
        .await
    }

    async fn delete_volume(&self, pool_name: &str, name: &str) -> Result<()> {
        let (pool_name, name) = (pool_name.to_owned(), name.to_owned());
        self.change("removing a volume", SLOW, move |session| {
            delete(&pool(&session.connect, &pool_name)?, &name)
        })
        .await
    }
}

/// The pool, which must be there and started.
pub(crate) fn pool(connect: &Connect, name: &str) -> Result<Pool, Trouble> {
    let pool = connect.pool(name).map_err(|failure| match failure.code {
        virt_sys::VIR_ERR_NO_STORAGE_POOL => HypervisorError::NoSuchPool(name.to_owned()).into(),
        _ => Trouble::from(failure),
    })?;
    if !pool.is_active()? {
        return Err(Trouble::said(
            "using the pool",
            format!(
                "the pool '{}' is not started on the host",
                bellwether_model::text::shown(name)
            ),
        ));
    }
    Ok(pool)
}

/// Looks at the storage again. libvirt refuses while a volume of the pool is being written through it: busy, after a few
/// tries.
fn look_anew(pool: &Pool) -> Result<(), Trouble> {
    let mut left = 5;
    loop {
        match pool.refresh() {
            Err(failure) if failure.message.contains("asynchronous jobs") => {
                if left == 0 {
                    let why = "something is being written to the pool, and it is not looked at before that is done";
                    return Err(HypervisorError::Busy(why.into()).into());
                }
                left -= 1;
                thread::sleep(Duration::from_millis(100));
            }
            other => return Ok(other?),
        }
    }
}

/// Looks at the storage again, or leaves it at what libvirt knows while something is being written.
pub(crate) fn refresh(pool: &Pool) -> Result<(), Trouble> {
    match look_anew(pool) {
        Err(Trouble::Said(HypervisorError::Busy(_))) => Ok(()),
        looked => looked,
    }
}

/// The volume of that name, with a second look at the storage where libvirt does not know it: it may have come through
/// another host, and it may have gone that way.
pub(crate) fn find(pool: &Pool, name: &str) -> Result<Option<Volume>, Trouble> {
    if let Some(volume) = known(pool, name)?
        && volume.xml().is_ok()
    {
        return Ok(Some(volume));
    }
    refresh(pool)?;
    Ok(known(pool, name)?)
}

fn known(pool: &Pool, name: &str) -> Result<Option<Volume>, Failure> {
    match pool.volume(name) {
        Ok(volume) => Ok(Some(volume)),
        Err(failure) if failure.code == virt_sys::VIR_ERR_NO_STORAGE_VOL => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// The volume as a host shows it.
pub(crate) fn see(pool: &Pool, name: &str) -> Result<Option<VolumeSeen>, Trouble> {
    match find(pool, name)? {
        Some(volume) => Ok(Some(read_volume(&volume.xml()?)?)),
        None => Ok(None),
    }
}

fn create(pool: &Pool, spec: &VolumeSpec) -> Result<VolumeSeen, Trouble> {
    let backing = match &spec.backing {
        Some((name, format)) => {
            let volume =
                find(pool, name)?.ok_or_else(|| HypervisorError::NoSuchVolume(name.clone()))?;
            Some((volume.path()?, format.clone()))
        }
        None => None,
    };
    let same = |seen: VolumeSeen| {
        let alike = seen.capacity == spec.capacity
            && seen.format.as_deref().unwrap_or("raw") == spec.format
            && seen.backing == backing.as_ref().map(|(path, _)| path.clone());
        if alike {
            Ok(seen)
        } else {
            Err(Trouble::from(HypervisorError::AlreadyThere(format!(
                "another volume '{}'",
                bellwether_model::text::shown(&spec.name)
            ))))
        }
    };
    if let Some(seen) = see(pool, &spec.name)? {
        return same(seen);
    }
    let xml = volume_xml(
        &spec.name,
        spec.capacity,
        &spec.format,
        backing
            .as_ref()
            .map(|(path, format)| (path.as_str(), format.as_str())),
    )?;
    match pool.create_volume(&xml) {
        Ok(volume) => Ok(read_volume(&volume.xml()?)?),
        // Somebody was faster.
        Err(failure) if failure.code == virt_sys::VIR_ERR_STORAGE_VOL_EXIST => {
            match see(pool, &spec.name)? {
                Some(seen) => same(seen),
                None => Err(failure.into()),
            }
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Removes the volume; fine when it is not there. libvirt needs a moment to let go of one that was just written.
pub(crate) fn delete(pool: &Pool, name: &str) -> Result<(), Trouble> {
    let mut left = 20;
    loop {
        let Some(volume) = find(pool, name)? else {
            return Ok(());
        };
        match volume.delete() {
            Ok(()) => return Ok(()),
            Err(failure) if left > 0 && failure.message.contains("still in use") => {
                left -= 1;
                thread::sleep(Duration::from_millis(100));
            }
            Err(failure)
                if failure.errno == libc::ENOENT
                    || failure.code == virt_sys::VIR_ERR_NO_STORAGE_VOL =>
            {
                return Ok(());
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

fn read_start(connect: &Connect, volume: &Volume, most: usize) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    if most == 0 {
        return Ok(bytes);
    }
    let mut stream = crate::ffi::Stream::new(connect)?;
    volume.download(&mut stream, u64::try_from(most).unwrap_or(u64::MAX))?;
    let mut room = vec![0u8; most.min(256 << 10)];
    while bytes.len() < most {
        let wanted = room.len().min(most - bytes.len());
        match stream.receive(&mut room[..wanted])? {
            0 => {
                stream.finish()?;
                return Ok(bytes);
            }
            got => bytes.extend_from_slice(&room[..got]),
        }
    }
    // All that was asked for is there; the stream ends with the handle.
    Ok(bytes)
}

/// Whether what was uploaded into a file is of the format it was said to be.
pub(crate) fn check_format(
    volume: &Volume,
    seen: &VolumeSeen,
    format: &str,
) -> Result<(), Trouble> {
    let found = seen.format.as_deref().unwrap_or("raw");
    if format == "raw" || found == format || volume.kind()? != VolumeKind::File {
        return Ok(());
    }
    Err(HypervisorError::BadDefinition(format!(
        "what was uploaded as {format} is {found} by its content"
    ))
    .into())
}

/// How long an upload may stand still, on either side.
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How long the end of an upload may take: the host writes what it has taken.
pub(crate) const SETTLE: Duration = Duration::from_secs(120);
/// How long a place for an upload may take.
pub(crate) const PLACE: Duration = QUICK;
