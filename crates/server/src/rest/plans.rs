//! Plans: a host is emptied, and filled again.

use super::{Problems, hosts::whole, input::limit};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json, Path, Query},
    names::Directory,
    state::AppState,
};
use axum::{extract::State, http::StatusCode};
use bellwether_api::{
    List,
    plan::{DrainInput, Plan, PlanCancelInput, PlanQuery, ResumeInput, Resumed},
};
use bellwether_engine::plan;
use bellwether_model::{HostId, PlanId, plan as model};

async fn told(state: &AppState, plan: &model::Plan) -> Result<Plan> {
    let names = Directory::load(&state.engine).await?;
    Ok(Plan::new(plan, &names))
}

/// The plan by which a host would be emptied, and who stands in the way; nothing is moved.
#[utoipa::path(get, path = "/api/v1/hosts/{id}/drain", tag = "hosts", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Plan), Problems))]
pub async fn prospect(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
) -> Result<axum::Json<Plan>> {
    let plan = plan::prospect(&state.engine, &admin, id).await?;
    Ok(axum::Json(told(&state, &plan).await?))
}

/// Puts a host aside and has its VMs leave.
#[utoipa::path(post, path = "/api/v1/hosts/{id}/drain", tag = "hosts", params(("id" = uuid::Uuid, Path)), request_body = DrainInput,
    responses((status = 202, body = Plan), Problems))]
pub async fn drain(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
    Json(input): Json<DrainInput>,
) -> Result<(StatusCode, axum::Json<Plan>)> {
    let plan = plan::drain(&state.engine, &admin, id, input.anyway).await?;
    let told = told(&state, &plan).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(told)))
}

/// Has a host take VMs again, and those go back that left, if that is wanted.
#[utoipa::path(post, path = "/api/v1/hosts/{id}/resume", tag = "hosts", params(("id" = uuid::Uuid, Path)), request_body = ResumeInput,
    responses((status = 200, body = Resumed), Problems))]
pub async fn resume(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<HostId>,
    Json(input): Json<ResumeInput>,
) -> Result<axum::Json<Resumed>> {
    let (host, plan) = plan::resume(&state.engine, &admin, id, input.bring_home).await?;
    let plan = match plan {
        Some(plan) => Some(told(&state, &plan).await?),
        None => None,
    };
    Ok(axum::Json(Resumed {
        host: whole(&state, &host).await?,
        plan,
    }))
}

/// Plans, newest first.
#[utoipa::path(get, path = "/api/v1/plans", tag = "migrations", params(PlanQuery), responses((status = 200, body = List<Plan>), Problems))]
pub async fn list(
    _: Admin,
    State(state): State<AppState>,
    Query(query): Query<PlanQuery>,
) -> Result<axum::Json<List<Plan>>> {
    let most = u32::try_from(limit(query.limit)?).unwrap_or(u32::MAX);
    let plans = state.engine.store().plans(most).await?;
    let names = Directory::load(&state.engine).await?;
    Ok(axum::Json(List {
        items: plans.iter().map(|plan| Plan::new(plan, &names)).collect(),
        total: None,
        next: None,
    }))
}

/// One plan.
#[utoipa::path(get, path = "/api/v1/plans/{id}", tag = "migrations", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Plan), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<PlanId>,
) -> Result<axum::Json<Plan>> {
    let plan = state.engine.store().plan(id).await?;
    Ok(axum::Json(told(&state, &plan).await?))
}

/// Has no more moves of a plan begun.
#[utoipa::path(post, path = "/api/v1/plans/{id}/cancel", tag = "migrations", params(("id" = uuid::Uuid, Path)), request_body = PlanCancelInput,
    responses((status = 200, body = Plan), Problems))]
pub async fn cancel(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<PlanId>,
    Json(input): Json<PlanCancelInput>,
) -> Result<axum::Json<Plan>> {
    let plan = plan::cancel(&state.engine, &admin, id, input.moves_too).await?;
    Ok(axum::Json(told(&state, &plan).await?))
}
