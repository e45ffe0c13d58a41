//! People, policy, audit, and the style guide.

use super::super::*;
use super::{Author, Rendered, frame, graphs, list, rendered, words};
use crate::pages::view::form::Choice;
use askama::Template;
use bellwether_model::{Error, people::AccountState};

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    let person = |login: &str, state: AccountState, admin, me| people::PersonRow {
        id: "u1".into(),
        login: text(login),
        full_name: text("Grace Hopper"),
        mail: text("grace@example.org"),
        badge: state.into(),
        admin,
        vms: 2,
        vcpus: 4,
        used_vcpus: Some("1.2".into()),
        used_memory: Some("3.1 GiB".into()),
        memory: "8 GiB".into(),
        disk: "60 GiB".into(),
        since: "1 Oct 2026".into(),
        may_activate: state != AccountState::Active,
        may_disable: state == AccountState::Active,
        me,
    };
    let guide_form = Form::default()
        .with("name", text("web"))
        .refused(&Error::field(
            "name",
            text("You already have a machine called web."),
        ));
    rendered![
        "people" => people::People { frame: frame("People", "/people", true), list: list("/people", "login", 3), states: words(&["waiting", "active", "disabled"]), rows: vec![person("ada", AccountState::Active, true, true), person("grace", AccountState::Active, false, false), person("new", AccountState::Waiting, false, false)] },
        "policy" => people::PolicyPage { frame: frame("Policy", "/policy", true), form: Form::default().with("max_vcpus", "64").with("accounts_active_at_once", "on").with("cpu_overcommit", "4").with("max_lease_days", "366").with("samples_hours", "26"), history: "They take 1.2 GiB now. Kept so long they will take about 2.8 GiB, with the hosts and machines there are now.".into(), version: 7 },
        "audit" => people::Audit { frame: frame("Audit", "/audit", true), login: text(""), about: String::new(), rows: vec![people::AuditRow { seq: 12, when: "24 Nov 2026 12:20:01".into(), who: text("ada"), action: "vm.migrate".into(), text: text("Migrate thesis-db from host1 to host2"), href: Some("/vms/1".into()) }], older: None, newest: true, problem: None },
        "styleguide" => people::StyleGuide { frame: frame("Style guide", "", true), badges: super::styleguide::badges(), form: guide_form, readings: super::styleguide::readings(), graphs: graphs(), roles: super::styleguide::ROLES.to_vec(), options: vec![Choice::new("a", text("One"))] },
    ]
}
