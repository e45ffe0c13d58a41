//! Alerts: what is open and what was, who was told, and silence.

use super::{
    csv::{Csv, Known},
    gather,
    site::{AdminVisit, Visit, done, show},
    typed::Typed,
    view::{
        List, ListQuery,
        alerts::{AlertRow, Alerts, OpenAlert, ToldLine, badge_of},
        words,
    },
};
use crate::{
    error::Result,
    extract::{Path, Query},
};
use axum::response::Response;
use bellwether_engine::{Engine, alert};
use bellwether_model::{
    Error, IncidentId,
    alert::{Delivery, Incident, News},
};
use bellwether_store::{IncidentQuery, Notice};
use uuid::Uuid;

/// Incidents read for a list that is filtered or sorted otherwise than by time.
const MOST: u32 = 5_000;
/// Of so many open ones it is shown who was told.
const MOST_TOLD: usize = 100;

/// Those that are over, as the list wants them.
async fn selected(visit: &AdminVisit, mut list: List) -> Result<(List, Vec<Incident>)> {
    let store = visit.engine().store();
    let mut query = IncidentQuery {
        open: Some(false),
        limit: MOST,
        ..IncidentQuery::default()
    };
    if list.is_stretch("when") {
        let all = store.count_incidents(&query).await?;
        (query.skip, query.limit) = list.stretch(all, all);
        let rows = list.turned(store.incidents(query).await?);
        return Ok((list, rows));
    }
    let lasted = |incident: &Incident| {
        let until = incident.resolved_at.unwrap_or(incident.opened_at);
        until.since(incident.opened_at).as_secs()
    };
    let rows = list.apply(
        store.incidents(query).await?,
        |one| format!("{} {} {}", one.name, one.key.rule.words(), one.text),
        |_| "",
        |one, key| match key {
            "what" => (one.name.to_lowercase(), 0),
            "rule" => (one.key.rule.words().to_owned(), 0),
            "lasted" => (
                String::new(),
                i64::try_from(lasted(one)).unwrap_or(i64::MAX),
            ),
            _ => (String::new(), one.opened_at.0),
        },
    );
    Ok((list, rows))
}

fn row(engine: &Engine, incident: Incident, notices: Vec<Notice>) -> AlertRow {
    let (now, zone) = (engine.now(), engine.zone());
    let told = notices.into_iter().map(|notice| ToldLine {
        who: match notice.news {
            News::Opened => notice.target,
            News::Resolved => format!("{}, that it is over", notice.target),
        },
        badge: notice.delivery.into(),
        words: match (notice.delivery, notice.ended_at, notice.trouble) {
            (Delivery::Sent, Some(at), _) => words::moment(at, zone),
            (_, _, trouble) => trouble.unwrap_or_default(),
        },
    });
    let key = &incident.key;
    let until = incident.resolved_at.unwrap_or(now);
    AlertRow {
        id: incident.id.to_string(),
        rule: key.rule.words(),
        href: gather::href_of(key.about.as_str(), &key.id.to_string()).unwrap_or_default(),
        badge: badge_of(&incident, now),
        when: words::moment(incident.opened_at, zone),
        lasts: words::duration(until.since(incident.opened_at)),
        silent_until: incident
            .silenced_until
            .filter(|until| now < *until)
            .map(|until| words::moment(until, zone)),
        told: told.collect(),
        name: incident.name,
        text: incident.text,
        ending: incident.ending,
    }
}

/// A row for each, with who was told of the first ones.
async fn rows(engine: &Engine, incidents: Vec<Incident>) -> Result<Vec<AlertRow>> {
    let ids: Vec<IncidentId> = incidents.iter().take(MOST_TOLD).map(|one| one.id).collect();
    let mut told = engine.store().notices_of(&ids).await?;
    let row = |incident: Incident| {
        let notices = told.remove(&incident.id).unwrap_or_default();
        row(engine, incident, notices)
    };
    Ok(incidents.into_iter().map(row).collect())
}

pub async fn alerts(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (list, found) = selected(&visit, List::new("/alerts", &query, "-when")).await?;
    let engine = visit.engine();
    let over = rows(engine, found).await?;
    let open = engine.store().open_incidents().await?;
    let open = rows(engine, open.iter().rev().cloned().collect()).await?;
    let targets = engine.told().into_iter();
    show(&Alerts {
        frame: visit.page("Alerts", "/alerts").await?,
        open,
        list,
        over,
        targets: targets
            .map(|target| (target.name, target.trouble))
            .collect(),
    })
}

pub async fn alerts_csv(visit: AdminVisit, Query(query): Query<ListQuery>) -> Result<Response> {
    let (_, over) = selected(&visit, List::new("/alerts", &query, "-when").in_one()).await?;
    let head = [
        "id",
        "rule",
        "severity",
        "about",
        "subject",
        "name",
        "opened_at",
        "resolved_at",
        "text",
        "ending",
    ];
    let mut file = Csv::new(head, over.len());
    for one in over {
        file.row([
            &one.id,
            &one.key.rule,
            &one.key.rule.severity(),
            &one.key.about,
            &one.key.id,
            &one.name,
            &one.opened_at.rfc3339(),
            &Known(one.resolved_at.map(|at| at.rfc3339())),
            &one.text,
            &Known(one.ending),
        ]);
    }
    Ok(file.answer("alerts"))
}

pub async fn silence(
    visit: AdminVisit,
    Path(id): Path<IncidentId>,
    typed: Typed,
) -> Result<Response> {
    let minutes = typed.number("minutes", "a number of minutes")?;
    let minutes = minutes.ok_or_else(|| Error::field("minutes", "say for how many minutes"))?;
    let engine = visit.engine();
    let incident = alert::silence(engine, &visit.admin, id, minutes).await?;
    let what = format!("{}, {}", incident.key.rule.words(), incident.name);
    let said = match incident.silenced_until {
        Some(until) => format!(
            "{what}: nobody is told until {}.",
            words::moment(until, engine.zone())
        ),
        None => format!("{what}: told again."),
    };
    Ok(done("/alerts", &said))
}

/// What is open about a thing, for its own page.
pub async fn about(visit: &Visit, id: Uuid) -> Result<Vec<OpenAlert>> {
    let engine = visit.engine();
    let open = engine.store().open_incidents().await?;
    let of_it = open.iter().filter(|incident| incident.key.id == id);
    Ok(of_it
        .map(|incident| OpenAlert {
            badge: badge_of(incident, engine.now()),
            rule: incident.key.rule.words(),
            text: incident.text.clone(),
            since: words::moment(incident.opened_at, engine.zone()),
        })
        .collect())
}
