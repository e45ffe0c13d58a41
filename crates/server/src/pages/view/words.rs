//! Figures with their unit, ages and days in words. Every page speaks through these.

use bellwether_model::{Day, MiB, Timestamp};
use std::time::Duration;

/// A figure with its unit; or unknown, with why; with its age where it is older than it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The number.
    pub value: String,
    /// Its unit.
    pub unit: String,
    /// Why it is unknown.
    pub unknown: Option<String>,
    /// How old, where too old.
    pub age: Option<String>,
}

impl Reading {
    /// A figure.
    pub fn new(value: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            unit: unit.into(),
            ..Self::default()
        }
    }
    /// Not known, and why.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self {
            unknown: Some(why.into()),
            ..Self::default()
        }
    }
    /// The figure, or unknown because of `why`.
    pub fn or_unknown(reading: Option<Self>, why: &str) -> Self {
        reading.unwrap_or_else(|| Self::unknown(why))
    }
    /// The same with an age, where it has one.
    #[must_use]
    pub fn aged(mut self, age: Option<String>) -> Self {
        if self.unknown.is_none() {
            self.age = age;
        }
        self
    }
    /// In one piece: `7.1 GiB`.
    pub fn text(&self) -> String {
        if self.unknown.is_some() {
            "unknown".into()
        } else {
            join(&self.value, &self.unit)
        }
    }
}

/// The first `most` characters of a name, where it is longer.
pub fn shortened(name: &str, most: usize) -> String {
    match name.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.into(),
    }
}

fn join(value: &str, unit: &str) -> String {
    if unit.is_empty() {
        value.into()
    } else {
        format!("{value} {unit}")
    }
}

/// Three significant figures at most, no trailing zeros: 7.13 → "7.1", 64.0 → "64".
pub fn number(value: f64) -> String {
    let digits = if value.abs() >= 99.95 {
        0
    } else if value.abs() >= 0.995 {
        1
    } else {
        2
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    } else {
        text
    }
}

/// Memory: below 1 GiB in MiB, else in GiB.
pub fn memory(size: MiB) -> Reading {
    if size.0 < 1024 {
        Reading::new(size.0.to_string(), "MiB")
    } else {
        Reading::new(number(size.0 as f64 / 1024.0), "GiB")
    }
}

/// Memory in one piece.
pub fn memory_text(size: MiB) -> String {
    memory(size).text()
}

/// GiB without the unit, for figures beside one another.
pub fn gib(size: MiB) -> String {
    number(size.0 as f64 / 1024.0)
}

/// GiB as a form shows it: exact.
pub fn gib_exact(size: MiB) -> String {
    let text = format!("{:.4}", size.0 as f64 / 1024.0);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// Bytes with a binary unit.
pub fn bytes(amount: u64) -> Reading {
    let mut value = amount as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    Reading::new(number(value), unit)
}

/// Bytes a second.
pub fn rate(amount: f64) -> Reading {
    let mut reading = bytes(amount.max(0.0) as u64);
    reading.unit.push_str("/s");
    reading
}

/// A share as a whole percentage.
pub fn percent(share: f64) -> Reading {
    let percent = share * 100.0;
    let text = if percent > 0.0 && percent < 0.95 {
        number(percent)
    } else {
        format!("{percent:.0}")
    };
    Reading::new(text, "%")
}

/// Milliseconds as people say them.
pub fn milliseconds(ms: u64) -> Reading {
    if ms < 1000 {
        Reading::new(ms.to_string(), "ms")
    } else if ms < 120_000 {
        Reading::new(number(ms as f64 / 1000.0), "s")
    } else {
        Reading::new(duration(Duration::from_millis(ms)), "")
    }
}

/// A length of time, coarsely: `40 s`, `3 min`, `5 h`, `2 days`.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago: `just now`, `3 min ago`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let past = now.since(at);
    if past.as_secs() < 5 {
        "just now".into()
    } else {
        format!("{} ago", duration(past))
    }
}

/// The age of a sample, where it is older than three periods.
pub fn stale_age(at: Option<Timestamp>, now: Timestamp, period: Duration) -> Option<String> {
    let past = now.since(at?);
    (past > period * 3).then(|| duration(past))
}

/// A moment in the site's time zone: `24 Nov 2026 13:05`.
pub fn moment(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    written(at, zone, "%-d %b %Y %H:%M")
}

/// A time of day in the site's time zone: `13:05`.
pub fn clock(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    written(at, zone, "%H:%M")
}

/// A time of day to the second: `13:05:09`.
pub fn seconds(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    written(at, zone, "%H:%M:%S")
}

/// A moment to the second: `24 Nov 2026 13:05:09`.
pub fn seconds_day(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    written(at, zone, "%-d %b %Y %H:%M:%S")
}

fn written(at: Timestamp, zone: &jiff::tz::TimeZone, form: &str) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .map(|t| t.to_zoned(zone.clone()).strftime(form).to_string())
        .unwrap_or_else(|_| "out of range".into())
}

/// A day: `Tue 24 Nov 2026`.
pub fn day(day: Day) -> String {
    day.strftime("%a %-d %b %Y").to_string()
}

/// Days from `today` until the end of `last`, the last day included: 1 on the last day itself.
pub fn days_left(last: Day, today: Day) -> i64 {
    today
        .until(last)
        .map(|span| i64::from(span.get_days()))
        .unwrap_or_default()
        + 1
}

/// What is left of a lease, in words.
pub fn days_left_text(last: Day, today: Day) -> String {
    match days_left(last, today) {
        n if n > 1 => format!("{n} days left"),
        1 => "last day".into(),
        0 => "ended yesterday".into(),
        n => format!("ended {} days ago", 1 - n),
    }
}

/// With a capital at the start.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// `1 VM`, `3 VMs`.
pub fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {many}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_three_digits_and_a_unit() {
        for (mib, text) in [
            (512, "512 MiB"),
            (1024, "1 GiB"),
            (7270, "7.1 GiB"),
            (65536, "64 GiB"),
        ] {
            assert_eq!(memory_text(MiB(mib)), text);
        }
        assert_eq!(bytes(0).text(), "0 B");
        assert_eq!(bytes(1_288_490_188).text(), "1.2 GiB");
        assert_eq!(rate(1_250_000.0).text(), "1.2 MiB/s");
        assert_eq!(percent(0.004).text(), "0.4 %");
        assert_eq!(percent(0.416).text(), "42 %");
        assert_eq!(milliseconds(80).text(), "80 ms");
        assert_eq!(milliseconds(2_340).text(), "2.3 s");
    }

    #[test]
    fn the_last_day_counts() {
        let today: Day = "2026-11-24".parse().unwrap();
        let say = |last: &str| days_left_text(last.parse().unwrap(), today);
        assert_eq!(say("2026-11-24"), "last day");
        assert_eq!(say("2026-12-23"), "30 days left");
        assert_eq!(say("2026-11-23"), "ended yesterday");
        assert_eq!(say("2026-11-20"), "ended 4 days ago");
    }

    #[test]
    fn ages_show_only_when_too_old() {
        let now = Timestamp::from_seconds(1_000);
        let period = Duration::from_secs(10);
        assert_eq!(
            stale_age(Some(Timestamp::from_seconds(975)), now, period),
            None
        );
        assert_eq!(
            stale_age(Some(Timestamp::from_seconds(900)), now, period).as_deref(),
            Some("100 s")
        );
    }
}
