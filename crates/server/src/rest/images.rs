//! Images.

use super::{
    Created, Problems, Started,
    input::{maybe_number, number},
};
use crate::{
    auth::{Actor, Admin},
    error::Result,
    extract::{Json, Path, Query},
    names::Directory,
    state::AppState,
    upload::Upload,
};
use axum::{extract::State, http::StatusCode};
use bellwether_api::{
    List,
    image::{CatalogueEntry, Devices, Image, ImageAdded, ImageInput, UploadQuery},
    job::Job,
};
use bellwether_engine::images::{self, NewImage};
use bellwether_model::{ImageId, image as model, job};

/// Every image, by name.
#[utoipa::path(get, path = "/api/v1/images", tag = "images", responses((status = 200, body = List<Image>), Problems))]
pub async fn list(actor: Actor, State(state): State<AppState>) -> Result<axum::Json<List<Image>>> {
    let images = state.engine.store().images().await?;
    let images = images.iter().map(|image| shown(&actor, image));
    Ok(axum::Json(List::whole(images.collect())))
}

fn shown(actor: &Actor, image: &model::Image) -> Image {
    let image = Image::from(image);
    match actor.is_admin() {
        true => image,
        false => image.for_users(),
    }
}

async fn added(
    state: &AppState,
    image: &model::Image,
    job: &job::Job,
) -> Result<Started<ImageAdded>> {
    let names = Directory::load(&state.engine).await?;
    Ok(Started::new(
        job.id,
        ImageAdded {
            image: image.into(),
            job: Some(Job::new(job, &names)),
        },
    ))
}

/// Adds an image from the catalogue or a URL; the job fetches it.
#[utoipa::path(post, path = "/api/v1/images", tag = "images", request_body = ImageInput, responses((status = 202, body = ImageAdded), Problems))]
pub async fn add(
    admin: Admin,
    State(state): State<AppState>,
    Json(input): Json<ImageInput>,
) -> Result<Started<ImageAdded>> {
    let entry = input
        .from_catalogue
        .as_deref()
        .and_then(|key| images::catalogue().iter().find(|entry| entry.key == key));
    let base = entry.map(|entry| entry.as_new(""));
    let new = NewImage {
        name: input
            .name
            .or_else(|| base.as_ref().map(|base| base.name.clone()))
            .unwrap_or_default(),
        os: input
            .os
            .or_else(|| base.as_ref().map(|base| base.os.clone()))
            .unwrap_or_default(),
        url: input
            .url
            .or_else(|| base.as_ref().and_then(|base| base.url.clone())),
        checksums_url: match &input.sha256 {
            // A checksum given by hand stands instead of the vendor's file.
            Some(_) => input.checksums_url,
            None => input
                .checksums_url
                .or_else(|| base.as_ref().and_then(|base| base.checksums_url.clone())),
        },
        sha256: input.sha256,
        min_disk_gib: match input.min_disk_gib {
            Some(given) => number("min_disk_gib", given)?,
            None => base.as_ref().map_or(1, |base| base.min_disk_gib),
        },
        min_memory_mib: match input.min_memory_mib {
            Some(given) => number("min_memory_mib", given)?,
            None => base.as_ref().map_or(256, |base| base.min_memory_mib),
        },
        devices: input
            .devices
            .map(Into::into)
            .or_else(|| base.as_ref().map(|base| base.devices))
            .unwrap_or_else(|| Devices::Virtio.into()),
        cloud_init: input
            .cloud_init
            .or_else(|| base.as_ref().map(|base| base.cloud_init))
            .unwrap_or(true),
        // What the entry says is in the fields above already; an unknown key is for the engine to refuse.
        from_catalogue: input.from_catalogue.filter(|_| entry.is_none()),
    };
    let (image, job) = images::add(&state.engine, &admin, new).await?;
    added(&state, &image, &job).await
}

/// Images that vendors publish.
#[utoipa::path(get, path = "/api/v1/images/catalogue", tag = "images", responses((status = 200, body = List<CatalogueEntry>), Problems))]
pub async fn catalogue(_: Admin) -> Result<axum::Json<List<CatalogueEntry>>> {
    let entries = images::catalogue().iter().map(|entry| {
        let new = entry.as_new("");
        CatalogueEntry {
            key: entry.key.into(),
            name: new.name,
            os: new.os,
            url: entry.url.into(),
            checksums_url: entry.checksums_url.into(),
            min_disk_gib: new.min_disk_gib,
            min_memory_mib: new.min_memory_mib,
            devices: new.devices.into(),
            cloud_init: new.cloud_init,
        }
    });
    Ok(axum::Json(List::whole(entries.collect())))
}

/// Takes an image's bytes as the body of the request.
#[utoipa::path(post, path = "/api/v1/images/upload", tag = "images", params(UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 201, body = Image), Problems))]
pub async fn upload(
    admin: Admin,
    State(state): State<AppState>,
    Query(query): Query<UploadQuery>,
    upload: Upload,
) -> Result<Created<Image>> {
    let new = NewImage {
        name: query.name,
        os: query.os,
        url: None,
        sha256: query.sha256,
        checksums_url: None,
        min_disk_gib: maybe_number("min_disk_gib", query.min_disk_gib)?.unwrap_or(1),
        min_memory_mib: maybe_number("min_memory_mib", query.min_memory_mib)?.unwrap_or(256),
        devices: query.devices.unwrap_or(Devices::Virtio).into(),
        cloud_init: query.cloud_init.unwrap_or(true),
        from_catalogue: None,
    };
    let (bytes, length, stopped) = upload.bytes()?;
    let image = images::upload(&state.engine, &admin, new, bytes, length)
        .await
        .map_err(|error| stopped.or(error))?;
    Ok(Created::new("images", image.id, (&image).into()))
}

/// One image.
#[utoipa::path(get, path = "/api/v1/images/{id}", tag = "images", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Image), Problems))]
pub async fn show(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<ImageId>,
) -> Result<axum::Json<Image>> {
    let image = state.engine.store().image(id).await?;
    Ok(axum::Json(shown(&actor, &image)))
}

/// Fetches a failed image again.
#[utoipa::path(post, path = "/api/v1/images/{id}/retry", tag = "images", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, body = ImageAdded), Problems))]
pub async fn retry(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<ImageId>,
) -> Result<Started<ImageAdded>> {
    let job = images::retry(&state.engine, &admin, id).await?;
    let image = state.engine.store().image(id).await?;
    added(&state, &image, &job).await
}

/// Forgets an image that nothing uses, with its copies.
#[utoipa::path(delete, path = "/api/v1/images/{id}", tag = "images", params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Forgotten"), Problems))]
pub async fn remove(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<ImageId>,
) -> Result<StatusCode> {
    images::remove(&state.engine, &admin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
