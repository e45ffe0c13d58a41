//! Requests, the inbox, and deciding.

use super::super::*;
use super::{Author, HOSTILE, Rendered, frame, happened, list, rendered, words};
use crate::pages::view::form::Choice;
use askama::Template;
use bellwether_model::{Error, FieldError, Refusal, host::HostHealth, request::RequestState};

fn new_request(form: Form) -> requests::NewRequest {
    let period = |value, name, until: &str| requests::PeriodChoice {
        value,
        name,
        until: until.into(),
        until_day: "2026-12-23".into(),
    };
    requests::NewRequest {
        frame: frame("Request a machine", "/requests", false),
        form,
        images: vec![
            requests::ImageChoice { value: "i1".into(), os: "Debian 12".into(), needs: "from 10 GiB disk, 512 MiB".into() },
            requests::ImageChoice { value: "i2".into(), os: "Ubuntu 24.04 LTS".into(), needs: "from 10 GiB disk, 1 GiB".into() },
            requests::ImageChoice { value: "i3".into(), os: "Alpine 3.22".into(), needs: "from 1 GiB disk, 128 MiB".into() },
        ],
        periods: vec![
            period("week", "A week", "Mon 30 Nov 2026"),
            period("month", "A month", "Wed 23 Dec 2026"),
            period("term", "The term", "Sun 28 Mar 2027"),
        ],
        today: "2026-11-24".into(),
        latest: "2027-11-25".into(),
        largest: "At most 64 vCPU, 256 GiB memory, 4096 GiB disk.".into(),
        end_words: "After the last day the machine is shut down and kept. You are told 7 days before, and can extend it yourself.".into(),
        have: "2 machines: 4 vCPU, 8 GiB memory, 60 GiB disk.".into(),
        admin: false,
    }
}

fn host_bar(name: &str, chosen: bool, refusals: &[&str], asked: u32) -> requests::HostBar {
    let line = |label: &str, committed, used, words: &str| requests::Line {
        label: label.into(),
        committed,
        used: Some(used),
        asked,
        words: words.into(),
    };
    requests::HostBar {
        id: name.into(),
        name: name.into(),
        href: "/hosts/1".into(),
        badge: HostHealth::Ready.into(),
        chosen,
        refusals: words(refusals),
        lines: vec![
            line(
                "Memory",
                540,
                310,
                "34.6 of 64 GiB committed on 3 Dec 2026, 19.8 used now; 21.4 GiB left after",
            ),
            line(
                "CPU",
                280,
                120,
                "18 of 64 vCPU committed, 1.9 of 16 cores used now; 42 vCPU left after",
            ),
            line(
                "Disk",
                220,
                150,
                "88 of 400 GiB of fast committed, 60 used now; 272 GiB left after",
            ),
        ],
        age: None,
    }
}

