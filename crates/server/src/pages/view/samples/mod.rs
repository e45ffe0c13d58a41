//! Every page with made-up data: rendered in the tests, hostile text in every place that comes from outside, and written
//! to `target/pages` to be looked at.

mod alerts;
mod doors;
mod fleet;
mod hosts;
mod images;
mod machines;
mod migrate;
mod people;
mod places;
mod requests;

use super::{
    List, ListQuery, chart,
    frame::{Frame, Who},
    machines::Happened,
    styleguide,
};
use bellwether_model::Timestamp;

/// What a hostile person types.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{7*7}}";

/// Who typed what comes from outside.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Author {
    Friend,
    Hostile,
}

impl Author {
    fn text(self, good: &str) -> String {
        match self {
            Self::Friend => good.into(),
            Self::Hostile => HOSTILE.into(),
        }
    }
}

/// A page's name and contents.
type Rendered = (&'static str, String);

macro_rules! rendered {
    ($($name:literal => $view:expr),+ $(,)?) => { vec![$(($name, $view.render().unwrap())),+] };
}
use rendered;

/// Every page.
fn pages(author: Author) -> Vec<Rendered> {
    [
        alerts::pages,
        doors::pages,
        machines::pages,
        requests::pages,
        fleet::pages,
        hosts::pages,
        places::pages,
        images::pages,
        migrate::pages,
        people::pages,
    ]
    .iter()
    .flat_map(|pages| pages(author))
    .collect()
}

fn frame(title: &str, section: &'static str, admin: bool) -> Frame {
    Frame {
        title: title.into(),
        section,
        who: Some(Who {
            login: if admin { "ada" } else { "grace" }.into(),
            full_name: if admin {
                "Ada Lovelace"
            } else {
                "Grace Hopper"
            }
            .into(),
            admin,
        }),
        path: section.into(),
        inbox: 3,
        alerts: 2,
        accounts: 1,
        ..Frame::default()
    }
}

fn list(path: &str, sort: &str, total: usize) -> List {
    let mut list = List::new(path, &ListQuery::default(), sort);
    list.total = total;
    list.all = total;
    list
}

fn words(states: &[&str]) -> Vec<String> {
    states.iter().map(|s| s.to_string()).collect()
}

/// The moment the samples are of.
const NOW: Timestamp = Timestamp(1_795_525_500_000_000);

fn graphs() -> Vec<chart::Graph> {
    styleguide::all_graphs(NOW)
}

fn happened() -> Vec<Happened> {
    let line = |when: &str, who: &str, what: &str, tone| Happened {
        when: when.into(),
        who: who.into(),
        what: what.into(),
        tone,
        href: None,
    };
    vec![
        line(
            "24 Nov 2026 12:20",
            "ada",
            "Migrated from host1 to host2 in 2.3 s, 80 ms downtime",
            "good",
        ),
        line(
            "24 Nov 2026 09:02",
            "system",
            "Made on host1: disk, seed, started, reachable",
            "good",
        ),
        line("24 Nov 2026 09:01", "ada", "Approved on host1", "busy"),
        line("23 Nov 2026 17:40", "grace", "Requested", ""),
    ]
}

#[test]
fn every_page_renders_and_is_written_to_be_looked_at() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/pages");
    std::fs::create_dir_all(folder).unwrap();
    for (name, page) in pages(Author::Friend) {
        assert!(page.starts_with("<!doctype html>"), "{name}");
        assert!(page.contains("<h1"), "{name} has a heading");
        assert!(!page.contains("style=\""), "{name} has an inline style");
        assert!(!page.contains(" onclick="), "{name} has an inline script");
        std::fs::write(format!("{folder}/{name}.html"), page).unwrap();
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    for (name, page) in pages(Author::Hostile) {
        assert!(!page.contains("<script>alert"), "{name}");
        assert!(!page.contains("<img src=x"), "{name}");
        assert!(!page.contains("\"'><"), "{name}");
    }
    let shown = pages(Author::Hostile)
        .into_iter()
        .filter(|(_, page)| page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"));
    assert!(
        shown.count() > 30,
        "hostile names are shown as they were typed"
    );
}

#[test]
fn the_navigation_of_a_user_names_no_page_of_an_administrator() {
    let pages = pages(Author::Friend);
    let (_, page) = pages.iter().find(|(name, _)| *name == "machines").unwrap();
    for path in [
        "/hosts",
        "/fleet",
        "/people",
        "/audit",
        "/inbox",
        "/policy",
        "/storages",
    ] {
        assert!(!page.contains(&format!("href=\"{path}\"")), "{path}");
    }
}
