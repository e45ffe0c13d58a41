//! The test image: a bootable disk of 48 MiB (some 15 MB as a file) that starts in seconds without KVM, reads a NoCloud
//! seed, and carries an echo, load on demand and a heartbeat. It is built from Debian packages as any user, and kept
//! under the digest of what of it is ours, so that it is built once.

mod cpio;
mod disk;
mod modules;
mod packages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::ValueEnum;
use sha2::{Digest, Sha256};

use crate::run::{tool, which};
use cpio::Archive;
use modules::Modules;

/// The program inside, built by this crate's build script.
const GUEST: &[u8] = include_bytes!(env!("BELLWETHER_GUEST"));
const INIT: &[u8] = include_bytes!("../../guest/init");
const UDHCPC: &[u8] = include_bytes!("../../guest/udhcpc");

/// Counts changes of how the image is put together, as opposed to what is put into it.
const FORMAT: u32 = 3;

/// Groups of modules the guest loads one after the other as it needs them (`guest/system.rs`). Those of the first two
/// every guest needs; of the others it has what its kernel has.
const GROUPS: [(&str, &[&str]); 6] = [
    (
        "base",
        &[
            "virtio_pci",
            "virtio_balloon",
            "virtio_blk",
            "virtio_net",
            "virtio_rng",
            "button",
            "evdev",
        ],
    ),
    ("vfat", &["vfat", "nls_cp437", "nls_ascii"]),
    ("isofs", &["isofs"]),
    (
        "storage",
        &["virtio_scsi", "ata_piix", "ahci", "sd_mod", "sr_mod"],
    ),
    ("nic", &["e1000e", "e1000", "8139cp"]),
    ("agent", &["virtio_console"]),
];

/// Which kernel is in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kernel {
    /// Debian's kernel for clouds: starts fast, knows virtio only.
    Cloud,
    /// Debian's kernel for everything: knows SATA and e1000 as well, and takes about twice as long to start.
    Generic,
}

impl Kernel {
    fn package(self) -> &'static str {
        match self {
            Self::Cloud => "linux-image-cloud-amd64",
            Self::Generic => "linux-image-amd64",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Generic => "generic",
        }
    }
}

/// Where images are kept: `BELLWETHER_CACHE`, else the user's cache folder.
pub fn cache_folder() -> PathBuf {
    let from = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    from("BELLWETHER_CACHE").unwrap_or_else(|| {
        let cache = from("XDG_CACHE_HOME").or_else(|| from("HOME").map(|home| home.join(".cache")));
        cache
            .unwrap_or_else(|| "/var/cache".into())
            .join("bellwether")
    })
}

/// Gives the path of the test image, building it unless it is there.
///
/// # Errors
/// When a program or package is missing, or cannot be downloaded; the message names it.
pub fn test_image(kernel: Kernel, cache: &Path) -> anyhow::Result<PathBuf> {
    let image = cache.join(format!("test-{}-{}.qcow2", kernel.label(), digest()));
    if image.exists() {
        return Ok(image);
    }
    check_programs()?;
    let packages = cache.join("packages");
    fs::create_dir_all(&packages).with_context(|| format!("cannot make {}", packages.display()))?;
    let scratch = cache.join(format!("building-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let built = build(kernel, &packages, &scratch);
    // In place at once and whole: two builds at the same time give the same image.
    let result =
        built.and_then(|built| fs::rename(built, &image).context("cannot put the image in place"));
    fs::remove_dir_all(&scratch)?;
    result.map(|()| image)
}

/// A digest of everything of the image that is ours. Newer Debian packages alone are no reason to build it again.
fn digest() -> String {
    let mut hash = Sha256::new();
    for part in [
        &FORMAT.to_le_bytes()[..],
        GUEST,
        INIT,
        UDHCPC,
        format!("{GROUPS:?}").as_bytes(),
    ] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Programs that build an image, and the Debian package of each.
const NEEDED: [(&str, &str); 9] = [
    ("busybox", "busybox-static"),
    ("syslinux", "syslinux"),
    ("mcopy", "mtools"),
    ("mkfs.vfat", "dosfstools"),
    ("sfdisk", "fdisk"),
    ("xz", "xz-utils"),
    ("qemu-img", "qemu-utils"),
    ("dpkg-deb", "dpkg"),
    ("ldd", "libc-bin"),
];

fn check_programs() -> anyhow::Result<()> {
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(program, _)| which(program).is_none())
        .map(|(program, package)| format!("{program} (package {package})"))
        .collect();
    if !missing.is_empty() {
        bail!(
            "not installed: {}; `scripts/setup lab` installs what an image needs",
            missing.join(", ")
        );
    }
    Ok(())
}

fn build(kernel: Kernel, store: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let root = scratch.join("kernel");
    packages::unpack(&packages::kernel_behind(kernel.package())?, store, &root)?;
    let vmlinuz = fs::read_dir(root.join("boot"))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
        });
    let vmlinuz = vmlinuz.context("the kernel package holds no kernel")?;

    let mut archive = Archive::default();
    for folder in [
        "bin", "sbin", "dev", "proc", "sys", "etc", "root", "tmp", "run", "home", "modules",
        "boot", "seed",
    ] {
        archive.folder(folder);
    }
    add_programs(&mut archive)?;
    // Debian 13 has its kernels' folders below /usr.
    let modules = ["lib/modules", "usr/lib/modules"]
        .map(|folder| root.join(folder))
        .into_iter()
        .find(|folder| folder.exists());
    add_modules(
        &mut archive,
        &Modules::below(&modules.context("the kernel package holds no modules")?)?,
    )?;
    add_ssh(&mut archive, store, scratch)?;

    let initrd = scratch.join("initrd.gz");
    fs::write(
        &initrd,
        tool(["gzip", "-9", "-n"]).run_with_input(&archive.finish())?,
    )?;
    let raw = scratch.join("disk.raw");
    disk::write(&raw, &vmlinuz, &initrd, scratch)?;
    let image = scratch.join("disk.qcow2");
    disk::compress(&raw, &image)?;
    Ok(image)
}

