//! Images, and in which pools copies of them lie.

use crate::{
    Store, Tx, fault,
    people::{found, key},
    requests::open_states,
    sql::{On, Row, sql},
};
use bellwether_model::{
    Error, GiB, HostId, ImageId, MiB, Result, StorageId,
    image::{Image, ImageCopy, ImageFormat},
};

macro_rules! columns {
    () => {
        "id, name, os, state, reason, url, sha256, checksums_url, verified, file_bytes, virtual_bytes, format, min_disk_gib, \
         min_memory_mib, devices, cloud_init, created_at"
    };
}

fn from_row(row: &Row) -> Result<Image> {
    Ok(Image {
        id: row.id("id")?,
        name: row.get("name")?,
        os: row.get("os")?,
        state: row.word("state")?,
        reason: row.get("reason")?,
        url: row.get("url")?,
        sha256: row.get("sha256")?,
        checksums_url: row.get("checksums_url")?,
        verified: row.get("verified")?,
        file_bytes: row.opt_size("file_bytes")?,
        virtual_bytes: row.opt_size("virtual_bytes")?,
        format: row.opt_word("format")?,
        min_disk: GiB(row.size("min_disk_gib")?),
        min_memory: MiB(row.size("min_memory_mib")?),
        devices: row.word("devices")?,
        cloud_init: row.get("cloud_init")?,
        created_at: row.at("created_at")?,
    })
}

async fn by_id(on: On<'_>, id: ImageId) -> Result<Image> {
    let found = sql(concat!("SELECT ", columns!(), " FROM images WHERE id = $1"))
        .bind(id)
        .optional(on)
        .await?;
    from_row(&found.ok_or_else(|| Error::not_found("image"))?)
}

impl Store {
    /// The image.
    pub async fn image(&self, id: ImageId) -> Result<Image> {
        by_id(self.on(), id).await
    }

    /// All images, by name.
    pub async fn images(&self) -> Result<Vec<Image>> {
        sql(concat!(
            "SELECT ",
            columns!(),
            " FROM images ORDER BY name_key"
        ))
        .list(self.on(), from_row)
        .await
    }

    /// Where copies of an image lie.
    pub async fn image_copies(&self, image: ImageId) -> Result<Vec<ImageCopy>> {
        sql("SELECT image, storage, host, complete FROM image_copies WHERE image = $1 ORDER BY storage, host")
            .bind(image)
            .list(self.on(), |row| {
                Ok(ImageCopy {
                    image: row.id("image")?,
                    storage: row.id("storage")?,
                    host: row.id("host")?,
                    complete: row.get("complete")?,
                })
            })
            .await
    }
}

impl Tx {
    /// The image, with this transaction's changes.
    pub async fn image(&mut self, id: ImageId) -> Result<Image> {
        by_id(self.on(), id).await
    }

