//! Steering a move that is under way, by what is left after each pass over memory.
//!
//! Between two passes what remains falls and jumps up again as QEMU asks anew what was written; looked at just after the
//! jump it tells whether copying gets ahead of the guest. So a move is judged once a pass, when QEMU says that one ended,
//! not by polling. It has stalled when a pass left no less than the least that was left before (by 4 %, as KubeVirt's
//! VEP 248 has it); then the longest pause is raised to the next step that would do, while what is left is near its least.
//! Beyond what the policy promises come holding the guest back, post-copy, and the policy's last resort.

use crate::forecast::{PAUSES, STALLED};
use bellwether_model::migration_policy::{LastResort, Mechanism, MigrationPolicy};

/// Passes that got nowhere before a longer pause than promised, post-copy or giving up.
const PATIENCE: u32 = 3;
/// The same where the guest is held back more and more: QEMU takes two passes for each step, from 20 % to 99 %.
const PATIENCE_HELD: u32 = 24;
/// Held back so far, in percent, nothing more is to be gained by it.
const HELD_MOST: u64 = 99;
/// What is left counts as near its least within this factor.
const NEAR: f64 = 1.25;
/// What is left shrinks on while the word to switch over is on its way; with so much more pause it fits in any case.
const SLACK: f64 = 1.3;

/// A pass over memory that ended, or a look in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Milliseconds since the move began.
    pub at_ms: u64,
    /// Bytes left.
    pub remaining: u64,
    /// Bytes a second.
    pub rate: u64,
    /// Percent of its time for which the guest is held back; 0 where it is not.
    pub held_percent: u64,
}

/// What is done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The guest may be stopped for so many milliseconds from now on.
    LongestPause(u32, String),
    /// It goes on at the target at once.
    PostCopy(String),
    /// The move is given up, for this reason.
    GiveUp(String),
}

/// A move that is steered.
#[derive(Clone, Debug)]
pub struct Steering {
    limits: [u32; 3],
    step: usize,
    begun: bool,
    passes: u32,
    least: Option<u64>,
    /// The best rate seen, bytes a second: what the link carries. In passes that send little QEMU tells far less.
    best: u64,
    stalls: u32,
    /// Those with the guest held back as far as that goes.
    stalls_held: u32,
    /// The last word was spoken: post-copy, or giving up.
    ended: bool,
    policy: MigrationPolicy,
    throttle: bool,
    post_copy: bool,
}

impl Steering {
    /// By this policy, with this mechanism.
    pub fn new(policy: &MigrationPolicy, mechanism: &Mechanism) -> Self {
        let limit = f64::from(mechanism.pause_limit_ms);
        Self {
            limits: PAUSES.map(|part| ((limit * part) as u32).max(1)),
            step: 0,
            begun: false,
            passes: 0,
            least: None,
            best: 0,
            stalls: 0,
            stalls_held: 0,
            ended: false,
            policy: policy.clone(),
            throttle: mechanism.throttle,
            post_copy: mechanism.post_copy,
        }
    }

    /// Its limits were changed on the way; what was spoken already stays so.
    pub fn adopt(&mut self, policy: &MigrationPolicy, pause_limit_ms: u32) -> Option<Act> {
        let before = self.limits[self.step];
        self.limits = PAUSES.map(|part| ((f64::from(pause_limit_ms) * part) as u32).max(1));
        self.policy = policy.clone();
        self.stalls = 0;
        let now = self.limits[self.step];
        (self.begun && now != before && !self.ended).then(|| {
            Act::LongestPause(
                now,
                format!("its limits were changed: a pause of {now} ms is tried"),
            )
        })
    }

    /// The move shows for the first time: what it begins with.
    pub fn began(&mut self) -> Option<Act> {
        if self.begun {
            return None;
        }
        self.begun = true;
        let first = self.limits[0];
        Some(Act::LongestPause(
            first,
            format!("a pause of {first} ms is tried first"),
        ))
    }

