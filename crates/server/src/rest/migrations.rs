//! Migrations, under way and past.

use super::{Problems, input::limit};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Path, Query},
    names::Directory,
    state::AppState,
};
use axum::{Json, extract::State};
use bellwether_api::{
    List,
    migration::{Migration, MigrationQuery},
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
