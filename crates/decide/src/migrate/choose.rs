//! From what a move may cost and what it is expected to take: how it is done, and what its policy can't promise.

use crate::forecast::{self, HANDING_OVER, Inputs, Way, goodput};
use bellwether_model::{
    migration::{Check, Forecast, Verdict},
    migration_policy::{Encrypt, LastResort, Mechanism, MigrationPolicy},
};

/// A link of so many Mbit/s is more than one stream fills: the receiving CPU is (QEMU's multifd).
const WIDE_MBIT: u32 = 10_000;
/// Streams over a wide link.
const CONNECTIONS: u8 = 4;
/// On a link of so many Mbit/s at most compressing costs less time than sending.
const THIN_MBIT: u32 = 100;
/// A guest that converges even if it writes so many times what was measured does without post-copy, where that would cost it
/// a wide link.
const SURE: f64 = 3.0;
/// The least that is left for copying with the guest stopped, however long handing over takes.
const LEAST_LIMIT_MS: u32 = 20;
/// From this version of QEMU on several streams and post-copy go together (release notes of 10.1).
const STREAMS_WITH_POST_COPY: (u32, u32) = (10, 1);

/// The way a move goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms<'a> {
    /// What it may cost.
    pub policy: &'a MigrationPolicy,
    /// Mbit/s of the thinner end's link; none where that was not configured.
    pub link_mbit: Option<u32>,
    /// The older QEMU of the two, as (major, minor); none where it is not known.
    pub qemu: Option<(u32, u32)>,
    /// Its disk is copied too.
    pub copy_disk: bool,
    /// It goes to another site.
    pub other_site: bool,
    /// Milliseconds for which a guest stands still besides copying, of nine in ten earlier moves; none without any.
    pub handing_over_ms: Option<f64>,
}

/// How it is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Flags and limits, and why.
    pub mechanism: Mechanism,
    /// What it is expected to take so.
    pub forecast: Forecast,
    /// Whether its policy can be kept.
    pub check: Check,
    /// What other ways would take that the policy allows, with their names.
    pub others: Vec<(&'static str, Forecast)>,
}

/// Milliseconds the guest may be stopped for copying, so that it stands still no longer than the policy says.
pub fn pause_limit_ms(policy: &MigrationPolicy, handing_over_ms: f64) -> u32 {
    let besides = handing_over_ms.clamp(0.0, f64::from(u32::MAX)) as u32;
    policy
        .longest_pause_ms
        .saturating_sub(besides)
        .max(LEAST_LIMIT_MS.min(policy.longest_pause_ms))
}

/// Picks the mechanism for a move whose `inputs` are as known; of these the pause, the way and the share of the link are
/// set here.
pub fn choose(inputs: &Inputs<'_>, terms: &Terms<'_>) -> Chosen {
    let policy = terms.policy;
    let handing_over = terms.handing_over_ms.unwrap_or(HANDING_OVER * 1e3);
    let limit_ms = pause_limit_ms(policy, handing_over);
    let share = f64::from(policy.link_share_percent.clamp(1, 100)) / 100.0;
    let by = |way: Way| {
        let mut inputs = inputs.clone();
        (inputs.way, inputs.pause) = (way, f64::from(limit_ms) / 1e3);
        for pace in [
            &mut inputs.pace.low,
            &mut inputs.pace.middle,
            &mut inputs.pace.high,
        ] {
            *pace *= share;
        }
        inputs
    };
    let plain = by(Way::PreCopy);
    let outlook = forecast::outlook(&plain);
    let may_post_copy =
        (policy.may_post_copy || policy.last_resort == LastResort::PostCopy) && !terms.copy_disk;
    // What was measured may be old by now: what a policy allows is at hand, and is used only where it turns out to be
    // needed. QEMU holds back a guest that writes more than half of what is sent, and no other.
    let streams = connections(terms);
    let post_copy = may_post_copy
        && (streams.is_none() || goes_with_streams(terms) || !converges_for_sure(&plain));
    let throttle = policy.may_throttle && !post_copy;
    let way = match outlook.middle.converges {
        true => Way::PreCopy,
        false if post_copy => Way::PostCopy,
        false if throttle => Way::Throttled,
        false => Way::PreCopy,
    };
    let expected = by(way);
    let forecast = forecast::expect(&expected);
    let ends = ends(&expected, way);
    let mut mechanism = Mechanism {
        throttle,
        post_copy,
        connections: streams.filter(|_| !post_copy || goes_with_streams(terms)),
        compress: policy.may_compress && terms.link_mbit.is_some_and(|mbit| mbit <= THIN_MBIT),
        encrypt: match terms.other_site {
            true => Encrypt::Always,
            false => Encrypt::WherePossible,
        },
        bandwidth: (share < 1.0).then(|| {
            let whole = terms.link_mbit.map_or(inputs.pace.high, goodput);
            (whole * share).max(1.0) as u64
        }),
        pause_limit_ms: limit_ms,
        why: String::new(),
    };
    mechanism.why = why(&expected, terms, &mechanism, way);
    let check = check(terms, &forecast, ends, handing_over, &mechanism.why);
    let mut others = Vec::new();
    for (other, name, open) in [
        (Way::PreCopy, "plain pre-copy", true),
        (
            Way::Throttled,
            "holding the guest back",
            policy.may_throttle,
        ),
        (Way::PostCopy, "post-copy", may_post_copy),
    ] {
        if open && other != way {
            others.push((name, forecast::expect(&by(other))));
        }
    }
    Chosen {
        mechanism,
        forecast,
        check,
        others,
    }
}

