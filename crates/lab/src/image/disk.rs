//! A bootable disk, without root and without mounting anything: one FAT16 partition with kernel, first root and syslinux.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};

use crate::run::tool;

/// Size of the disk.
const DISK_BYTES: u64 = 48 << 20;

/// Where its partition begins.
const PARTITION_BYTES: u64 = 1 << 20;

/// The label by which the guest finds its own disk (`guest/disks.rs`).
const LABEL: &str = "BELLWETHER";

/// What the boot loader hands the kernel. The screen and the serial console both show its messages; a software clock
/// need not match the timer's, so that check (which now and then fails under emulation on a busy machine) is left out.
const SYSLINUX_CFG: &str = "\
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  KERNEL vmlinuz
  INITRD initrd.gz
  APPEND console=tty0 console=ttyS0,115200 quiet no_timer_check mitigations=off random.trust_cpu=on
";

/// Boot code that starts the active partition.
const MBR: [&str; 2] = ["/usr/lib/syslinux/mbr/mbr.bin", "/usr/lib/SYSLINUX/mbr.bin"];

/// Writes a raw disk of this kernel and first root.
pub(crate) fn write(
    disk: &Path,
    kernel: &Path,
    initrd: &Path,
    scratch: &Path,
) -> anyhow::Result<()> {
    let path = disk.to_string_lossy();
    File::create(disk)?.set_len(DISK_BYTES)?;
    // One bootable FAT16 partition to the disk's end; a fixed disk id, so that two builds are the same.
    tool(["sfdisk", "--quiet", &path])
        .run_with_input(b"label: dos\nlabel-id: 0x62656c6c\nstart=2048, type=6, bootable\n")?;
    let kib = (DISK_BYTES - PARTITION_BYTES) / 1024;
    let sectors = (PARTITION_BYTES / 512).to_string();
    tool([
        "mkfs.vfat",
        "-F",
        "16",
        // Large clusters: the boot loader reads a file in fewer, larger pieces.
        "-s",
        "16",
        "-n",
        LABEL,
        "-i",
        "62656c6c",
        "--invariant",
        "--offset",
        &sectors,
        &path,
        &kib.to_string(),
    ])
    .run()?;

    let config = scratch.join("syslinux.cfg");
    fs::write(&config, SYSLINUX_CFG)?;
    let partition = format!("{path}@@{PARTITION_BYTES}");
    for (file, name) in [
        (kernel, "vmlinuz"),
        (initrd, "initrd.gz"),
        (&config, "syslinux.cfg"),
    ] {
        tool([
            "mcopy",
            "-i",
            &partition,
            &file.to_string_lossy(),
            &format!("::{name}"),
        ])
        .env("MTOOLS_SKIP_CHECK", "1")
        .run()?;
    }
    tool([
        "syslinux",
        "--install",
        "--offset",
        &PARTITION_BYTES.to_string(),
        &path,
    ])
    .run()?;

    let Some(mbr) = MBR.iter().find(|path| Path::new(path).exists()) else {
        bail!(
            "no syslinux mbr.bin in {} (package syslinux-common)",
            MBR.join(" or ")
        )
    };
    let code = fs::read(mbr)?;
    let mut file = File::options().read(true).write(true).open(disk)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&code[..code.len().min(440)])
        .context("cannot write the boot code")?;
    forget_times(&mut file)
}

/// Clears the times of the files in the partition's root folder, so that two builds of one thing are the same bytes.
fn forget_times(disk: &mut File) -> anyhow::Result<()> {
    const LONG_NAME: u8 = 0x0f;
    let mut boot = [0; 512];
    disk.seek(SeekFrom::Start(PARTITION_BYTES))?;
    disk.read_exact(&mut boot)?;
    let word = |at: usize| u64::from(u16::from_le_bytes([boot[at], boot[at + 1]]));
    // FAT16: reserved sectors, then the copies of the table, then the root folder of so many entries.
    let (reserved, tables, table_sectors, entries) =
        (word(14), u64::from(boot[16]), word(22), word(17));
    let root = PARTITION_BYTES + (reserved + tables * table_sectors) * 512;
    let mut folder = vec![0; usize::try_from(entries * 32)?];
    disk.seek(SeekFrom::Start(root))?;
    disk.read_exact(&mut folder)?;
    for entry in folder
        .chunks_exact_mut(32)
        .filter(|entry| entry[0] != 0 && entry[11] != LONG_NAME)
    {
        // Made (13 to 17), read (18, 19), written (22 to 25); the cluster's upper half lies between.
        entry[13..20].fill(0);
        entry[22..26].fill(0);
    }
    disk.seek(SeekFrom::Start(root))?;
    disk.write_all(&folder)
        .context("cannot write the root folder")
}

/// Turns a raw disk into the compressed qcow2 image.
pub(crate) fn compress(raw: &Path, image: &Path) -> anyhow::Result<()> {
    tool([
        "qemu-img",
        "convert",
        "-c",
        "-f",
        "raw",
        "-O",
        "qcow2",
        &raw.to_string_lossy(),
        &image.to_string_lossy(),
    ])
    .deadline_s(300)
    .run()?;
    Ok(())
}
