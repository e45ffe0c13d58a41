//! Storages, for admins.

use super::{Created, Problems};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json, Path},
    names::Directory,
    state::AppState,
};
use axum::{extract::State, http::StatusCode};
use bellwether_api::{
    List, Names, Ref,
    storage::{FoundPool, Storage, StorageChange, StorageInput, StorageMemberInput},
};
use bellwether_engine::storages;
use bellwether_model::{HostId, StorageId, storage as model};

async fn shown(state: &AppState, storage: &model::Storage) -> Result<Storage> {
    let names = Directory::load(&state.engine).await?;
    Ok(Storage::new(storage, &names, &state.engine.observed()))
}

fn members(input: Vec<StorageMemberInput>) -> Vec<(HostId, String)> {
    input
        .into_iter()
        .map(|member| (member.host.into(), member.pool))
        .collect()
}

/// Every storage.
#[utoipa::path(get, path = "/api/v1/storages", tag = "storages", responses((status = 200, body = List<Storage>), Problems))]
pub async fn list(_: Admin, State(state): State<AppState>) -> Result<axum::Json<List<Storage>>> {
    let names = Directory::load(&state.engine).await?;
    let seen = state.engine.observed();
    let storages = state.engine.store().storages().await?;
    Ok(axum::Json(List::whole(
        storages
            .iter()
            .map(|storage| Storage::new(storage, &names, &seen))
            .collect(),
    )))
}

/// Confirms a storage; a shared one is proven at once.
#[utoipa::path(post, path = "/api/v1/storages", tag = "storages", request_body = StorageInput, responses((status = 201, body = Storage), Problems))]
pub async fn create(
    admin: Admin,
    State(state): State<AppState>,
    Json(input): Json<StorageInput>,
) -> Result<Created<Storage>> {
    let new = storages::NewStorage {
        name: input.name,
        kind: input.kind.into(),
        members: members(input.members),
    };
    let storage = storages::create(&state.engine, &admin, new).await?;
    let body = shown(&state, &storage).await?;
    Ok(Created::new("storages", storage.id, body))
}

/// Every pool last seen on any host.
#[utoipa::path(get, path = "/api/v1/storages/discovered", tag = "storages", responses((status = 200, body = List<FoundPool>), Problems))]
pub async fn discovered(
    admin: Admin,
    State(state): State<AppState>,
) -> Result<axum::Json<List<FoundPool>>> {
    let names = Directory::load(&state.engine).await?;
    let found = storages::discovered(&state.engine, &admin).await?;
    Ok(axum::Json(List::whole(
        found
            .into_iter()
            .map(|found| FoundPool {
                host: Ref::new(found.host, Some(found.host_name)),
                pool: (&found.pool).into(),
                storage: found.storage.map(|id| Ref::new(id, names.storage(id))),
            })
            .collect(),
    )))
}

/// One storage.
#[utoipa::path(get, path = "/api/v1/storages/{id}", tag = "storages", params(("id" = uuid::Uuid, Path)), responses((status = 200, body = Storage), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<StorageId>,
) -> Result<axum::Json<Storage>> {
    let storage = state.engine.store().storage(id).await?;
    Ok(axum::Json(shown(&state, &storage).await?))
}

/// Changes its members; new ones of a shared storage are proven at once.
#[utoipa::path(patch, path = "/api/v1/storages/{id}", tag = "storages", params(("id" = uuid::Uuid, Path)), request_body = StorageChange,
    responses((status = 200, body = Storage), Problems))]
pub async fn change(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<StorageId>,
    Json(input): Json<StorageChange>,
) -> Result<axum::Json<Storage>> {
    let storage = match input.members {
        Some(wanted) => {
            storages::change_members(&state.engine, &admin, id, &members(wanted)).await?
        }
        None => state.engine.store().storage(id).await?,
    };
    Ok(axum::Json(shown(&state, &storage).await?))
}

/// Proves again that every member of a shared storage sees the others' volumes.
#[utoipa::path(post, path = "/api/v1/storages/{id}/prove", tag = "storages", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = Storage), Problems))]
pub async fn prove(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<StorageId>,
) -> Result<axum::Json<Storage>> {
    let storage = storages::prove(&state.engine, &admin, id).await?;
    Ok(axum::Json(shown(&state, &storage).await?))
}

/// Forgets it; its pools stay as they are.
#[utoipa::path(delete, path = "/api/v1/storages/{id}", tag = "storages", params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Forgotten"), Problems))]
pub async fn remove(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<StorageId>,
) -> Result<StatusCode> {
    storages::remove(&state.engine, &admin, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
