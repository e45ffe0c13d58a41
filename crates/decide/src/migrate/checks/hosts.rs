//! The two hosts as machines: architecture, QEMU, libvirt, kernel.

use super::{fail, pass, unknown, warn};
use crate::migrate::PreflightFacts;
use bellwether_model::{
    host::Host,
    migration::Check,
    observed::{HostFacts, HostSeen},
};

pub(super) fn versions(facts: &PreflightFacts<'_>, target: &Host) -> Vec<Check> {
    let of = |seen: Option<&HostSeen>| seen.and_then(|seen| seen.facts.clone());
    let (Some(here), Some(there)) = (of(facts.source_seen), of(facts.target_seen)) else {
        return vec![unknown(
            "versions",
            "The versions of libvirt and QEMU are not known for both hosts.",
        )];
    };
    let mut checks = vec![architecture(&here, &there, target)];
    checks.push(version(
        "qemu",
        "QEMU",
        &here.hypervisor_version,
        &there.hypervisor_version,
        target,
    ));
    checks.push(version(
        "libvirt",
        "libvirt",
        &here.libvirt_version,
        &there.libvirt_version,
        target,
    ));
    checks.push(match (&here.kernel, &there.kernel) {
        (Some(a), Some(b)) if a == b => pass("kernel", &format!("Both run the kernel {a}.")),
        (Some(a), Some(b)) => warn(
            "kernel",
            &format!("The kernels differ: {a} here, {b} on {}.", target.name),
        ),
        _ => unknown(
            "kernel",
            "Whether the kernels differ is not known: libvirt does not tell it, and only hosts reached by ssh can be asked past it.",
        ),
    });
    checks
}

fn architecture(here: &HostFacts, there: &HostFacts, target: &Host) -> Check {
    let name = "architecture";
    if here.arch != there.arch {
        return fail(
            name,
            &format!(
                "{} is {}, its host is {}.",
                target.name, there.arch, here.arch
            ),
        );
    }
    if here.kvm != there.kvm {
        return fail(
            name,
            "One of the hosts has hardware virtualisation (KVM) and the other emulates: a guest can't change between them.",
        );
    }
    pass(name, &format!("Both are {}.", here.arch))
}

/// QEMU promises to take guests from older versions only, and refuses those of a machine type it does not know; other
/// differences usually work. So a difference warns, and libvirt has the last word.
fn version(name: &str, what: &str, here: &str, there: &str, target: &Host) -> Check {
    let parsed = |text: &str| -> Option<(u32, u32)> {
        let mut numbers = text.split('.').map(|part| part.parse().ok());
        Some((numbers.next()??, numbers.next().flatten().unwrap_or(0)))
    };
    if here == there && parsed(here).is_some() {
        return pass(name, &format!("{what} {here} on both."));
    }
    let (Some(a), Some(b)) = (parsed(here), parsed(there)) else {
        return unknown(
            name,
            &format!("The versions of {what} are not known for both hosts."),
        );
    };
    let both = format!("{what} {here} here, {there} on {}", target.name);
    if b < a {
        warn(
            name,
            &format!(
                "{both}: older; it may refuse what the newer one started, and then the VM stays."
            ),
        )
    } else {
        warn(
            name,
            &format!("{both}: they differ; moving back later may not work."),
        )
    }
}
