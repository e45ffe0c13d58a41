//! Alerts: what was found, who was told, and silence.

use super::{
    Problems,
    input::{limit, words},
};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json as Input, Path, Query},
    names::Directory,
    state::AppState,
};
use axum::{Json, extract::State};
use bellwether_api::{
    List, Moment,
    alert::{Alert, AlertNotice, AlertQuery, AlertRule, AlertTold, SilenceInput},
};
use bellwether_model::{Error, IncidentId, alert::Rule};
use bellwether_store::{IncidentQuery, Notice};

/// Alerts, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertQuery), responses((status = 200, body = List<Alert>), Problems))]
pub async fn list(
    _: Admin,
    State(state): State<AppState>,
    Query(query): Query<AlertQuery>,
) -> Result<Json<List<Alert>>> {
    let rules: Vec<Rule> = words::<AlertRule, _>("rule", query.rule.as_deref())?;
    let rule = match rules[..] {
        [] => None,
        [rule] => Some(rule),
        _ => return Err(Error::field("rule", "give one rule, or none for all").into()),
    };
    let wanted = IncidentQuery {
        rule,
        subject: query.subject,
        open: query.open,
        skip: 0,
        limit: u32::try_from(limit(query.limit)?).unwrap_or(u32::MAX),
    };
    let store = state.engine.store();
    let found = store.incidents(wanted).await?;
    let total = store.count_incidents(&wanted).await?;
    let names = Directory::load(&state.engine).await?;
    Ok(Json(List {
        items: found.iter().map(|one| Alert::new(one, &names)).collect(),
        total: Some(total),
        next: None,
    }))
}

fn notice(notice: Notice) -> AlertNotice {
    AlertNotice {
        news: notice.news.into(),
        target: notice.target,
        delivery: notice.delivery.into(),
        made_at: notice.made_at.into(),
        ended_at: notice.ended_at.map(Moment),
        trouble: notice.trouble,
    }
}

/// One alert, with who was told.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = AlertTold), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<IncidentId>,
) -> Result<Json<AlertTold>> {
    let store = state.engine.store();
    let incident = store.incident(id).await?;
    let notices = store.notices(id).await?;
    let names = Directory::load(&state.engine).await?;
    Ok(Json(AlertTold {
        alert: Alert::new(&incident, &names),
        notices: notices.into_iter().map(notice).collect(),
    }))
}

/// Has nobody told of it, nor of the next of the same rule and thing, for a while; 0 minutes for no longer.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/silence", tag = "alerts", params(("id" = uuid::Uuid, Path)),
    request_body = SilenceInput, responses((status = 200, body = Alert), Problems))]
pub async fn silence(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<IncidentId>,
    Input(input): Input<SilenceInput>,
) -> Result<Json<Alert>> {
    let silenced =
        bellwether_engine::alert::silence(&state.engine, &admin, id, input.minutes).await?;
    let names = Directory::load(&state.engine).await?;
    Ok(Json(Alert::new(&silenced, &names)))
}
