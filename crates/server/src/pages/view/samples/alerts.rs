//! Alerts.

use super::super::{alerts::*, *};
use super::{Author, Rendered, frame, list, rendered};
use askama::Template;
use bellwether_model::alert::{Delivery, Rule};

/// What is open, on the page of the thing it is about.
pub(super) fn open(author: Author) -> Vec<OpenAlert> {
    let badge = Badge {
        tone: "warn",
        shape: "triangle",
        word: "warning",
    };
    vec![OpenAlert {
        badge,
        rule: Rule::HostCpu.words(),
        text: author.text("95 % of its CPU is in use; the mark is 90 %."),
        since: "24 Nov 2026 12:20".into(),
    }]
}

fn row(author: Author, open: bool, silent: bool) -> AlertRow {
    let (tone, shape, word) = match open {
        true => ("bad", "triangle", "critical"),
        false => ("good", "tick", "over"),
    };
    AlertRow {
        id: "a1".into(),
        rule: Rule::PoolFilling.words(),
        name: author.text("fast on host1"),
        href: "/storages/1".into(),
        badge: Badge { tone, shape, word },
        text: author.text("88 % of 1,000 GiB is in use, 120 GiB is free; as it fills now, it will be full on 2026-12-19."),
        ending: (!open).then(|| author.text("It has room again.")),
        when: "24 Nov 2026 12:20".into(),
        lasts: "3 h".into(),
        silent_until: silent.then(|| "25 Nov 2026 12:20".into()),
        told: vec![
            ToldLine {
                who: author.text("mail admin@example.org"),
                badge: Delivery::Sent.into(),
                words: "24 Nov 2026 12:20".into(),
            },
            ToldLine {
                who: author.text("webhook pager"),
                badge: Delivery::Waiting.into(),
                words: author.text("it answers 503 Service Unavailable: down"),
            },
        ],
    }
}

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let page = |open, over: Vec<AlertRow>| Alerts {
        frame: frame("Alerts", "/alerts", true),
        open,
        list: list("/alerts", "-when", over.len()),
        over,
        targets: vec![
            (author.text("mail admin@example.org"), None),
            (
                author.text("webhook pager"),
                Some(author.text("it answers 503 Service Unavailable: down")),
            ),
        ],
    };
    let open = || vec![row(author, true, false), row(author, true, true)];
    rendered! {
        "alerts" => page(open(), vec![row(author, false, false)]),
        "alerts-none" => Alerts { targets: Vec::new(), ..page(Vec::new(), Vec::new()) },
    }
}
