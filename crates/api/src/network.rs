//! Networks guests attach to.

use crate::{Moment, Names, Ref, common::host_ref, fleet::CarrierSeen};
use bellwether_model::network;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

words! {
    /// What carries a network on a host.
    CarrierKind {
        /// A Linux bridge of the host.
        Bridge = "bridge",
        /// A libvirt network of the host.
        Libvirt = "libvirt",
    }
}

/// What carries a network on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Carrier {
    /// Bridge or libvirt network.
    pub kind: CarrierKind,
    /// Its name on the host.
    pub name: String,
}

impl From<&network::Carrier> for Carrier {
    fn from(carrier: &network::Carrier) -> Self {
        let (kind, name) = match carrier {
            network::Carrier::Bridge(name) => (CarrierKind::Bridge, name),
            network::Carrier::Libvirt(name) => (CarrierKind::Libvirt, name),
        };
        Self {
            kind,
            name: name.clone(),
        }
    }
}

impl From<Carrier> for network::Carrier {
    fn from(carrier: Carrier) -> Self {
        match carrier.kind {
            CarrierKind::Bridge => Self::Bridge(carrier.name),
            CarrierKind::Libvirt => Self::Libvirt(carrier.name),
        }
    }
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// Identifier.
    pub id: Uuid,
    /// Name, unique.
    pub name: String,
    /// Network address with prefix length, `10.0.0.0/24`.
    pub cidr: String,
    /// Gateway, if there is a way out.
    pub gateway: Option<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// First address to give.
    pub range_from: String,
    /// Last address to give.
    pub range_until: String,
    /// VLAN tag, for the record.
    pub vlan: Option<u16>,
    /// Where it is carried.
    pub members: Vec<NetworkMember>,
    /// How many addresses are free to give now; absent where it was not counted (lists).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_addresses: Option<u64>,
    /// When it was confirmed.
    pub created_at: Moment,
}

impl Network {
    /// From the inside, with names.
    pub fn new(network: &network::Network, names: &dyn Names, free_addresses: Option<u64>) -> Self {
        Self {
            id: network.id.into(),
            name: network.name.clone(),
            cidr: network.cidr(),
            gateway: network.gateway.map(|a| a.to_string()),
            dns: network.dns.iter().map(ToString::to_string).collect(),
            range_from: network.range_from.to_string(),
            range_until: network.range_until.to_string(),
            vlan: network.vlan,
            members: network
                .members
                .iter()
                .map(|member| NetworkMember {
                    host: host_ref(names, member.host),
                    carrier: (&member.carrier).into(),
                })
                .collect(),
            free_addresses,
            created_at: network.created_at.into(),
        }
    }
}

/// One host's membership of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkMember {
    /// The host.
    pub host: Ref,
    /// What carries it there.
    pub carrier: Carrier,
}

/// A host with what carries the network there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkMemberInput {
    /// The host.
    pub host: Uuid,
    /// What carries it there.
    pub carrier: Carrier,
}

/// A network to confirm. Addresses are text; the server checks them and names what is wrong.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkInput {
    /// Name, unique.
    pub name: String,
    /// Network address with prefix length, `10.0.0.0/24`.
    pub cidr: String,
    /// Gateway, if there is a way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Name servers.
    #[serde(default)]
    pub dns: Vec<String>,
    /// First address to give.
    pub range_from: String,
    /// Last address to give.
    pub range_until: String,
    /// VLAN tag, for the record; the carriers are expected to be in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4094)]
    pub vlan: Option<i64>,
    /// Where it is carried.
    pub members: Vec<NetworkMemberInput>,
}

/// What to change about a network; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkChange {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Gateway; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Name servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Vec<String>>,
    /// First address to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_from: Option<String>,
    /// Last address to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_until: Option<String>,
    /// Every member from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<NetworkMemberInput>>,
}

/// Something guests can attach to, found on a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FoundCarrier {
    /// The host.
    pub host: Ref,
    /// What it is.
    pub carrier: CarrierSeen,
    /// The network it carries; none where it is still free.
    pub network: Option<Ref>,
}