/// How surely a move ends by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// As it was measured.
    Expected,
    /// Only if all goes better than was measured.
    Perhaps,
    /// Not even then.
    Never,
}

fn ends(inputs: &Inputs<'_>, way: Way) -> Ends {
    let outlook = forecast::outlook(inputs);
    if outlook.middle.converges || way == Way::PostCopy {
        Ends::Expected
    } else if outlook.light.converges {
        Ends::Perhaps
    } else {
        Ends::Never
    }
}

fn converges_for_sure(plain: &Inputs<'_>) -> bool {
    let Some((writes, ago)) = plain.writes else {
        return false;
    };
    let mut worse = plain.clone();
    worse.writes = Some((writes.paced(SURE), ago));
    forecast::outlook(&worse).heavy.converges
}

fn connections(terms: &Terms<'_>) -> Option<u8> {
    let wide = terms.link_mbit.is_some_and(|mbit| mbit >= WIDE_MBIT);
    wide.then_some(CONNECTIONS)
}

fn goes_with_streams(terms: &Terms<'_>) -> bool {
    terms
        .qemu
        .is_some_and(|version| version >= STREAMS_WITH_POST_COPY)
}

/// What was picked and why, in one sentence.
fn why(inputs: &Inputs<'_>, terms: &Terms<'_>, mechanism: &Mechanism, way: Way) -> String {
    let mib = |bytes: f64| format!("{:.0} MiB", bytes / 1_048_576.0);
    let carries = mib(inputs.pace.middle);
    let mut said = match (way, inputs.writes) {
        (Way::PreCopy, Some((writes, _))) => format!(
            "Plain pre-copy: it writes {} in a second and the way carries {carries}",
            mib(writes.within(1.0))
        ),
        (Way::PreCopy, None) => "Plain pre-copy: what it writes was not measured yet".to_owned(),
        (Way::Throttled, _) => format!(
            "Pre-copy that holds the guest back: it writes faster than the {carries} a second that the way carries"
        ),
        (Way::PostCopy, _) => format!(
            "Pre-copy, then post-copy: it writes faster than the {carries} a second that the way carries"
        ),
    };
    if way == Way::PreCopy && mechanism.throttle {
        said.push_str(", and it is held back if it turns out to write more than that allows");
    }
    if way == Way::PreCopy && mechanism.post_copy {
        said.push_str(", and it goes on at the target before its memory is there if it turns out to write more");
    }
    if let Some(connections) = mechanism.connections {
        said.push_str(&format!(
            "; over {connections} connections, for the link is wide"
        ));
    }
    if mechanism.compress {
        said.push_str("; compressed, for the link is thin");
    }
    if let Some(bandwidth) = mechanism.bandwidth {
        said.push_str(&format!(
            "; with {} a second at most, {} % of the link",
            mib(bandwidth as f64),
            terms.policy.link_share_percent
        ));
    }
    if terms.other_site {
        said.push_str("; encrypted, for it goes to another site");
    }
    said.push('.');
    said
}

