//! The server itself: health, version, tasks, the OpenAPI document.

use super::Problems;
use crate::{auth::Admin, error::Result, router, state::AppState};
use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use bellwether_api::{
    List, Moment,
    server::{Health, ServerInfo, TaskStatus},
};
use std::sync::OnceLock;
use utoipa::openapi::OpenApi;

/// It runs.
#[utoipa::path(get, path = "/healthz", tag = "server", security(()), responses((status = 200, body = Health)))]
pub async fn healthz() -> Json<Health> {
    Json(Health {
        ok: true,
        trouble: None,
    })
}

/// It can serve: its database answers.
#[utoipa::path(get, path = "/readyz", tag = "server", security(()),
    responses((status = 200, body = Health), (status = 503, body = Health, description = "The database does not answer")))]
pub async fn readyz(State(state): State<AppState>) -> impl IntoResponse {
    match state.engine.store().ping().await {
        Ok(()) => (
            StatusCode::OK,
            Json(Health {
                ok: true,
                trouble: None,
            }),
        ),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(Health {
                ok: false,
                trouble: Some(error.message),
            }),
        ),
    }
}

/// What the server is: version, clock, time zone.
#[utoipa::path(get, path = "/api/v1/server", tag = "server", security(()), responses((status = 200, body = ServerInfo)))]
pub async fn info(State(state): State<AppState>) -> Json<ServerInfo> {
    let engine = &state.engine;
    Json(ServerInfo {
        product: "bellwether".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        api: "v1".into(),
        now: engine.now().into(),
        time_zone: engine
            .zone()
            .iana_name()
            .map_or_else(|| format!("{:?}", engine.zone()), str::to_string),
        today: engine.today(),
    })
}

/// How the background tasks are doing.
#[utoipa::path(get, path = "/api/v1/server/tasks", tag = "server", responses((status = 200, body = List<TaskStatus>), Problems))]
pub async fn tasks(_: Admin, State(state): State<AppState>) -> Json<List<TaskStatus>> {
    let tasks = state.engine.task_status();
    Json(List::whole(
        tasks
            .into_iter()
            .map(|task| TaskStatus {
                name: task.name.to_string(),
                last_run_at: task.last_run.map(Moment),
                last_run_ms: task.last_run.map(|_| task.last_ms),
                trouble: task.trouble,
            })
            .collect(),
    ))
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "server", security(()),
    responses((status = 200, body = Object, description = "OpenAPI 3.1")))]
pub async fn openapi() -> Result<Json<&'static OpenApi>> {
    static DOCUMENT: OnceLock<OpenApi> = OnceLock::new();
    Ok(Json(DOCUMENT.get_or_init(router::openapi)))
}
