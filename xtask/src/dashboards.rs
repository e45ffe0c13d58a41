//! Grafana's dashboards: what each shows is defined once, with a query for Prometheus and one for Graphite beside each
//! other, and written for both into `deploy/grafana`, with the files that provision them.

mod definition;
mod fleet;
mod grafana;
mod host;
mod migrations;
mod provisioning;
mod query;
mod self_service;
mod vm;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use definition::Dashboard;
pub use definition::Source;

/// Where they are, from the root of the repository.
const FOLDER: &str = "deploy/grafana";
/// The folders below it that hold nothing else.
const GENERATED: &[&str] = &["dashboards", "provisioning"];

/// All of them.
fn all() -> Vec<Dashboard> {
    vec![
        fleet::dashboard(),
        host::dashboard(),
        vm::dashboard(),
        migrations::dashboard(),
        self_service::dashboard(),
    ]
}

/// Every file with its path from the root of the repository.
fn files() -> anyhow::Result<BTreeMap<PathBuf, String>> {
    let folder = Path::new(FOLDER);
    let mut files = BTreeMap::new();
    for source in [Source::Prometheus, Source::Graphite] {
        for dashboard in all() {
            let name = format!("dashboards/{}/{}.json", source.word(), dashboard.slug);
            let json = grafana::dashboard(&dashboard, source);
            let text = serde_json::to_string_pretty(&json)? + "\n";
            files.insert(folder.join(name), text);
        }
    }
    for (name, text) in provisioning::files() {
        files.insert(folder.join("provisioning").join(name), text);
    }
    Ok(files)
}

/// Writes them below `root`; what else is in their folders goes.
///
/// # Errors
/// Where a file can't be written.
pub fn write(root: &Path) -> anyhow::Result<()> {
    let files = files()?;
    for path in there(root)? {
        if !files.contains_key(&path) {
            fs::remove_file(root.join(path))?;
        }
    }
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The files below `root` that are missing, not as they would be written, or too many.
///
/// # Errors
/// Where their folders can't be read.
pub fn stale(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let files = files()?;
    let other = |(path, text): (&PathBuf, &String)| {
        let found = fs::read_to_string(root.join(path)).ok();
        (found.as_ref() != Some(text)).then(|| path.clone())
    };
    let mut stale: Vec<PathBuf> = files.iter().filter_map(other).collect();
    let there = there(root)?.into_iter();
    stale.extend(there.filter(|path| !files.contains_key(path)));
    Ok(stale)
}

/// What is in their folders, with its path from `root`.
fn there(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let of = |name: &&str| Path::new(FOLDER).join(name);
    let mut folders: Vec<PathBuf> = GENERATED.iter().map(of).collect();
    folders.retain(|folder| root.join(folder).exists());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            match entry.file_type()?.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    Ok(found)
}
