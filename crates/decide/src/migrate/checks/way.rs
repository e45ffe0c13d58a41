//! The way between the two hosts: the guests' network, the sites, and what earlier moves found.

use super::{fail, pass, warn};
use crate::migrate::{PreflightFacts, Route, crosses_sites};
use bellwether_model::{
    host::Host,
    host_uri::{HostUri, SshCommands, Transport},
    migration::Check,
    network::Network,
};

/// `'lan' (10.0.0.0/24)`.
fn subnet(network: &Network) -> String {
    format!(
        "'{}' ({}/{})",
        network.name, network.cidr_address, network.cidr_prefix
    )
}

pub(super) fn network(facts: &PreflightFacts<'_>, target: &Host) -> Check {
    let name = "network";
    let Some(network) = facts.network else {
        return fail(name, "Its network is not known.");
    };
    let Some(member) = network.on(target.id) else {
        return fail(
            name,
            &format!(
                "Its network {} is not carried on {}: that host is in another subnet, and the VM's address would be dead there.",
                subnet(network),
                target.name
            ),
        );
    };
    let shown = facts.target_seen.and_then(|seen| {
        seen.carriers
            .iter()
            .find(|seen| seen.carrier == member.carrier)
    });
    match shown {
        Some(carrier) if !carrier.active => fail(
            name,
            &format!(
                "What carries {} on {} is down.",
                subnet(network),
                target.name
            ),
        ),
        Some(_) => pass(
            name,
            &format!(
                "{} is carried on {} too, the same subnet: the address stays.",
                subnet(network),
                target.name
            ),
        ),
        None => warn(
            name,
            &format!(
                "{} should be carried on {} by {}, which that host has not shown: as configured, not as seen.",
                subnet(network),
                target.name,
                member.carrier.name()
            ),
        ),
    }
}

pub(super) fn site(facts: &PreflightFacts<'_>, target: &Host) -> Check {
    let name = "site";
    if !crosses_sites(facts.source, target) {
        return pass(name, "Both hosts are at one site.");
    }
    let (here, there) = (&facts.source.site, &target.site);
    // What the two libvirtds tell each other, the VM's definition among it, goes this way.
    let plain = HostUri::parse(&target.peer_uri, SshCommands::Allowed)
        .map_or(true, |uri| uri.transport() == Transport::Tcp);
    if plain {
        return fail(
            name,
            &format!(
                "{} is at another site ('{there}') and its address for other hosts is not encrypted; give it a qemu+tls or qemu+ssh address.",
                target.name
            ),
        );
    }
    warn(
        name,
        &format!(
            "{} is at another site ('{there}', not '{here}'): slower; memory and disk travel encrypted, for which QEMU needs certificates on both hosts; and the network must truly span both.",
            target.name
        ),
    )
}

pub(super) fn route(facts: &PreflightFacts<'_>, target: &Host) -> Check {
    let name = "route";
    let way = format!("from {} to {}", facts.source.name, target.name);
    let Route { succeeded, failed } = facts.route;
    match (succeeded, failed) {
        (Some(at), Some((later, reason))) if later > at => warn(
            name,
            &format!("A move {way} succeeded before ({at}); the last one failed: {reason}"),
        ),
        (Some(at), _) => pass(name, &format!("A move {way} succeeded before ({at}).")),
        (None, Some((_, reason))) => warn(
            name,
            &format!(
                "The way {way} is not yet proven: no move took it so far; the last one failed: {reason}"
            ),
        ),
        (None, None) => warn(
            name,
            &format!("The way {way} is not yet proven: no move took it so far."),
        ),
    }
}
