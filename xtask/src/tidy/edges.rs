//! Who may depend on whom. This table is the plan of the house; ARCHITECTURE.md draws it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::Finding;

/// The arrows. A crate may use what its arrows lead to, directly or through others.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("decide", &["model"]),
    ("store", &["model"]),
    ("hypervisor", &["model"]),
    ("libvirt", &["hypervisor"]),
    ("engine", &["decide", "store", "hypervisor"]),
    ("api", &["model"]),
    ("server", &["engine", "api", "libvirt"]),
    ("cli", &["api", "decide"]),
    ("lab", &["api"]),
];

/// Arrows that must be optional, so that everything builds where libvirt is not installed.
const OPTIONAL: &[(&str, &str)] = &[("server", "libvirt")];

/// A crate whose tests need real hosts may bring up a lab.
const FOR_TESTS: &str = "lab";

/// What only tests may use beside the arrows: the command line is tried on the real server with simulated hosts.
const TRIED_ON: &[(&str, &str)] = &[("cli", "server")];

/// Dependencies that have one home. Other crates must not name them.
const HOMES: &[(&str, &str, &str)] = &[
    ("virt-sys", "libvirt", "only `libvirt` speaks to libvirt"),
    ("sqlx", "store", "only `store` has SQL"),
    ("askama", "server", "pages are the server's"),
];

/// All that these crates may use from outside: they compute, they do nothing.
const PURE: &[(&str, &[&str])] = &[
    (
        "decide",
        &["serde", "serde_json", "uuid", "jiff", "thiserror", "base64"],
    ),
    ("model", &["serde", "serde_json", "uuid", "jiff"]),
];

/// What must not be linked into a program, not even through others.
const UNREACHABLE: &[(&str, &[&str], &str)] = &[
    (
        "cli",
        &["virt-sys", "sqlx", "axum"],
        "the client works over REST only and starts where libvirt is not installed",
    ),
    (
        "lab",
        &["virt-sys", "sqlx", "axum"],
        "the lab drives libvirt from outside, as a person would",
    ),
    (
        "decide",
        &["tokio", "sqlx", "rand", "virt-sys"],
        "decisions are pure: time, seeds and budgets are arguments",
    ),
    (
        "engine",
        &["virt-sys", "axum"],
        "the engine knows hosts by the traits of `hypervisor` only",
    ),
];

/// One crate's dependency on another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Package it depends on.
    pub to: String,
    /// For tests and benches only.
    pub dev: bool,
    /// Behind a feature.
    pub optional: bool,
}

/// A package of the build, ours or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name.
    pub name: String,
    /// Its licence as it says itself.
    pub license: Option<String>,
}

/// What cargo says of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// Everything that is built.
    pub packages: Vec<Package>,
    /// Each member by its package name, with what its manifest names.
    pub members: BTreeMap<String, Vec<Edge>>,
    /// Each package, ours or not, with what its build links; tests and benches apart.
    pub links: BTreeMap<String, BTreeSet<String>>,
}

impl Workspace {
    /// Asks cargo.
    pub fn ask_cargo(root: &Path) -> anyhow::Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--locked"])
            .current_dir(root)
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            bail!(
                "cargo metadata failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Self::read(&serde_json::from_slice(&output.stdout)?)
    }

    fn read(metadata: &Value) -> anyhow::Result<Self> {
        let mut workspace = Self::default();
        let mut names = BTreeMap::new();
        let members: BTreeSet<&str> = items(&metadata["workspace_members"])
            .filter_map(Value::as_str)
            .collect();
        for package in items(&metadata["packages"]) {
            let (id, name) = (word(&package["id"])?, word(&package["name"])?);
            names.insert(id.to_owned(), name.to_owned());
            workspace.packages.push(Package {
                name: name.to_owned(),
                license: package["license"].as_str().map(str::to_owned),
            });
            if members.contains(id) {
                let edges = items(&package["dependencies"])
                    .map(|dependency| {
                        Ok(Edge {
                            to: word(&dependency["name"])?.to_owned(),
                            dev: dependency["kind"] == "dev",
                            optional: dependency["optional"] == true,
                        })
                    })
                    .collect::<anyhow::Result<_>>()?;
                workspace.members.insert(name.to_owned(), edges);
            }
        }
        for node in items(&metadata["resolve"]["nodes"]) {
            let linked = items(&node["deps"])
                .filter(|dep| items(&dep["dep_kinds"]).any(|kind| kind["kind"] != "dev"))
                .filter_map(|dep| names.get(dep["pkg"].as_str()?).cloned());
            let name = names
                .get(word(&node["id"])?)
                .context("a node without a package")?;
            workspace
                .links
                .entry(name.clone())
                .or_default()
                .extend(linked);
        }
        Ok(workspace)
    }

