//! Looks into an image before any host does. A qcow2 file can name a backing or data file: a host that opened it would
//! hand out that file of its own. Format: QEMU's `docs/interop/qcow2.rst`.

use bellwether_model::{Error, Result, image::ImageFormat};

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Its format.
    pub format: ImageFormat,
    /// Bytes of the disk inside.
    pub virtual_bytes: u64,
}

/// Larger disks than this are absurd: 64 TiB.
const MOST_VIRTUAL: u64 = 64 << 40;
/// Bytes of the file's head that are needed.
pub const HEAD: usize = 65_536;

/// Judges an image by its first bytes and its length.
pub fn inspect(head: &[u8], file_bytes: u64) -> Result<Inspected> {
    let refuse = |why: &str| {
        Err(Error::field(
            "image",
            format!("this image can't be used: {why}"),
        ))
    };
    if file_bytes < 512 || head.len() < 512 {
        return refuse("it is empty or far too short to be a disk");
    }
    for (magic, name) in [
        (&b"KDMV"[..], "a VMware disk"),
        (b"# Disk Descripto", "a VMware disk description"),
        (b"vhdxfile", "a Hyper-V disk"),
        (b"conectix", "a Virtual PC disk"),
        (b"QED\0", "a QED disk"),
        (b"\x1f\x8b", "compressed with gzip"),
        (b"\xfd7zXZ", "compressed with xz"),
        (b"BZh", "compressed with bzip2"),
        (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
        (b"PK\x03\x04", "a zip archive"),
        (b"LUKS\xba\xbe", "encrypted"),
        (b"<<< ", "a VirtualBox disk"),
    ] {
        if head.starts_with(magic) {
            return refuse(&format!("it is {name}; give a qcow2 or raw disk"));
        }
    }
    if is_page(head) {
        return refuse("it is a web page; give a qcow2 or raw disk");
    }
    if head.get(CD_SIGNATURE..CD_SIGNATURE + 5) == Some(b"CD001") {
        return refuse("it is a CD or DVD (ISO 9660); give a qcow2 or raw disk");
    }
    if head.starts_with(b"QFI\xfb") {
        qcow2(head, file_bytes).or_else(|why| refuse(&why))
    } else {
        raw(file_bytes).or_else(|why| refuse(&why))
    }
}

/// Where a CD says that it is one.
const CD_SIGNATURE: usize = 32_769;

/// Whether it is a page where a file was hoped for: a place to log in, or a list of mirrors.
fn is_page(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    [&b"<!doctype"[..], b"<html", b"<?xml"].iter().any(|tag| {
        text.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    })
}

fn raw(file_bytes: u64) -> Result<Inspected, String> {
    if file_bytes > MOST_VIRTUAL {
        return Err("it claims an absurd size".into());
    }
    Ok(Inspected {
        format: ImageFormat::Raw,
        virtual_bytes: file_bytes,
    })
}

fn qcow2(head: &[u8], file_bytes: u64) -> Result<Inspected, String> {
    let u32_at = |at: usize| {
        head.get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_be_bytes)
            .ok_or("it is cut short")
    };
    let u64_at = |at: usize| {
        head.get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_be_bytes)
            .ok_or("it is cut short")
    };
    let version = u32_at(4)?;
    if !(2..=3).contains(&version) {
        return Err(format!("its qcow2 version is {version}; 2 and 3 are known"));
    }
    if u64_at(8)? != 0 || u32_at(16)? != 0 {
        return Err("it names a backing file".into());
    }
    let cluster_bits = u32_at(20)?;
    if !(9..=21).contains(&cluster_bits) {
        return Err("its cluster size is impossible".into());
    }
    let virtual_bytes = u64_at(24)?;
    if virtual_bytes == 0 || virtual_bytes > MOST_VIRTUAL {
        return Err(format!("it claims an absurd size of {virtual_bytes} bytes"));
    }
    if u32_at(32)? != 0 {
        return Err("it is encrypted".into());
    }
    if u64_at(40)? >= file_bytes || u64_at(48)? >= file_bytes {
        return Err("its tables lie outside the file: it is cut short or broken".into());
    }
    if version == 3 {
        let incompatible = u64_at(72)?;
        // Bit 1 is corrupt, 2 an external data file. Fine are 0 (dirty: only counts of uses may be stale, and nobody writes to
        // an image), 3 (compression type) and 4 (extended L2 entries).
        if incompatible & 0b100 != 0 {
            return Err("it names a data file outside itself".into());
        }
        if incompatible & 0b10 != 0 {
            return Err("it is marked as corrupt".into());
        }
        if incompatible & !0b1_1111 != 0 {
            return Err("it needs features that are not known".into());
        }
        extensions(head, u32_at(100)? as usize)?;
    }
    Ok(Inspected {
        format: ImageFormat::Qcow2,
        virtual_bytes,
    })
}