    /// Keeps a new image; `Conflict` on `name` if another has it.
    pub async fn insert_image(&mut self, image: &Image) -> Result<()> {
        self.image_is_unique(image).await?;
        sql(
            "INSERT INTO images (id, name, name_key, os, state, reason, url, sha256, checksums_url, file_bytes, virtual_bytes, \
             format, min_disk_gib, min_memory_mib, devices, cloud_init, created_at, verified) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        )
        .bind(image.id)
        .bind(&image.name)
        .bind(key(&image.name))
        .bind(&image.os)
        .bind(image.state.as_str())
        .bind(image.reason.clone())
        .bind(image.url.clone())
        .bind(image.sha256.clone())
        .bind(image.checksums_url.clone())
        .opt_size(image.file_bytes)
        .opt_size(image.virtual_bytes)
        .bind(image.format.map(ImageFormat::as_str))
        .size(image.min_disk.0)
        .size(image.min_memory.0)
        .bind(image.devices.as_str())
        .bind(image.cloud_init)
        .bind(image.created_at)
        .bind(image.verified)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Writes an image; `Conflict` on `name` if another has it.
    pub async fn update_image(&mut self, image: &Image) -> Result<()> {
        self.image_is_unique(image).await?;
        let changed = sql(
            "UPDATE images SET name = $2, name_key = $3, os = $4, state = $5, reason = $6, url = $7, sha256 = $8, \
             checksums_url = $9, file_bytes = $10, virtual_bytes = $11, format = $12, min_disk_gib = $13, min_memory_mib = $14, \
             devices = $15, cloud_init = $16, verified = $17 WHERE id = $1",
        )
        .bind(image.id)
        .bind(&image.name)
        .bind(key(&image.name))
        .bind(&image.os)
        .bind(image.state.as_str())
        .bind(image.reason.clone())
        .bind(image.url.clone())
        .bind(image.sha256.clone())
        .bind(image.checksums_url.clone())
        .opt_size(image.file_bytes)
        .opt_size(image.virtual_bytes)
        .bind(image.format.map(ImageFormat::as_str))
        .size(image.min_disk.0)
        .size(image.min_memory.0)
        .bind(image.devices.as_str())
        .bind(image.cloud_init)
        .bind(image.verified)
        .run(self.on())
        .await?;
        found(changed, "image")
    }

    /// Forgets an image and its copies. `Conflict` while VMs (not gone) or open requests use it, or a job fetches it.
    pub async fn delete_image(&mut self, id: ImageId) -> Result<()> {
        let fetching = sql("SELECT id FROM jobs WHERE image = $1 AND state IN ('queued', 'running', 'undoing') LIMIT 1")
            .bind(id)
            .optional(self.on())
            .await?;
        if fetching.is_some() {
            return Err(Error::conflict(
                "The image is being fetched; cancel that job first.",
            ));
        }
        let vms =
            sql("SELECT name FROM vms WHERE image = $1 AND state <> 'gone' ORDER BY name, id")
                .bind(id)
                .all(self.on())
                .await?;
        self.unused_by_vms(vms, "image").await?;
        let requests: i64 = sql(concat!(
            "SELECT COUNT(*) AS n FROM requests WHERE image = $1 AND state IN ",
            open_states!()
        ))
        .bind(id)
        .one(self.on())
        .await?
        .get("n")?;
        if requests > 0 {
            return Err(Error::conflict(format!(
                "The image is asked for by {requests} open request{}.",
                if requests == 1 { "" } else { "s" }
            )));
        }
        let changed = sql("DELETE FROM images WHERE id = $1")
            .bind(id)
            .run(self.on())
            .await?;
        found(changed, "image")
    }

    /// Notes a copy of an image in a host's pool, or whether it is complete now.
    pub async fn put_image_copy(&mut self, copy: &ImageCopy) -> Result<()> {
        sql(
            "INSERT INTO image_copies (image, storage, host, complete) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (image, storage, host) DO UPDATE SET complete = excluded.complete",
        )
        .bind(copy.image)
        .bind(copy.storage)
        .bind(copy.host)
        .bind(copy.complete)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Forgets a copy; none is fine.
    pub async fn delete_image_copy(
        &mut self,
        image: ImageId,
        storage: StorageId,
        host: HostId,
    ) -> Result<()> {
        sql("DELETE FROM image_copies WHERE image = $1 AND storage = $2 AND host = $3")
            .bind(image)
            .bind(storage)
            .bind(host)
            .run(self.on())
            .await
            .map(drop)
    }

    async fn image_is_unique(&mut self, image: &Image) -> Result<()> {
        let other = sql("SELECT id FROM images WHERE name_key = $1 AND id <> $2")
            .bind(key(&image.name))
            .bind(image.id)
            .optional(self.on())
            .await?;
        match other {
            Some(_) => Err(fault::conflict(
                "name",
                format!(
                    "another image is named '{}'",
                    bellwether_model::text::shown(&image.name)
                ),
            )),
            None => Ok(()),
        }
    }
}