    /// A pass over memory ended.
    pub fn passed(&mut self, seen: Seen) -> Option<Act> {
        if self.ended {
            return None;
        }
        self.passes += 1;
        self.best = self.best.max(seen.rate);
        if self.is_late(seen.at_ms) {
            return Some(self.beyond(seen, "it is out of time"));
        }
        // Nothing was sent yet when the first pass begins, and what follows is the first look at what was written.
        if self.passes <= 2 || seen.rate == 0 {
            self.note(seen.remaining);
            return None;
        }
        let stalled = self
            .least
            .is_some_and(|least| seen.remaining as f64 >= least as f64 * STALLED);
        self.note(seen.remaining);
        let needed = needed_ms(seen);
        if needed <= f64::from(self.limits[self.step]) || !stalled {
            (self.stalls, self.stalls_held) = (0, 0);
            return None;
        }
        // With the guest stopped QEMU takes the whole link, whatever share it was given before.
        let link =
            self.best.max(1) as f64 * 100.0 / f64::from(self.policy.link_share_percent.max(1));
        let really = seen.remaining as f64 * 1e3 / link;
        let most = f64::from(self.limits[self.limits.len() - 1]);
        if needed > most && really <= most {
            // It would be sent in time, and QEMU does not believe it: by the rate of a pass that sent little.
            let limit = (needed * SLACK).clamp(1.0, MOST_PAUSE_MS) as u32;
            return Some(Act::LongestPause(
                limit,
                format!(
                    "what is left takes {really:.0} ms at the best rate seen: it is switched over now"
                ),
            ));
        }
        self.stalls += 1;
        // What holding it back further does shows in the passes after that.
        self.stalls_held += u32::from(seen.held_percent >= HELD_MOST);
        let near = self
            .least
            .is_none_or(|least| seen.remaining as f64 <= least as f64 * NEAR);
        let next =
            (self.step + 1..self.limits.len()).find(|step| needed <= f64::from(self.limits[*step]));
        match next {
            // Further up comes a pass that leaves less, or patience ends.
            Some(step) if near || self.stalls >= PATIENCE => Some(self.raise(step, needed)),
            None if self.step + 1 < self.limits.len() => {
                Some(self.raise(self.limits.len() - 1, needed))
            }
            _ if self.throttle && self.stalls_held <= PATIENCE && self.stalls <= PATIENCE_HELD => {
                None
            }
            _ if self.stalls >= PATIENCE => Some(self.beyond(seen, "it gets nowhere")),
            _ => None,
        }
    }

    /// A look in between: only time is judged by it.
    pub fn looked(&mut self, seen: Seen) -> Option<Act> {
        if self.ended || !self.is_late(seen.at_ms) {
            return None;
        }
        Some(self.beyond(seen, "it is out of time"))
    }

    fn note(&mut self, remaining: u64) {
        self.least = Some(self.least.map_or(remaining, |least| least.min(remaining)));
    }

    fn raise(&mut self, step: usize, needed: f64) -> Act {
        self.step = step;
        let limit = self.limits[step];
        Act::LongestPause(
            limit,
            format!(
                "copying gets no further and would need a pause of {needed:.0} ms: {limit} ms are allowed"
            ),
        )
    }

    fn is_late(&self, at_ms: u64) -> bool {
        self.policy
            .finish_within_seconds
            .is_some_and(|most| at_ms >= u64::from(most) * 1_000)
    }

    /// What comes after all that the policy promises.
    fn beyond(&mut self, seen: Seen, why: &str) -> Act {
        let needed = needed_ms(seen);
        if self.post_copy && self.passes > 1 {
            self.ended = true;
            return Act::PostCopy(format!(
                "{why}: the guest goes on at the target, and its memory follows"
            ));
        }
        match self.policy.last_resort {
            LastResort::LongerPause if needed.is_finite() => {
                // What is left goes up and down: it is asked again at the next pass.
                let limit = (needed * SLACK).clamp(1.0, MOST_PAUSE_MS) as u32;
                Act::LongestPause(
                    limit,
                    format!(
                        "{why}: it is finished with a pause of about {needed:.0} ms, longer than {} ms",
                        self.policy.longest_pause_ms
                    ),
                )
            }
            _ => {
                self.ended = true;
                Act::GiveUp(format!(
                    "It was given up by \"{}\": {why}. {} MiB were left, and {} MiB a second are copied.",
                    self.policy.name,
                    seen.remaining >> 20,
                    seen.rate >> 20
                ))
            }
        }
    }
}

/// libvirt's most, and QEMU's.
const MOST_PAUSE_MS: f64 = 2_000_000.0;

