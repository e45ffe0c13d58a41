//! Fetching an image by URL: goes on where it stopped, gives up on a stall, verifies what came against the vendor's own
//! checksum, and looks into the file before it is called an image.

use super::{
    checksums::{self, Checksum},
    file_of,
    inspect::{HEAD, inspect},
    part_of,
};
use crate::{
    Engine,
    jobs::{Halt, Run, Step, Work},
};
use async_trait::async_trait;
use bellwether_model::{
    Error, ErrorKind, GiB, ImageId, Result,
    image::{Image, ImageState},
    job::Progress,
    states::State,
};
use bellwether_store::Tx;
use reqwest::{StatusCode, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};
use std::{path::Path, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the job keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    /// The image.
    pub image: ImageId,
}

/// No byte for this long is a stall.
const STALL: Duration = Duration::from_secs(30);
/// Broken transfers are taken up again this often, at most, without a byte gained.
const TRIES: u32 = 5;
/// A file of checksums is small.
const CHECKSUMS_MOST: u64 = 4 << 20;

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
        match at {
            0 if tokio::fs::try_exists(file_of(&run.engine, image.id))
                .await
                .unwrap_or(false) =>
            {
                Ok(())
            }
            0 => fetch(run, &image).await,
            _ => verify(run, image).await,
        }
    }
    async fn undo(&self, _at: usize, run: &mut Run) -> Result<(), Halt> {
        let data: Data = run.data()?;
        for path in [
            part_of(&run.engine, data.image),
            file_of(&run.engine, data.image),
        ] {
            match tokio::fs::remove_file(&path).await {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Halt::Fail(writing(error))),
            }
        }
        Ok(())
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

pub(super) fn writing(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull => {
            Error::unavailable("The server's disk is full; the image was not kept.")
        }
        _ => Error::internal(format!("writing an image: {error}")),
    }
}

/// The file at `path`, empty, with its folder.
pub(super) async fn create(path: &Path) -> Result<tokio::fs::File> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(writing)?;
    }
    tokio::fs::File::create(path).await.map_err(writing)
}

fn client(engine: &Engine) -> Result<reqwest::Client> {
    // Answers an error where somebody installed one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let local = engine.settings().allow_local_image_urls;
    let redirect = reqwest::redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > 10 {
            attempt.error("more than ten redirections")
        } else if attempt.url().scheme() == "https" || (local && attempt.url().scheme() == "http") {
            attempt.follow()
        } else {
            attempt.error("redirected to an address that is not https")
        }
    });
    reqwest::Client::builder()
        .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(15))
        .read_timeout(STALL)
        .redirect(redirect)
        .build()
        .map_err(Error::internal)
}

/// Why a transfer broke.
enum Broken {
    /// It can be taken up again.
    Pause(String),
    /// It can't.
    End(Error),
    /// The job's own trouble.
    Job(Halt),
}

async fn fetch(run: &mut Run, image: &Image) -> Result<(), Halt> {
    let url = image.url.clone().ok_or_else(|| {
        Halt::Fail(Error::conflict(
            "The image has no address to fetch it from.",
        ))
    })?;
    let client = client(&run.engine)?;
    let part = part_of(&run.engine, image.id);
    let mut fruitless = 0;
    loop {
        let before = tokio::fs::metadata(&part)
            .await
            .map_or(0, |metadata| metadata.len());
        match transfer(run, &client, &url, &part, before).await {
            Ok(()) => return Ok(()),
            Err(Broken::Job(halt)) => return Err(halt),
            Err(Broken::End(error)) => return Err(Halt::Fail(error)),
            Err(Broken::Pause(why)) => {
                let after = tokio::fs::metadata(&part)
                    .await
                    .map_or(0, |metadata| metadata.len());
                fruitless = if after > before { 0 } else { fruitless + 1 };
                if fruitless >= TRIES {
                    return Err(Halt::Fail(Error::unavailable(format!(
                        "The image could not be fetched: {why}."
                    ))));
                }
                run.note(&format!("{why}; going on at byte {after}"))
                    .await?;
                tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow(fruitless)).await;
            }
        }
    }
}