/// What the policy promises and this move can't keep.
fn check(
    terms: &Terms<'_>,
    forecast: &Forecast,
    ends: Ends,
    handing_over: f64,
    why: &str,
) -> Check {
    let policy = terms.policy;
    let told = |verdict, text: String| Check {
        name: "policy".into(),
        verdict,
        text: format!("By \"{}\": {text}", policy.name),
    };
    let pause = policy.longest_pause_ms;
    let more = match (policy.may_throttle, policy.may_post_copy) {
        (false, _) => "hold it back",
        (true, false) if !terms.copy_disk => "use post-copy",
        _ => "stop it for longer",
    };
    match (ends, policy.last_resort) {
        (Ends::Never, LastResort::LongerPause) => {
            return told(
                Verdict::Warn,
                format!(
                    "it writes more than is copied, so in the end it stands still for longer than {pause} ms, about {}.",
                    duration(forecast.downtime_ms.middle)
                ),
            );
        }
        (Ends::Never, _) => {
            return told(
                Verdict::Fail,
                format!(
                    "it writes more than is copied, and a pause of {pause} ms at most would never be reached. Choose a \
                     policy that may {more}, or wait until it is quieter."
                ),
            );
        }
        (Ends::Perhaps, LastResort::GiveUp) => {
            return told(
                Verdict::Warn,
                format!(
                    "it writes about as much as is copied: it may be given up, for a pause of {pause} ms at most may \
                     never be reached. A policy that may {more} would get it through."
                ),
            );
        }
        _ => {}
    }
    if let Some(most) = policy.finish_within_seconds {
        let total = forecast.total_ms;
        let most_ms = f64::from(most) * 1e3;
        let then = match policy.last_resort {
            LastResort::GiveUp => "it is given up then",
            LastResort::LongerPause => "it is finished with a longer pause then",
            LastResort::PostCopy => "it is finished by post-copy then",
        };
        if total.low > most_ms && policy.last_resort == LastResort::GiveUp {
            return told(
                Verdict::Fail,
                format!(
                    "it would have to be over within {most} s, and about {} are expected. Choose a policy that allows longer.",
                    duration(total.middle)
                ),
            );
        }
        if total.high > most_ms {
            return told(
                Verdict::Warn,
                format!(
                    "it has to be over within {most} s, and {} to {} are expected: {then}.",
                    duration(total.low),
                    duration(total.high)
                ),
            );
        }
    }
    if handing_over + f64::from(LEAST_LIMIT_MS) > f64::from(pause) {
        return told(
            Verdict::Warn,
            format!(
                "a pause of {pause} ms at most can't be promised here: handing over alone takes {handing_over:.0} ms."
            ),
        );
    }
    let text = why.to_owned();
    let mut letters = text.chars();
    let text = letters.next().map_or(String::new(), |first| {
        first.to_lowercase().chain(letters).collect()
    });
    told(Verdict::Pass, text)
}

