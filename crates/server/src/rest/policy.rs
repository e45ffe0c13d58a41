//! Policy.

use super::{Problems, input::renamed};
use crate::{
    auth::{Actor, Admin},
    error::Result,
    extract::Json,
    state::AppState,
};
use axum::extract::State;
use bellwether_api::policy::Policy;

/// What admins have set.
#[utoipa::path(get, path = "/api/v1/policy", tag = "policy", responses((status = 200, body = Policy), Problems))]
pub async fn show(_: Actor, State(state): State<AppState>) -> Result<axum::Json<Policy>> {
    let (policy, version) = state.engine.store().policy().await?;
    Ok(axum::Json(Policy::new(&policy, version)))
}

/// Replaces the policy that was read with this version.
#[utoipa::path(put, path = "/api/v1/policy", tag = "policy", request_body = Policy, responses((status = 200, body = Policy), Problems))]
pub async fn set(
    admin: Admin,
    State(state): State<AppState>,
    Json(input): Json<Policy>,
) -> Result<axum::Json<Policy>> {
    let policy = (&input).into();
    let version = bellwether_engine::policy::set(&state.engine, &admin, &policy, input.version)
        .await
        .map_err(|error| {
            renamed(
                error,
                &[
                    ("max_memory", "max_memory_mib"),
                    ("max_disk", "max_disk_gib"),
                ],
            )
        })?;
    Ok(axum::Json(Policy::new(&policy, version)))
}
