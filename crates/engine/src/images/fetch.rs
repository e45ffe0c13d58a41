//! Fetching an image by URL: verifies what came against the vendor's own checksum, and looks into the file before it is
//! called an image.

use super::{
    checksums::{self, Checksum},
    inspect::{HEAD, inspect},
    part::{Part, writing},
    transfer,
};
use crate::jobs::{Halt, Run, Step, Work};
use async_trait::async_trait;
use bellwether_model::{
    Error, ErrorKind, GiB, ImageId, Result,
    image::{Image, ImageState},
    states::State,
};
use bellwether_store::Tx;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use std::path::Path;
use tokio::io::AsyncReadExt;

/// What the job keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    /// The image.
    pub image: ImageId,
}

/// The work.
pub struct Fetch;

#[async_trait]
impl Work for Fetch {
    fn steps(&self) -> &'static [Step] {
        &[
            Step {
                name: "fetch",
                doing: "fetching the image",
            },
            Step {
                name: "verify",
                doing: "verifying the image",
            },
        ]
    }
    async fn run(&self, at: usize, run: &mut Run) -> Result<(), Halt> {
        let data: Data = run.data()?;
        let image = run.engine.store().image(data.image).await?;
        let part = Part::of(&run.engine, image.id);
        match (at, &image.url) {
            (0, _) if tokio::fs::try_exists(&part.whole).await.unwrap_or(false) => Ok(()),
            (0, Some(url)) => transfer::fetch(run, url, &part).await,
            (0, None) => Err(Halt::Fail(Error::conflict(
                "The image has no address to fetch it from.",
            ))),
            _ => verify(run, image, &part).await,
        }
    }
    /// What came stays, so that trying again goes on with it; what is wrong was dropped when it was found to be.
    async fn undo(&self, _at: usize, run: &mut Run) -> Result<(), Halt> {
        let data: Data = run.data()?;
        let part = Part::of(&run.engine, data.image);
        match run.engine.store().image(data.image).await {
            Ok(_) => part.take_back().await,
            Err(error) if error.kind == ErrorKind::NotFound => part.drop_all().await,
            Err(error) => return Err(error.into()),
        }
        .map_err(Halt::Fail)
    }
    async fn undone(&self, run: &Run, tx: &mut Tx, why: &str) -> Result<(), Halt> {
        let data: Data = run.data()?;
        let mut image = match tx.image(data.image).await {
            Ok(image) => image,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if image.state == ImageState::Fetching {
            image.state = image.state.step(ImageState::Failed)?;
            image.reason = Some(why.into());
            tx.update_image(&image).await?;
            run.engine.emit(tx, "image", image.id, None).await?;
        }
        Ok(())
    }
}

async fn verify(run: &mut Run, mut image: Image, part: &Part) -> Result<(), Halt> {
    // A process that died between the two may have renamed it already.
    let kept = tokio::fs::try_exists(&part.whole).await.unwrap_or(false);
    let path = if kept { &part.whole } else { &part.part };
    let expected = expected(run, &image).await?;
    let found = digests(path).await?;
    if let Err(error) = check(expected.as_ref(), &found).and(judge(path, &mut image).await) {
        part.drop_all().await.map_err(Halt::Fail)?;
        return Err(Halt::Fail(error));
    }
    if !kept {
        part.keep().await?;
    }
    image.sha256 = Some(found.0);
    image.verified = expected.is_some();
    image.state = image.state.step(ImageState::Ready)?;
    image.reason = None;
    let mut tx = run.begin().await?;
    tx.update_image(&image).await?;
    run.engine.emit(&mut tx, "image", image.id, None).await?;
    tx.commit().await?;
    Ok(())
}

fn check(expected: Option<&Checksum>, (sha256, sha512): &(String, String)) -> Result<()> {
    let (expected, found) = match expected {
        None => return Ok(()),
        Some(Checksum::Sha256(sum)) => (sum, sha256),
        Some(Checksum::Sha512(sum)) => (sum, sha512),
    };
    if expected == found {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "What came is not the image: its checksum is {found}, not {expected}."
    )))
}

/// The checksum to expect: the one given, else the vendor's.
async fn expected(run: &mut Run, image: &Image) -> Result<Option<Checksum>, Halt> {
    if let Some(sum) = &image.sha256 {
        return Ok(Some(Checksum::Sha256(sum.clone())));
    }
    let (Some(url), Some(from)) = (&image.checksums_url, &image.url) else {
        return Ok(None);
    };
    let text = transfer::text(run, url).await?;
    match checksums::find(&text, url, from) {
        Some(sum) => Ok(Some(sum)),
        None => Err(Halt::Fail(Error::conflict(format!(
            "The vendor's checksums do not name the file {}.",
            reqwest::Url::parse(from)
                .ok()
                .and_then(|url| url.path_segments()?.next_back().map(str::to_owned))
                .unwrap_or_default()
        )))),
    }
}

async fn digests(path: &Path) -> Result<(String, String)> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(path).map_err(writing)?;
        let (mut sha256, mut sha512) = (Sha256::new(), Sha512::new());
        let mut buffer = vec![0_u8; 1 << 20];
        loop {
            let read = std::io::Read::read(&mut file, &mut buffer).map_err(writing)?;
            if read == 0 {
                return Ok((
                    hex::encode(sha256.finalize()),
                    hex::encode(sha512.finalize()),
                ));
            }
            sha256.update(&buffer[..read]);
            sha512.update(&buffer[..read]);
        }
    })
    .await
    .map_err(Error::internal)?
}

/// Looks into the file and writes what it is into the image.
pub(super) async fn judge(path: &Path, image: &mut Image) -> Result<()> {
    let mut file = tokio::fs::File::open(path).await.map_err(writing)?;
    let length = file.metadata().await.map_err(writing)?.len();
    let mut head = Vec::with_capacity(HEAD);
    (&mut file)
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .await
        .map_err(writing)?;
    let seen = inspect(&head, length)?;
    image.format = Some(seen.format);
    image.file_bytes = Some(length);
    image.virtual_bytes = Some(seen.virtual_bytes);
    image.min_disk = image.min_disk.max(GiB::holding(seen.virtual_bytes));
    Ok(())
}
