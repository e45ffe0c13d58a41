//! Which address and Ethernet address a VM gets.

use bellwether_model::{Mac, Timestamp, network::Network};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// An address that is, or was, given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub address: IpAddr,
    /// When it was released; none while it is held.
    pub released_at: Option<Timestamp>,
}

/// The lowest free address of the network's range. An address that was released less than `rest` ago is left alone:
/// caches and logs still know who had it.
pub fn next_free(
    network: &Network,
    held: &[Held],
    now: Timestamp,
    rest: Duration,
) -> Option<IpAddr> {
    let range = Range::of(network)?;
    let taken = taken(network, &range, held, now, rest);
    // At most as many steps as there are taken addresses, however large the range is.
    let mut candidate = range.first;
    for used in taken.range(range.first..=range.last) {
        if *used > candidate {
            break;
        }
        candidate = used.checked_add(1)?;
    }
    (candidate <= range.last).then(|| range.address(candidate))
}

/// How many addresses of the range are free, as [`next_free`] sees it.
pub fn free_count(network: &Network, held: &[Held], now: Timestamp, rest: Duration) -> u64 {
    let Some(range) = Range::of(network) else {
        return 0;
    };
    let used = taken(network, &range, held, now, rest)
        .range(range.first..=range.last)
        .count() as u128;
    let size = (range.last - range.first).saturating_add(1);
    u64::try_from(size.saturating_sub(used)).unwrap_or(u64::MAX)
}

/// An Ethernet address that is not in `taken`, made from `seed`: locally administered, with QEMU's first three bytes.
/// None where all 2^24 are taken.
pub fn mac(seed: u64, taken: &BTreeSet<Mac>) -> Option<Mac> {
    // Multiplying by an odd number mixes; adding one walks on through all of them.
    let start = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32;
    (0..1_u32 << 24).find_map(|step| {
        let [_, a, b, c] = start.wrapping_add(step).to_be_bytes();
        let mac = Mac::local([a, b, c]);
        (!taken.contains(&mac)).then_some(mac)
    })
}

/// The range to give from, as numbers of one family, cut to the network.
struct Range {
    v6: bool,
    first: u128,
    last: u128,
}

impl Range {
    fn of(network: &Network) -> Option<Self> {
        let v6 = network.cidr_address.is_ipv6();
        let same = [network.range_from, network.range_until]
            .iter()
            .all(|address| address.is_ipv6() == v6);
        let (low, high) = bounds(network)?;
        let first = number(network.range_from).max(low);
        let last = number(network.range_until).min(high);
        (same && first <= last).then_some(Self { v6, first, last })
    }
    fn address(&self, number: u128) -> IpAddr {
        if self.v6 {
            Ipv6Addr::from(number).into()
        } else {
            // Within the range, so within 32 bits.
            Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into()
        }
    }
}

