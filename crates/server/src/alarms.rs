//! Alarms, such as VMs that live on two hosts at once, in words: the same on the fleet's page, the VM's and in REST.

use crate::{names::Directory, pages::view::words};
use bellwether_api::Names;
use bellwether_engine::{Engine, Look};
use bellwether_model::VmId;
use std::collections::BTreeMap;

/// Everything that is an alarm for administrators: VMs on two hosts, measurements that are not kept.
pub fn all(engine: &Engine, look: &Look, names: &Directory) -> Vec<String> {
    let history = engine.history_trouble().map(|trouble| {
        format!(
            "Measurements are not kept since {}: {}",
            words::moment(trouble.since, engine.zone()),
            bellwether_decide::history::stopped_words(&trouble.why)
        )
    });
    history
        .into_iter()
        .chain(alarms(look, names).into_values())
        .collect()
}

/// An alarm for each such VM, by VM.
pub fn alarms(look: &Look, names: &Directory) -> BTreeMap<VmId, String> {
    let twice = look.twice.iter();
    twice
        .map(|twice| {
            let on: Vec<String> = twice
                .on
                .iter()
                .map(|(host, power)| {
                    let host = names.host(*host).unwrap_or_else(|| "a removed host".into());
                    format!("{} on {host}", power.as_str())
                })
                .collect();
            let text = format!(
                "The VM {} ({}) is {} at the same time. Stop one of them by hand, once you know which is the right one; nothing is done to it meanwhile.",
                twice.libvirt_name,
                twice.vm,
                on.join(" and ")
            );
            (twice.vm, text)
        })
        .collect()
}