/// Milliseconds it takes to send what is left.
fn needed_ms(seen: Seen) -> f64 {
    match seen.rate {
        0 => f64::INFINITY,
        rate => seen.remaining as f64 * 1e3 / rate as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn policy() -> MigrationPolicy {
        MigrationPolicy::default()
    }
    fn mechanism(throttle: bool, post_copy: bool) -> Mechanism {
        Mechanism {
            throttle,
            post_copy,
            pause_limit_ms: 200,
            ..Mechanism::default()
        }
    }
    fn at(at_ms: u64, left_mib: u64) -> Seen {
        Seen {
            at_ms,
            remaining: left_mib * MIB,
            rate: 100 * MIB,
            held_percent: 0,
        }
    }
    /// What is done pass by pass, with so many MiB left after each.
    fn acts(steering: &mut Steering, left: &[u64]) -> Vec<Option<Act>> {
        let passes = left.iter().enumerate();
        passes
            .map(|(n, left)| steering.passed(at(n as u64 * 1_000, *left)))
            .collect()
    }
    fn limit(act: &Option<Act>) -> u32 {
        match act {
            Some(Act::LongestPause(limit, _)) => *limit,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_gets_ahead_is_left_alone() {
        let mut steering = Steering::new(&policy(), &mechanism(false, false));
        assert_eq!(limit(&steering.began()), 50);
        assert_eq!(steering.began(), None);
        let acts = acts(&mut steering, &[1_000, 500, 250, 125, 60, 30, 15, 7, 4]);
        assert!(acts.iter().all(Option::is_none), "{acts:?}");
    }

    #[test]
    fn one_that_stalls_has_the_shortest_pause_that_does() {
        // 8 MiB a pass: 80 ms.
        let mut steering = Steering::new(&policy(), &mechanism(false, false));
        let acts = acts(&mut steering, &[1_000, 8, 8]);
        assert_eq!(limit(&acts[2]), 100);
    }

    #[test]
    fn one_that_writes_too_much_is_given_up_and_why_is_said() {
        let mut steering = Steering::new(&policy(), &mechanism(false, false));
        let acts = acts(&mut steering, &[1_000, 90, 90, 90, 90, 90, 90]);
        assert_eq!(limit(&acts[2]), 200, "all that is promised is tried first");
        let Some(Act::GiveUp(why)) = &acts[4] else {
            panic!("{acts:?}")
        };
        assert!(why.contains("90 MiB were left"), "{why}");
        assert!(acts[5].is_none(), "once");
    }

    #[test]
    fn a_pass_that_sends_little_does_not_make_the_link_slow() {
        let mut steering = Steering::new(&policy(), &mechanism(true, false));
        acts(&mut steering, &[1_000, 90, 90, 20]);
        let slow = |left_mib| Seen {
            rate: 2 * MIB,
            ..at(9_000, left_mib)
        };
        assert_eq!(steering.passed(slow(2)), None, "it gets ahead");
        // 2 MiB take 20 ms of 100 MiB/s; QEMU, which goes by 2 MiB/s, has to be told a second.
        assert_eq!(limit(&steering.passed(slow(2))), 1_300);
    }

    #[test]
    fn a_throttled_one_is_given_time_and_post_copy_is_the_last_word() {
        let mut steering = Steering::new(&policy(), &mechanism(true, false));
        let many = vec![90; 20];
        assert!(
            acts(&mut steering, &many)[3..].iter().all(Option::is_none),
            "QEMU holds it back more and more"
        );
        let mut steering = Steering::new(&policy(), &mechanism(true, false));
        acts(&mut steering, &[1_000, 90, 90, 90]);
        let held = |_| {
            let held = Seen {
                held_percent: 99,
                ..at(9_000, 90)
            };
            steering.passed(held)
        };
        let held: Vec<_> = (0..4).map(held).collect();
        assert!(held[..3].iter().all(Option::is_none), "that shows later");
        assert!(matches!(&held[3], Some(Act::GiveUp(_))), "{held:?}");
        let mut steering = Steering::new(&policy(), &mechanism(false, true));
        let acts = acts(&mut steering, &[1_000, 90, 90, 90, 90, 90]);
        assert!(matches!(&acts[4], Some(Act::PostCopy(_))), "{acts:?}");
    }

    #[test]
    fn out_of_time_comes_the_last_resort_at_any_moment() {
        let mut by = policy();
        by.finish_within_seconds = Some(10);
        let mut steering = Steering::new(&by, &mechanism(true, false));
        assert_eq!(steering.looked(at(9_999, 500)), None);
        assert!(matches!(
            steering.looked(at(10_000, 500)),
            Some(Act::GiveUp(_))
        ));
        by.last_resort = LastResort::LongerPause;
        let mut steering = Steering::new(&by, &mechanism(true, false));
        assert_eq!(limit(&steering.looked(at(10_000, 500))), 6_500);
    }

    #[test]
    fn limits_that_change_on_the_way_hold_from_then_on() {
        let mut steering = Steering::new(&policy(), &mechanism(false, false));
        assert_eq!(steering.adopt(&policy(), 400), None, "it has not begun");
        assert_eq!(limit(&steering.began()), 100);
        assert_eq!(limit(&steering.adopt(&policy(), 2_000)), 500);
    }

    proptest! {
        /// Whatever is left after each pass: no pause beyond what is promised unless the last resort says so, and one that
        /// never gets ahead does not go on for ever.
        #[test]
        fn promises_are_kept(left in prop::collection::vec(0..4_000_u64, 60), throttle: bool, post_copy: bool) {
            let mut steering = Steering::new(&policy(), &mechanism(throttle, post_copy));
            steering.began();
            for act in acts(&mut steering, &left).into_iter().flatten() {
                if let Act::LongestPause(limit, _) = act {
                    prop_assert!(limit <= 200, "{limit}");
                }
            }
            let stuck = vec![5_000; 60];
            let acts = acts(&mut steering, &stuck);
            prop_assert!(steering.ended, "{acts:?}");
        }
    }
}
