//! Migrations, under way and past.

use super::{Problems, input::limit};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json as Body, Path, Query},
    names::Directory,
    state::AppState,
};
use axum::{Json, extract::State};
use bellwether_api::{
    List,
    migration::{ForecastOutcome, Migration, MigrationAccuracy, MigrationQuery},
    migration_policy::LimitsInput,
};
use bellwether_engine::{
    forecast,
    migrate::{self, LimitsChange},
};
use bellwether_model::MigrationId;

/// Migrations, newest first.
#[utoipa::path(get, path = "/api/v1/migrations", tag = "migrations", params(MigrationQuery), responses((status = 200, body = List<Migration>), Problems))]
pub async fn list(
    _: Admin,
    State(state): State<AppState>,
    Query(query): Query<MigrationQuery>,
) -> Result<Json<List<Migration>>> {
    let migrations = state
        .engine
        .store()
        .migrations(bellwether_store::MigrationQuery {
            vm: query.vm.map(Into::into),
            running_only: query.running.unwrap_or_default(),
            limit: u32::try_from(limit(query.limit)?).unwrap_or(u32::MAX),
            ..Default::default()
        })
        .await?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(
            &state.engine,
            migrations.iter().map(|migration| migration.vm).collect(),
        )
        .await?;
    Ok(Json(List {
        items: migrations
            .iter()
            .map(|migration| Migration::new(migration, &names))
            .collect(),
        total: None,
        next: None,
    }))
}

/// How right the forecasts of the last migrations were.
#[utoipa::path(get, path = "/api/v1/migrations/accuracy", tag = "migrations", responses((status = 200, body = MigrationAccuracy), Problems))]
pub async fn accuracy(
    admin: Admin,
    State(state): State<AppState>,
) -> Result<Json<MigrationAccuracy>> {
    let hindsight = forecast::hindsight(&state.engine, &admin).await?;
    let vms = hindsight.moves.iter().map(|(migration, _)| migration.vm);
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, vms.collect())
        .await?;
    let items: Vec<ForecastOutcome> = hindsight
        .moves
        .iter()
        .filter_map(|(migration, scored)| {
            let told = Migration::new(migration, &names);
            let forecast = told.forecast?;
            Some(ForecastOutcome {
                migration: told.id,
                vm: told.vm,
                source: told.source,
                target: told.target,
                copy_disk: told.copy_disk,
                started_at: told.started_at,
                forecast_total_ms: forecast.total_ms,
                total_ms: scored.actual_ms,
                error: scored.error(),
                forecast_downtime_ms: forecast.downtime_ms,
                downtime_ms: told.downtime_ms,
            })
        })
        .collect();
    let found = hindsight.accuracy;
    let of_some = |figure: f64| (found.moves > 0).then_some(figure);
    Ok(Json(MigrationAccuracy {
        migrations: found.moves as u64,
        median_error: of_some(found.median_error),
        p90_error: of_some(found.p90_error),
        within_range: of_some(found.within_range),
        downtime_near: found.downtime_near,
        intents_kept: found.intents_kept,
        items,
    }))
}

/// One migration.
#[utoipa::path(get, path = "/api/v1/migrations/{id}", tag = "migrations", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Migration), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<MigrationId>,
) -> Result<Json<Migration>> {
    let migration = state.engine.store().migration(id).await?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, vec![migration.vm])
        .await?;
    Ok(Json(Migration::new(&migration, &names)))
}

/// Changes what a migration under way may cost.
#[utoipa::path(put, path = "/api/v1/migrations/{id}/limits", tag = "migrations", params(("id" = uuid::Uuid, Path)), request_body = LimitsInput,
    responses((status = 200, body = Migration), Problems))]
pub async fn set_limits(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<MigrationId>,
    Body(input): Body<LimitsInput>,
) -> Result<Json<Migration>> {
    let some = |figure: u64| (figure > 0).then_some(figure);
    let change = LimitsChange {
        longest_pause_ms: input.longest_pause_ms,
        finish_within_seconds: input
            .finish_within_seconds
            .map(|most| (most > 0).then_some(most)),
        bandwidth: input
            .bandwidth_mib_per_second
            .map(|mib| some(mib.saturating_mul(1 << 20))),
    };
    let migration = migrate::set_limits(&state.engine, &admin, id, change).await?;
    let names = Directory::load(&state.engine)
        .await?
        .with_vms(&state.engine, vec![migration.vm])
        .await?;
    Ok(Json(Migration::new(&migration, &names)))
}