async fn transfer(
    run: &mut Run,
    client: &reqwest::Client,
    url: &str,
    part: &Path,
    have: u64,
) -> Result<(), Broken> {
    let mut request = client.get(url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let mut answer = request.send().await.map_err(|error| passing(&error))?;
    let mut file = match answer.status() {
        StatusCode::PARTIAL_CONTENT => tokio::fs::OpenOptions::new()
            .append(true)
            .open(part)
            .await
            .map_err(|error| Broken::End(writing(error)))?,
        // The server does not know ranges, or the file shrank: from the beginning.
        StatusCode::OK => create(part).await.map_err(Broken::End)?,
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let whole = answer
                .headers()
                .get(header::CONTENT_RANGE)
                .and_then(|value| value.to_str().ok()?.rsplit('/').next()?.parse::<u64>().ok());
            if whole == Some(have) {
                return Ok(());
            }
            tokio::fs::remove_file(part)
                .await
                .map_err(|error| Broken::End(writing(error)))?;
            return Err(Broken::Pause("the file at the source has changed".into()));
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            return Err(Broken::Pause(format!("the source answered {status}")));
        }
        status => {
            return Err(Broken::End(Error::unavailable(format!(
                "The image could not be fetched: the source answered {status}."
            ))));
        }
    };
    let resumed = if answer.status() == StatusCode::PARTIAL_CONTENT {
        have
    } else {
        0
    };
    let total = answer.content_length().map(|rest| rest + resumed);
    let mut done = resumed;
    let mut shown = tokio::time::Instant::now();
    loop {
        let chunk = answer.chunk().await.map_err(|error| passing(&error))?;
        let Some(chunk) = chunk else { break };
        file.write_all(&chunk)
            .await
            .map_err(|error| Broken::End(writing(error)))?;
        done += chunk.len() as u64;
        if shown.elapsed() > Duration::from_millis(500) {
            shown = tokio::time::Instant::now();
            file.flush()
                .await
                .map_err(|error| Broken::End(writing(error)))?;
            if run.cancelled().await.map_err(Broken::Job)? {
                return Err(Broken::End(Error::conflict("Cancelled.")));
            }
            run.progress(Progress {
                doing: "fetching the image".into(),
                share: total.map(|total| done as f64 / total.max(1) as f64),
                bytes_done: Some(done),
                bytes_total: total,
                migration: None,
            })
            .await;
        }
    }
    file.sync_all()
        .await
        .map_err(|error| Broken::End(writing(error)))?;
    match total {
        Some(total) if done < total => Err(Broken::Pause("the connection broke off".into())),
        _ => Ok(()),
    }
}

/// A transfer that broke can be taken up again, unless the address itself is wrong. The address is not repeated: the
/// admin knows it, and a query in it may hold a key.
fn passing(error: &reqwest::Error) -> Broken {
    if error.is_redirect() {
        return Broken::End(Error::unavailable(
            "The image could not be fetched: it is redirected too often or to an address that is not https.",
        ));
    }
    if error.is_builder() {
        return Broken::End(Error::field(
            "url",
            "this is no address that can be fetched",
        ));
    }
    Broken::Pause(if error.is_timeout() {
        format!("the source sent nothing for {} s", STALL.as_secs())
    } else if error.is_connect() {
        "the source can't be reached".into()
    } else {
        "the connection broke off".into()
    })
}

async fn verify(run: &mut Run, mut image: Image) -> Result<(), Halt> {
    let (part, file) = (
        part_of(&run.engine, image.id),
        file_of(&run.engine, image.id),
    );
    // A process that died between the two may have renamed it already.
    let path = if tokio::fs::try_exists(&file).await.unwrap_or(false) {
        &file
    } else {
        &part
    };
    let expected = expected(&run.engine, &image).await?;
    let (sha256, sha512) = digests(path).await?;
    let wrong = match &expected {
        Some(Checksum::Sha256(sum)) if *sum != sha256 => Some((sum, &sha256)),
        Some(Checksum::Sha512(sum)) if *sum != sha512 => Some((sum, &sha512)),
        _ => None,
    };
    if let Some((expected, found)) = wrong {
        return Err(Halt::Fail(Error::conflict(format!(
            "What came is not the image: its checksum is {found}, not {expected}."
        ))));
    }
    judge(path, &mut image).await?;
    if path == &part {
        tokio::fs::rename(&part, &file).await.map_err(writing)?;
    }
    image.sha256 = Some(sha256);
    image.state = image.state.step(ImageState::Ready)?;
    image.reason = None;
    let mut tx = run.begin().await?;
    tx.update_image(&image).await?;
    run.engine.emit(&mut tx, "image", image.id, None).await?;
    tx.commit().await?;
    Ok(())
}

/// The checksum to expect: the one given, else the vendor's.
async fn expected(engine: &Engine, image: &Image) -> Result<Option<Checksum>, Halt> {
    if let Some(sum) = &image.sha256 {
        return Ok(Some(Checksum::Sha256(sum.clone())));
    }
    let (Some(url), Some(from)) = (&image.checksums_url, &image.url) else {
        return Ok(None);
    };
    let file = reqwest::Url::parse(from)
        .ok()
        .and_then(|url| url.path_segments()?.next_back().map(str::to_owned))
        .unwrap_or_default();
    let unavailable = |_| Error::unavailable("The vendor's checksums could not be fetched.");
    let answer = client(engine)?.get(url).send().await.map_err(unavailable)?;
    if !answer.status().is_success()
        || answer
            .content_length()
            .is_some_and(|length| length > CHECKSUMS_MOST)
    {
        return Err(Halt::Fail(Error::conflict(format!(
            "The vendor's checksums could not be read: the source answered {}.",
            answer.status()
        ))));
    }
    let text = answer.text().await.map_err(unavailable)?;
    match checksums::find(&text, &file) {
        Some(sum) => Ok(Some(sum)),
        None => Err(Halt::Fail(Error::conflict(format!(
            "The vendor's checksums do not name the file {file}."
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