    fn reaches(&self, from: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(package) = open.pop() {
            for next in self.links.get(package).into_iter().flatten() {
                if seen.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        seen
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn word(value: &Value) -> anyhow::Result<&str> {
    value
        .as_str()
        .context("cargo metadata: a name that is no text")
}

/// Holds the workspace to the tables above.
pub(crate) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (package, edges) in &workspace.members {
        let Some(from) = short(package) else { continue };
        let manifest = format!("crates/{from}/Cargo.toml");
        let mut report = |text: String| findings.push(Finding::new(&manifest, 0, text));
        let Some(allowed) = reachable(from) else {
            report(format!(
                "crate `{from}` is not in the plan; a crate exists only where its edge forbids something: \
                 give it a row in xtask/src/tidy/edges.rs and a place in ARCHITECTURE.md"
            ));
            continue;
        };
        for edge in edges {
            match short(&edge.to) {
                Some(to) if edge.dev && (to == FOR_TESTS || to == from) => {}
                Some(to) if edge.dev && TRIED_ON.contains(&(from, to)) => {}
                Some(to) if !allowed.contains(to) => {
                    report(format!(
                        "`{from}` must not use `{to}`: no arrow leads there"
                    ));
                }
                Some(to) if !edge.dev && !edge.optional && OPTIONAL.contains(&(from, to)) => {
                    report(format!(
                        "`{to}` must be optional, so that everything builds without it"
                    ));
                }
                Some(_) => {}
                None => {
                    if let Some((_, home, why)) = HOMES
                        .iter()
                        .find(|(name, home, _)| edge.to == *name && from != *home)
                    {
                        report(format!("`{}` belongs to `{home}`: {why}", edge.to));
                    }
                    if !edge.dev
                        && let Some((_, known)) = PURE.iter().find(|(name, _)| from == *name)
                        && !known.contains(&edge.to.as_str())
                    {
                        report(format!(
                            "`{from}` computes and does nothing; `{}` is not among what it may use: {}",
                            edge.to,
                            known.join(", ")
                        ));
                    }
                }
            }
        }
        for (_, forbidden, why) in UNREACHABLE.iter().filter(|(name, _, _)| from == *name) {
            let reached = workspace.reaches(package);
            for name in forbidden.iter().filter(|name| reached.contains(**name)) {
                report(format!("`{from}` links `{name}`: {why}"));
            }
        }
    }
    findings
}

/// What the arrows lead to from a crate; none when it has no row.
fn reachable(from: &str) -> Option<BTreeSet<&'static str>> {
    let row = |name: &str| {
        ARROWS
            .iter()
            .find(|(from, _)| *from == name)
            .map(|(_, to)| *to)
    };
    let mut open = row(from)?.to_vec();
    let mut found = BTreeSet::new();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(row(next).unwrap_or_default());
        }
    }
    Some(found)
}

/// The name of one of our crates without the project's.
fn short(package: &str) -> Option<&str> {
    package.strip_prefix("bellwether-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(from: &str, edge: Edge) -> Workspace {
        let mut workspace = Workspace::default();
        workspace.members.insert(from.to_owned(), vec![edge]);
        workspace
    }

    fn edge(to: &str, dev: bool, optional: bool) -> Edge {
        Edge {
            to: to.to_owned(),
            dev,
            optional,
        }
    }

    #[test]
    fn an_edge_without_an_arrow_is_found() {
        let findings = check(&workspace(
            "bellwether-decide",
            edge("bellwether-store", false, false),
        ));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].text.contains("no arrow"), "{findings:?}");
    }

    #[test]
    fn arrows_lead_on() {
        let through = workspace("bellwether-server", edge("bellwether-decide", false, false));
        assert_eq!(check(&through), []);
    }

    #[test]
    fn libvirt_must_stay_optional_and_the_lab_is_for_tests() {
        let firm = workspace(
            "bellwether-server",
            edge("bellwether-libvirt", false, false),
        );
        assert!(check(&firm)[0].text.contains("optional"));
        assert_eq!(
            check(&workspace(
                "bellwether-libvirt",
                edge("bellwether-lab", true, false)
            )),
            []
        );
        assert_eq!(
            check(&workspace(
                "bellwether-libvirt",
                edge("bellwether-lab", false, false)
            ))
            .len(),
            1
        );
    }

    #[test]
    fn sql_has_one_home_and_pure_crates_a_short_list() {
        let findings = check(&workspace("bellwether-engine", edge("sqlx", true, false)));
        assert!(findings[0].text.contains("only `store` has SQL"));
        let findings = check(&workspace("bellwether-decide", edge("tokio", false, false)));
        assert!(findings[0].text.contains("computes"));
    }

    #[test]
    fn links_are_followed_through_others() {
        let mut workspace = workspace("bellwether-cli", edge("clap", false, false));
        let link = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
        workspace.links =
            BTreeMap::from([link("bellwether-cli", "clap"), link("clap", "virt-sys")]);
        assert!(check(&workspace)[0].text.contains("links `virt-sys`"));
    }
}
