//! Reading inputs: words with commas, numbers a person typed, field names.

use bellwether_model::{Error, Result, text::shown};
use std::{fmt::Display, str::FromStr};

/// The words of a filter, with commas between, as what they stand for.
pub fn words<W, T>(field: &str, text: Option<&str>) -> Result<Vec<T>>
where
    W: FromStr<Err = String> + Into<T>,
{
    text.unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.parse::<W>()
                .map(Into::into)
                .map_err(|said| Error::field(field, said))
        })
        .collect()
}

/// A number from the wire as the engine takes it; what does not fit can't be meant.
pub fn number<N: TryFrom<i64>>(field: &str, value: i64) -> Result<N> {
    N::try_from(value).map_err(|_| {
        let what = if value < 0 {
            "is negative"
        } else {
            "is too large"
        };
        Error::field(field, format!("{value} {what}; give a whole number from 1"))
    })
}

/// The same for a number that may be left out.
pub fn maybe_number<N: TryFrom<i64>>(field: &str, value: Option<i64>) -> Result<Option<N>> {
    value.map(|value| number(field, value)).transpose()
}

/// A day, `2026-11-24`.
pub fn day(field: &str, text: &str) -> Result<bellwether_model::Day> {
    text.trim().parse().map_err(|_| {
        Error::field(
            field,
            format!("'{}' is no day; write it like 2026-11-24", shown(text)),
        )
    })
}

/// The engine's error with its fields named as the wire names them.
pub fn renamed(mut error: Error, names: &[(&str, &str)]) -> Error {
    for field in &mut error.fields {
        if let Some((_, wire)) = names.iter().find(|(inner, _)| *inner == field.field) {
            field.field = (*wire).to_string();
        }
    }
    if !error.fields.is_empty() {
        error.message = error
            .fields
            .iter()
            .map(|field| format!("{}: {}", field.field, field.message))
            .collect::<Vec<_>>()
            .join("; ");
    }
    error
}

/// How many items a list may give: 1–1000, 100 if nothing is said.
pub fn limit(asked: Option<u32>) -> Result<usize> {
    match asked.unwrap_or(100) {
        given @ 1..=1000 => Ok(given as usize),
        other => Err(out_of_range("limit", other)),
    }
}

fn out_of_range(field: &str, value: impl Display) -> Error {
    Error::field(field, format!("{value} is not possible; give 1 to 1000"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bellwether_api::vm::VmState;
    use bellwether_model::vm;

    #[test]
    fn filters_take_words() {
        let states: Vec<vm::VmState> =
            words::<VmState, _>("state", Some("running, shut_off,")).unwrap();
        assert_eq!(states, [vm::VmState::Running, vm::VmState::ShutOff]);
        let error = words::<VmState, vm::VmState>("state", Some("runing")).unwrap_err();
        assert!(error.message.contains("'runing' is none of:"), "{error}");
        assert!(
            words::<VmState, vm::VmState>("state", None)
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn numbers_must_fit() {
        assert_eq!(number::<u32>("n", 7).unwrap(), 7);
        for wrong in [-1, i64::MAX] {
            assert_eq!(number::<u32>("n", wrong).unwrap_err().fields[0].field, "n");
        }
        assert!(limit(Some(0)).is_err() && limit(Some(1001)).is_err());
        assert_eq!(limit(None).unwrap(), 100);
    }

    #[test]
    fn fields_have_the_names_of_the_wire() {
        let error = renamed(Error::field("cores", "is 0"), &[("cores", "offered_cores")]);
        assert_eq!(error.message, "offered_cores: is 0");
    }
}
