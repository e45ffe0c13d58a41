//! Forgetting an image.

use super::part::Part;
use crate::{Admin, Engine};
use bellwether_hypervisor::Host;
use bellwether_model::{Error, ImageId, Result, image::Image};
use std::sync::Arc;

/// Forgets an image that no VM started from and that is not being fetched; its copies in pools are removed where their
/// hosts answer.
pub async fn remove(engine: &Engine, admin: &Admin, id: ImageId) -> Result<()> {
    let image = engine.store().image(id).await?;
    let mut copies = Vec::new();
    for copy in copies_of(engine, &image).await? {
        if copy.stands_alone(&image).await? {
            copies.push(copy);
        }
    }
    let mut tx = engine.store().begin().await?;
    tx.delete_image(id).await?;
    super::told(engine, &mut tx, admin, "image.remove", &image).await?;
    tx.commit().await?;
    let volume = image.volume();
    for copy in copies {
        let deleted = copy.connection.delete_volume(&copy.pool, &volume);
        if let Err(error) = deleted.await {
            tracing::warn!(image = %id, host = %copy.host, %error, "a copy of a removed image stays in its pool");
        }
    }
    if let Err(error) = Part::of(engine, id).drop_all().await {
        tracing::warn!(image = %id, context = error.context(), "the file of a removed image stays");
    }
    Ok(())
}

/// A copy in a pool whose host answers.
struct Copy {
    host: String,
    pool: String,
    connection: Arc<dyn Host>,
}

impl Copy {
    /// Refuses where a disk hangs on the copy: one of a VM that is not ours, or that was forgotten. False where that can't
    /// be seen.
    async fn stands_alone(&self, image: &Image) -> Result<bool> {
        let volumes = match self.connection.volumes(&self.pool).await {
            Ok(volumes) => volumes,
            Err(error) => {
                tracing::warn!(image = %image.id, host = %self.host, %error, "what hangs on a copy can't be seen; it stays in its pool");
                return Ok(false);
            }
        };
        let name = image.volume();
        let Some(copy) = volumes.iter().find(|volume| volume.name == name) else {
            return Ok(false);
        };
        match volumes
            .iter()
            .find(|other| other.backing.as_deref() == Some(copy.path.as_str()))
        {
            Some(disk) => Err(Error::conflict(format!(
                "The disk \"{}\" in the pool \"{}\" of {} hangs on the image; delete it first.",
                disk.name, self.pool, self.host
            ))),
            None => Ok(true),
        }
    }
}

async fn copies_of(engine: &Engine, image: &Image) -> Result<Vec<Copy>> {
    let mut found = Vec::new();
    for copy in engine.store().image_copies(image.id).await? {
        let storage = engine.store().storage(copy.storage).await?;
        let host = engine.store().host(copy.host).await?.name;
        match (storage.on(copy.host), engine.host(copy.host)) {
            (Some(member), Ok(connection)) => found.push(Copy {
                host,
                pool: member.pool.clone(),
                connection,
            }),
            _ => {
                tracing::warn!(image = %image.id, host, "a copy of an image that is to be removed can't be reached");
            }
        }
    }
    Ok(found)
}
