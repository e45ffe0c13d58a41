//! Documents that tell the truth: every path and link in them leads somewhere.

use std::path::Path;

use super::Finding;
use super::tree::File;

/// Folders whose files documents point at in backticks.
const OURS: &[&str] = &[
    "crates/", "docs/", "xtask/", "deploy/", "scripts/", "tests/", "web/", "benches/",
];

/// Folders of one machine, which no other has. Put together so that this file does not name them.
const MACHINES: &[&str] = &[
    concat!("/wo", "rk/shared"),
    concat!("/wo", "rk/main"),
    concat!("/tmp", "/w/"),
];

/// Checks documents, and that no file names a folder of the machine it was written on.
pub(crate) fn check(root: &Path, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let mut report =
                |text: String| findings.push(Finding::new(&file.path, index + 1, text));
            if MACHINES.iter().any(|folder| line.contains(folder)) {
                report("names a folder that only one machine has".into());
            }
            if !file.is("md") {
                continue;
            }
            for path in paths(line).filter(|path| !root.join(path).exists()) {
                report(format!("`{path}` is not there"));
            }
            let folder = file.path.parent().unwrap_or(Path::new(""));
            for link in links(line).filter(|link| !root.join(folder).join(link).exists()) {
                report(format!("the link to {link} leads nowhere"));
            }
        }
    }
    findings
}

/// Paths of ours in backticks, without the place in a file (`a.rs:3`); patterns (`*`, `…`) and what is downloaded can't be
/// looked up.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| OURS.iter().any(|folder| code.starts_with(folder)))
        .filter_map(|code| code.split([' ', ':', '#']).next())
        .filter(|path| !path.contains(['*', '…', '{', '<']) && !path.contains("node_modules"))
        .filter(|path| !OURS.contains(path))
}

/// Targets of links that stay in the repository, without the place in the page.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '<']))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.starts_with("mailto:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_links_are_taken_from_a_line() {
        let line = "See `crates/lab/src/story.rs:3`, `virsh list`, [ADR](docs/adr/0001.md#why), [x](https://e.org) and `crates/*/src`.";
        assert_eq!(paths(line).collect::<Vec<_>>(), ["crates/lab/src/story.rs"]);
        assert_eq!(links(line).collect::<Vec<_>>(), ["docs/adr/0001.md"]);
    }

    #[test]
    fn what_is_not_there_is_found() {
        let root = crate::root();
        let page = File {
            path: "docs/x.md".into(),
            text: "[gone](gone.md) and `crates/gone.rs`, but [here](../Cargo.toml)".into(),
        };
        let findings = check(&root, &[page]);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
