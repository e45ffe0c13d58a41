//! Measurements as a whole: what they take on disk.

use super::Problems;
use crate::{auth::Admin, error::Result, extract::Query, state::AppState};
use axum::extract::State;
use bellwether_api::metrics::{HistoryNeed, HistoryQuery, HistoryStatus};
use bellwether_model::policy;

/// What measurements take on disk: now, and with the policy in force or other times to keep them.
#[utoipa::path(get, path = "/api/v1/history", tag = "server", params(HistoryQuery), responses((status = 200, body = HistoryStatus), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Query(query): Query<HistoryQuery>,
) -> Result<axum::Json<HistoryStatus>> {
    let engine = &state.engine;
    let in_force = engine.store().records().await?.policy.history;
    let kept = policy::HistoryPolicy {
        samples_hours: query.samples_hours.unwrap_or(in_force.samples_hours),
        minutes_days: query.minutes_days.unwrap_or(in_force.minutes_days),
        ten_minutes_days: query.ten_minutes_days.unwrap_or(in_force.ten_minutes_days),
        hours_days: query.hours_days.unwrap_or(in_force.hours_days),
    };
    bellwether_engine::policy::check_history(&kept)?;
    let need = engine.history_need(&kept);
    let (trouble, trouble_since) = match engine.history_trouble() {
        None => (None, None),
        Some(trouble) => (Some(trouble.why), Some(trouble.since.into())),
    };
    Ok(axum::Json(HistoryStatus {
        bytes: engine.history().size().await?,
        kept: kept.into(),
        need: HistoryNeed {
            samples_bytes: need.samples,
            minutes_bytes: need.minutes,
            ten_minutes_bytes: need.ten_minutes,
            hours_bytes: need.hours,
            total_bytes: need.total(),
        },
        trouble,
        trouble_since,
    }))
}