/// Header extensions: a backing format is harmless by itself, a data file name and full-disk encryption are not.
fn extensions(head: &[u8], mut at: usize) -> Result<(), String> {
    for _ in 0..64 {
        let Some(bytes) = head.get(at..at + 8) else {
            return Ok(());
        };
        let kind = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let length = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
        match kind {
            0 => return Ok(()),
            0x4441_5441 => return Err("it names a data file outside itself".into()),
            0x0537_be77 => return Err("it is encrypted".into()),
            _ => {}
        }
        at = at.saturating_add(8).saturating_add(length.div_ceil(8) * 8);
    }
    Err("its header has no end".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qcow2_head(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut head = vec![0_u8; 1024];
        head[..4].copy_from_slice(b"QFI\xfb");
        head[7] = 3;
        head[23] = 16;
        head[24..32].copy_from_slice(&(10_u64 << 30).to_be_bytes());
        head[40..48].copy_from_slice(&65_536_u64.to_be_bytes());
        head[48..56].copy_from_slice(&131_072_u64.to_be_bytes());
        head[100..104].copy_from_slice(&104_u32.to_be_bytes());
        change(&mut head);
        head
    }

    fn refused(change: impl FnOnce(&mut Vec<u8>)) -> String {
        inspect(&qcow2_head(change), 1 << 20).unwrap_err().message
    }

    #[test]
    fn a_sound_image_is_accepted() {
        let seen = inspect(&qcow2_head(|_| {}), 1 << 20).unwrap();
        assert_eq!(
            seen,
            Inspected {
                format: ImageFormat::Qcow2,
                virtual_bytes: 10 << 30
            }
        );
        assert_eq!(inspect(&[0; 1024], 4096).unwrap().format, ImageFormat::Raw);
    }

    #[test]
    fn what_is_no_disk_is_refused_by_what_it_is() {
        let file = |start: &[u8]| {
            let mut head = vec![0_u8; 4096];
            head[..start.len()].copy_from_slice(start);
            head
        };
        let mut cd = vec![0_u8; HEAD];
        cd[32_769..32_774].copy_from_slice(b"CD001");
        for (head, what) in [
            (file(b"KDMV\x01\0\0\0"), "VMware disk"),
            (file(b"# Disk DescriptorFile\n"), "VMware disk description"),
            (file(b"vhdxfile"), "Hyper-V"),
            (
                file(b"<<< Oracle VM VirtualBox Disk Image >>>\n"),
                "VirtualBox",
            ),
            (file(b"\x1f\x8b\x08"), "gzip"),
            (file(b"\xfd7zXZ\0"), "xz"),
            (file(b"PK\x03\x04"), "zip"),
            (file(b"LUKS\xba\xbe\0\x02"), "encrypted"),
            (file(b"<!DOCTYPE html>"), "web page"),
            (file(b"\xef\xbb\xbf\n <!doctype html>"), "web page"),
            (file(b"<HTML>"), "web page"),
            (cd, "CD or DVD"),
            (vec![7_u8; 100], "too short"),
        ] {
            let length = head.len() as u64;
            let said = inspect(&head, length).unwrap_err().message;
            assert!(said.contains(what), "{what}: {said}");
        }
    }

    #[test]
    fn images_that_reach_out_are_refused() {
        assert!(refused(|h| h[15] = 1).contains("backing file"));
        assert!(refused(|h| h[19] = 9).contains("backing file"));
        assert!(refused(|h| h[79] = 0b100).contains("data file"));
        assert!(refused(|h| h[104..108].copy_from_slice(b"DATA")).contains("data file"));
        assert!(refused(|h| h[35] = 1).contains("encrypted"), "AES");
        assert!(refused(|h| h[35] = 2).contains("encrypted"), "LUKS");
        let luks = |h: &mut Vec<u8>| h[104..108].copy_from_slice(&0x0537_be77_u32.to_be_bytes());
        assert!(refused(luks).contains("encrypted"), "its header extension");
        assert!(refused(|h| h[24..32].fill(0)).contains("absurd"), "nothing");
        let large = |h: &mut Vec<u8>| h[24..32].copy_from_slice(&(65_u64 << 40).to_be_bytes());
        assert!(refused(large).contains("absurd"), "65 TiB");
        // Cut short behind its first cluster, where its tables should be.
        let cut = inspect(&qcow2_head(|_| {}), 65_536).unwrap_err();
        assert!(cut.message.contains("cut short"), "{cut}");
        assert!(refused(|h| h[24..32].copy_from_slice(&u64::MAX.to_be_bytes())).contains("absurd"));
        assert!(refused(|h| h[7] = 9).contains("version"));
        assert!(refused(|h| h[40] = 1).contains("outside the file"));
        assert!(inspect(b"KDMV", 4).is_err());
        assert!(
            inspect(&[b"LUKS\xba\xbe".as_slice(), &[0; 600]].concat(), 4096)
                .unwrap_err()
                .message
                .contains("encrypted")
        );
        assert!(inspect(&qcow2_head(|_| {})[..512], 100).is_err());
    }
}
