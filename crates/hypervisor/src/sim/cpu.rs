//! A CPU of the simulation: a model and a set of features, written `sim:MODEL;feature,feature`. A host can run a
//! guest whose features it has; the baseline of several hosts is what they share.

use crate::{HypervisorError, Result};
use std::collections::BTreeSet;

/// The CPU every host emulates: no features.
pub const EMULATED: &str = "sim:qemu64;";

/// A CPU as text.
pub fn text<'a>(model: &str, features: impl IntoIterator<Item = &'a str>) -> String {
    let features: BTreeSet<&str> = features.into_iter().collect();
    format!(
        "sim:{model};{}",
        features.into_iter().collect::<Vec<_>>().join(",")
    )
}

/// The features of a CPU written by [`text`].
fn features(cpu: &str) -> Result<BTreeSet<&str>> {
    cpu.strip_prefix("sim:")
        .and_then(|rest| rest.split_once(';'))
        .map(|(_, list)| list.split(',').filter(|f| !f.is_empty()).collect())
        .ok_or_else(|| HypervisorError::Failed {
            operation: "reading a CPU".into(),
            message: format!(
                "'{}' is not a CPU of the simulation",
                bellwether_model::text::shown(cpu)
            ),
        })
}

/// What every one of `cpus` has.
pub fn baseline(cpus: &[String]) -> Result<String> {
    let mut shared: Option<BTreeSet<&str>> = None;
    for cpu in cpus {
        let has = features(cpu)?;
        shared = Some(match shared {
            Some(before) => before.intersection(&has).copied().collect(),
            None => has,
        });
    }
    Ok(text("baseline", shared.unwrap_or_default()))
}

/// Whether `host` has all that `guest` needs; else what is missing, in words.
pub fn can_run(host: &str, guest: &str) -> Result<std::result::Result<(), String>> {
    let has = features(host)?;
    let missing: Vec<&str> = features(guest)?.difference(&has).copied().collect();
    Ok(if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("the host's CPU lacks {}", missing.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_baseline_runs_on_every_host_it_was_made_of() {
        let (old, new) = (
            text("old", ["avx", "sse4.2"]),
            text("new", ["avx", "avx2", "sse4.2"]),
        );
        let both = baseline(&[old.clone(), new.clone()]).unwrap();
        assert_eq!(both, "sim:baseline;avx,sse4.2");
        assert_eq!(can_run(&old, &both).unwrap(), Ok(()));
        assert_eq!(
            can_run(&old, &new).unwrap(),
            Err("the host's CPU lacks avx2".into())
        );
        assert_eq!(can_run(&old, EMULATED).unwrap(), Ok(()));
        assert!(can_run(&old, "<cpu/>").is_err());
    }
}
