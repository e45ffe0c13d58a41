//! Which stretch of time a page's graphs show: one of a few named ones that end now, the whole lease, or one somebody
//! chose by zooming.

use bellwether_engine::Engine;
use bellwether_model::{
    Timestamp,
    time::{day_end, day_start},
    vm::Vm,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Stretches that end now: word, label, seconds.
const RECENT: [(&str, &str, i64); 6] = [
    ("quarter", "15 min", 900),
    ("hour", "Hour", 3_600),
    ("day", "Day", 86_400),
    ("week", "Week", 604_800),
    ("month", "Month", 2_678_400),
    ("year", "Year", 31_622_400),
];

/// Where nobody chose, or what was chosen makes no sense.
const USUAL: usize = 1;

/// The word for the time the VM was given.
const LEASE: &str = "lease";

/// Points a graph has at most: as many as can be told apart.
const POINTS: i64 = 400;

/// Seconds from point to point that people can make sense of.
const STEPS: [u32; 15] = [
    10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400,
];

/// The shortest stretch one can zoom into, seconds.
const SHORTEST: i64 = 60;

/// The longest stretch there can be, seconds: a century.
const LONGEST: i64 = 3_155_760_000;

/// What the address of a page says about it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct StretchQuery {
    /// A named stretch.
    #[serde(default)]
    pub range: Option<String>,
    /// First moment of a chosen one, seconds since 1970.
    #[serde(default)]
    pub from: Option<String>,
    /// Last moment of a chosen one, seconds since 1970.
    #[serde(default)]
    pub until: Option<String>,
}

/// A stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The word of a named one; none for one that was chosen.
    pub word: Option<&'static str>,
    /// First moment.
    pub from: Timestamp,
    /// Last moment; may lie ahead.
    pub to: Timestamp,
    /// Seconds from point to point.
    pub step: u32,
    /// Whether it moves on with the clock.
    pub follows: bool,
}

/// A way to another stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What stands on it.
    pub label: &'static str,
    /// The address's part after the page's own, with its question mark.
    pub query: String,
    /// Whether it leads to what is shown.
    pub here: bool,
}

impl Stretch {
    /// What `query` asks for; the last hour where it asks for nothing, or for what makes no sense.
    pub fn of(query: &StretchQuery, now: Timestamp, lease: Option<&Vm>, zone: &TimeZone) -> Self {
        if let Some(chosen) = chosen(query) {
            return chosen;
        }
        if let (Some(LEASE), Some(vm)) = (query.range.as_deref(), lease) {
            return Self::between(
                Some(LEASE),
                day_start(vm.lease_from, zone).seconds(),
                day_end(vm.lease_until, zone).seconds(),
            );
        }
        let named = RECENT
            .into_iter()
            .find(|(word, ..)| query.range.as_deref() == Some(word));
        let (word, _, seconds) = named.unwrap_or(RECENT[USUAL]);
        Self {
            word: Some(word),
            from: now.minus(Duration::from_secs(seconds.unsigned_abs())),
            to: now,
            step: step_of(seconds),
            follows: true,
        }
    }

    /// The same with the step there is: further back it is no longer kept as finely as a short stretch asks for.
    #[must_use]
    pub fn as_kept(self, engine: &Engine) -> Self {
        Self {
            step: engine.history().step(self.from, self.step),
            ..self
        }
    }

    fn between(word: Option<&'static str>, from: i64, to: i64) -> Self {
        let to = to.max(from.saturating_add(SHORTEST));
        Self {
            word,
            from: Timestamp::from_seconds(from),
            to: Timestamp::from_seconds(to),
            step: step_of(to - from),
            follows: false,
        }
    }

    /// The named stretches, of which one may be shown.
    pub fn tabs(&self, lease: bool) -> Vec<Way> {
        let lease = lease.then_some((LEASE, "This lease", 0));
        let tab = |(word, label, _): (&str, &'static str, i64)| Way {
            label,
            query: format!("?range={word}"),
            here: self.word == Some(word),
        };
        RECENT.into_iter().chain(lease).map(tab).collect()
    }

