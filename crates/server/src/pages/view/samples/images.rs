//! Images.

use super::super::*;
use super::{Author, Rendered, frame, happened, list, rendered, words};
use askama::Template;
use bellwether_model::{Error, image::ImageState};

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    let image = |os: &str, state: ImageState| images::ImageRow {
        href: "/images/1".into(),
        name: text("debian-12"),
        os: text(os),
        badge: state.into(),
        unverified: state == ImageState::Ready,
        reason: (state == ImageState::Failed)
            .then(|| text("The checksum is not the one the maker publishes.")),
        size: "412 MiB".into(),
        needs: "10 GiB disk, 512 MiB".into(),
        origin: "cloud.debian.org".into(),
        progress: (state == ImageState::Fetching).then(|| ("120 of 412 MiB".into(), Some(29))),
    };
    let image_page = |state: ImageState| images::ImagePage {
        frame: frame("Debian 12", "/images", true),
        id: "i1".into(),
        name: text("debian-12"),
        os: text("Debian 12"),
        badge: state.into(),
        unverified: state == ImageState::Ready,
        admin: true,
        reason: (state == ImageState::Failed)
            .then(|| text("The checksum is not the one the maker publishes.")),
        progress: (state == ImageState::Fetching).then(|| ("120 of 412 MiB".into(), Some(29))),
        fetching: state == ImageState::Fetching,
        may_retry: state == ImageState::Failed,
        facts: vec![
            ("Needs", "10 GiB disk, 512 MiB".into()),
            (
                "From",
                text(
                    "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2",
                ),
            ),
            (
                "SHA-256",
                "3f1a09bd12cc6f1b7b1f9e2f5a0f9f0c9a3e4b5c6d7e8f90112233445566778899".into(),
            ),
            ("Copied to", text("fast (host1)")),
        ],
        act: Form::default(),
        remove: Form::default(),
        history: happened(),
    };
    let image_new = |upload: bool| images::NewImagePage {
        frame: frame(
            if upload {
                "Upload an image"
            } else {
                "Fetch an image"
            },
            "/images",
            true,
        ),
        upload,
        largest: 64,
        form: Form::default()
            .with("os", text("Debian 12"))
            .with("min_disk_gib", "10")
            .with("min_memory_mib", "512")
            .with("cloud_init", "on")
            .refused(&Error::field("sha256", text("'x' is no SHA-256"))),
    };
    rendered![
        "images" => images::Images { frame: frame("Images", "/images", true), admin: true, list: list("/images", "os", 3), states: words(&["ready"]), rows: vec![image("Debian 12", ImageState::Ready), image("Ubuntu 24.04", ImageState::Fetching), image("Rocky 9", ImageState::Failed)], fetching: true, catalogue: vec![images::Entry { key: "alpine".into(), name: text("alpine-3.22"), os: text("Alpine 3.22"), needs: "1 GiB disk, 128 MiB".into(), origin: "dl-cdn.alpinelinux.org".into() }], act: Form::default() },
        "image" => image_page(ImageState::Ready),
        "image-fetching" => image_page(ImageState::Fetching),
        "image-failed" => image_page(ImageState::Failed),
        "image-new" => image_new(false),
        "image-upload" => image_new(true),
    ]
}
