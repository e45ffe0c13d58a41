//! A form as it goes back to a person: what they typed, and what is wrong with it, beside the field.

use bellwether_model::{Error, FieldError, Refusal};
use std::collections::{BTreeMap, BTreeSet};

/// Values and errors of a form.
#[derive(Clone, Debug, Default)]
pub struct Form {
    values: BTreeMap<String, String>,
    /// What is wrong, by field, in the order it was found.
    pub errors: Vec<FieldError>,
    /// What is wrong with the whole.
    pub problem: Option<String>,
    /// Per host, where no host can take it.
    pub refusals: Vec<Refusal>,
}

/// What a form's fields hold, as it goes along with the form, so that what others change before it comes back is noticed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held(BTreeMap<String, BTreeSet<String>>);

impl Held {
    /// The field it goes along in.
    pub const FIELD: &'static str = "held";

    /// What `form` holds, and every one of `more` in the field `name`.
    pub fn of_form(form: &Form, name: &str, more: &[String]) -> Self {
        let one = |(name, value): (&String, &String)| {
            let value = Some(value.trim().to_string()).filter(|value| !value.is_empty());
            (name.clone(), BTreeSet::from_iter(value))
        };
        let mut held: BTreeMap<_, _> = form.values.iter().map(one).collect();
        if !name.is_empty() {
            held.insert(name.into(), more.iter().cloned().collect());
        }
        Self(held)
    }
    /// From what came back; none where that is no such thing.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }
    /// As it goes along.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }
    /// The values of one field.
    pub fn of(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.0.get(name)
    }
    /// Each field with its values.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.0.iter().map(|(name, values)| (name.as_str(), values))
    }
}

/// A choice of a select.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
}

impl Choice {
    /// A choice.
    pub fn new(value: impl ToString, label: impl Into<String>) -> Self {
        Self {
            value: value.to_string(),
            label: label.into(),
        }
    }
}

impl Form {
    /// From what was sent. Secrets (fields named so) are not sent back.
    pub fn typed(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let values = pairs
            .into_iter()
            .filter(|(name, _)| !name.contains("password"))
            .collect();
        Self {
            values,
            ..Self::default()
        }
    }
    /// With a value filled in.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.into(), value.to_string());
        self
    }
    /// With a note of all it holds, and of `more` in the field `name`; comes back to [`Held`].
    #[must_use]
    pub fn noted(self, name: &str, more: &[String]) -> Self {
        let held = Held::of_form(&self, name, more);
        self.with(Held::FIELD, held.text())
    }
    /// Fills in `value` where nothing was typed.
    pub fn default_to(&mut self, name: &str, value: impl ToString) {
        self.values
            .entry(name.into())
            .or_insert_with(|| value.to_string());
    }
    /// With what `error` says: beside its fields where it names some that the form has, above the form otherwise.
    #[must_use]
    pub fn refused(mut self, error: &Error) -> Self {
        self.errors = error.fields.clone();
        self.refusals = error.refusals.clone();
        if self.errors.is_empty() {
            self.problem = Some(error.message.clone());
        }
        self
    }
    /// With what `error` says in one, for an act that has no fields.
    #[must_use]
    pub fn failed(mut self, error: &Error) -> Self {
        let fields = error.fields.iter().map(|field| field.message.as_str());
        let fields: Vec<&str> = fields.collect();
        self.problem = Some(match fields.as_slice() {
            [] => error.message.clone(),
            all => super::words::capital(&all.join("; ")),
        });
        self.refusals = error.refusals.clone();
        self
    }
    /// What was typed.
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map(String::as_str).unwrap_or("")
    }
    /// What was typed into the field named `prefix` and `rest` in one.
    pub fn value_of(&self, prefix: &str, rest: &str) -> &str {
        self.value(&format!("{prefix}{rest}"))
    }
    /// Whether it comes back with something wrong.
    pub fn wrong(&self) -> bool {
        self.problem.is_some() || !self.errors.is_empty()
    }
    /// What is wrong with the field.
    pub fn error(&self, name: &str) -> Option<&str> {
        self.errors
            .iter()
            .find(|e| e.field == name)
            .map(|e| e.message.as_str())
    }
    /// Whether something is wrong with the field.
    pub fn bad(&self, name: &str) -> bool {
        self.error(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_is_lost_but_secrets() {
        let form = Form::typed([
            ("name".to_string(), "web <1>".to_string()),
            ("password".to_string(), "hunter2".to_string()),
        ])
        .refused(&Error::field("name", "is taken"));
        assert_eq!(form.value("name"), "web <1>");
        assert_eq!(form.value("password"), "");
        assert_eq!(form.error("name"), Some("is taken"));
        assert_eq!(form.problem, None);
    }
}
