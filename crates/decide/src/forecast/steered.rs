//! A move as it is steered: the longest pause is raised step by step, the guest is held back where it may be, and where
//! nothing else helps it goes on at the target before its memory is there. See [`crate::migrate::Steering`].

use super::{Copying, Guest};

/// Parts of the longest pause at which a switch-over is tried: a move that gets by with a shorter one has it.
pub const PAUSES: [f64; 3] = [0.25, 0.5, 1.0];

/// Rounds after which no further one is followed.
const MOST_ROUNDS: u32 = 200;

/// A round that leaves more than this part of the least that was left before gets nowhere (KubeVirt, VEP 248).
pub const STALLED: f64 = 0.96;

/// QEMU's auto-converge: after two rounds in which the guest wrote more than half of what was sent it loses a fifth of its
/// time, and a tenth more each time that happens again (migration.json, `cpu-throttle-initial`, `-increment`).
const HELD_FIRST: f64 = 0.2;
const HELD_MORE: f64 = 0.1;
const TOO_MUCH: f64 = 0.5;

/// To which part of its time a guest is held back at most before that is called no way to move it: a choice. QEMU goes
/// further, and takes up to 99 %.
const HELD_MOST: f64 = 0.8;

/// What a move may do besides copying.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    #[default]
    PreCopy,
    /// Hold the guest back.
    Throttled,
    /// Let it go on at the target before its memory is there.
    PostCopy,
}

/// Follows a move at `rate` bytes a second whose longest pause is `pause` seconds. With [`Way::PostCopy`] it ends even where
/// copying gets nowhere, with next to no pause.
pub fn steered(guest: &Guest, rate: f64, pause: f64, way: Way) -> Copying {
    let rate = rate.max(1.0);
    let (mut bytes, mut rounds) = (0.0, 0);
    let (mut step, mut held, mut much) = (0, 0.0, 0);
    let mut left = guest.memory;
    let mut least = f64::INFINITY;
    loop {
        let fits = |step: usize| left <= rate * pause * PAUSES[step];
        let stalled = rounds > 1 && left >= least * STALLED;
        if stalled {
            // The shortest pause that does; else the next longer one.
            let next = (step..PAUSES.len()).find(|step| fits(*step));
            step = next.unwrap_or((step + 1).min(PAUSES.len() - 1));
        }
        least = least.min(left);
        rounds += 1;
        bytes += left;
        let can_be_held = way == Way::Throttled && held < HELD_MOST;
        let over = (fits(step) || stalled && step + 1 == PAUSES.len() && !can_be_held)
            || rounds >= MOST_ROUNDS;
        // Of the first round nothing is sent with the guest stopped: QEMU has first to see what there is.
        if rounds > 1 && over {
            let converges = fits(step);
            return Copying {
                seconds: bytes / rate,
                bytes,
                rounds,
                pause: match (way, converges) {
                    (Way::PostCopy, false) => 0.0,
                    _ => left / rate,
                },
                converges,
                held,
            };
        }
        let written = guest.writes.paced(1.0 - held).within(left / rate);
        let next = written.min(guest.memory);
        if next > left * TOO_MUCH {
            much += 1;
        }
        if way == Way::Throttled && much >= 2 {
            much = 0;
            held = if held == 0.0 {
                HELD_FIRST
            } else {
                held + HELD_MORE
            };
            // Held back more, it may get somewhere again.
            least = f64::INFINITY;
        }
        left = next;
    }
}
