//! An image: what a disk starts from.
//!
//! ```text
//! listed ──► fetching ──► ready
//!               │  ▲
//!               ▼  │
//!             failed
//! ```
//! - listed → fetching: somebody asked for a catalogue entry, gave a URL or uploads.
//! - fetching → ready: size, checksum and contents verified.
//! - fetching → failed: the reason is kept, nothing of it is used.
//! - failed → fetching: tried again.

use crate::{GiB, HostId, ImageId, MiB, StorageId, Timestamp, state_machine, vm::Devices};
use serde::{Deserialize, Serialize};

state_machine! {
    /// State of an image.
    ImageState, "image" {
        /// Known from the catalogue, not fetched.
        Listed = "listed" => [Fetching],
        /// Being fetched, uploaded or verified.
        Fetching = "fetching" => [Ready, Failed],
        /// Verified; VMs can start from it.
        Ready = "ready" => [],
        /// Could not be fetched or was not what it claims.
        Failed = "failed" => [Fetching],
    }
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Identifier.
    pub id: ImageId,
    /// Name, unique.
    pub name: String,
    /// Operating system in words: "Debian 12".
    pub os: String,
    /// Where it stands.
    pub state: ImageState,
    /// Why it failed.
    pub reason: Option<String>,
    /// Where it comes from; none for an upload.
    pub url: Option<String>,
    /// SHA-256 in hexadecimal: expected while fetching, found when ready.
    pub sha256: Option<String>,
    /// Where the vendor publishes the checksums, when the expected one comes from there.
    pub checksums_url: Option<String>,
    /// Whether its bytes were compared with a checksum that came from elsewhere: given by an admin, or published by the
    /// vendor. A ready image without is what its source sent, and nobody vouches for it.
    pub verified: bool,
    /// Bytes of the file, once known.
    pub file_bytes: Option<u64>,
    /// Bytes of the disk inside, once known.
    pub virtual_bytes: Option<u64>,
    /// `qcow2` or `raw`, once known.
    pub format: Option<ImageFormat>,
    /// Smallest disk it fits on.
    pub min_disk: GiB,
    /// Smallest memory it boots with.
    pub min_memory: MiB,
    /// The virtual hardware it knows.
    pub devices: Devices,
    /// Whether it reads a NoCloud seed (cloud-init).
    pub cloud_init: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

/// File format of an image; anything else is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// QEMU copy-on-write, version 2 or 3.
    Qcow2,
    /// The disk as it is.
    Raw,
}

impl ImageFormat {
    /// The word libvirt and QEMU use.
    pub fn as_str(self) -> &'static str {
        match self {
            ImageFormat::Qcow2 => "qcow2",
            ImageFormat::Raw => "raw",
        }
    }
}

/// A copy of an image in a pool; for a shared storage one copy serves all members (host is the one it went in through).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCopy {
    /// The image.
    pub image: ImageId,
    /// The storage.
    pub storage: StorageId,
    /// The host whose pool holds it.
    pub host: HostId,
    /// Whether it is complete.
    pub complete: bool,
}

impl Image {
    /// The volume's name in every pool.
    pub fn volume(&self) -> String {
        format!(
            "bw-image-{}.{}",
            self.id,
            self.format.unwrap_or(ImageFormat::Qcow2).as_str()
        )
    }
}