fn add_programs(archive: &mut Archive) -> anyhow::Result<()> {
    let busybox = which("busybox").context("busybox is not installed")?;
    let linked = Command::new("ldd").arg(&busybox).output()?;
    if linked.status.success() {
        bail!("{busybox} is not linked statically; package busybox-static brings one that is");
    }
    archive.file("bin/busybox", true, &fs::read(busybox)?);
    archive.link("bin/sh", "busybox");
    archive.file("bin/bellwether-guest", true, GUEST);
    archive.file("init", true, INIT);
    archive.file("etc/udhcpc", true, UDHCPC);
    for program in [
        "ls",
        "cat",
        "ps",
        "ip",
        "free",
        "top",
        "uptime",
        "hostname",
        "id",
        "echo",
        "dd",
        "sleep",
        "uname",
        "wget",
        "nc",
        "ping",
        "df",
        "dmesg",
        "vi",
        "md5sum",
        "sha256sum",
        "poweroff",
        "reboot",
    ] {
        archive.link(&format!("bin/{program}"), "busybox");
    }
    Ok(())
}

fn add_modules(archive: &mut Archive, modules: &Modules) -> anyhow::Result<()> {
    let mut added = Vec::new();
    for (group, wanted) in GROUPS {
        let before = added.len();
        if ["base", "vfat"].contains(&group) {
            modules.resolve(wanted, &mut added)?;
        } else {
            let there: Vec<&str> = wanted
                .iter()
                .copied()
                .filter(|one| modules.has(one))
                .collect();
            modules.resolve(&there, &mut added)?;
        }
        let files: String = added[before..]
            .iter()
            .map(|module| format!("{module}.ko\n"))
            .collect();
        archive.file(&format!("modules/{group}"), false, files.as_bytes());
    }
    added.iter().try_for_each(|module| {
        archive.file(
            &format!("modules/{module}.ko"),
            false,
            &modules.content(module)?,
        );
        Ok(())
    })
}

/// Dropbear with the libraries it is linked to: its own two from their packages, the rest as this machine has them.
fn add_ssh(archive: &mut Archive, store: &Path, scratch: &Path) -> anyhow::Result<()> {
    let root = scratch.join("ssh");
    packages::unpack("dropbear-bin", store, &root)?;
    let wanted = tool([
        "dpkg-deb",
        "--field",
        &newest(store, "dropbear-bin_")?,
        "Depends",
    ])
    .run()?;
    for package in wanted
        .split(',')
        .filter_map(|one| one.split_whitespace().next())
        .filter(|name| name.starts_with("libtom"))
    {
        packages::unpack(package, store, &root)?;
    }
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let programs = [
        root.join("usr/sbin/dropbear"),
        root.join("usr/bin/dropbearkey"),
    ];
    let mut added: Vec<String> = Vec::new();
    for folder in ["lib", "lib/x86_64-linux-gnu", "lib64"] {
        archive.folder(folder);
    }
    for program in &programs {
        let listed = tool(["ldd", &program.to_string_lossy()])
            .env("LD_LIBRARY_PATH", &libraries.to_string_lossy())
            .run()?;
        for library in libraries_of(&listed)? {
            let name = Path::new(&library)
                .file_name()
                .context("a library without a name")?
                .to_string_lossy()
                .into_owned();
            if !added.contains(&name) {
                let place = if name.starts_with("ld-linux") {
                    "lib64"
                } else {
                    "lib/x86_64-linux-gnu"
                };
                archive.file(&format!("{place}/{name}"), true, &fs::read(&library)?);
                added.push(name);
            }
        }
        let name = program
            .file_name()
            .context("a program without a name")?
            .to_string_lossy()
            .into_owned();
        archive.file(&format!("bin/{name}"), true, &fs::read(program)?);
    }
    archive.file("etc/shells", false, b"/bin/sh\n");
    Ok(())
}

fn newest(store: &Path, prefix: &str) -> anyhow::Result<String> {
    let mut found: Vec<PathBuf> = fs::read_dir(store)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        })
        .collect();
    found.sort();
    Ok(found
        .pop()
        .with_context(|| format!("no package {prefix} in {}", store.display()))?
        .to_string_lossy()
        .into_owned())
}

/// Paths in ldd's answer: `name => /path (0x…)` or `/path (0x…)`.
fn libraries_of(listed: &str) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for line in listed.lines().map(str::trim) {
        if line.contains("not found") {
            bail!("a library of the ssh server is missing: {line}");
        }
        let path = line.split_once("=>").map_or(line, |(_, path)| path).trim();
        paths.extend(
            path.split_once(" (")
                .map(|(path, _)| path.to_owned())
                .filter(|path| path.starts_with('/')),
        );
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_says() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            libraries_of(listed).unwrap(),
            [
                "/lib/x86_64-linux-gnu/libz.so.1",
                "/lib64/ld-linux-x86-64.so.2"
            ]
        );
        assert!(libraries_of("\tlibtommath.so.1 => not found\n").is_err());
    }
}