fn duration(ms: f64) -> String {
    if ms < 1_000.0 {
        format!("{ms:.0} ms")
    } else if ms < 600_000.0 {
        format!("{:.1} s", ms / 1e3)
    } else {
        format!("{:.0} min", ms / 60_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::{Pace, PaceFrom, Writes};
    use bellwether_model::{Timestamp, migration::Convergence};
    use std::time::Duration;

    const MIB: f64 = 1_048_576.0;

    /// 1,000 MiB over 100 MiB/s, of which so many MiB a second are written.
    fn chosen(cold: f64, policy: &MigrationPolicy, change: impl FnOnce(&mut Terms<'_>)) -> Chosen {
        let writes = Writes {
            hot: 0.0,
            hot_within: 1.0,
            cold: cold * MIB,
        };
        let inputs = Inputs {
            at: Timestamp::from_seconds(0),
            memory: 1_000.0 * MIB,
            memory_from: "as at its last move",
            writes: Some((writes, Duration::ZERO)),
            pace: Pace {
                low: 90.0 * MIB,
                middle: 100.0 * MIB,
                high: 110.0 * MIB,
                from: PaceFrom::Way(5),
            },
            disk: 0.0,
            pause: 0.0,
            way: Way::PreCopy,
            past: &[],
        };
        let mut terms = Terms {
            policy,
            link_mbit: None,
            qemu: Some((10, 0)),
            copy_disk: false,
            other_site: false,
            handing_over_ms: None,
        };
        change(&mut terms);
        choose(&inputs, &terms)
    }
    fn policy(change: impl FnOnce(&mut MigrationPolicy)) -> MigrationPolicy {
        let mut policy = MigrationPolicy::default();
        change(&mut policy);
        policy
    }

    #[test]
    fn the_policy_and_what_it_writes_say_how() {
        let careful = policy(|_| {});
        let quiet = chosen(5.0, &careful, |_| {});
        assert_eq!(quiet.check.verdict, Verdict::Pass, "{:?}", quiet.check);
        assert!(
            quiet
                .mechanism
                .why
                .starts_with("Plain pre-copy: it writes 5 MiB")
        );
        assert_eq!(quiet.mechanism.pause_limit_ms, 270);
        assert_eq!(quiet.others.len(), 1);
        let busy = chosen(150.0, &careful, |_| {});
        assert_eq!(busy.check.verdict, Verdict::Pass, "{:?}", busy.check);
        assert!(busy.mechanism.why.contains("holds the guest back"));
        assert_eq!(busy.forecast.convergence, Convergence::NeedsThrottling);
        assert!(busy.forecast.total_ms.middle > quiet.forecast.total_ms.middle);
    }

    #[test]
    fn what_can_not_be_kept_is_refused_or_told_before() {
        let strict = policy(|one| one.may_throttle = false);
        let refused = chosen(150.0, &strict, |_| {}).check;
        assert_eq!(refused.verdict, Verdict::Fail);
        assert!(refused.text.contains("hold it back"), "{}", refused.text);
        let longer = policy(|one| {
            one.may_throttle = false;
            one.last_resort = LastResort::LongerPause;
        });
        let told = chosen(150.0, &longer, |_| {}).check;
        assert_eq!(told.verdict, Verdict::Warn);
        assert!(told.text.contains("longer than 300 ms"), "{}", told.text);
        let perhaps = chosen(98.0, &strict, |_| {}).check;
        assert_eq!(perhaps.verdict, Verdict::Warn, "{}", perhaps.text);
        let hurried = policy(|one| one.finish_within_seconds = Some(3));
        let late = chosen(5.0, &hurried, |_| {}).check;
        assert_eq!(late.verdict, Verdict::Fail);
        assert!(late.text.contains("over within 3 s"), "{}", late.text);
        let short = policy(|one| one.longest_pause_ms = 40);
        let unsure = chosen(5.0, &short, |terms| terms.handing_over_ms = Some(120.0)).check;
        assert_eq!(unsure.verdict, Verdict::Warn);
        assert!(unsure.text.contains("can't be promised"), "{}", unsure.text);
    }

    #[test]
    fn links_and_versions_say_with_what() {
        let careful = policy(|_| {});
        let wide = chosen(5.0, &careful, |terms| terms.link_mbit = Some(25_000)).mechanism;
        assert_eq!((wide.connections, wide.compress), (Some(4), false));
        let thin = chosen(5.0, &careful, |terms| terms.link_mbit = Some(100)).mechanism;
        assert_eq!((thin.connections, thin.compress), (None, true));
        let opted = policy(|one| one.may_post_copy = true);
        let busy = |qemu| {
            let how = chosen(150.0, &opted, |terms| {
                (terms.link_mbit, terms.qemu) = (Some(10_000), Some(qemu));
            });
            (how.mechanism.post_copy, how.mechanism.connections)
        };
        assert_eq!(
            busy((10, 0)),
            (true, None),
            "together the guest would be lost"
        );
        assert_eq!(busy((10, 1)), (true, Some(4)));
        let with_disk = chosen(5.0, &opted, |terms| terms.copy_disk = true).mechanism;
        assert!(!with_disk.post_copy && with_disk.throttle);
        let half = policy(|one| one.link_share_percent = 50);
        let half = chosen(5.0, &half, |terms| terms.link_mbit = Some(1_000)).mechanism;
        assert!(
            half.bandwidth.is_some_and(|bytes| bytes < 60 << 20),
            "{half:?}"
        );
        let away = chosen(5.0, &careful, |terms| terms.other_site = true).mechanism;
        assert_eq!(away.encrypt, Encrypt::Always);
    }
}
