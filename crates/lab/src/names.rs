//! Everything a lab calls its own derives from the lab's name, so that labs of different names never meet.
//!
//! Interface names hold 15 characters at most, so those carry a short digest of the name instead of the name itself.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use anyhow::bail;
use serde::{Deserialize, Serialize};

/// The name of a lab: 1 to 20 of `a`–`z`, `0`–`9` and `-`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabName(String);

impl LabName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Name of this lab's interface on the machine for one purpose (`g` guests, `m` management): at most 9 characters.
    pub fn interface(&self, purpose: char) -> String {
        format!("bw{:06x}{purpose}", self.digest() & 0xff_ffff)
    }

    /// Name of this lab's control groups, in every hierarchy.
    pub fn group(&self) -> String {
        format!("bellwether-lab-{}", self.0)
    }

    /// FNV-1a: stable over versions of Rust, which `DefaultHasher` does not promise.
    pub(crate) fn digest(&self) -> u64 {
        self.0.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}

impl fmt::Display for LabName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LabName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if text.is_empty()
            || text.len() > 20
            || !text.starts_with(|c: char| c.is_ascii_lowercase())
            || !text.chars().all(good)
        {
            bail!("lab name {text:?}: must be 1 to 20 of a-z, 0-9 and '-', starting with a letter");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for LabName {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl From<LabName> for String {
    fn from(name: LabName) -> Self {
        name.0
    }
}

/// Two neighbouring /24 networks of 10.64.0.0/9's upper part: an even one for guests, the next one for management.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnets {
    second: u8,
    third: u8,
}

/// How many pairs of subnets there are to choose from.
const SLOTS: u64 = 128 * 128;

impl Subnets {
    /// The pair a lab tries at its `attempt`-th try; 0 is where its name leads.
    pub fn candidate(name: &LabName, attempt: u64) -> Self {
        // A stride that shares no factor with SLOTS visits every slot, and scatters neighbours.
        let slot = (name.digest().wrapping_add(attempt.wrapping_mul(5_003))) % SLOTS;
        Self {
            second: 64 + u8::try_from(slot / 128).unwrap_or(0),
            third: 2 * u8::try_from(slot % 128).unwrap_or(0),
        }
    }

    /// Address `last` of the guests' network.
    pub fn guest(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.second, self.third, last)
    }

    /// Address `last` of the management network.
    pub fn management(self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.second, self.third + 1, last)
    }

    /// Whether either network overlaps `address/prefix`. Wide routes (a VPN's 10.0.0.0/8) do not count: a /24 beside
    /// them wins by being more specific.
    pub fn overlaps(self, address: Ipv4Addr, prefix: u8) -> bool {
        if prefix < 12 {
            return false;
        }
        let mask = u32::MAX << (32 - u32::from(prefix.clamp(1, 24)));
        [self.guest(0), self.management(0)]
            .iter()
            .any(|own| u32::from(*own) & mask == u32::from(address) & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> LabName {
        text.parse().unwrap()
    }

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        for bad in [
            "",
            "Demo",
            "1st",
            "a_b",
            "../x",
            "a b",
            "-a",
            "abcdefghijklmnopqrstu",
        ] {
            let refused = bad.parse::<LabName>().unwrap_err().to_string();
            assert!(refused.contains("1 to 20"), "{refused}");
        }
        assert_eq!(name("demo-2").as_str(), "demo-2");
    }

    #[test]
    fn interface_names_fit_the_kernel_and_differ_by_lab() {
        let long = name("abcdefghijklmnopqrst");
        assert!(long.interface('g').len() <= 15);
        assert_ne!(name("demo").interface('g'), name("test").interface('g'));
        assert_ne!(name("demo").interface('g'), name("demo").interface('m'));
    }

    #[test]
    fn attempts_visit_different_subnets_and_overlap_is_seen() {
        let demo = name("demo");
        let first = Subnets::candidate(&demo, 0);
        let second = Subnets::candidate(&demo, 1);
        assert_ne!(first, second);
        assert!(first.overlaps(first.guest(7), 32));
        assert!(first.overlaps(first.management(0), 24));
        assert!(first.overlaps(first.guest(0), 16));
        assert!(
            !first.overlaps(Ipv4Addr::new(10, 0, 0, 0), 8),
            "a wide route loses to a /24"
        );
        assert!(!first.overlaps(second.guest(0), 24));
        assert!(!first.overlaps(Ipv4Addr::new(192, 0, 2, 2), 24));
    }
}