    /// Back, ahead, closer and further: what dragging over a graph does, for who uses no pointer or no script.
    pub fn ways(&self, now: Timestamp) -> Vec<Way> {
        let (from, to) = (self.from.seconds(), self.to.seconds());
        let span = to - from;
        let half = span / 2;
        let to_way = |label, (from, to): (i64, i64)| Way {
            label,
            query: format!("?from={from}&until={to}"),
            here: false,
        };
        let mut ways = Vec::with_capacity(4);
        if from > half {
            ways.push(to_way("Earlier", (from - half, to - half)));
        }
        if to < now.seconds() {
            ways.push(to_way("Later", (from + half, to + half)));
        }
        if half >= SHORTEST {
            // What is ahead holds nothing yet: closer is closer to now.
            let end = to.min(now.seconds().max(from + half));
            ways.push(to_way("Closer", (end - half, end)));
        }
        if span < LONGEST / 2 && from > half {
            ways.push(to_way("Further", (from - half, to + half)));
        }
        ways
    }
}

/// The stretch somebody zoomed into.
fn chosen(query: &StretchQuery) -> Option<Stretch> {
    let moment = |text: &Option<String>| text.as_deref()?.parse::<i64>().ok();
    let (from, until) = (moment(&query.from)?, moment(&query.until)?);
    let sensible = from >= 0 && until > from && until <= i64::from(u32::MAX);
    sensible.then(|| Stretch::between(None, from, until))
}

/// The finest step with which `seconds` are not more points than can be told apart.
fn step_of(seconds: i64) -> u32 {
    let fits = |step: &u32| seconds / i64::from(*step) <= POINTS;
    let coarsest = || u32::try_from(seconds / POINTS).unwrap_or(u32::MAX);
    STEPS.into_iter().find(fits).unwrap_or_else(coarsest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: Option<&str>, from: Option<&str>, until: Option<&str>) -> Stretch {
        let query = StretchQuery {
            range: range.map(Into::into),
            from: from.map(Into::into),
            until: until.map(Into::into),
        };
        Stretch::of(
            &query,
            Timestamp::from_seconds(1_800_000_000),
            None,
            &TimeZone::UTC,
        )
    }

    #[test]
    fn named_ones_end_now_and_have_steps_people_know() {
        for (word, span, step) in [
            ("quarter", 900, 10),
            ("hour", 3_600, 10),
            ("day", 86_400, 300),
            ("week", 604_800, 1_800),
            ("month", 2_678_400, 7_200),
            ("year", 31_622_400, 86_400),
        ] {
            let stretch = asked(Some(word), None, None);
            assert_eq!(stretch.to.seconds() - stretch.from.seconds(), span);
            assert_eq!((stretch.word, stretch.step), (Some(word), step));
            assert!(stretch.follows);
        }
    }

    #[test]
    fn what_makes_no_sense_is_the_last_hour() {
        let hour = asked(Some("hour"), None, None);
        for (range, from, until) in [
            (Some("fortnight"), None, None),
            (Some("lease"), None, None),
            (None, Some("5"), None),
            (None, Some("nan"), Some("9")),
            (None, Some("9"), Some("9")),
            (None, Some("-3"), Some("9")),
            (None, Some("3"), Some("9999999999999")),
        ] {
            assert_eq!(
                asked(range, from, until),
                hour,
                "{range:?} {from:?} {until:?}"
            );
        }
    }

    #[test]
    fn ways_lead_around_what_is_shown_and_never_past_now() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let query = |stretch: &Stretch, label| {
            let ways = stretch.ways(now);
            ways.into_iter()
                .find(|way| way.label == label)
                .map(|way| way.query)
        };
        let hour = asked(None, None, None);
        assert_eq!(query(&hour, "Later"), None);
        assert_eq!(
            query(&hour, "Closer").unwrap(),
            "?from=1799998200&until=1800000000"
        );
        let past = asked(None, Some("1799990000"), Some("1799990100"));
        assert_eq!(query(&past, "Closer"), None, "a minute is the shortest");
        assert_eq!(
            query(&past, "Later").unwrap(),
            "?from=1799990050&until=1799990150"
        );
        assert_eq!(
            query(&past, "Further").unwrap(),
            "?from=1799989950&until=1799990150"
        );
        assert!(
            asked(None, Some("0"), Some("4000000000"))
                .ways(now)
                .iter()
                .all(|way| way.label != "Further")
        );
    }
}
