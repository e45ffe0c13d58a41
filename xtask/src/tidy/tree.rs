//! The repository's text files, without what was built or downloaded.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// What holds no work of ours (`.git` is a file in a worktree).
const SKIPPED: &[&str] = &["target", "node_modules", ".git"];

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// Relative to the root, with `/` between.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

impl File {
    /// Whether the path ends like this.
    pub fn is(&self, extension: &str) -> bool {
        self.path
            .extension()
            .is_some_and(|found| found == extension)
    }

    /// Whether it is below this folder.
    pub fn below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// Every text file below `root`, sorted; what is no UTF-8 is left out.
pub(crate) fn read(root: &Path) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            if SKIPPED.iter().any(|skipped| name == *skipped) {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                let path = entry.path();
                let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
                files.push(File { path, text });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
