//! What was typed into a form.

use super::view::{Form, Held};
use crate::{
    error::{Failure, Result},
    state::AppState,
};
use bellwether_model::{Error, FieldError, text::shown};
use std::collections::BTreeSet;

/// What was typed into a form, in order; a name may come more than once.
#[derive(Clone, Debug, Default)]
pub struct Typed(pub Vec<(String, String)>);

impl Typed {
    /// The first value of the name, trimmed; empty where there is none.
    pub fn get(&self, name: &str) -> String {
        let found = self.0.iter().find(|(n, _)| n == name);
        found
            .map(|(_, value)| value.trim().to_string())
            .unwrap_or_default()
    }
    /// The value, where one was given.
    pub fn given(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }
    /// The value as it was typed, blanks and all.
    pub fn exact(&self, name: &str) -> String {
        let found = self.0.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
    /// A number, where one was given.
    pub fn number<T: std::str::FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Error> {
        self.given(name)
            .map(|text| {
                text.parse().map_err(|_| {
                    let shown = bellwether_model::text::shown(&text);
                    Error::field(name, format!("'{shown}' is not {what}"))
                })
            })
            .transpose()
    }
    /// GiB as typed (fractions allowed), in MiB.
    pub fn gib_as_mib(&self, name: &str) -> Result<Option<u64>, Error> {
        let wrong = |text: f64| Error::field(name, format!("{text} is not a size in GiB"));
        self.number::<f64>(name, "a size in GiB")?
            .map(|gib| {
                let mib = gib * 1024.0;
                if (0.0..=1e12).contains(&mib) {
                    Ok(mib.round() as u64)
                } else {
                    Err(wrong(gib))
                }
            })
            .transpose()
    }
    /// That the name of what is lost was typed.
    pub fn names(&self, name: &str) -> Result<(), Error> {
        let typed = self.get("typed_name");
        if typed == name.trim() {
            return Ok(());
        }
        let shown = bellwether_model::text::shown(&typed);
        Err(Error::field(
            "typed_name",
            format!("'{shown}' is not its name; type \"{name}\" to go on"),
        ))
    }
    /// Whether a box was ticked.
    pub fn ticked(&self, name: &str) -> bool {
        self.get(name) == "on"
    }
    /// Every value of the name.
    pub fn every(&self, name: &str) -> Vec<String> {
        let all = self.0.iter().filter(|(n, _)| n == name);
        all.map(|(_, value)| value.clone()).collect()
    }
    /// Takes up what others changed in the meantime: what is `held` now, where it was left here as the form had it when it
    /// was opened. Refused, by field, where it was changed here too; sent once more, the form overrules that.
    pub fn keep_up(&mut self, now: &Held) -> Result<(), Error> {
        let opened = Held::read(&self.get(Held::FIELD)).unwrap_or_else(|| now.clone());
        self.note(now);
        let mut clashes = Vec::new();
        for (name, values) in now.fields() {
            let Some(before) = opened.of(name).filter(|before| *before != values) else {
                continue;
            };
            let typed = self.every(name).into_iter();
            let typed: BTreeSet<String> = typed
                .map(|value| value.trim().to_string())
                .filter(|value| !value.is_empty())
                .collect();
            if typed == *before {
                self.set(name, &Vec::from_iter(values.iter().cloned()));
            } else if typed != *values {
                clashes.push(clash(name, values));
            }
        }
        if clashes.is_empty() {
            return Ok(());
        }
        let mut error = Error::conflict("It was changed since this form was opened.");
        error.fields = clashes;
        Err(error)
    }
    /// What is sent next is against what is `held` now.
    pub fn note(&mut self, now: &Held) {
        self.set(Held::FIELD, &[now.text()]);
    }
    fn set(&mut self, name: &str, values: &[String]) {
        self.0.retain(|(n, _)| n != name);
        let values = values.iter().map(|value| (name.to_string(), value.clone()));
        self.0.extend(values);
    }
    /// To be sent back, with what is wrong.
    pub fn form(&self) -> Form {
        Form::typed(self.0.clone())
    }
}

/// What somebody else made of a field that was changed here too.
fn clash(name: &str, values: &BTreeSet<String>) -> FieldError {
    let since = "since this form was opened; save again to have yours";
    if name == "member" {
        return FieldError {
            field: "members".into(),
            message: format!("somebody else changed what it is on, as this page shows, {since}"),
        };
    }
    let value = values.first().map_or("", String::as_str);
    FieldError {
        field: name.into(),
        message: format!("somebody else set it to '{}' {since}", shown(value)),
    }
}

impl axum::extract::FromRequest<AppState> for Typed {
    type Rejection = Failure;
    async fn from_request(request: axum::extract::Request, state: &AppState) -> Result<Self> {
        let crate::extract::Form(pairs) =
            crate::extract::Form::<Vec<(String, String)>>::from_request(request, state).await?;
        Ok(Self(pairs))
    }
}
