//! Alerts: from what is seen now and what stood before to what is new and what is over.
//!
//! ```text
//!            bad            bad, held long enough            good, held long enough, or nothing left to watch
//!  (quiet) ──────► pending ──────────────────────► open ───────────────────────────────────────────────────► (quiet)
//!     ▲               │
//!     └───────────────┘ no longer bad
//! ```
//! [`sights()`] says of each thing under each rule how it stands; [`step`] turns that into incidents. Two things keep a
//! value that swings around its mark from opening one incident after the other: it must be bad for a while before an
//! incident opens, and well below the mark for a while before it is over. What is not known counts for neither: time in
//! which nothing was seen is not time in which it held.

mod sights;
mod trend;

pub use sights::{MoveSeen, Part, Progress, Scene, parts, sights};
pub use trend::full_at;

use bellwether_model::{
    Timestamp, UserId,
    alert::{AlertKey, AlertPolicy, Rule},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Between two steps at most so much counts as time in which something held: who slept, or whose clock was set, has not
/// watched.
pub const LONGEST_STEP: Duration = Duration::from_secs(120);

/// How a thing stands under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Well below the mark.
    Good,
    /// Below the mark, and not by far.
    Between,
    /// Beyond the mark.
    Bad,
    /// Nobody can tell now.
    Unknown,
}

/// A thing under a rule, as it is seen now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What, about what.
    pub key: AlertKey,
    /// The thing's name.
    pub name: String,
    /// Whose it is.
    pub owner: Option<UserId>,
    /// How it stands.
    pub condition: Condition,
    /// In a sentence, where it is bad; else empty.
    pub text: String,
}

/// How long something must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Bad for so long before an incident opens.
    pub hold: Duration,
    /// Good for so long before it is over.
    pub clear: Duration,
}

/// How long a rule waits, by the policy.
pub fn timing(rule: Rule, policy: &AlertPolicy) -> Timing {
    let minutes = |count: u32| Duration::from_secs(60) * count;
    let (hold, clear) = match rule {
        Rule::HostStale => {
            let silent = minutes(policy.host_silent_minutes);
            (silent, silent / 2)
        }
        Rule::MigrationStuck => {
            let stuck = minutes(policy.migration_stuck_minutes);
            (stuck, stuck / 10)
        }
        // They are facts, not figures.
        Rule::MigrationFailed | Rule::LeaseEnding => (Duration::ZERO, Duration::ZERO),
        // A gap is there at once; one sample that got through is no end of it.
        Rule::HistoryStopped => (Duration::ZERO, minutes(1)),
        _ => (minutes(policy.hold_minutes), minutes(policy.hold_minutes)),
    };
    Timing { hold, clear }
}

/// For how long something has been so, as far as it was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    time: Duration,
    /// Whether it was so when last looked at; else nobody could tell.
    sure: bool,
}

impl Held {
    /// It is so after another `step`.
    fn on(self, step: Duration) -> Self {
        Self {
            time: self.time + if self.sure { step } else { Duration::ZERO },
            sure: true,
        }
    }
    /// Nobody can tell whether it is.
    fn unsure(self) -> Self {
        Self {
            sure: false,
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Bad, not yet for long enough.
    Pending(Held),
    /// An incident is open; good since, where it is.
    Open(Option<Held>),
}

/// How everything stood after a step; what is quiet is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    of: BTreeMap<AlertKey, State>,
    at: Option<Timestamp>,
}

impl Standing {
    /// The same where exactly these incidents are open, as the database has it: another process may have opened or ended
    /// some, and an earlier one too.
    #[must_use]
    pub fn with_open(mut self, open: impl IntoIterator<Item = AlertKey>) -> Self {
        let open: BTreeSet<AlertKey> = open.into_iter().collect();
        self.of
            .retain(|key, state| matches!(state, State::Pending(_)) || open.contains(key));
        for key in open {
            let state = self.of.entry(key).or_insert(State::Open(None));
            if let State::Pending(_) = state {
                *state = State::Open(None);
            }
        }
        self
    }
    /// The incidents that are open.
    pub fn open(&self) -> impl Iterator<Item = &AlertKey> {
        let open = self.of.iter();
        open.filter_map(|(key, state)| matches!(state, State::Open(_)).then_some(key))
    }
}

/// Why an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has been good for long enough.
    Better,
    /// There is nothing left to watch: the thing, the rule or the reason is gone.
    Gone,
}

