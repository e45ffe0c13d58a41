//! The checks, one function each; every text is a sentence for people.

mod disk;
mod hosts;
mod way;

use super::{CpuMatch, PreflightFacts, ask};
use crate::{fleet::FleetHost, place, words::mib};
use bellwether_model::{
    host::{Host, HostHealth},
    migration::{Check, Verdict},
    observed::PowerState,
};

/// Every check, in the order in which a person would ask: the VM first, then its target, then the way there.
pub fn preflight(facts: &PreflightFacts<'_>) -> Vec<Check> {
    let mut checks = vec![running(facts), not_held(facts)];
    let Some(target) = facts.target else {
        checks.push(fail("target_known", "There is no such host."));
        return checks;
    };
    if target.id == facts.vm.host {
        checks.push(fail(
            "target_differs",
            &format!("It runs on {} already.", target.name),
        ));
        return checks;
    }
    checks.push(pass(
        "target_differs",
        &format!("From {} to {}.", facts.source.name, target.name),
    ));
    let on_target = facts.fleet.host(target.id);
    checks.push(reachable(target, on_target));
    checks.push(cpu(facts, target));
    checks.extend(room(facts, target, on_target));
    checks.push(disk::disk(facts, target));
    checks.push(way::network(facts, target));
    checks.extend(hosts::versions(facts, target));
    checks.push(way::site(facts, target));
    checks.push(way::route(facts, target));
    checks.push(devices(facts));
    checks
}

fn check(name: &str, verdict: Verdict, text: &str) -> Check {
    Check {
        name: name.into(),
        verdict,
        text: text.into(),
    }
}
fn pass(name: &str, text: &str) -> Check {
    check(name, Verdict::Pass, text)
}
fn warn(name: &str, text: &str) -> Check {
    check(name, Verdict::Warn, text)
}
fn fail(name: &str, text: &str) -> Check {
    check(name, Verdict::Fail, text)
}
fn unknown(name: &str, text: &str) -> Check {
    check(name, Verdict::Unknown, text)
}

/// Whether a check is about the VM as it is, whatever the target.
pub fn is_about_the_vm(check: &Check) -> bool {
    matches!(check.name.as_str(), "vm_running" | "not_moving" | "devices")
}

fn running(facts: &PreflightFacts<'_>) -> Check {
    let name = "vm_running";
    let source = &facts.source.name;
    let ready = facts
        .source_seen
        .filter(|seen| seen.health == HostHealth::Ready);
    let Some(seen) = ready else {
        return fail(
            name,
            &format!("Its host {source} does not answer: what the VM is doing is not known."),
        );
    };
    match seen.vm(facts.vm.id.0).map(|vm| vm.power) {
        Some(PowerState::Running) => pass(name, &format!("It runs on {source}.")),
        Some(power) => fail(
            name,
            &format!(
                "It is {} on {source}; only a running VM moves live.",
                power.as_str()
            ),
        ),
        None => fail(name, &format!("{source} does not show it.")),
    }
}

fn not_held(facts: &PreflightFacts<'_>) -> Check {
    match facts.held_by {
        None => pass("not_moving", "Nothing else is being done to it."),
        Some(what) => fail(
            "not_moving",
            &format!("It can't begin to move now: {what}."),
        ),
    }
}

fn reachable(target: &Host, on_target: Option<&FleetHost>) -> Check {
    let name = "target_reachable";
    let reasons = on_target.map_or_else(|| vec!["it was never seen".to_string()], place::unfit);
    if reasons.is_empty() {
        pass(name, &format!("{} answers and takes VMs.", target.name))
    } else {
        fail(name, &format!("{}: {}.", target.name, reasons.join("; ")))
    }
}

fn cpu(facts: &PreflightFacts<'_>, target: &Host) -> Check {
    match facts.cpu {
        CpuMatch::Fits => pass(
            "cpu",
            &format!("{}'s CPU has all that the guest uses.", target.name),
        ),
        CpuMatch::Lacks(missing) => fail(
            "cpu",
            &format!("{}'s CPU can't run this guest: {missing}.", target.name),
        ),
        CpuMatch::NotChecked(why) => warn(
            "cpu",
            &format!("Whether the CPUs match is not known: {why}."),
        ),
    }
}

/// Two checks, memory and vCPUs: they are short apart from each other.
fn room(facts: &PreflightFacts<'_>, target: &Host, on_target: Option<&FleetHost>) -> Vec<Check> {
    let Some(host) = on_target else {
        return vec![fail("memory", "What the host offers is not known.")];
    };
    match place::room(host, &ask(facts), facts.policy) {
        Ok(after) => vec![
            pass(
                "memory",
                &format!(
                    "{} fit; {} stay free on {}.",
                    mib(facts.vm.memory),
                    mib(after.memory_free()),
                    target.name
                ),
            ),
            pass(
                "vcpus",
                &format!(
                    "{} fit; {} stay free.",
                    crate::words::counted(u64::from(facts.vm.vcpus.0), "vCPU", "vCPUs"),
                    after.vcpus_free().0
                ),
            ),
        ],
        Err(short) => {
            let (memory, vcpus): (Vec<_>, Vec<_>) = short
                .into_iter()
                .partition(|reason| reason.starts_with("memory"));
            let told = |name: &str, what: &str, reasons: Vec<String>| {
                if reasons.is_empty() {
                    pass(name, &format!("There is enough {what}."))
                } else {
                    fail(name, &format!("{}: {}.", target.name, reasons.join("; ")))
                }
            };
            vec![
                told("memory", "memory", memory),
                told("vcpus", "CPU", vcpus),
            ]
        }
    }
}

fn devices(facts: &PreflightFacts<'_>) -> Check {
    let name = "devices";
    match (facts.passthrough, facts.snapshots) {
        (Some(devices), _) if !devices.is_empty() => fail(
            name,
            &format!(
                "It has devices of its host, which can't move: {}.",
                devices.join(", ")
            ),
        ),
        (_, Some(true)) => fail(
            name,
            "It has snapshots; libvirt does not move a VM with snapshots.",
        ),
        (Some(_), Some(false)) => pass(name, "It has no device of its host and no snapshot."),
        _ => warn(
            name,
            "Whether it has devices of its host or snapshots is not known.",
        ),
    }
}
