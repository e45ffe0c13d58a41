//! People, for admins.

use super::{
    Problems,
    input::limit,
    page::{Order, part},
};
use crate::{
    auth::Admin,
    error::Result,
    extract::{Json, Path, Query},
    state::AppState,
};
use axum::extract::State;
use bellwether_api::{
    List,
    user::{User, UserChange, UserQuery},
};
use bellwether_engine::people;
use bellwether_model::UserId;

/// Everybody with a login.
#[utoipa::path(get, path = "/api/v1/users", tag = "people", params(UserQuery), responses((status = 200, body = List<User>), Problems))]
pub async fn list(
    _: Admin,
    State(state): State<AppState>,
    Query(query): Query<UserQuery>,
) -> Result<axum::Json<List<User>>> {
    let wanted = query
        .state
        .map(bellwether_model::people::AccountState::from);
    let mut users = state.engine.store().users().await?;
    users.retain(|user| wanted.is_none_or(|wanted| user.state == wanted));
    let list = part(
        users,
        Order::Oldest,
        |user| (user.created_at, user.id.into()),
        limit(query.limit)?,
        query.after.as_deref(),
    )?;
    Ok(axum::Json(List {
        items: list.items.iter().map(Into::into).collect(),
        total: list.total,
        next: list.next,
    }))
}

/// One person.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "people", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = User), Problems))]
pub async fn show(
    _: Admin,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
) -> Result<axum::Json<User>> {
    Ok(axum::Json((&state.engine.store().user(id).await?).into()))
}

/// Lets in, locks out, changes the role: all of it or nothing.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "people", params(("id" = uuid::Uuid, Path)), request_body = UserChange,
    responses((status = 200, body = User), Problems))]
pub async fn change(
    admin: Admin,
    State(state): State<AppState>,
    Path(id): Path<UserId>,
    Json(input): Json<UserChange>,
) -> Result<axum::Json<User>> {
    let change = people::Change {
        role: input.role.map(Into::into),
        state: input.state.map(Into::into),
    };
    let user = people::change(&state.engine, &admin, id, change).await?;
    Ok(axum::Json((&user).into()))
}