/// What a step brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An incident opens.
    Opened(Sight),
    /// An incident is over.
    Resolved(AlertKey, Ending),
}

/// From how everything stood, and what is seen now, to how it stands and what is new.
pub fn step(
    before: &Standing,
    sights: Vec<Sight>,
    timing: impl Fn(Rule) -> Timing,
    now: Timestamp,
) -> (Standing, Vec<Change>) {
    let since = before.at.map_or(Duration::ZERO, |at| now.since(at));
    let since = since.min(LONGEST_STEP);
    let mut after = Standing {
        of: BTreeMap::new(),
        at: Some(now),
    };
    let mut changes = Vec::new();
    for sight in sights {
        if after.of.contains_key(&sight.key) {
            continue;
        }
        let timing = timing(sight.key.rule);
        let state = match before.of.get(&sight.key) {
            None => quiet(sight.condition, timing),
            Some(State::Pending(held)) => pending(*held, sight.condition, since, timing),
            Some(State::Open(good)) => open(*good, sight.condition, since, timing),
        };
        let was_open = matches!(before.of.get(&sight.key), Some(State::Open(_)));
        let is_open = matches!(state, Some(State::Open(_)));
        if let Some(state) = state {
            after.of.insert(sight.key.clone(), state);
        }
        match (was_open, is_open) {
            (false, true) => changes.push(Change::Opened(sight)),
            (true, false) => changes.push(Change::Resolved(sight.key, Ending::Better)),
            _ => {}
        }
    }
    let ended: BTreeSet<AlertKey> = changes.iter().filter_map(resolved).cloned().collect();
    let gone = before.open();
    let gone = gone.filter(|key| !after.of.contains_key(key) && !ended.contains(key));
    let gone: Vec<Change> = gone
        .map(|key| Change::Resolved(key.clone(), Ending::Gone))
        .collect();
    changes.extend(gone);
    (after, changes)
}

fn resolved(change: &Change) -> Option<&AlertKey> {
    match change {
        Change::Resolved(key, _) => Some(key),
        Change::Opened(_) => None,
    }
}

fn quiet(condition: Condition, timing: Timing) -> Option<State> {
    match condition {
        Condition::Bad if timing.hold.is_zero() => Some(State::Open(None)),
        Condition::Bad => Some(State::Pending(Held::default().on(Duration::ZERO))),
        _ => None,
    }
}

fn pending(held: Held, condition: Condition, step: Duration, timing: Timing) -> Option<State> {
    match condition {
        Condition::Bad => {
            let held = held.on(step);
            match held.time >= timing.hold {
                true => Some(State::Open(None)),
                false => Some(State::Pending(held)),
            }
        }
        Condition::Unknown => Some(State::Pending(held.unsure())),
        Condition::Between | Condition::Good => None,
    }
}

fn open(good: Option<Held>, condition: Condition, step: Duration, timing: Timing) -> Option<State> {
    match condition {
        Condition::Good => {
            let held = good.unwrap_or_default().on(step);
            (held.time < timing.clear).then_some(State::Open(Some(held)))
        }
        Condition::Unknown => Some(State::Open(good.map(Held::unsure))),
        Condition::Bad | Condition::Between => Some(State::Open(None)),
    }
}

/// How an incident ended, in a sentence.
pub fn ending_words(rule: Rule, ending: Ending) -> &'static str {
    match (rule, ending) {
        (Rule::HostStale, Ending::Better) => "It answers again.",
        (Rule::SamplingLate, Ending::Better) => "It answers in time again.",
        (Rule::PoolFilling, Ending::Better) => "It has room again.",
        (Rule::MigrationStuck, Ending::Better) => "It gets on again.",
        (Rule::MigrationStuck, Ending::Gone) => "It has ended.",
        (Rule::HistoryStopped, Ending::Better) => "They are kept again.",
        (Rule::MigrationFailed, _) => "Its machine was moved again since, or a day has passed.",
        (Rule::LeaseEnding, _) => "It was extended, or has ended.",
        (_, Ending::Better) => "It is below the mark again.",
        (_, Ending::Gone) => {
            "It is no longer watched: it was removed or put aside, or the rule was switched off."
        }
    }
}

#[cfg(test)]
mod tests;
