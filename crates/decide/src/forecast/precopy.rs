//! Pre-copy sends the guest's memory once while it runs, then what it wrote meanwhile, and so on, until what is left can
//! be sent within the longest pause allowed; then the guest is stopped for that long. How much a guest writes in a time
//! is not the time by a rate: pages written again and again count once. So what it writes is told by a hot set that is
//! written whole within some time and a cold rate on top of it (Kherbache et al., UCC 2015), and the rounds are followed
//! one by one.

/// The pause a migration is allowed where nothing else is said, as QEMU has it, in seconds.
pub const USUAL_PAUSE: f64 = 0.3;

/// What is left of an Ethernet link after the headers of Ethernet, IP and TCP: 1448 of 1538 bytes.
const GOODPUT: f64 = 1448.0 / 1538.0;

/// Rounds after which no further one is followed.
const MOST_ROUNDS: u32 = 100;

/// A round that leaves more than this part of what the one before left does not get anywhere.
const STALLED: f64 = 0.95;

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
}

/// Follows pre-copy at `rate` bytes a second, for a pause of `pause` seconds at most.
pub fn precopy(guest: &Guest, rate: f64, pause: f64) -> Copying {
    let rate = rate.max(1.0);
    let (mut bytes, mut rounds) = (0.0, 0);
    let mut left = guest.memory;
    loop {
        let fits = left <= rate * pause;
        let next = guest.writes.within(left / rate).min(guest.memory);
        let stalled = rounds > 0 && next >= left * STALLED;
        rounds += 1;
        bytes += left;
        // Of the first round nothing is sent with the guest stopped: QEMU has first to see what there is.
        if (rounds > 1 && (fits || stalled)) || rounds >= MOST_ROUNDS {
            return Copying {
                seconds: bytes / rate,
                bytes,
                rounds,
                pause: left / rate,
                converges: fits,
            };
        }
        left = next;
    }
}
