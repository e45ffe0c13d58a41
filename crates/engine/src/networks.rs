//! Networks: what guests attach to, with the addresses to give. Discovered from the hosts, named and confirmed by an admin.

use crate::{Admin, Engine, storages::checked_name};
use bellwether_decide::addresses::{self, Held};
use bellwether_model::{
    Error, FieldError, HostId, NetworkId, Result, Timestamp,
    network::{self, Carrier, Network, NetworkMember},
    policy::Policy,
    text::shown,
};
use bellwether_store::HeldAddress;
use std::net::IpAddr;

/// Something guests could attach to.
#[derive(Clone, Debug)]
pub struct FoundCarrier {
    /// The host.
    pub host: HostId,
    /// Its name.
    pub host_name: String,
    /// The bridge or libvirt network.
    pub carrier: Carrier,
    /// The network it belongs to already.
    pub network: Option<NetworkId>,
}

/// What an admin types for a network.
#[derive(Clone, Debug, Default)]
pub struct NewNetwork {
    /// Name.
    pub name: String,
    /// `10.0.0.0/24`.
    pub cidr: String,
    /// Gateway; empty for none.
    pub gateway: String,
    /// Name servers.
    pub dns: Vec<String>,
    /// First address to give.
    pub range_from: String,
    /// Last address to give.
    pub range_until: String,
    /// VLAN tag.
    pub vlan: Option<u16>,
    /// Host and carrier of each member.
    pub members: Vec<(HostId, Carrier)>,
}

/// Every bridge and libvirt network last seen on any host. A bridge no VM uses may be invisible to libvirt; it can be
/// named all the same.
pub async fn discovered(engine: &Engine, _admin: &Admin) -> Result<Vec<FoundCarrier>> {
    let observed = engine.observed();
    let records = engine.store().records().await?;
    let mut found = Vec::new();
    for host in records.hosts.iter() {
        for seen in observed
            .hosts
            .get(&host.id)
            .map(|seen| seen.carriers.as_slice())
            .unwrap_or_default()
        {
            let network = records
                .networks
                .iter()
                .find(|network| {
                    network
                        .on(host.id)
                        .is_some_and(|member| member.carrier == seen.carrier)
                })
                .map(|network| network.id);
            found.push(FoundCarrier {
                host: host.id,
                host_name: host.name.clone(),
                carrier: seen.carrier.clone(),
                network,
            });
        }
    }
    Ok(found)
}

/// Confirms a network.
pub async fn create(engine: &Engine, admin: &Admin, new: NewNetwork) -> Result<Network> {
    let network = checked(engine, &new, NetworkId::new()).await?;
    let mut tx = engine.store().begin().await?;
    stands_apart(&network, &tx.networks().await?)?;
    tx.insert_network(&network).await?;
    let text = format!(
        "\"{}\" {}, addresses {} to {}",
        network.name,
        network.cidr(),
        network.range_from,
        network.range_until
    );
    engine
        .audit(
            &mut tx,
            Some(admin),
            "network.create",
            "network",
            network.id,
            text,
        )
        .await?;
    engine.emit(&mut tx, "network", network.id, None).await?;
    tx.commit().await?;
    engine.inner.fleet_changed.notify_waiters();
    Ok(network)
}

/// Changes a network; addresses that are given must stay inside, and members with VMs must stay.
pub async fn change(
    engine: &Engine,
    admin: &Admin,
    id: NetworkId,
    new: NewNetwork,
) -> Result<Network> {
    let before = engine.store().network(id).await?;
    let network = Network {
        created_at: before.created_at,
        ..checked(engine, &new, id).await?
    };
    for vm in engine
        .store()
        .vms(bellwether_store::VmQuery::default())
        .await?
        .iter()
        .filter(|vm| vm.network == id)
    {
        if !network.contains(vm.address) {
            return Err(Error::field(
                "cidr",
                format!(
                    "the VM \"{}\" has {}, which would be outside",
                    vm.name, vm.address
                ),
            ));
        }
        // Its definition names the carrier it was made or moved with.
        if network.on(vm.host) != before.on(vm.host) {
            return Err(Error::field(
                "members",
                format!(
                    "the VM \"{}\" is on it there; that member must stay as it is",
                    vm.name
                ),
            ));
        }
    }
    let mut tx = engine.store().begin().await?;
    if tx.network(id).await? != before {
        return Err(Error::conflict(format!(
            "\"{}\" was changed by somebody else meanwhile; look at it again.",
            before.name
        )));
    }
    stands_apart(&network, &tx.networks().await?)?;
    tx.update_network(&network).await?;
    engine
        .audit(
            &mut tx,
            Some(admin),
            "network.change",
            "network",
            id,
            format!("\"{}\" {}", network.name, network.cidr()),
        )
        .await?;
    engine.emit(&mut tx, "network", id, None).await?;
    tx.commit().await?;
    engine.inner.fleet_changed.notify_waiters();
    Ok(network)
}

