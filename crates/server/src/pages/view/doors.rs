//! Sign-in, registration, the account, what went wrong.

use super::{Form, Frame};
use askama::Template;

/// Signing in.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    /// Frame.
    pub frame: Frame,
    /// Login, and what is wrong.
    pub form: Form,
    /// Where to go afterwards.
    pub next: String,
}

/// Registering.
#[derive(Template)]
#[template(path = "register.html")]
pub struct Register {
    /// Frame.
    pub frame: Frame,
    /// What was typed.
    pub form: Form,
    /// Whether an administrator lets new accounts in.
    pub waits: bool,
}

/// What went wrong, and what to do about it.
#[derive(Template)]
#[template(path = "error.html")]
pub struct Trouble {
    /// Frame; without a person where nobody is signed in.
    pub frame: Frame,
    /// HTTP status.
    pub status: u16,
    /// A few words.
    pub title: &'static str,
    /// The error's message.
    pub message: String,
    /// The page the act was asked for from.
    pub back: Option<String>,
    /// Per host, where a placement was refused.
    pub refusals: Vec<bellwether_model::Refusal>,
}

/// A session or API token of this person.
pub struct TokenRow {
    /// Identifier.
    pub id: String,
    /// Name; "this browser" for the session in use.
    pub name: String,
    /// Session or API token.
    pub kind: &'static str,
    /// When it was made.
    pub made: String,
    /// When it was last used.
    pub used: String,
    /// When it ends.
    pub ends: String,
    /// The session in use.
    pub current: bool,
}

/// The account page.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account {
    /// Frame.
    pub frame: Frame,
    /// Login.
    pub login: String,
    /// Mail address.
    pub mail: String,
    /// Since when.
    pub since: String,
    /// Password form.
    pub password: Form,
    /// Token form.
    pub token: Form,
    /// A token just made: shown once.
    pub made: Option<String>,
    /// Sessions and tokens.
    pub tokens: Vec<TokenRow>,
}
