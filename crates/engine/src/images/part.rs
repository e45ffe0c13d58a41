//! The file in which an image grows, and beside it by what the version of the file at its source is known: who goes on
//! with a part must know that it is a part of the same.

use super::{file_of, part_of, version_of};
use crate::Engine;
use bellwether_decide::fetch::Version;
use bellwether_model::{Error, ImageId, Result};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};
use tokio::fs::{self, File};

/// What of an image is on this machine.
pub(super) struct Part {
    /// Grows.
    pub part: PathBuf,
    /// Which version `part` is of.
    version: PathBuf,
    /// Whole and verified.
    pub whole: PathBuf,
}

impl Part {
    pub(super) fn of(engine: &Engine, image: ImageId) -> Self {
        Self {
            part: part_of(engine, image),
            version: version_of(engine, image),
            whole: file_of(engine, image),
        }
    }

    /// How many bytes are here.
    pub(super) async fn held(&self) -> u64 {
        fs::metadata(&self.part).await.map_or(0, |file| file.len())
    }

    /// Of which version they are.
    pub(super) async fn version(&self) -> Option<Version> {
        serde_json::from_slice(&fs::read(&self.version).await.ok()?).ok()
    }

    /// The part, empty, to become this version.
    pub(super) async fn begin(&self, version: &Version) -> Result<File> {
        let file = create(&self.part).await?;
        let text = serde_json::to_vec(version).map_err(Error::internal)?;
        fs::write(&self.version, text).await.map_err(writing)?;
        Ok(file)
    }

    /// The part, to be continued.
    pub(super) async fn append(&self) -> Result<File> {
        let options = fs::OpenOptions::new().append(true).open(&self.part).await;
        options.map_err(writing)
    }

    /// The part is the whole image, verified.
    pub(super) async fn keep(&self) -> Result<()> {
        fs::rename(&self.part, &self.whole).await.map_err(writing)?;
        gone(&self.version).await
    }

    /// What was kept too early is a part again.
    pub(super) async fn take_back(&self) -> Result<()> {
        match fs::rename(&self.whole, &self.part).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(writing(error)),
            _ => Ok(()),
        }
    }

    /// Forgets what is not verified.
    pub(super) async fn drop_part(&self) -> Result<()> {
        gone(&self.part).await?;
        gone(&self.version).await
    }

    /// Forgets everything.
    pub(super) async fn drop_all(&self) -> Result<()> {
        self.drop_part().await?;
        gone(&self.whole).await
    }
}

async fn gone(path: &Path) -> Result<()> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(writing(error)),
        _ => Ok(()),
    }
}

/// The file at `path`, empty, with its folder.
pub(super) async fn create(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).await.map_err(writing)?;
    }
    File::create(path).await.map_err(writing)
}

pub(super) fn writing(error: std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull => {
            Error::unavailable("The server's disk is full; the image was not kept.")
        }
        _ => Error::internal(format!("writing an image: {error}")),
    }
}
