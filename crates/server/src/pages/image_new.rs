//! Adding an image: by URL, or a file that is uploaded.

use super::{
    site::{AdminVisit, again, again_with, done, show, typed_wrong},
    typed::Typed,
    view::{Form, images::NewImagePage},
};
use crate::{
    error::Result,
    upload::{self, Upload},
};
use axum::response::Response;
use bellwether_engine::images::{self as engine_images, NewImage};
use bellwether_model::{Error, image::Image, vm::Devices};
use futures::TryStreamExt;

async fn page(visit: &AdminVisit, upload: bool, form: Form) -> Result<NewImagePage> {
    let title = if upload {
        "Upload an image"
    } else {
        "Fetch an image"
    };
    Ok(NewImagePage {
        frame: visit.page(title, "/images").await?,
        upload,
        largest: visit.state.config.largest_image_gib,
        form: with_defaults(form),
    })
}

/// A form nothing was typed into yet begins with the usual.
fn with_defaults(mut form: Form) -> Form {
    let untouched = form.value("name").is_empty() && form.value("os").is_empty();
    form.default_to("min_disk_gib", 10);
    form.default_to("min_memory_mib", 512);
    form.default_to("devices", "virtio");
    if untouched {
        form.default_to("cloud_init", "on");
    }
    form
}

pub async fn by_url(visit: AdminVisit) -> Result<Response> {
    show(&page(&visit, false, Form::default()).await?)
}

pub async fn by_file(visit: AdminVisit) -> Result<Response> {
    show(&page(&visit, true, Form::default()).await?)
}

fn new_image(typed: &Typed) -> Result<NewImage, Error> {
    Ok(NewImage {
        name: typed.get("name"),
        os: typed.get("os"),
        url: typed.given("url"),
        sha256: typed.given("sha256"),
        checksums_url: typed.given("checksums_url"),
        min_disk_gib: typed
            .number("min_disk_gib", "a whole number of GiB")?
            .unwrap_or(1),
        min_memory_mib: typed
            .number("min_memory_mib", "a whole number of MiB")?
            .unwrap_or(256),
        devices: if typed.get("devices") == "plain" {
            Devices::Plain
        } else {
            Devices::Virtio
        },
        cloud_init: typed.ticked("cloud_init"),
        from_catalogue: None,
    })
}

pub async fn add(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let added = match new_image(&typed) {
        Ok(new) if new.url.is_none() => Err(Error::field(
            "url",
            "give the address of a qcow2 or raw file",
        )),
        Ok(new) => engine_images::add(visit.engine(), &visit.admin, new).await,
        Err(error) => Err(error),
    };
    match added {
        Ok((image, _)) => Ok(done(
            &format!("/images/{}", image.id),
            &format!("{} is being fetched.", image.name),
        )),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            again(&page(&visit, false, form).await?)
        }
    }
}

/// The fields come first, then the file, which goes on as a stream.
pub async fn upload(visit: AdminVisit, upload: Upload) -> Result<Response> {
    let mut typed = Typed::default();
    let failure = match take(&visit, upload, &mut typed).await {
        Ok(image) => {
            return Ok(done(
                &format!("/images/{}", image.id),
                &format!("{} is ready.", image.name),
            ));
        }
        Err(failure) => failure,
    };
    let form = typed
        .form()
        .refused(&typed_wrong((*failure.error).clone())?);
    again_with(&failure, &page(&visit, true, form).await?)
}

async fn take(visit: &AdminVisit, upload: Upload, typed: &mut Typed) -> Result<Image> {
    let (mut parts, stopped) = upload.form(&visit.state).await?;
    let broken = |error| stopped.or(upload::unreadable(error));
    while let Some(field) = parts.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_string();
        if name != "file" {
            if typed.0.len() < 20 {
                let value = upload::text(field).await;
                let value = value.map_err(|error| stopped.or(error))?;
                typed.0.push((name, value));
            }
            continue;
        }
        if field.file_name().is_none_or(str::is_empty) {
            continue;
        }
        let bytes = field.map_err(|error| error.body_text());
        let new = new_image(typed)?;
        let taken = engine_images::upload(visit.engine(), &visit.admin, new, bytes, None).await;
        return taken.map_err(|error| stopped.or(error));
    }
    Err(Error::field("file", "choose a file").into())
}
