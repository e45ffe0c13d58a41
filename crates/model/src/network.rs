//! A network guests attach to.

use crate::{HostId, NetworkId, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What carries the network on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Carrier {
    /// A Linux bridge of the host.
    Bridge(String),
    /// A libvirt network of the host.
    Libvirt(String),
}

impl Carrier {
    /// Its name on the host.
    pub fn name(&self) -> &str {
        match self {
            Self::Bridge(name) | Self::Libvirt(name) => name,
        }
    }
}

/// One host's membership of a network; a hard edge of placement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMember {
    /// The host.
    pub host: HostId,
    /// What carries it there.
    pub carrier: Carrier,
}

/// A network of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Identifier.
    pub id: NetworkId,
    /// Name, unique.
    pub name: String,
    /// Network address, `10.0.0.0/24`: the address part.
    pub cidr_address: IpAddr,
    /// Prefix length.
    pub cidr_prefix: u8,
    /// Gateway, if there is a way out.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// First address to give.
    pub range_from: IpAddr,
    /// Last address to give.
    pub range_until: IpAddr,
    /// VLAN tag, for the record; the carrier is expected to be in it.
    pub vlan: Option<u16>,
    /// Where it is carried.
    pub members: Vec<NetworkMember>,
    /// When it was confirmed.
    pub created_at: Timestamp,
}

impl Network {
    /// The member on `host`.
    pub fn on(&self, host: HostId) -> Option<&NetworkMember> {
        self.members.iter().find(|m| m.host == host)
    }
    /// `address/prefix`.
    pub fn cidr(&self) -> String {
        format!("{}/{}", self.cidr_address, self.cidr_prefix)
    }
}

impl Network {
    /// Whether the address lies in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv6() == self.cidr_address.is_ipv6()
            && base(address, self.cidr_prefix) == base(self.cidr_address, self.cidr_prefix)
    }
}

/// The address with the bits after `prefix` cleared: the network's own address.
pub fn base(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32_u32.saturating_sub(prefix.into()))
                .unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128_u32.saturating_sub(prefix.into()))
                .unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases() {
        for (address, prefix, expect) in [
            ("10.77.3.9", 24, "10.77.3.0"),
            ("10.77.3.9", 0, "0.0.0.0"),
            ("10.77.3.9", 32, "10.77.3.9"),
            ("fd00::1:2", 64, "fd00::"),
        ] {
            assert_eq!(
                base(address.parse().unwrap(), prefix),
                expect.parse::<IpAddr>().unwrap()
            );
        }
    }
}
