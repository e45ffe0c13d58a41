//! What every manifest and lock file has in common.

use super::Finding;
use super::tree::File;

/// Where packages come from in the lock files: the public registries, whatever mirror a machine builds from.
const REGISTRIES: &[(&str, &str, &str)] = &[
    (
        "Cargo.lock",
        "source = \"",
        "registry+https://github.com/rust-lang/crates.io-index",
    ),
    (
        "package-lock.json",
        "\"resolved\": \"",
        "https://registry.npmjs.org/",
    ),
];

/// Checks manifests and lock files.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    files
        .iter()
        .flat_map(|file| manifest(file).into_iter().chain(lock(file)))
        .collect()
}

fn manifest(file: &File) -> Vec<Finding> {
    if !file.path.ends_with("Cargo.toml") || !file.text.contains("[package]") {
        return Vec::new();
    }
    let wanted = [
        (
            "[lints]\nworkspace = true",
            "the lints are the workspace's: `[lints] workspace = true`",
        ),
        (
            "rust-version.workspace = true",
            "the oldest Rust is the workspace's: `rust-version.workspace = true`",
        ),
        (
            "license.workspace = true",
            "the licence is the workspace's: `license.workspace = true`",
        ),
    ];
    wanted
        .iter()
        .filter(|(text, _)| !file.text.contains(text))
        .map(|(_, finding)| Finding::new(&file.path, 0, *finding))
        .collect()
}

fn lock(file: &File) -> Vec<Finding> {
    let Some((_, before, registry)) = REGISTRIES
        .iter()
        .find(|(name, _, _)| file.path.ends_with(name))
    else {
        return Vec::new();
    };
    let lines = file.text.lines().enumerate();
    lines
        .filter_map(|(index, line)| Some((index + 1, line.split_once(before)?.1)))
        .filter(|(_, source)| !source.starts_with(registry))
        .map(|(line, _)| {
            Finding::new(
                &file.path,
                line,
                format!("does not come from {registry}; others could not build from this"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn a_package_from_a_mirror_is_found() {
        let text = "{\n  \"resolved\": \"https://registry.npmjs.org/a/-/a.tgz\"\n  \"resolved\": \"http://mirror/b.tgz\"\n}";
        let findings = check(&[file("web/package-lock.json", text)]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
    }

    #[test]
    fn a_manifest_with_lints_of_its_own_is_found() {
        let text = "[package]\nrust-version.workspace = true\nlicense.workspace = true\n";
        assert_eq!(check(&[file("crates/x/Cargo.toml", text)]).len(), 1);
        assert_eq!(check(&[file("Cargo.toml", "[workspace]")]), []);
    }
}
