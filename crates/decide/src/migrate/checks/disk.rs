//! The disk: shared with the target, or copied along.

use super::{fail, pass, warn};
use crate::{
    migrate::{PreflightFacts, copies_disk},
    place,
    words::bytes,
};
use bellwether_model::{
    HostId, host::Host, migration::Check, observed::HostSeen, storage::Storage,
};

pub(super) fn disk(facts: &PreflightFacts<'_>, target: &Host) -> Check {
    let name = "disk";
    let Some(storage) = facts.storage else {
        return fail(name, "The storage of its disk is not known.");
    };
    let reach = facts
        .fleet
        .storage(storage.id)
        .and_then(|storage| storage.reach.iter().find(|reach| reach.host == target.id));
    let Some(reach) = reach else {
        return fail(
            name,
            &format!(
                "The storage '{}' of its disk has no pool on {}.",
                storage.name, target.name
            ),
        );
    };
    if let Some(paths) = other_path(facts, storage, target) {
        return fail(name, &paths);
    }
    if !copies_disk(storage) {
        return if !reach.proven {
            fail(
                name,
                &format!(
                    "'{}' is not yet proven to be shared with {}.",
                    storage.name, target.name
                ),
            )
        } else if reach.capacity.is_none() {
            fail(
                name,
                &format!(
                    "The pool '{}' of '{}' was not seen running on {}.",
                    reach.pool, storage.name, target.name
                ),
            )
        } else {
            pass(
                name,
                &format!(
                    "Its disk lies on '{}', which {} shares.",
                    storage.name, target.name
                ),
            )
        };
    }
    let needed = facts.vm.disk.bytes().saturating_add(facts.image_bytes);
    match place::space(reach, facts.policy) {
        Err(why) => fail(
            name,
            &format!("'{}' on {}: {why}.", storage.name, target.name),
        ),
        Ok(free) if free < needed => fail(
            name,
            &format!(
                "Its disk would be copied, and there is too little space on {}: {} needed, {} free.",
                target.name,
                bytes(needed),
                bytes(free)
            ),
        ),
        Ok(_) => warn(
            name,
            &format!(
                "Its disk ({} at most) is copied too, for '{}' is not shared: this takes longer.",
                bytes(facts.vm.disk.bytes()),
                storage.name
            ),
        ),
    }
}

/// Why the disk's path would not be right on the target. Files are named by their whole path, in the VM's definition and
/// in the disk itself, which names its image.
fn other_path(facts: &PreflightFacts<'_>, storage: &Storage, target: &Host) -> Option<String> {
    let path = |host: HostId, seen: Option<&HostSeen>| {
        let pool = &storage.on(host)?.pool;
        let mut pools = seen?.pools.iter();
        pools.find(|seen| seen.name == *pool)?.path.clone()
    };
    let here = path(facts.source.id, facts.source_seen)?;
    let there = path(target.id, facts.target_seen)?;
    (here != there).then(|| {
        format!(
            "'{}' is at {here} on {} and at {there} on {}; a VM moves between pools of the same path only.",
            storage.name, facts.source.name, target.name
        )
    })
}
