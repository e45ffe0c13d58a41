//! Pre-copy sends the guest's memory once while it runs, then what it wrote meanwhile, and so on, until what is left can
//! be sent within the longest pause allowed; then the guest is stopped for that long. How much a guest writes in a time
//! is not the time by a rate: pages written again and again count once. So what it writes is told by a hot set that is
//! written whole within some time and a cold rate on top of it (Kherbache et al., UCC 2015), and the rounds are followed
//! one by one by [`super::steered`].

/// The pause a migration is allowed where nothing else is said, as QEMU has it, in seconds.
pub const USUAL_PAUSE: f64 = 0.3;

/// What is left of an Ethernet link after the headers of Ethernet, IP and TCP: 1448 of 1538 bytes.
const GOODPUT: f64 = 1448.0 / 1538.0;

/// Bytes a second of memory that a link of so many Mbit/s carries.
pub fn goodput(mbit: u32) -> f64 {
    f64::from(mbit) * 1e6 / 8.0 * GOODPUT
}

/// What a guest writes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Writes {
    /// Bytes it writes again and again.
    pub hot: f64,
    /// In which time it has written all of them, seconds.
    pub hot_within: f64,
    /// Bytes a second it writes besides.
    pub cold: f64,
}

impl Writes {
    /// Bytes written at least once within `seconds`.
    pub fn within(&self, seconds: f64) -> f64 {
        let hot = if self.hot_within > 0.0 {
            self.hot * (seconds / self.hot_within).min(1.0)
        } else {
            self.hot
        };
        hot + self.cold * seconds
    }
    /// The same guest at another pace: held back, or busier.
    #[must_use]
    pub fn paced(&self, factor: f64) -> Self {
        Self {
            hot: self.hot,
            hot_within: self.hot_within / factor.max(1e-3),
            cold: self.cold * factor,
        }
    }
}

/// A guest that is to move.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Guest {
    /// Bytes of memory that have to travel: not what is zero or was never used.
    pub memory: f64,
    /// What it writes meanwhile.
    pub writes: Writes,
}

/// How copying goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Copying {
    /// From the first byte to the last.
    pub seconds: f64,
    /// How many there are.
    pub bytes: f64,
    /// Rounds, the last one with the guest stopped.
    pub rounds: u32,
    /// How long the guest is stopped for the last, seconds.
    pub pause: f64,
    /// Whether that is within what is allowed. Else it writes too much, and these figures are of a switch-over once
    /// nothing is gained any more.
    pub converges: bool,
    /// The part of its time that the guest was held back for at the end.
    pub held: f64,
}
