//! An image that comes up from somebody's machine.

use super::{
    NewImage, checked, fetch, file_of,
    part::{create, writing},
    part_of,
};
use crate::{Admin, Engine};
use bellwether_model::{
    Error, ErrorKind, ImageId, Result,
    image::{Image, ImageState},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use std::{path::PathBuf, time::Duration};
use tokio::io::AsyncWriteExt;

/// Takes the bytes, verifies them and answers the image, ready. What is refused, or dropped on the way, leaves nothing
/// behind.
pub async fn upload<S, E>(
    engine: &Engine,
    admin: &Admin,
    new: NewImage,
    stream: S,
    length: Option<u64>,
) -> Result<Image>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: std::fmt::Display,
{
    let mut image = checked(
        engine,
        &NewImage {
            url: None,
            checksums_url: None,
            ..new
        },
    )?;
    if engine
        .store()
        .images()
        .await?
        .iter()
        .any(|other| other.name == image.name)
    {
        return Err(Error::conflict(format!(
            "There is an image \"{}\" already.",
            image.name
        )));
    }
    let mut file = Unfinished(Some(part_of(engine, image.id)));
    let found = take(engine, &image, stream, length).await?;
    image.verified = image.sha256.is_some();
    image.sha256 = Some(found);
    // From here on a client that goes away stops nothing half way.
    let (engine, admin) = (engine.clone(), admin.clone());
    let kept = tokio::spawn(async move {
        fetch::judge(&part_of(&engine, image.id), &mut image).await?;
        image.state = ImageState::Ready;
        let whole = file_of(&engine, image.id);
        tokio::fs::rename(part_of(&engine, image.id), &whole)
            .await
            .map_err(writing)?;
        file.moved(whole);
        keep(&engine, &admin, &image).await?;
        file.keep();
        Ok(image)
    });
    kept.await.map_err(Error::internal)?
}

/// A file that is removed when nobody has taken it over.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn moved(&mut self, path: PathBuf) {
        self.0 = Some(path);
    }
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "the file of an upload that ended early stays");
        }
    }
}

/// How old a file of no image must be before it is removed: what is being uploaded is younger.
const STRAY_AGE: Duration = Duration::from_secs(3600);

/// Removes files that no image belongs to: what a process left that died during an upload.
pub(crate) async fn remove_strays(engine: &Engine) -> Result<()> {
    let folder = engine.settings().data_dir.join("images");
    let mut files = match tokio::fs::read_dir(&folder).await {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(writing(error)),
    };
    while let Some(file) = files.next_entry().await.map_err(writing)? {
        let name = file.file_name();
        let Some(id) = name
            .to_str()
            .map(|name| name.split_once('.').map_or(name, |(id, _)| id))
            .and_then(|name| name.parse::<ImageId>().ok())
        else {
            continue;
        };
        let old = file
            .metadata()
            .await
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > STRAY_AGE));
        let known = match engine.store().image(id).await {
            Ok(_) => true,
            Err(error) if error.kind == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if old && !known {
            tokio::fs::remove_file(file.path()).await.map_err(writing)?;
            tracing::info!(path = %file.path().display(), "removed the file of an upload that was never finished");
        }
    }
    Ok(())
}

async fn keep(engine: &Engine, admin: &Admin, image: &Image) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    tx.insert_image(image).await?;
    super::told(engine, &mut tx, admin, "image.upload", image).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(())
}

/// Writes the bytes; answers their SHA-256.
async fn take<S, E>(
    engine: &Engine,
    image: &Image,
    stream: S,
    length: Option<u64>,
) -> Result<String>
where
    S: Stream<Item = Result<Bytes, E>> + Send,
    E: std::fmt::Display,
{
    let part = part_of(engine, image.id);
    let mut file = create(&part).await?;
    let mut hash = Sha256::new();
    let mut bytes = 0_u64;
    let mut stream = std::pin::pin!(stream);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            Error::invalid("The upload broke off before its end; nothing was kept.")
                .with_context(error)
        })?;
        bytes += chunk.len() as u64;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(writing)?;
    }
    file.sync_all().await.map_err(writing)?;
    if length.is_some_and(|length| length != bytes) {
        return Err(Error::invalid(
            "The upload broke off before its end; nothing was kept.",
        ));
    }
    let found = hex::encode(hash.finalize());
    if let Some(expected) = image.sha256.as_ref().filter(|expected| **expected != found) {
        return Err(Error::field(
            "sha256",
            format!("the file's SHA-256 is {found}, not {expected}"),
        ));
    }
    Ok(found)
}
