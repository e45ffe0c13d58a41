//! Sizes with their unit in the type.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! unit {
    ($($(#[$doc:meta])* $name:ident($inner:ty) $suffix:literal),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, concat!("{} ", $suffix), self.0) }
        }
        impl std::ops::Add for $name { type Output = Self; fn add(self, other: Self) -> Self { Self(self.0.saturating_add(other.0)) } }
        impl std::ops::AddAssign for $name { fn add_assign(&mut self, other: Self) { *self = *self + other; } }
        impl std::iter::Sum for $name { fn sum<I: Iterator<Item = Self>>(iter: I) -> Self { iter.fold(Self(0), |a, b| a + b) } }
        impl $name {
            /// The difference, or zero where `other` is larger.
            #[must_use]
            pub fn minus(self, other: Self) -> Self { Self(self.0.saturating_sub(other.0)) }
        }
    )+};
}

unit! {
    /// Mebibytes (2^20 bytes): memory sizes.
    MiB(u64) "MiB",
    /// Gibibytes (2^30 bytes): disk sizes.
    GiB(u64) "GiB",
    /// Virtual CPUs.
    Vcpus(u32) "vCPU",
}

impl MiB {
    /// Bytes; saturates rather than wraps.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(1 << 20)
    }
    /// KiB, libvirt's unit for memory.
    pub fn kib(self) -> u64 {
        self.0.saturating_mul(1 << 10)
    }
    /// Whole mebibytes in `bytes`, rounded down.
    pub fn from_bytes(bytes: u64) -> Self {
        Self(bytes >> 20)
    }
    /// Whole mebibytes in `kib`, rounded down.
    pub fn from_kib(kib: u64) -> Self {
        Self(kib >> 10)
    }
}

impl GiB {
    /// Bytes; saturates rather than wraps.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(1 << 30)
    }
    /// The smallest whole number of gibibytes that holds `bytes`.
    pub fn holding(bytes: u64) -> Self {
        Self(bytes.div_ceil(1 << 30))
    }
}

/// A share of something: 0.0 none, 1.0 all of it. May exceed 1 for loads.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Share(pub f64);

impl Share {
    /// As a percentage, 100.0 for all of it.
    pub fn percent(self) -> f64 {
        self.0 * 100.0
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A locally administered unicast address (IEEE 802: second-lowest bit of the first byte set, lowest clear)
    /// with QEMU's customary first bytes 52:54:00 and the given last three.
    pub fn local(last: [u8; 3]) -> Self {
        Self([0x52, 0x54, 0x00, last[0], last[1], last[2]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = crate::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            crate::Error::invalid(format!(
                "'{}' is not an Ethernet address (six hexadecimal pairs with colons)",
                crate::text::shown(text)
            ))
        };
        let parts: Vec<u8> = text
            .split(':')
            .map(|pair| {
                u8::from_str_radix(pair, 16)
                    .ok()
                    .filter(|_| pair.len() == 2)
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        parts.try_into().map(Self).map_err(|_| wrong())
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_round_trip_and_reject_nonsense() {
        let mac: Mac = "52:54:00:ab:0c:1d".parse().unwrap();
        assert_eq!(mac.to_string(), "52:54:00:ab:0c:1d");
        for wrong in [
            "",
            "52:54:00:ab:0c",
            "52:54:00:ab:0c:1d:00",
            "52:54:00:ab:0c:zz",
            "5:254:00:ab:0c:1d",
            "+2:54:00:ab:0c:1d0",
        ] {
            assert!(wrong.parse::<Mac>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_saturate() {
        assert_eq!(GiB(u64::MAX).bytes(), u64::MAX);
        assert_eq!(MiB(1).minus(MiB(2)), MiB(0));
        assert_eq!(GiB::holding((1 << 30) + 1), GiB(2));
    }
}
