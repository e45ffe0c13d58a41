//! The audit log.

use super::{Problems, input::limit};
use crate::{auth::Admin, error::Result, extract::Query, state::AppState};
use axum::{Json, extract::State};
use bellwether_api::{
    List,
    audit::{AuditLine, AuditQuery},
};
use bellwether_model::{Error, text::shown};

/// Who did what, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery), responses((status = 200, body = List<AuditLine>), Problems))]
pub async fn list(
    _: Admin,
    State(state): State<AppState>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<List<AuditLine>>> {
    let about = match (query.about, query.about_id) {
        (None, None) => None,
        (Some(about), Some(id)) => Some((about, id)),
        (Some(_), None) => return Err(Error::field("about_id", "is needed with about").into()),
        (None, Some(_)) => return Err(Error::field("about", "is needed with about_id").into()),
    };
    let before = query
        .after
        .map(|after| {
            after.parse().map_err(|_| {
                Error::field(
                    "after",
                    format!("'{}' is not the `next` of a list", shown(&after)),
                )
            })
        })
        .transpose()?;
    let most = limit(query.limit)?;
    let lines = state
        .engine
        .store()
        .audit(bellwether_store::AuditQuery {
            about,
            actor: query.actor.map(Into::into),
            since: None,
            before,
            limit: u32::try_from(most).unwrap_or(u32::MAX),
        })
        .await?;
    let next = lines
        .last()
        .filter(|_| lines.len() == most)
        .map(|line| line.seq.to_string());
    Ok(Json(List {
        items: lines.iter().map(Into::into).collect(),
        total: None,
        next,
    }))
}

/// What was done about one thing, newest first.
pub async fn about(
    state: &AppState,
    kind: &str,
    id: impl ToString,
) -> Result<Json<List<AuditLine>>> {
    let lines = state
        .engine
        .store()
        .audit(bellwether_store::AuditQuery {
            about: Some((kind.into(), id.to_string())),
            limit: 1000,
            ..Default::default()
        })
        .await?;
    Ok(Json(List::whole(lines.iter().map(Into::into).collect())))
}