fn approve(hostile: bool) -> requests::Approve {
    let name = if hostile { HOSTILE } else { "thesis-db" };
    requests::Approve {
        frame: frame(name, "/inbox", true),
        id: "r1".into(),
        name: name.into(),
        badge: RequestState::Pending.into(),
        owner: if hostile {
            HOSTILE
        } else {
            "Grace Hopper (grace)"
        }
        .into(),
        mail: "grace@example.org".into(),
        owner_has: "2 machines: 4 vCPU, 8 GiB, 60 GiB disk".into(),
        reason: hostile.then(|| HOSTILE.into()),
        purpose: if hostile {
            HOSTILE.into()
        } else {
            "The PostgreSQL of my thesis: about 8 GiB of measurements, queried by the plots in chapter 4.\nI need it until I hand in.".into()
        },
        facts: vec![
            ("Size", "4 vCPU · 8 GiB · 40 GiB disk".into()),
            ("System", "Debian 12".into()),
            (
                "Period",
                "Tue 24 Nov 2026 – Sun 28 Mar 2027 (125 days)".into(),
            ),
            ("SSH key", "given".into()),
            ("Asked", "3 h ago".into()),
        ],
        open: true,
        may_refuse: true,
        verdict: "It lands on host2, which then has 21.4 GiB of memory and 42 vCPU left.".into(),
        place: Some(requests::Place {
            host: "h2".into(),
            host_name: "host2".into(),
            storage: "s1".into(),
            network: "n1".into(),
        }),
        hosts: vec![
            host_bar("host2", true, &[], 125),
            host_bar("host1", false, &[], 125),
            host_bar(
                "host3-old",
                false,
                &[
                    "memory: 8 GiB asked, 2.5 GiB left of 32 GiB",
                    "the network guests is not carried there",
                ],
                0,
            ),
        ],
        fitting: vec![
            Choice::new("h2", "host2: then 21.4 GiB left"),
            Choice::new("h1", "host1: then 12.1 GiB left"),
        ],
        storages: vec![Choice::new("", "the best"), Choice::new("s1", "fast")],
        networks: vec![Choice::new("", "the best")],
        form: Form::default(),
        next: Some("/inbox/r2".into()),
    }
}

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    let hostile = author == Author::Hostile;
    let wrong = Form::default()
        .with("name", text("web"))
        .with("size", "medium")
        .with("period", "month")
        .with("image", "i1")
        .with("vcpus", "2")
        .with("memory_gib", "4")
        .with("disk_gib", "20")
        .with("from", "2026-11-24")
        .with("until", "2026-12-23")
        .with("purpose", text("A small web server"))
        .refused(&Error::invalid_fields(vec![FieldError {
            field: "name".into(),
            message: text("You already have a machine called web."),
        }]));
    let mut right = wrong.clone();
    right.errors.clear();
    let row = |name: &str, badge: Badge, reason: Option<&str>| requests::RequestRow {
        href: "/requests/1".into(),
        name: text(name),
        owner: text("grace"),
        badge,
        size: "2 vCPU · 4 GiB · 20 GiB".into(),
        period: "24 Nov – 23 Dec 2026".into(),
        made: "3 h ago".into(),
        reason: reason.map(text),
    };
    let waiting = |name: &str, badge: Badge| requests::Waiting {
        href: "/inbox/1".into(),
        name: text(name),
        owner: text("Grace Hopper"),
        badge,
        size: "4 vCPU · 8 GiB · 40 GiB".into(),
        period: "24 Nov 2026 – 28 Mar 2027".into(),
        purpose: text("The PostgreSQL of my thesis: about 8 GiB of measurements …"),
        waits: "3 h".into(),
        reason: None,
    };
    let refused = Form::default().refused(&Error::no_capacity(
        text("No host can take it now."),
        vec![Refusal {
            host: bellwether_model::HostId(uuid::Uuid::nil()),
            host_name: text("host1"),
            reasons: vec![text("memory: 8 GiB asked, 2.5 GiB left")],
        }],
    ));
    rendered![
        "requests" => requests::Requests { frame: frame("Requests", "/requests", false), list: list("/requests", "made", 3), states: words(&["pending", "refused"]), all: false, rows: vec![row("web", RequestState::Pending.into(), None), row("gpu-box", RequestState::Refused.into(), Some("We have no GPU; ask the cluster group.")), row("thesis-db", RequestState::Fulfilled.into(), None)] },
        "request-new" => new_request(right),
        "request-wrong" => new_request(wrong),
        "request" => requests::RequestPage { frame: frame("web", "/requests", false), id: "r1".into(), name: text("web"), badge: RequestState::Placed.into(), reason: hostile.then(|| HOSTILE.into()), next: "Your machine is being made; this takes a minute or so.".into(), vm: None, job: Some(("/jobs/1".into(), text("Bringing the image to fast"), Some(44))), facts: vec![("Size", "2 vCPU · 4 GiB · 20 GiB disk".into()), ("System", text("Debian 12")), ("Period", "24 Nov – 23 Dec 2026".into())], purpose: text("A small web server for the reading group."), may_withdraw: true, decide: None, history: happened() },
        "inbox" => requests::Inbox { frame: frame("Inbox", "/inbox", true), undecided: 3, stuck: vec![(text("Make thesis-db"), "/jobs/1".into(), text("The VM was started but is paused. Undoing it fails: the host refused it."))], list: list("/inbox", "made", 4), states: words(&["pending", "failed"]), rows: vec![waiting("thesis-db", RequestState::Pending.into()), waiting("web", RequestState::Failed.into()), waiting("crawler", RequestState::Pending.into()), waiting("huge", RequestState::WaitingForRoom.into())] },
        "inbox-empty" => requests::Inbox { frame: frame("Inbox", "/inbox", true), undecided: 0, stuck: vec![], list: list("/inbox", "made", 0), states: vec![], rows: vec![] },
        "approve" => approve(hostile),
        "approve-full" => requests::Approve { place: None, verdict: text("No host has room for it now. Approved, it waits and is placed when one has."), fitting: vec![], hosts: vec![host_bar("host1", false, &["memory: 8 GiB asked, 2.5 GiB left of 32 GiB"], 0)], form: refused.clone(), ..approve(hostile) },
    ]
}
