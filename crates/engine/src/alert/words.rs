//! What is told of several incidents together: a mail, or the body of a request.

use bellwether_model::{
    Timestamp, UserId,
    alert::{Incident, News, Severity},
};
use bellwether_store::{Notice, Records};
use serde::Serialize;
use std::fmt::Write;
use uuid::Uuid;

/// One notice with what it is about.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub notice: Notice,
    pub incident: Incident,
}

impl Item {
    /// `Host silent: host1`, `Over: Host silent: host1`.
    fn title(&self) -> String {
        let title = format!("{}: {}", self.incident.key.rule.words(), self.incident.name);
        match self.notice.news {
            News::Opened => title,
            News::Resolved => format!("Over: {title}"),
        }
    }
    fn text(&self) -> &str {
        match (self.notice.news, &self.incident.ending) {
            (News::Resolved, Some(ending)) => ending,
            _ => &self.incident.text,
        }
    }
}

/// A line that says what the notices tell together.
pub(super) fn subject(items: &[Item]) -> String {
    let line = match items {
        [one] => one.title(),
        _ => {
            let new = items.iter().filter(|item| item.notice.news == News::Opened);
            let new = new.count();
            match (new, items.len() - new) {
                (new, 0) => format!("{new} alerts"),
                (0, over) => format!("{over} alerts are over"),
                (new, over) => format!("{new} new, {over} over"),
            }
        }
    };
    // Names are people's: a line break would begin another header.
    let line = line.replace(|c: char| c.is_control(), " ");
    format!("[Bellwether] {line}")
}

/// What stands in a mail, new ones first.
pub(super) fn body(items: &[Item], zone: &jiff::tz::TimeZone) -> String {
    let mut text = String::new();
    for news in News::ALL {
        for item in items.iter().filter(|item| item.notice.news == *news) {
            let incident = &item.incident;
            let mut line = |line: String| {
                text.push_str(&line);
                text.push('\n');
            };
            line(item.title());
            line(format!("  {}", item.text()));
            let from = shown(incident.opened_at, zone);
            match incident.resolved_at {
                Some(until) if *news == News::Resolved => {
                    line(format!("  from {from} to {}", shown(until, zone)));
                }
                _ => line(format!("  since {from}")),
            }
            text.push('\n');
        }
    }
    text
}

fn shown(at: Timestamp, zone: &jiff::tz::TimeZone) -> String {
    let at = jiff::Timestamp::from_second(at.seconds()).unwrap_or_default();
    let at = at.to_zoned(zone.clone());
    at.strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// What a server gets.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    /// Changes when what is here means something else.
    version: u32,
    /// In a line, for chat programs.
    text: String,
    alerts: Vec<BodyItem<'a>>,
}

#[derive(Debug, Serialize)]
struct BodyItem<'a> {
    /// The same when it is sent again.
    notice: Uuid,
    news: News,
    id: Uuid,
    rule: &'static str,
    severity: Severity,
    about: &'static str,
    subject: Thing<'a>,
    owner: Option<&'a str>,
    text: &'a str,
    opened_at: String,
    resolved_at: Option<String>,
    ending: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Thing<'a> {
    id: Uuid,
    name: &'a str,
}

/// The body of a request that tells of these.
pub(super) fn json<'a>(items: &'a [Item], records: &'a Records) -> Body<'a> {
    let login = |owner: UserId| records.name(owner.0);
    let item = |item: &'a Item| {
        let incident = &item.incident;
        BodyItem {
            notice: item.notice.id,
            news: item.notice.news,
            id: incident.id.0,
            rule: incident.key.rule.as_str(),
            severity: incident.key.rule.severity(),
            about: incident.key.about.as_str(),
            subject: Thing {
                id: incident.key.id,
                name: &incident.name,
            },
            owner: incident.owner.and_then(login),
            text: &incident.text,
            opened_at: incident.opened_at.rfc3339(),
            resolved_at: incident.resolved_at.map(Timestamp::rfc3339),
            ending: incident.ending.as_deref(),
        }
    };
    let mut text = subject(items);
    for one in items {
        // Writing to a text can't fail.
        let _ = write!(text, "\n{} – {}", one.title(), one.text());
    }
    Body {
        version: 1,
        text,
        alerts: items.iter().map(item).collect(),
    }
}
