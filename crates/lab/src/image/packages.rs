//! Debian packages, downloaded with apt as any user and unpacked without installing them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::run::tool;

/// Seconds a download may take: the larger kernel is 70 MB.
const DOWNLOAD_S: u32 = 900;

/// Unpacks a package into `into`, downloading it into `store` unless some version of it is there.
pub(crate) fn unpack(package: &str, store: &Path, into: &Path) -> anyhow::Result<()> {
    let deb = match stored(package, store)? {
        Some(deb) => deb,
        None => {
            download(package, store)?;
            stored(package, store)?
                .with_context(|| format!("apt downloaded {package} but left no file of it"))?
        }
    };
    fs::create_dir_all(into)?;
    tool([
        "dpkg-deb",
        "-x",
        &deb.to_string_lossy(),
        &into.to_string_lossy(),
    ])
    .deadline_s(300)
    .run()?;
    Ok(())
}

/// The kernel package that a metapackage such as `linux-image-cloud-amd64` stands for now.
pub(crate) fn kernel_behind(metapackage: &str) -> anyhow::Result<String> {
    let depends = tool(["apt-cache", "depends", "--important", metapackage])
        .run()
        .with_context(|| {
            format!("apt knows no {metapackage}; `apt-get update` fetches its lists")
        })?;
    let mut kernels = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    kernels
        .find(|name| name.starts_with("linux-image-"))
        .map(String::from)
        .with_context(|| {
            format!("{metapackage} depends on no kernel; `apt-get update` fetches apt's lists")
        })
}

fn stored(package: &str, store: &Path) -> anyhow::Result<Option<PathBuf>> {
    let prefix = format!("{package}_");
    let mut found: Vec<PathBuf> = fs::read_dir(store)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|extension| extension == "deb")
                && path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
        .collect();
    found.sort();
    Ok(found.pop())
}

/// Downloads into a folder of its own first: a download that was cut short must not pass for a package.
fn download(package: &str, store: &Path) -> anyhow::Result<()> {
    let partial = store.join(format!("partial-{}", std::process::id()));
    fs::create_dir_all(&partial)?;
    let result = tool(["apt-get", "download", package])
        .deadline_s(DOWNLOAD_S)
        .in_folder(&partial)
        .run();
    let moved = result.and_then(|_| {
        for entry in fs::read_dir(&partial)? {
            let entry = entry?;
            fs::rename(entry.path(), store.join(entry.file_name()))?;
        }
        Ok(())
    });
    fs::remove_dir_all(&partial)?;
    if let Err(error) = moved {
        bail!("cannot download package {package}: {error:#}");
    }
    Ok(())
}