/// First and last address of the network.
fn bounds(network: &Network) -> Option<(u128, u128)> {
    let width: u32 = if network.cidr_address.is_ipv6() {
        128
    } else {
        32
    };
    let host_bits = width.checked_sub(u32::from(network.cidr_prefix))?;
    let mask = 1_u128
        .checked_shl(host_bits)
        .map_or(u128::MAX, |size| size - 1);
    let low = number(network.cidr_address) & !mask;
    Some((low, low | mask))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn taken(
    network: &Network,
    range: &Range,
    held: &[Held],
    now: Timestamp,
    rest: Duration,
) -> BTreeSet<u128> {
    let resting = |held: &&Held| held.released_at.is_none_or(|at| now < at.plus(rest));
    let mut taken: BTreeSet<u128> = held
        .iter()
        .filter(resting)
        .map(|held| held.address)
        .chain(network.gateway)
        .chain(network.dns.iter().copied())
        .filter(|address| address.is_ipv6() == range.v6)
        .map(number)
        .collect();
    if let Some((low, high)) = bounds(network) {
        // The network's own address (for IPv6 the routers' anycast, RFC 4291 §2.6.1), and IPv4's broadcast; a network of
        // one or two addresses has neither (RFC 3021, RFC 6164).
        if high - low > 1 {
            taken.insert(low);
            if !range.v6 {
                taken.insert(high);
            }
        }
    }
    taken
}

/// The first of `others` that could give an address `network` gives as well: their ranges overlap, and nothing keeps
/// them apart. A VLAN tag does only where each has carriers of its own: a carrier is in one VLAN, whatever is recorded.
pub fn overlap<'a>(network: &Network, others: &'a [Network]) -> Option<&'a Network> {
    let share_a_carrier = |other: &Network| {
        let carried = |member| other.members.contains(member);
        network.members.iter().any(carried)
    };
    others.iter().find(|other| {
        other.id != network.id
            && (other.vlan == network.vlan || share_a_carrier(other))
            && network.range_from <= other.range_until
            && other.range_from <= network.range_until
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_model::NetworkId;
    use proptest::prelude::*;

    fn network(cidr: &str, from: &str, until: &str) -> Network {
        let (address, prefix) = cidr.split_once('/').unwrap();
        Network {
            id: NetworkId(Default::default()),
            name: "lan".into(),
            cidr_address: address.parse().unwrap(),
            cidr_prefix: prefix.parse().unwrap(),
            gateway: None,
            dns: Vec::new(),
            range_from: from.parse().unwrap(),
            range_until: until.parse().unwrap(),
            vlan: None,
            members: Vec::new(),
            created_at: Timestamp(0),
        }
    }

    fn held(address: &str, released_s: Option<i64>) -> Held {
        Held {
            address: address.parse().unwrap(),
            released_at: released_s.map(Timestamp::from_seconds),
        }
    }

    const REST: Duration = Duration::from_secs(3_600);
    const NOW: Timestamp = Timestamp(10_000_000_000);

    fn next(network: &Network, all: &[Held]) -> Option<String> {
        next_free(network, all, NOW, REST).map(|address| address.to_string())
    }

    #[test]
    fn the_lowest_address_that_nobody_has_or_had_lately() {
        let mut lan = network("10.0.0.0/29", "10.0.0.0", "10.0.0.7");
        assert_eq!(next(&lan, &[]).as_deref(), Some("10.0.0.1"));
        assert_eq!(free_count(&lan, &[], NOW, REST), 6);
        lan.gateway = Some("10.0.0.1".parse().unwrap());
        lan.dns = vec!["10.0.0.2".parse().unwrap(), "fd00::1".parse().unwrap()];
        let mut all = vec![
            held("10.0.0.3", None),
            held("10.0.0.4", Some(9_000)),
            held("10.0.0.5", Some(6_000)),
        ];
        assert_eq!(
            next(&lan, &all).as_deref(),
            Some("10.0.0.5"),
            "rested long enough"
        );
        assert_eq!(free_count(&lan, &all, NOW, REST), 2);
        all.extend([held("10.0.0.5", None), held("10.0.0.6", None)]);
        assert_eq!(next(&lan, &all), None, "7 is the broadcast address");
        assert_eq!(free_count(&lan, &all, NOW, REST), 0);
    }

    #[test]
    fn large_and_odd_ranges() {
        let six = network("fd00::/64", "fd00::", "fd00::ffff:ffff:ffff:ffff");
        assert_eq!(
            next(&six, &[held("fd00::1", None)]).as_deref(),
            Some("fd00::2")
        );
        assert_eq!(free_count(&six, &[], NOW, REST), u64::MAX);
        let point = network("10.0.0.0/31", "10.0.0.0", "10.0.0.1");
        assert_eq!(next(&point, &[]).as_deref(), Some("10.0.0.0"));
        for (cidr, from, until) in [
            ("10.0.0.0/24", "10.0.1.1", "10.0.1.9"),
            ("10.0.0.0/24", "10.0.0.9", "10.0.0.1"),
            ("10.0.0.0/24", "fd00::1", "fd00::9"),
            ("10.0.0.0/33", "10.0.0.1", "10.0.0.9"),
        ] {
            let wrong = network(cidr, from, until);
            assert_eq!(next(&wrong, &[]), None, "{cidr} {from} {until}");
            assert_eq!(free_count(&wrong, &[], NOW, REST), 0);
        }
        let end = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let last = network(&format!("{end}/128"), end, end);
        assert_eq!(next(&last, &[held(end, None)]), None);
    }

    proptest! {
        #[test]
        fn what_is_given_was_free_and_all_can_be_given(prefix in 24_u8..=32, from in 0_u8.., until in 0_u8.., gateway in 0_u8..) {
            let mut lan = network(&format!("10.0.0.0/{prefix}"), &format!("10.0.0.{from}"), &format!("10.0.0.{until}"));
            lan.gateway = Some(IpAddr::from([10, 0, 0, gateway]));
            let mut all = Vec::new();
            let promised = free_count(&lan, &all, NOW, REST);
            while let Some(address) = next_free(&lan, &all, NOW, REST) {
                prop_assert!(all.iter().all(|held: &Held| held.address != address));
                prop_assert!(lan.range_from <= address && address <= lan.range_until && Some(address) != lan.gateway);
                all.push(Held { address, released_at: None });
                prop_assert_eq!(free_count(&lan, &all, NOW, REST), promised - all.len() as u64);
            }
            prop_assert_eq!(all.len() as u64, promised);
        }

        #[test]
        fn macs_are_local_unicast_and_new(seed: u64, seeds in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut taken = BTreeSet::new();
            for other in seeds.into_iter().chain([seed, seed, seed]) {
                let mac = mac(other, &taken).unwrap();
                prop_assert_eq!(mac.0[0] & 3, 2);
                prop_assert!(taken.insert(mac));
            }
        }
    }

    #[test]
    fn networks_that_could_give_one_address_overlap() {
        let with =
            |number: u64, from: &str, until: &str, vlan: Option<u16>, hosts: &[u64]| Network {
                id: crate::testing::id(8, number),
                range_from: from.parse().unwrap(),
                range_until: until.parse().unwrap(),
                vlan,
                ..crate::testing::network(hosts)
            };
        let lan = [with(1, "10.0.0.10", "10.0.0.99", None, &[1])];
        for (from, until, vlan, host, overlaps) in [
            ("10.0.0.99", "10.0.0.200", None, 2, true),
            ("10.0.0.1", "10.0.0.10", None, 1, true),
            ("10.0.0.20", "10.0.0.30", None, 1, true),
            ("10.0.0.1", "10.0.0.200", None, 1, true),
            ("10.0.0.100", "10.0.0.200", None, 1, false),
            ("10.0.0.1", "10.0.0.9", None, 1, false),
            // Another VLAN, on a bridge of its own; and said to be, on the same bridge.
            ("10.0.0.20", "10.0.0.30", Some(7), 2, false),
            ("10.0.0.20", "10.0.0.30", Some(7), 1, true),
            ("fd00::1", "fd00::ff", None, 1, false),
        ] {
            let other = with(2, from, until, vlan, &[host]);
            assert_eq!(
                overlap(&other, &lan).is_some(),
                overlaps,
                "{from} {until} {vlan:?}"
            );
        }
        assert_eq!(overlap(&lan[0], &lan), None, "itself");
    }
}
