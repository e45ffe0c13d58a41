//! Oneself: password and tokens.

use super::{
    Created, Problems,
    input::{number, renamed},
};
use crate::{
    auth::{self, Actor},
    error::{Failure, Result},
    extract::{Json, Path},
    state::AppState,
};
use axum::{extract::State, http::StatusCode};
use bellwether_api::{
    List,
    session::{Me, NewToken, PasswordChange, PasswordChanged, Token, TokenInput},
};
use bellwether_engine::{people::NewPassword, sessions};
use bellwether_model::TokenId;
use secrecy::ExposeSecret;

/// Who asks, and by what.
#[utoipa::path(get, path = "/api/v1/me", tag = "people", responses((status = 200, body = Me), Problems))]
pub async fn show(actor: Actor, State(state): State<AppState>) -> Result<axum::Json<Me>> {
    let user = state.engine.store().user(actor.user).await?;
    Ok(axum::Json(Me {
        user: (&user).into(),
        token: (&actor.token).into(),
    }))
}

/// Changes the password; other sessions end, API tokens where asked.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "people", request_body = PasswordChange,
    responses((status = 200, body = PasswordChanged), Problems))]
pub async fn change_password(
    actor: Actor,
    State(state): State<AppState>,
    client: crate::client::Client,
    Json(input): Json<PasswordChange>,
) -> Result<axum::Json<PasswordChanged>> {
    let change = NewPassword {
        current: &input.current.into_inner().into(),
        new: &input.new.into_inner().into(),
        keep: actor.token.id,
        end_api_tokens: input.end_api_tokens,
    };
    let api_tokens = auth::change_password(&state, client, &actor, change)
        .await
        .map_err(|failure| Failure {
            error: Box::new(renamed(
                *failure.error,
                &[("current_password", "current"), ("new_password", "new")],
            )),
            ..failure
        })?;
    Ok(axum::Json(PasswordChanged {
        api_tokens: api_tokens as u64,
    }))
}

/// One's sessions and API tokens.
#[utoipa::path(get, path = "/api/v1/me/tokens", tag = "people", responses((status = 200, body = List<Token>), Problems))]
pub async fn tokens(
    actor: Actor,
    State(state): State<AppState>,
) -> Result<axum::Json<List<Token>>> {
    let tokens = state.engine.store().tokens(actor.user).await?;
    Ok(axum::Json(List::whole(
        tokens.iter().map(Into::into).collect(),
    )))
}

/// Makes an API token; the secret is shown this once.
#[utoipa::path(post, path = "/api/v1/me/tokens", tag = "people", request_body = TokenInput,
    responses((status = 201, body = NewToken), Problems))]
pub async fn create_token(
    actor: Actor,
    State(state): State<AppState>,
    Json(input): Json<TokenInput>,
) -> Result<Created<NewToken>> {
    let days = number("days", input.days)?;
    let new = sessions::NewToken {
        name: &input.name,
        days,
        with: Some(&actor.token),
    };
    let (secret, token) = sessions::create_api_token(&state.engine, &actor, new).await?;
    Ok(Created::new(
        "me/tokens",
        token.id,
        NewToken {
            token: (&token).into(),
            secret: secret.expose_secret().into(),
        },
    ))
}

/// Ends one of one's own sessions or API tokens.
#[utoipa::path(delete, path = "/api/v1/me/tokens/{id}", tag = "people", params(("id" = uuid::Uuid, Path)),
    responses((status = 204, description = "Ended"), Problems))]
pub async fn revoke_token(
    actor: Actor,
    State(state): State<AppState>,
    Path(id): Path<TokenId>,
) -> Result<StatusCode> {
    sessions::revoke_token(&state.engine, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
