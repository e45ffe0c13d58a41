//! Finding the boot partition and the seed by what they hold, not by name: the disk may be virtio, SATA or a CD.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};

use crate::seed::{self, Seed};
use crate::system;

const BOOT: &str = "/boot";
const SEED: &str = "/seed";

/// The label of the image's only partition.
const BOOT_LABEL: &str = "BELLWETHER";

/// The partition the guest started from.
pub fn boot_partition() -> Option<String> {
    find(&[BOOT_LABEL]).or_else(|| {
        // No virtio disk, or none of ours: only then are the other controllers' drivers worth their time.
        system::load_modules("storage");
        settle();
        find(&[BOOT_LABEL])
    })
}

/// The seed: a file system labelled as NoCloud wants it.
pub fn seed() -> Option<String> {
    find(&["CIDATA", "cidata"]).or_else(|| {
        system::load_modules("storage");
        settle();
        find(&["CIDATA", "cidata"])
    })
}

/// Disks behind a controller appear a moment after its driver.
fn settle() {
    for _ in 0..20 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        if system::names("/sys/block")
            .iter()
            .any(|name| name.starts_with("sd"))
        {
            return;
        }
    }
}

fn find(labels: &[&str]) -> Option<String> {
    let wanted = |name: &String| {
        ["vd", "sd", "sr", "hd"]
            .iter()
            .any(|kind| name.starts_with(kind))
    };
    let devices = system::names("/sys/class/block")
        .into_iter()
        .filter(wanted)
        .map(|name| format!("/dev/{name}"));
    devices.into_iter().find(|device| {
        File::open(device)
            .ok()
            .and_then(label_of)
            .is_some_and(|label| labels.contains(&label.as_str()))
    })
}

/// The label of a FAT or ISO 9660 file system.
fn label_of(mut device: impl Read + Seek) -> Option<String> {
    let mut sector = [0; 512];
    device.read_exact(&mut sector).ok()?;
    let field = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if sector[510..] == [0x55, 0xaa] {
        // FAT12 and FAT16 have the label at 43, FAT32 at 71; the type's name follows.
        if sector[54..57] == *b"FAT" {
            return Some(field(&sector[43..54]));
        }
        if sector[82..85] == *b"FAT" {
            return Some(field(&sector[71..82]));
        }
    }
    device.seek(SeekFrom::Start(0x8000)).ok()?;
    device.read_exact(&mut sector).ok()?;
    (sector[1..6] == *b"CD001").then(|| field(&sector[40..72]))
}

/// Reads the seed's files.
pub fn read_seed(device: &str) -> Seed {
    system::load_modules("vfat");
    let mut seed = if system::mount(device, SEED, &["vfat"], "ro") || {
        system::load_modules("isofs");
        system::mount(device, SEED, &["iso9660"], "ro")
    } {
        let text = |name: &str| fs::read_to_string(format!("{SEED}/{name}")).unwrap_or_default();
        seed::read(
            &text("meta-data"),
            &text("user-data"),
            &text("network-config"),
        )
    } else {
        Seed {
            complaints: vec![format!("cannot mount {device}")],
            ..Seed::default()
        }
    };
    system::run(&["umount", SEED]);
    if seed.hostname.is_none() {
        seed.complaints.push("no hostname in it".into());
    }
    seed
}

/// Counts this boot in a file on the boot partition, so that a disk which did not keep its content shows.
pub fn count_boot(device: &str) -> u32 {
    with_boot_partition(device, || {
        let path = format!("{BOOT}/boots");
        let boots = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
            + 1;
        // A disk that cannot be written shows as a count that stays.
        let _ = fs::write(&path, format!("{boots}\n"));
        boots
    })
    .unwrap_or(1)
}

/// Does something while the boot partition is mounted on /boot.
pub fn with_boot_partition<T>(device: &str, work: impl FnOnce() -> T) -> Option<T> {
    system::load_modules("vfat");
    if !system::mount(device, BOOT, &["vfat"], "rw,sync") {
        return None;
    }
    let result = work();
    system::run(&["umount", BOOT]);
    Some(result)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn labels_of_fat_and_iso_are_read_and_of_nothing_else() {
        let mut fat = vec![0; 4096];
        fat[43..54].copy_from_slice(b"CIDATA     ");
        fat[54..57].copy_from_slice(b"FAT");
        fat[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(label_of(Cursor::new(fat)), Some("CIDATA".into()));
        let mut iso = vec![0; 0x9000];
        iso[0x8001..0x8006].copy_from_slice(b"CD001");
        iso[0x8028..0x802e].copy_from_slice(b"cidata");
        iso[0x802e..0x8048].fill(b' ');
        assert_eq!(label_of(Cursor::new(iso)), Some("cidata".into()));
        assert_eq!(label_of(Cursor::new(vec![0; 0x9000])), None);
        assert_eq!(label_of(Cursor::new(vec![0; 100])), None);
    }
}
