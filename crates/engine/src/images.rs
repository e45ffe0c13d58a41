//! Images: what disks start from. They come by URL or upload, are verified and inspected before any host reads them, are
//! kept in the data folder, and are streamed to each pool that needs them.

mod bring;
mod catalogue;
mod checksums;
mod fetch;
mod inspect;
mod part;
mod remove;
mod source;
mod transfer;
mod upload;

pub(crate) use bring::{Uploads, bring};
pub use catalogue::{CatalogueEntry, catalogue};
pub use fetch::Fetch;
pub use inspect::{Inspected, inspect};
pub use remove::remove;
pub use source::Fetching;
pub(crate) use upload::remove_strays;
pub use upload::upload;

use crate::{Admin, Engine, jobs::new_job, storages::checked_name};
use bellwether_model::{
    Error, FieldError, GiB, ImageId, MiB, Result,
    host_uri::without_credentials,
    image::{Image, ImageState},
    job::{Job, JobKind, JobSubject},
    text::shown,
    vm::Devices,
};
use bellwether_store::Tx;
use std::path::PathBuf;

/// What an admin gives for an image.
#[derive(Clone, Debug)]
pub struct NewImage {
    /// Name.
    pub name: String,
    /// Operating system in words.
    pub os: String,
    /// Where to fetch it; none for an upload.
    pub url: Option<String>,
    /// Expected SHA-256.
    pub sha256: Option<String>,
    /// The vendor's file of checksums.
    pub checksums_url: Option<String>,
    /// Smallest disk, GiB.
    pub min_disk_gib: u64,
    /// Smallest memory, MiB.
    pub min_memory_mib: u64,
    /// Virtual hardware it knows.
    pub devices: Devices,
    /// Whether it reads a seed.
    pub cloud_init: bool,
    /// Key of the catalogue entry the rest is taken from.
    pub from_catalogue: Option<String>,
}

/// Adds an image by URL or from the catalogue; the job that fetches it is answered too.
pub async fn add(engine: &Engine, admin: &Admin, new: NewImage) -> Result<(Image, Job)> {
    let new = match &new.from_catalogue {
        None => new,
        Some(key) => {
            let entry = catalogue()
                .iter()
                .find(|entry| entry.key == key)
                .ok_or_else(|| {
                    Error::field(
                        "from_catalogue",
                        format!("'{}' is not in the catalogue", shown(key)),
                    )
                })?;
            entry.as_new(&new.name)
        }
    };
    let mut image = checked(engine, &new)?;
    if image.url.is_none() {
        return Err(Error::field(
            "url",
            "give the address of the image, or upload a file",
        ));
    }
    image.state = ImageState::Fetching;
    let job = fetch_job(engine, admin, &image)?;
    let mut tx = engine.store().begin().await?;
    tx.insert_image(&image).await?;
    tx.insert_job(&job).await?;
    let text = format!(
        "\"{}\" from {}",
        image.name,
        image.url.as_deref().unwrap_or("an upload")
    );
    engine
        .audit(&mut tx, Some(admin), "image.add", "image", image.id, text)
        .await?;
    engine.emit(&mut tx, "image", image.id, None).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok((image, job))
}

/// Fetches a failed image again, going on with what came before.
pub async fn retry(engine: &Engine, admin: &Admin, id: ImageId) -> Result<Job> {
    use bellwether_model::states::State;
    let mut tx = engine.store().begin().await?;
    let mut image = tx.image(id).await?;
    if image.url.is_none() {
        return Err(Error::conflict(
            "This image was uploaded; upload the file again under another name.",
        ));
    }
    if image.state != ImageState::Failed {
        return Err(Error::conflict(format!(
            "The image is {}; only one that failed can be tried again.",
            image.state
        )));
    }
    image.state = image.state.step(ImageState::Fetching)?;
    image.reason = None;
    let job = fetch_job(engine, admin, &image)?;
    tx.update_image(&image).await?;
    tx.insert_job(&job).await?;
    told(engine, &mut tx, admin, "image.retry", &image).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok(job)
}

/// Keeps in the audit log what an admin did with the image, and tells listeners.
async fn told(
    engine: &Engine,
    tx: &mut Tx,
    admin: &Admin,
    action: &str,
    image: &Image,
) -> Result<()> {
    let text = format!("\"{}\"", image.name);
    engine
        .audit(tx, Some(admin), action, "image", image.id, text)
        .await?;
    engine.emit(tx, "image", image.id, None).await
}

fn fetch_job(engine: &Engine, admin: &Admin, image: &Image) -> Result<Job> {
    let subject = JobSubject {
        image: Some(image.id),
        ..JobSubject::default()
    };
    new_job(
        engine,
        JobKind::FetchImage,
        subject,
        None,
        Some(admin),
        &fetch::Data { image: image.id },
    )
}

/// Where a verified image is kept.
pub(crate) fn file_of(engine: &Engine, id: ImageId) -> PathBuf {
    engine
        .settings()
        .data_dir
        .join("images")
        .join(id.to_string())
}

/// Where an image grows while it is fetched.
pub(crate) fn part_of(engine: &Engine, id: ImageId) -> PathBuf {
    engine
        .settings()
        .data_dir
        .join("images")
        .join(format!("{id}.part"))
}

/// Where is written of which version of the file at its source that is a part.
pub(crate) fn version_of(engine: &Engine, id: ImageId) -> PathBuf {
    engine
        .settings()
        .data_dir
        .join("images")
        .join(format!("{id}.version"))
}

fn checked(engine: &Engine, new: &NewImage) -> Result<Image> {
    let name = checked_name(&new.name)?;
    let mut wrong = Vec::new();
    let mut need = |good: bool, field: &str, message: String| {
        if !good {
            wrong.push(FieldError {
                field: field.into(),
                message,
            });
        }
    };
    let os = new.os.trim();
    need(
        !os.is_empty() && os.chars().count() <= 63,
        "os",
        "name the operating system in 1 to 63 characters, like Debian 12".into(),
    );
    let local = engine.settings().allow_local_image_urls;
    for (field, url) in [("url", &new.url), ("checksums_url", &new.checksums_url)] {
        if let Some(url) = url {
            let may = source::may_fetch(url, local);
            need(
                may.is_ok(),
                field,
                format!(
                    "'{}' can't be fetched: {}",
                    without_credentials(url),
                    may.err().unwrap_or_default()
                ),
            );
        }
    }
    let sha256 = new
        .sha256
        .as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_ascii_lowercase);
    if let Some(sum) = &sha256 {
        need(
            sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()),
            "sha256",
            "a SHA-256 is 64 hexadecimal digits".into(),
        );
    }
    need(
        (1..=65_536).contains(&new.min_disk_gib),
        "min_disk_gib",
        "give 1 to 65,536 GiB".into(),
    );
    need(
        (64..=1_048_576).contains(&new.min_memory_mib),
        "min_memory_mib",
        "give 64 to 1,048,576 MiB".into(),
    );
    if !wrong.is_empty() {
        return Err(Error::invalid_fields(wrong));
    }
    Ok(Image {
        id: ImageId::new(),
        name,
        os: os.into(),
        state: ImageState::Listed,
        reason: None,
        url: new.url.clone(),
        sha256,
        checksums_url: new.checksums_url.clone(),
        verified: false,
        file_bytes: None,
        virtual_bytes: None,
        format: None,
        min_disk: GiB(new.min_disk_gib),
        min_memory: MiB(new.min_memory_mib),
        devices: new.devices,
        cloud_init: new.cloud_init,
        created_at: engine.now(),
    })
}