/// Forgets a network that no VM uses.
pub async fn remove(engine: &Engine, admin: &Admin, id: NetworkId) -> Result<()> {
    let network = engine.store().network(id).await?;
    let mut tx = engine.store().begin().await?;
    tx.delete_network(id).await?;
    engine
        .audit(
            &mut tx,
            Some(admin),
            "network.remove",
            "network",
            id,
            format!("\"{}\"", network.name),
        )
        .await?;
    engine.emit(&mut tx, "network", id, None).await?;
    tx.commit().await
}

/// Two networks must not give the same address.
fn stands_apart(network: &Network, others: &[Network]) -> Result<()> {
    match addresses::overlap(network, others) {
        Some(other) => Err(Error::field(
            "range_from",
            format!(
                "{} to {} overlaps with what \"{}\" gives, {} to {}: an address could be given twice; choose others, or, where each has bridges of its own, give the VLAN tag by which they are kept apart",
                network.range_from,
                network.range_until,
                other.name,
                other.range_from,
                other.range_until
            ),
        )),
        None => Ok(()),
    }
}

async fn checked(engine: &Engine, new: &NewNetwork, id: NetworkId) -> Result<Network> {
    let name = checked_name(&new.name)?;
    let mut wrong = Vec::new();
    let mut bad = |field: &str, message: String| {
        wrong.push(FieldError {
            field: field.into(),
            message,
        })
    };
    let cidr = new
        .cidr
        .trim()
        .split_once('/')
        .and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            (prefix <= if address.is_ipv4() { 30 } else { 126 } && prefix > 0)
                .then_some((address, prefix))
        });
    if cidr.is_none() {
        bad(
            "cidr",
            format!(
                "'{}' is no network; give an address and a prefix length, like 10.0.0.0/24",
                shown(&new.cidr)
            ),
        );
    }
    let mut address = |field: &str, text: &str| -> Option<IpAddr> {
        let parsed = text.trim().parse().ok();
        if parsed.is_none() {
            bad(field, format!("'{}' is no IP address", shown(text)));
        }
        parsed
    };
    let gateway = if new.gateway.trim().is_empty() {
        None
    } else {
        address("gateway", &new.gateway)
    };
    let dns: Vec<IpAddr> = new
        .dns
        .iter()
        .filter(|text| !text.trim().is_empty())
        .filter_map(|text| address("dns", text))
        .collect();
    let range_from = address("range_from", &new.range_from);
    let range_until = address("range_until", &new.range_until);
    if new.vlan.is_some_and(|tag| !(1..=4094).contains(&tag)) {
        bad("vlan", "a VLAN tag is 1 to 4,094".into());
    }
    let mut members: Vec<NetworkMember> = Vec::new();
    for (host, carrier) in &new.members {
        let record = engine.store().host(*host).await?;
        let (Carrier::Bridge(carried_by) | Carrier::Libvirt(carried_by)) = carrier;
        let good = !carried_by.is_empty()
            && carried_by.len() <= 64
            && carried_by
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !good {
            bad(
                "members",
                format!(
                    "'{}' can't be a bridge or network of {}",
                    shown(carried_by),
                    record.name
                ),
            );
        }
        if members.iter().any(|member| member.host == *host) {
            bad(
                "members",
                format!("{} can be a member once only", record.name),
            );
        }
        members.push(NetworkMember {
            host: *host,
            carrier: carrier.clone(),
        });
    }
    if members.is_empty() {
        bad("members", "choose at least one host's bridge".into());
    }
    let (Some((cidr_address, cidr_prefix)), Some(range_from), Some(range_until)) =
        (cidr, range_from, range_until)
    else {
        return Err(Error::invalid_fields(wrong));
    };
    let network = Network {
        id,
        name,
        cidr_address: network::base(cidr_address, cidr_prefix),
        cidr_prefix,
        gateway,
        dns,
        range_from,
        range_until,
        vlan: new.vlan,
        members,
        created_at: engine.now(),
    };
    for (field, address) in [
        ("gateway", gateway),
        ("range_from", Some(range_from)),
        ("range_until", Some(range_until)),
    ] {
        if let Some(address) = address.filter(|address| !network.contains(*address)) {
            bad(field, format!("{address} is outside {}", network.cidr()));
        }
    }
    if range_from > range_until {
        bad(
            "range_until",
            format!("{range_until} lies before {range_from}"),
        );
    }
    if wrong.is_empty() {
        Ok(network)
    } else {
        Err(Error::invalid_fields(wrong))
    }
}

/// How many addresses of the network are free, where these are held or resting.
pub(crate) fn free_of(
    network: &Network,
    held: &[HeldAddress],
    policy: &Policy,
    now: Timestamp,
) -> u64 {
    let rest = std::time::Duration::from_secs(policy.address_rest_seconds.into());
    let held: Vec<Held> = held.iter().map(held_of).collect();
    addresses::free_count(network, &held, now, rest)
}

fn held_of(held: &HeldAddress) -> Held {
    Held {
        address: held.address,
        released_at: held.released_at,
    }
}

/// Addresses given, or released not long ago.
pub(crate) async fn held(engine: &Engine, network: NetworkId) -> Result<Vec<Held>> {
    let held = engine.store().addresses(network).await?;
    Ok(held.iter().map(held_of).collect())
}
