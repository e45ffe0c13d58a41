//! Kernel modules in an order in which they load: a module's own file says which others it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::run::tool;

/// All modules of one unpacked kernel package, by name.
pub(crate) struct Modules {
    files: BTreeMap<String, PathBuf>,
    /// What is part of the kernel itself.
    built_in: BTreeSet<String>,
}

impl Modules {
    /// Finds every module below a folder.
    pub(crate) fn below(folder: &Path) -> anyhow::Result<Self> {
        let (mut files, mut built_in) = (BTreeMap::new(), BTreeSet::new());
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)
                .with_context(|| format!("cannot read {}", folder.display()))?
            {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(module) = module_of(&path) {
                    files.insert(module, path);
                } else if path.ends_with("modules.builtin") {
                    let listed = std::fs::read_to_string(&path)?;
                    built_in.extend(listed.lines().filter_map(|line| module_of(Path::new(line))));
                }
            }
        }
        Ok(Self { files, built_in })
    }

    /// Whether it is there as a file.
    pub(crate) fn has(&self, module: &str) -> bool {
        self.files.contains_key(&name(module))
    }

    /// Appends to `order` each wanted module after those it needs, but for what the kernel has built in.
    ///
    /// # Errors
    /// When a module is in neither: a guest without it would start and miss a disk or a network.
    pub(crate) fn resolve(&self, wanted: &[&str], order: &mut Vec<String>) -> anyhow::Result<()> {
        for module in wanted {
            let module = name(module);
            if order.contains(&module) || self.built_in.contains(&module) {
                continue;
            }
            let needs = needs(&self.content(&module)?);
            self.resolve(&needs.iter().map(String::as_str).collect::<Vec<_>>(), order)?;
            order.push(module);
        }
        Ok(())
    }

    /// A module's content, as the kernel loads it without help.
    pub(crate) fn content(&self, module: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.files.get(module).with_context(|| {
            format!(
                "the kernel has no module {module}, neither as a file (.ko, .ko.xz) nor built in"
            )
        })?;
        let content = std::fs::read(path)?;
        if path.extension().is_some_and(|extension| extension == "xz") {
            return tool(["xz", "--decompress", "--stdout"]).run_with_input(&content);
        }
        if !content.starts_with(b"\x7fELF") {
            bail!("{} is no kernel module", path.display());
        }
        Ok(content)
    }
}

/// The module a file holds.
fn module_of(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let stem = file.strip_suffix(".xz").unwrap_or(file);
    stem.strip_suffix(".ko").map(name)
}

/// The kernel takes `-` and `_` in module names for the same.
fn name(module: &str) -> String {
    module.replace('-', "_")
}

/// The `depends=` entry of a module's information section.
fn needs(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = module[at + KEY.len()..]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(value)
        .split(',')
        .filter(|name| !name.is_empty())
        .map(name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel's folder with a module that needs others, one of them compressed, and one built in.
    fn kernel() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, content: &[u8]| {
            std::fs::write(folder.path().join(file), content).unwrap();
        };
        let module = |depends: &str| format!("\x7fELF\0depends={depends}\0name=x\0");
        write(
            "virtio-pci.ko",
            module("virtio_ring,virtio,rng_core").as_bytes(),
        );
        write("virtio_ring.ko", module("").as_bytes());
        let packed = tool(["xz"])
            .run_with_input(module("virtio_ring").as_bytes())
            .unwrap();
        write("virtio.ko.xz", &packed);
        write(
            "modules.builtin",
            b"kernel/drivers/char/hw_random/rng-core.ko\n",
        );
        folder
    }

    #[test]
    fn what_a_module_needs_comes_before_it() {
        let folder = kernel();
        let modules = Modules::below(folder.path()).unwrap();
        let mut order = Vec::new();
        modules
            .resolve(&["virtio_pci", "virtio", "rng_core"], &mut order)
            .unwrap();
        assert_eq!(order, ["virtio_ring", "virtio", "virtio_pci"]);
        assert!(modules.content("virtio").unwrap().starts_with(b"\x7fELF"));
    }

    #[test]
    fn a_module_that_is_nowhere_is_named() {
        let folder = kernel();
        let modules = Modules::below(folder.path()).unwrap();
        let refused = modules.resolve(&["virtio_blk"], &mut Vec::new());
        assert!(refused.unwrap_err().to_string().contains("virtio_blk"));
        assert!(!modules.has("virtio_blk") && modules.has("virtio-ring"));
    }
}
