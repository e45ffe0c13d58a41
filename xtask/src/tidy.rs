//! Holds the house to its plan: the crates' edges, and which words may stand where.
//!
//! Each rule is a function from what was read to findings; a finding names the place, what is wrong and what to do
//! instead, so that nobody has to read this code to obey it.

mod deny;
mod edges;
mod manifests;
mod prose;
mod rust;
mod tree;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File, relative to the root.
    pub file: PathBuf,
    /// Line in it, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong, and what to do instead.
    pub text: String,
}

impl Finding {
    pub(crate) fn new(file: impl Into<PathBuf>, line: usize, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.text),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.text),
        }
    }
}

/// Runs every rule over the repository at `root`; findings come sorted by place.
///
/// # Errors
/// When the repository can't be read, or cargo can't tell its dependencies.
pub fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let files = tree::read(root)?;
    let workspace = edges::Workspace::ask_cargo(root)?;
    let mut findings = edges::check(&workspace);
    findings.extend(deny::check(&deny::Policy::read(root)?, &workspace.packages));
    findings.extend(manifests::check(&files));
    findings.extend(words::check(&files));
    findings.extend(prose::check(root, &files));
    findings.sort();
    Ok(findings)
}
