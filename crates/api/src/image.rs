//! Images: what a disk starts from.

use crate::{Moment, job::Job};
use bellwether_model::{image, vm};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// State of an image.
    ImageState from image::ImageState {
        /// Known, not fetched.
        Listed = "listed",
        /// Being fetched, uploaded or verified.
        Fetching = "fetching",
        /// Verified; VMs can start from it.
        Ready = "ready",
        /// Could not be fetched or was not what it claims.
        Failed = "failed",
    }
}

words! {
    /// File format of an image.
    ImageFormat from image::ImageFormat {
        /// QEMU copy-on-write, version 2 or 3.
        Qcow2 = "qcow2",
        /// The disk as it is.
        Raw = "raw",
    }
}

words! {
    /// The kind of virtual hardware a guest understands.
    Devices from vm::Devices {
        /// virtio disk, network, balloon, random numbers: every current Linux.
        Virtio = "virtio",
        /// SATA disk and e1000e network: what a bare installer (Windows) knows.
        Plain = "plain",
    }
}

/// An image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// Identifier.
    pub id: Uuid,
    /// Name, unique.
    pub name: String,
    /// Operating system in words: "Debian 12".
    pub os: String,
    /// Where it stands.
    pub state: ImageState,
    /// Why it failed; admins see it.
    pub reason: Option<String>,
    /// Where it comes from; none for an upload. Admins see it.
    pub url: Option<String>,
    /// SHA-256 in hexadecimal: expected while fetching, found when ready.
    pub sha256: Option<String>,
    /// Where the vendor publishes the checksums; admins see it.
    pub checksums_url: Option<String>,
    /// Whether its bytes were compared with a checksum that came from elsewhere: given by an admin, or published by the
    /// vendor. Of a ready image without, nobody but its source says that it is what it claims to be.
    pub verified: bool,
    /// Bytes of the file, once known.
    pub file_bytes: Option<u64>,
    /// Bytes of the disk inside, once known.
    pub virtual_bytes: Option<u64>,
    /// Format, once known.
    pub format: Option<ImageFormat>,
    /// Smallest disk it fits on, GiB.
    pub min_disk_gib: u64,
    /// Smallest memory it boots with, MiB.
    pub min_memory_mib: u64,
    /// The virtual hardware it knows.
    pub devices: Devices,
    /// Whether it reads a NoCloud seed (cloud-init).
    pub cloud_init: bool,
    /// When it was added.
    pub created_at: Moment,
}

impl From<&image::Image> for Image {
    fn from(image: &image::Image) -> Self {
        Self {
            id: image.id.into(),
            name: image.name.clone(),
            os: image.os.clone(),
            state: image.state.into(),
            reason: image.reason.clone(),
            url: image.url.clone(),
            sha256: image.sha256.clone(),
            checksums_url: image.checksums_url.clone(),
            verified: image.verified,
            file_bytes: image.file_bytes,
            virtual_bytes: image.virtual_bytes,
            format: image.format.map(Into::into),
            min_disk_gib: image.min_disk.0,
            min_memory_mib: image.min_memory.0,
            devices: image.devices.into(),
            cloud_init: image.cloud_init,
            created_at: image.created_at.into(),
        }
    }
}

impl Image {
    /// As users see it: where it comes from and why it failed is for admins, as an address may hold a key.
    #[must_use]
    pub fn for_users(self) -> Self {
        Self {
            reason: None,
            url: None,
            checksums_url: None,
            ..self
        }
    }
}

/// An image a vendor publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogueEntry {
    /// Short stable key: `debian-12`.
    pub key: String,
    /// Name.
    pub name: String,
    /// Operating system in words.
    pub os: String,
    /// Where it comes from.
    pub url: String,
    /// Where the vendor publishes the checksums.
    pub checksums_url: String,
    /// Smallest disk it fits on, GiB.
    pub min_disk_gib: u64,
    /// Smallest memory it boots with, MiB.
    pub min_memory_mib: u64,
    /// The virtual hardware it knows.
    pub devices: Devices,
    /// Whether it reads a NoCloud seed (cloud-init).
    pub cloud_init: bool,
}

/// An image to add: from the catalogue (`from_catalogue`; every other field then only overrides) or from a URL.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageInput {
    /// Key of a catalogue entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_catalogue: Option<String>,
    /// Name, unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Operating system in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Where to fetch it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// SHA-256 in hexadecimal it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where the vendor publishes the checksums, instead of `sha256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksums_url: Option<String>,
    /// Smallest disk it fits on, GiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub min_disk_gib: Option<i64>,
    /// Smallest memory it boots with, MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub min_memory_mib: Option<i64>,
    /// The virtual hardware it knows; virtio if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Devices>,
    /// Whether it reads a NoCloud seed; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_init: Option<bool>,
}

/// What an uploaded image is; the bytes are the body of the request.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// Name, unique.
    pub name: String,
    /// Operating system in words.
    pub os: String,
    /// SHA-256 in hexadecimal it must have, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Smallest disk it fits on, GiB; what the image says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_disk_gib: Option<i64>,
    /// Smallest memory it boots with, MiB; 256 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_memory_mib: Option<i64>,
    /// The virtual hardware it knows; virtio if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Devices>,
    /// Whether it reads a NoCloud seed; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_init: Option<bool>,
}

/// An image that was added or is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImageAdded {
    /// The image.
    pub image: Image,
    /// The job that fetches it.
    pub job: Option<Job>,
}
