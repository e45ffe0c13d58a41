//! The starting catalogue: official cloud images, with the file in which each vendor publishes the checksums.

use super::NewImage;
use bellwether_model::vm::Devices;

/// An image one can add with a click.
#[derive(Clone, Copy, Debug)]
pub struct CatalogueEntry {
    /// Stable short name.
    pub key: &'static str,
    /// Operating system in words.
    pub os: &'static str,
    /// Where the vendor publishes it.
    pub url: &'static str,
    /// Where the vendor publishes the checksums.
    pub checksums_url: &'static str,
    /// Smallest disk, GiB.
    pub min_disk_gib: u64,
    /// Smallest memory, MiB.
    pub min_memory_mib: u64,
}

impl CatalogueEntry {
    /// The image to add, under `name` or, where that is empty, the operating system's.
    pub fn as_new(&self, name: &str) -> NewImage {
        NewImage {
            name: if name.trim().is_empty() {
                self.os.into()
            } else {
                name.into()
            },
            os: self.os.into(),
            url: Some(self.url.into()),
            sha256: None,
            checksums_url: Some(self.checksums_url.into()),
            min_disk_gib: self.min_disk_gib,
            min_memory_mib: self.min_memory_mib,
            devices: Devices::Virtio,
            cloud_init: true,
            from_catalogue: None,
        }
    }
}

macro_rules! entry {
    ($key:literal, $os:literal, $base:literal, $file:literal, $sums:literal, $disk:literal, $memory:literal) => {
        CatalogueEntry {
            key: $key,
            os: $os,
            url: concat!($base, "/", $file),
            checksums_url: concat!($base, "/", $sums),
            min_disk_gib: $disk,
            min_memory_mib: $memory,
        }
    };
}

/// Every entry.
pub fn catalogue() -> &'static [CatalogueEntry] {
    &[
        entry!(
            "debian-13",
            "Debian 13",
            "https://cloud.debian.org/images/cloud/trixie/latest",
            "debian-13-genericcloud-amd64.qcow2",
            "SHA512SUMS",
            3,
            512
        ),
        entry!(
            "debian-12",
            "Debian 12",
            "https://cloud.debian.org/images/cloud/bookworm/latest",
            "debian-12-genericcloud-amd64.qcow2",
            "SHA512SUMS",
            2,
            512
        ),
        entry!(
            "ubuntu-26.04",
            "Ubuntu 26.04 LTS",
            "https://cloud-images.ubuntu.com/releases/resolute/release",
            "ubuntu-26.04-server-cloudimg-amd64.img",
            "SHA256SUMS",
            4,
            1024
        ),
        entry!(
            "ubuntu-24.04",
            "Ubuntu 24.04 LTS",
            "https://cloud-images.ubuntu.com/releases/noble/release",
            "ubuntu-24.04-server-cloudimg-amd64.img",
            "SHA256SUMS",
            4,
            1024
        ),
        entry!(
            "fedora-44",
            "Fedora Cloud 44",
            "https://download.fedoraproject.org/pub/fedora/linux/releases/44/Cloud/x86_64/images",
            "Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2",
            "Fedora-Cloud-44-1.7-x86_64-CHECKSUM",
            5,
            1024
        ),
        entry!(
            "rocky-10",
            "Rocky Linux 10",
            "https://download.rockylinux.org/pub/rocky/10/images/x86_64",
            "Rocky-10-GenericCloud-Base.latest.x86_64.qcow2",
            "CHECKSUM",
            10,
            1024
        ),
        entry!(
            "rocky-9",
            "Rocky Linux 9",
            "https://download.rockylinux.org/pub/rocky/9/images/x86_64",
            "Rocky-9-GenericCloud-Base.latest.x86_64.qcow2",
            "CHECKSUM",
            10,
            1024
        ),
        entry!(
            "alpine-3.23",
            "Alpine Linux 3.23",
            "https://dl-cdn.alpinelinux.org/alpine/v3.23/releases/cloud",
            "nocloud_alpine-3.23.4-x86_64-bios-cloudinit-r0.qcow2",
            "nocloud_alpine-3.23.4-x86_64-bios-cloudinit-r0.qcow2.sha512",
            1,
            256
        ),
        entry!(
            "opensuse-leap-16.0",
            "openSUSE Leap 16.0",
            "https://download.opensuse.org/distribution/leap/16.0/appliances",
            "Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2",
            "Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2.sha256",
            2,
            1024
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_distribution_named_is_there_and_comes_over_https_with_its_checksums() {
        for os in ["Debian", "Ubuntu", "Fedora", "Rocky", "Alpine", "openSUSE"] {
            assert!(
                catalogue().iter().any(|entry| entry.os.starts_with(os)),
                "{os}"
            );
        }
        for entry in catalogue() {
            assert!(
                entry.url.starts_with("https://") && entry.checksums_url.starts_with("https://"),
                "{}",
                entry.key
            );
        }
    }
}
