//! The doors: signing in, registering, the account, errors.

use super::super::*;
use super::{Author, Rendered, frame, rendered};
use askama::Template;
use bellwether_model::Error;

fn alone(title: &str) -> Frame {
    Frame {
        title: title.into(),
        path: "/sign-in".into(),
        ..Frame::default()
    }
}

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    rendered![
        "sign-in" => doors::SignIn { frame: alone("Sign in"), form: Form::default().with("login", text("grace")).refused(&Error::unauthenticated(text("That login and password don't belong together."))), next: text("/machines") },
        "register" => doors::Register { frame: alone("Register"), form: Form::default(), waits: true },
        "error" => doors::Trouble { frame: frame("Not found", "", false), status: 404, title: "There is no such page", message: text("There is no such VM."), back: Some("/vms".into()), refusals: vec![] },
        "account" => doors::Account { frame: frame("Account", "", false), login: text("grace"), mail: text("grace@example.org"), since: "1 Oct 2026".into(), password: Form::default(), token: Form::default().with("days", "90"), made: Some(text("bw_5b0b7a520f6e4a1c9d5e2a3c1b0a7f11")), tokens: vec![doors::TokenRow { id: "t1".into(), name: "this browser".into(), kind: "session", made: "today".into(), used: "just now".into(), ends: "in 30 days".into(), current: true }, doors::TokenRow { id: "t2".into(), name: text("laptop"), kind: "API token", made: "1 Oct 2026".into(), used: "2 days ago".into(), ends: "30 Dec 2026".into(), current: false }] },
    ]
}
