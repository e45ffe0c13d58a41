//! What people type and read: sizes, days, ages; text from elsewhere made harmless.

use bellwether_api::{Moment, migration::Expected};
use bellwether_model::{Day, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Text from elsewhere as it may reach a terminal: control characters (which could move the cursor or retitle the
/// window) made visible.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A word of the wire as people read it.
pub fn words(word: impl std::fmt::Display) -> String {
    word.to_string().replace('_', " ")
}

/// `yes` or `no`.
pub fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.into()
}

/// What is there, or `unknown`.
pub fn or_unknown<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "unknown".into(), show)
}

/// What is there, or a dash.
pub fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".into(), show)
}

/// A figure of something that runs: unknown where it is not known, a dash where nothing runs.
pub fn used<T>(runs: bool, value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    if runs {
        or_unknown(value, show)
    } else {
        or_dash(value, show)
    }
}

/// `512 MiB`, `4 GiB`, `1.5 GiB`.
pub fn mib(mib: u64) -> String {
    if mib < 1024 {
        format!("{mib} MiB")
    } else if mib.is_multiple_of(1024) {
        format!("{} GiB", mib / 1024)
    } else {
        format!("{:.1} GiB", mib as f64 / 1024.0)
    }
}

/// Bytes with the unit that suits them.
pub fn bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1024.0 {
            return if unit == "B" || value >= 100.0 {
                format!("{value:.0} {unit}")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Milliseconds: `80 ms`, `4.2 s`, `3 min 5 s`.
pub fn millis(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// Milliseconds that are expected, with the range in which half of all cases lie.
pub fn expected_ms(expected: &Expected) -> String {
    let ms = |ms: f64| millis(ms.round() as u64);
    format!(
        "{} ({} to {})",
        ms(expected.middle),
        ms(expected.low),
        ms(expected.high)
    )
}

/// Seconds as an age: `5 s`, `12 min`, `3 h`, `4 days`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long ago by this machine's clock.
pub fn ago(at: Moment) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Timestamp(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
    format!("{} ago", age(now.since(at.0).as_secs()))
}

/// Memory as typed: `4GiB`, `4G`, `512 MiB`, `512M`; in MiB.
pub fn parse_memory(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!(
            "'{}' is no size; write it with its unit, like 512MiB or 4GiB",
            clean(text)
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let factor = match unit.as_str() {
        "m" | "mib" => 1,
        "g" | "gib" => 1 << 10,
        "t" | "tib" => 1 << 20,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// A disk as typed: `20GiB`, `20G`, `1TiB`; in GiB.
pub fn parse_disk(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!(
            "'{}' is no size; write it with its unit, like 20GiB or 1TiB",
            clean(text)
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let factor = match unit.as_str() {
        "g" | "gib" => 1,
        "t" | "tib" => 1 << 10,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

fn split_unit(text: &str) -> Option<(i64, String)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim().to_ascii_lowercase()))
}

/// A length of time as typed: `90s`, `15m`, `6h`, `7d`, `2w`.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "'{}' is no length of time; write it like 15m, 6h, 7d or 2w",
            clean(text)
        )
    };
    let (number, unit) = split_unit(text).ok_or_else(wrong)?;
    let factor = match unit.as_str() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = u64::try_from(number)
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

/// A day as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypedDay {
    /// `2026-11-24`; or anything else, which the server refuses by name.
    Literal(String),
    /// `today`, `tomorrow`, `+30d`, `+4w`: this many days after something.
    After(u64),
}

/// Reads a day as typed.
pub fn parse_day(text: &str) -> Result<TypedDay, String> {
    match text {
        "today" => Ok(TypedDay::After(0)),
        "tomorrow" => Ok(TypedDay::After(1)),
        _ => match text.strip_prefix('+') {
            Some(span) => {
                let days = parse_span(span)?.as_secs() / 86_400;
                Ok(TypedDay::After(days))
            }
            None => text
                .parse::<Day>()
                .map(|day| TypedDay::Literal(day.to_string()))
                .map_err(|_| {
                    format!(
                        "'{}' is no day; write it like 2026-11-24, today, tomorrow, +30d or +4w",
                        clean(text)
                    )
                }),
        },
    }
}

impl TypedDay {
    /// Whether `base` is needed to know which day it is.
    pub fn is_relative(&self) -> bool {
        matches!(self, Self::After(_))
    }
    /// The ISO day, counting from `base`.
    pub fn from(&self, base: Day) -> String {
        match self {
            Self::Literal(day) => day.clone(),
            Self::After(days) => base
                .checked_add(Duration::from_secs(days.saturating_mul(86_400)))
                .unwrap_or(Day::MAX)
                .to_string(),
        }
    }
}

/// Values as a row of blocks, lowest to highest.
pub fn sparkline(values: &[f64], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if values.is_empty() || width == 0 {
        return String::new();
    }
    let most = values.iter().copied().fold(0.0_f64, f64::max);
    let per = values.len().div_ceil(width);
    values
        .chunks(per)
        .map(|chunk| {
            let mean = chunk.iter().sum::<f64>() / chunk.len() as f64;
            let level = if most > 0.0 {
                (mean / most * 7.0).round().clamp(0.0, 7.0)
            } else {
                0.0
            };
            BLOCKS[level as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_their_unit() {
        assert_eq!(parse_memory("4GiB"), Ok(4096));
        assert_eq!(parse_memory("512 m"), Ok(512));
        assert_eq!(parse_disk("1T"), Ok(1024));
        for wrong in [
            "4096",
            "",
            "GiB",
            "-1GiB",
            "4 apples",
            "99999999999999999999G",
        ] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
        assert!(parse_disk("20MiB").is_err());
    }

    #[test]
    fn days_may_be_relative() {
        let base: Day = "2026-11-24".parse().unwrap();
        for (typed, expect) in [
            ("today", "2026-11-24"),
            ("tomorrow", "2026-11-25"),
            ("+30d", "2026-12-24"),
            ("+4w", "2026-12-22"),
            ("2027-01-01", "2027-01-01"),
        ] {
            assert_eq!(parse_day(typed).unwrap().from(base), expect);
        }
        assert!(parse_day("24.11.2026").is_err());
        assert!(parse_day("2026-13-01").is_err());
    }

    #[test]
    fn figures_have_units() {
        assert_eq!(mib(1536), "1.5 GiB");
        assert_eq!(bytes(1536.0), "1.5 KiB");
        assert_eq!(millis(4_200), "4.2 s");
        assert_eq!(age(130), "2 min");
        assert_eq!(clean("a\u{1b}[31mb"), "a\u{fffd}[31mb");
        assert_eq!(sparkline(&[0.0, 1.0], 10), "▁█");
    }
}
