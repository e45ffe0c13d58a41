//! Volumes of a simulated host.

use super::SimHost;
use crate::{
    ByteSource, HypervisorError, OnBytes, Result, VolumeSeen, VolumeSpec, Volumes, sim::fault::Op,
};
use async_trait::async_trait;
use tokio::io::AsyncReadExt;

#[async_trait]
impl Volumes for SimHost {
    async fn refresh_pool(&self, pool: &str) -> Result<()> {
        self.call(Op::RefreshPool, |world, host| {
            world.store(host, pool).map(drop)
        })
        .await
    }
    async fn volumes(&self, pool: &str) -> Result<Vec<VolumeSeen>> {
        self.call(Op::Volumes, |world, host| {
            let store = world.store(host, pool)?;
            Ok(store
                .volumes
                .keys()
                .filter_map(|name| store.seen(name))
                .collect())
        })
        .await
    }
    async fn volume(&self, pool: &str, name: &str) -> Result<Option<VolumeSeen>> {
        self.call(Op::Volume, |world, host| {
            Ok(world.store(host, pool)?.seen(name))
        })
        .await
    }
    async fn create_volume(&self, pool: &str, spec: &VolumeSpec) -> Result<VolumeSeen> {
        self.call(Op::CreateVolume, |world, host| {
            let store = world.store(host, pool)?;
            store.create(spec)?;
            store
                .seen(&spec.name)
                .ok_or_else(|| HypervisorError::NoSuchVolume(spec.name.clone()))
        })
        .await
    }

    async fn upload(
        &self,
        pool: &str,
        name: &str,
        format: &str,
        length: u64,
        mut bytes: ByteSource,
        on_bytes: OnBytes,
    ) -> Result<VolumeSeen> {
        let fault = self.enter(Op::Upload).await?;
        let host = &self.name;
        self.fleet.with(|world| {
            world.answering(host)?;
            world.note_use(host, pool, name, "overwritten by an upload");
            world.store(host, pool)?.begin_upload(name, format, length)
        })?;
        let remove = |why: HypervisorError| {
            self.fleet.with(|world| {
                if let Ok(store) = world.store(host, pool) {
                    store.volumes.remove(name);
                }
            });
            why
        };
        let broken = |message: String| HypervisorError::Failed {
            operation: "the upload".into(),
            message,
        };
        let (mut sent, mut buffer) = (0_u64, vec![0_u8; 256 * 1024]);
        loop {
            let read = bytes
                .read(&mut buffer)
                .await
                .map_err(|error| remove(broken(format!("reading the source: {error}"))))?;
            if read == 0 {
                break;
            }
            sent += read as u64;
            if sent > length {
                return Err(remove(broken(format!(
                    "the source has more than the {length} bytes announced"
                ))));
            }
            self.fleet
                .with(|world| {
                    world.answering(host)?;
                    world.store(host, pool)?.append(name, &buffer[..read])
                })
                .map_err(remove)?;
            on_bytes(sent);
        }
        if sent < length {
            return Err(remove(broken(format!(
                "the source ended after {sent} of {length} bytes"
            ))));
        }
        self.leave(Op::Upload, fault).await?;
        self.fleet
            .with(|world| Ok(world.store(host, pool)?.seen(name)))?
            .ok_or_else(|| HypervisorError::NoSuchVolume(name.into()))
    }

    async fn read_volume(&self, pool: &str, name: &str, most: usize) -> Result<Vec<u8>> {
        self.call(Op::ReadVolume, |world, host| {
            world.store(host, pool)?.read(name, most)
        })
        .await
    }
    async fn delete_volume(&self, pool: &str, name: &str) -> Result<()> {
        self.call(Op::DeleteVolume, |world, host| {
            world.note_use(host, pool, name, "deleted");
            world.store(host, pool)?.volumes.remove(name);
            Ok(())
        })
        .await
    }
}
