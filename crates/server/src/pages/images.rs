//! Images: what there is, the catalogue, and one of them.

use super::{
    csv::{Csv, Known},
    gather,
    site::{AdminVisit, Visit, again, done, show, typed_wrong},
    typed::Typed,
    view::{
        Badge, Form, List, ListQuery,
        images::{Entry, ImagePage, ImageRow, Images},
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
    names::Directory,
};
use axum::response::Response;
use bellwether_api::Names;
use bellwether_engine::images as engine_images;
use bellwether_model::{
    Error, GiB, ImageId, MiB,
    image::{Image, ImageState},
    job::Job,
    states::State as _,
    vm::Devices,
};

fn needs(disk: GiB, memory: MiB) -> String {
    format!("{disk} disk, {}", words::memory_text(memory))
}

/// The host part of a URL.
fn origin(url: &str) -> String {
    url.split("://")
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(url)
        .to_string()
}

/// How far the job that fetches it is: in words, and 0–100.
fn progress(jobs: &[Job], image: ImageId) -> Option<(String, Option<u32>)> {
    let job = jobs.iter().find(|job| job.subject.image == Some(image))?;
    let done = match (job.progress.bytes_done, job.progress.bytes_total) {
        (None, _) => job.progress.doing.clone(),
        (Some(done), None) => words::bytes(done).text(),
        (Some(done), Some(all)) => {
            format!(
                "{} of {}",
                words::bytes(done).text(),
                words::bytes(all).text()
            )
        }
    };
    let share = job.progress.share;
    Some((
        done,
        share.map(|share| (share.clamp(0.0, 1.0) * 100.0) as u32),
    ))
}

/// Whether nobody but its source says that it is what it claims to be.
fn unverified(image: &Image) -> bool {
    image.state == ImageState::Ready && !image.verified
}

/// Everybody chooses among what is ready; the rest is the administrators' business.
fn may_see(visit: &Visit, image: &Image) -> bool {
    visit.actor.is_admin() || image.state == ImageState::Ready
}

async fn selected(visit: &Visit, mut list: List) -> Result<(List, Vec<Image>, Vec<Image>)> {
    let all = visit.engine().store().images().await?;
    let rows = all.iter().filter(|image| may_see(visit, image));
    let rows = list.apply(
        rows.cloned().collect(),
        |image: &Image| {
            let url = image.url.as_deref().unwrap_or("uploaded");
            format!("{} {} {}", image.os, image.name, origin(url))
        },
        |image| Badge::from(image.state).word,
        |image, key| match key {
            "state" => (0, Badge::from(image.state).word.into()),
            "size" => (image.file_bytes.unwrap_or(0), String::new()),
            "needs" => (image.min_disk.0, String::new()),
            _ => (0, format!("{} {}", image.os, image.name).to_lowercase()),
        },
    );
    Ok((list, rows, all))
}

fn listed(query: &ListQuery) -> List {
    List::new("/images", query, "os")
}

async fn list_view(visit: &Visit, list: List, act: Form) -> Result<Images> {
    let jobs = visit.engine().store().open_jobs().await?;
    let (list, rows, all) = selected(visit, list).await?;
    let admin = visit.actor.is_admin();
    let catalogue = engine_images::catalogue()
        .iter()
        .map(|entry| (entry, entry.as_new("")))
        .filter(|(_, new)| admin && !all.iter().any(|image| image.url == new.url));
    Ok(Images {
        frame: visit.page("Images", "/images").await?,
        admin,
        fetching: rows.iter().any(|image| image.state == ImageState::Fetching),
        states: if admin {
            let states = ImageState::ALL.iter();
            states
                .map(|state| Badge::from(*state).word.to_string())
                .collect()
        } else {
            Vec::new()
        },
        catalogue: catalogue
            .map(|(entry, new)| Entry {
                key: entry.key.into(),
                name: new.name,
                os: entry.os.into(),
                needs: needs(GiB(new.min_disk_gib), MiB(new.min_memory_mib)),
                origin: origin(entry.url),
            })
            .collect(),
        rows: rows
            .into_iter()
            .map(|image| ImageRow {
                href: format!("/images/{}", image.id),
                badge: image.state.into(),
                unverified: unverified(&image),
                reason: image.reason.filter(|_| admin),
                size: image
                    .file_bytes
                    .map_or("–".into(), |bytes| words::bytes(bytes).text()),
                needs: needs(image.min_disk, image.min_memory),
                origin: image.url.as_deref().map_or("uploaded".into(), origin),
                progress: progress(&jobs, image.id).filter(|_| admin),
                name: image.name,
                os: image.os,
            })
            .collect(),
        list,
        act,
    })
}

pub async fn list(visit: Visit, Query(query): Query<ListQuery>) -> Result<Response> {
    show(&list_view(&visit, listed(&query), Form::default()).await?)
}

pub async fn list_csv(visit: Visit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (_, rows, _) = selected(&visit, listed(&query).in_one()).await?;
    let head = [
        "id",
        "name",
        "os",
        "state",
        "file_bytes",
        "virtual_bytes",
        "min_disk_gib",
        "min_memory_mib",
        "verified",
    ];
    let mut file = Csv::new(head, rows.len());
    for image in rows {
        file.row([
            &image.id,
            &image.name,
            &image.os,
            &Badge::from(image.state).word,
            &Known(image.file_bytes),
            &Known(image.virtual_bytes),
            &image.min_disk.0,
            &image.min_memory.0,
            &image.verified,
        ]);
    }
    Ok(file.answer("images"))
}

pub async fn from_catalogue(visit: AdminVisit, typed: Typed) -> Result<Response> {
    let key = typed.get("key");
    let mut catalogue = engine_images::catalogue().iter();
    let added = match catalogue.find(|entry| entry.key == key) {
        Some(entry) => engine_images::add(visit.engine(), &visit.admin, entry.as_new("")).await,
        None => Err(Error::field("key", "choose an image of the catalogue")),
    };
    match added {
        Ok((image, _)) => Ok(done(
            &format!("/images/{}", image.id),
            &format!("{} is being fetched.", image.name),
        )),
        Err(error) => {
            let act = Form::default().failed(&typed_wrong(error)?);
            again(&list_view(&visit, listed(&ListQuery::default()), act).await?)
        }
    }
}

async fn page(visit: &Visit, id: ImageId, act: Form, remove: Form) -> Result<ImagePage> {
    let (engine, store) = (visit.engine(), visit.engine().store());
    let image = store.image(id).await?;
    if !may_see(visit, &image) {
        return Err(Error::not_found("image").into());
    }
    let admin = visit.actor.is_admin();
    let mut facts = vec![
        ("Name", image.name.clone()),
        ("Needs", needs(image.min_disk, image.min_memory)),
        (
            "Seed",
            if image.cloud_init {
                "read (cloud-init): name, address and key reach the machine".into()
            } else {
                "not read: a machine is set up at its screen".into()
            },
        ),
    ];
    if admin {
        let size = |bytes: Option<u64>| bytes.map(|bytes| words::bytes(bytes).text());
        let hardware = match image.devices {
            Devices::Virtio => "virtio",
            Devices::Plain => "plain: SATA and e1000e",
        };
        facts.push(("Virtual hardware", hardware.into()));
        facts.push((
            "From",
            image.url.clone().unwrap_or_else(|| "uploaded".into()),
        ));
        if let (Some(file), Some(inside), Some(format)) = (
            size(image.file_bytes),
            size(image.virtual_bytes),
            image.format,
        ) {
            let format = format.as_str();
            facts.push(("File", format!("{file} {format}, a disk of {inside}")));
        }
        facts.push((
            "SHA-256",
            image.sha256.clone().unwrap_or_else(|| "not given".into()),
        ));
        let names = Directory::load(engine).await?;
        let copies = store.image_copies(id).await?;
        let copies = copies.iter().filter(|copy| copy.complete).map(|copy| {
            let host = gather::or_removed(names.host(copy.host), "host");
            format!(
                "{} ({host})",
                gather::or_removed(names.storage(copy.storage), "storage")
            )
        });
        let copies: Vec<String> = copies.collect();
        if !copies.is_empty() {
            facts.push(("Copied to", copies.join(", ")));
        }
        let records = store.records().await?;
        let users = records.vms.iter().filter(|vm| vm.image == id).count();
        facts.push(("Machines", gather::used_by(users)));
        facts.push(("Added", words::moment(image.created_at, engine.zone())));
    }
    Ok(ImagePage {
        frame: visit.page(image.os.clone(), "/images").await?,
        id: id.to_string(),
        badge: image.state.into(),
        unverified: unverified(&image),
        admin,
        reason: image.reason.clone().filter(|_| admin),
        progress: progress(&visit.engine().store().open_jobs().await?, id).filter(|_| admin),
        fetching: image.state == ImageState::Fetching,
        may_retry: admin && image.state == ImageState::Failed,
        facts,
        act,
        remove,
        history: if admin {
            gather::history(engine, "image", id, 20).await?
        } else {
            Vec::new()
        },
        name: image.name,
        os: image.os,
    })
}

pub async fn one(visit: Visit, Path(id): Path<ImageId>) -> Result<Response> {
    show(&page(&visit, id, Form::default(), Form::default()).await?)
}

pub async fn retry(visit: AdminVisit, Path(id): Path<ImageId>) -> Result<Response> {
    match engine_images::retry(visit.engine(), &visit.admin, id).await {
        Ok(_) => Ok(done(&format!("/images/{id}"), "It is being fetched again.")),
        Err(error) => {
            let act = Form::default().failed(&typed_wrong(error)?);
            again(&page(&visit, id, act, Form::default()).await?)
        }
    }
}

pub async fn remove(visit: AdminVisit, Path(id): Path<ImageId>, typed: Typed) -> Result<Response> {
    let image = visit.engine().store().image(id).await?;
    let removed = match typed.names(&image.name) {
        Ok(()) => engine_images::remove(visit.engine(), &visit.admin, id).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => Ok(done("/images", &format!("{} is removed.", image.name))),
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            again(&page(&visit, id, Form::default(), form).await?)
        }
    }
}
