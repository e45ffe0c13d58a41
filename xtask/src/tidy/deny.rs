//! Holds what is built to `deny.toml`: its licences and its bans, where `cargo deny` itself is not installed. Advisories
//! need its database, and are left to it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use spdx::{Expression, ParseMode};
use toml::{Table, Value};

use super::Finding;
use super::edges::Package;

const FILE: &str = "deny.toml";

/// What `deny.toml` says of licences and bans.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    allowed: BTreeSet<String>,
    /// Package and the licence it alone may have.
    exceptions: BTreeSet<(String, String)>,
    /// Package and why it is banned.
    banned: Vec<(String, String)>,
}

impl Policy {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not there or not as expected.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(root.join(FILE)).context(FILE)?;
        Self::parse(&text).context(FILE)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let table: Table = text.parse()?;
        let licenses = table.get("licenses").context("no [licenses]")?;
        let bans = table.get("bans").context("no [bans]")?;
        let mut policy = Self {
            allowed: words(licenses, "allow")?.collect(),
            ..Self::default()
        };
        for exception in entries(licenses, "exceptions") {
            let name = word(exception, "name")?;
            for licence in words(exception, "allow")? {
                policy.exceptions.insert((name.clone(), licence));
            }
        }
        for banned in entries(bans, "deny") {
            let pair = (word(banned, "name")?, word(banned, "reason")?);
            policy.banned.push(pair);
        }
        Ok(policy)
    }
}

fn entries<'a>(table: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    table
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn words(table: &Value, key: &str) -> anyhow::Result<impl Iterator<Item = String>> {
    let words: Option<Vec<String>> = entries(table, key)
        .map(|word| word.as_str().map(str::to_owned))
        .collect();
    Ok(words
        .with_context(|| format!("`{key}` holds what is no text"))?
        .into_iter())
}

fn word(table: &Value, key: &str) -> anyhow::Result<String> {
    let word = table.get(key).and_then(Value::as_str);
    Ok(word
        .with_context(|| format!("an entry without `{key}`"))?
        .to_owned())
}

/// Checks every package that may be built, on whatever platform, ours or not.
pub(crate) fn check(policy: &Policy, packages: &[Package]) -> Vec<Finding> {
    let report = |text| Some(Finding::new(FILE, 0, text));
    let one = |package: &Package| {
        let name = &package.name;
        if let Some((_, why)) = policy.banned.iter().find(|(banned, _)| banned == name) {
            return report(format!("`{name}` is banned and built: {why}"));
        }
        let Some(licence) = &package.license else {
            return report(format!("`{name}` names no licence"));
        };
        let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
            return report(format!("`{name}`: \"{licence}\" is no SPDX expression"));
        };
        let may = |licence: String| {
            policy.allowed.contains(&licence)
                || policy.exceptions.contains(&(name.clone(), licence))
        };
        if !expression.evaluate(|wanted| may(wanted.to_string())) {
            return report(format!(
                "`{name}` is under {licence}, which is not among what may be used: do without it, or say in an exception why"
            ));
        }
        None
    };
    packages.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
[licenses]
allow = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]
exceptions = [{ name = "bindings", allow = ["LGPL-2.1"] }]
[bans]
deny = [{ name = "chrono", reason = "jiff knows time zones" }]
"#;

    fn found(name: &str, license: Option<&str>) -> String {
        let package = Package {
            name: name.into(),
            license: license.map(str::to_owned),
        };
        let findings = check(&Policy::parse(POLICY).unwrap(), &[package]);
        findings.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn one_of_several_licences_is_enough_and_all_of_several_are_needed() {
        for good in [
            "MIT",
            "GPL-3.0-only OR MIT",
            "MIT/Apache-2.0",
            "Apache-2.0 WITH LLVM-exception",
            "(MIT OR GPL-3.0-only) AND Apache-2.0",
        ] {
            assert_eq!(found("some", Some(good)), "");
        }
        for bad in ["MPL-2.0", "MIT AND GPL-3.0-only", "LGPL-2.1", "free"] {
            assert!(found("some", Some(bad)).contains(bad));
        }
        assert!(found("some", None).contains("no licence"));
    }

    #[test]
    fn exceptions_are_for_one_and_bans_for_all() {
        assert_eq!(found("bindings", Some("LGPL-2.1")), "");
        assert!(found("chrono", Some("MIT")).contains("jiff"));
    }
}
