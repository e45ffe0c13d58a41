//! Accounts, logging in and out.

use super::{Created, Problems, input::number};
use crate::{
    auth::{self, Actor},
    client::Client,
    error::Result,
    extract::Json,
    state::AppState,
};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{AppendHeaders, IntoResponse, Response},
};
use bellwether_api::{
    session::{NewToken, Session, SessionInput},
    user::{AccountInput, User},
};
use bellwether_engine::people::NewAccount;

/// Registers. The answer's `state` says whether an admin must let the account in.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "people", security(()), request_body = AccountInput,
    responses((status = 201, body = User), Problems))]
pub async fn register(
    State(state): State<AppState>,
    client: Client,
    Json(input): Json<AccountInput>,
) -> Result<Created<User>> {
    let account = NewAccount {
        login: input.login,
        full_name: input.full_name,
        mail: input.mail,
        password: input.password.into_inner().into(),
    };
    let user = auth::register(&state, client, account).await?;
    Ok(Created::new("users", user.id, User::from(&user)))
}

/// Logs in: with the session cookie or, where a `token` is asked for, with an API token and no cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "people", security(()), request_body = SessionInput,
    responses((status = 201, body = Session), Problems))]
pub async fn log_in(
    State(state): State<AppState>,
    client: Client,
    Json(input): Json<SessionInput>,
) -> Result<Response> {
    let password = input.password.into_inner().into();
    Ok(match input.token {
        None => {
            let session = auth::log_in(&state, client, &input.login, &password).await?;
            let body = Session {
                user: User::from(&session.user),
                token: None,
            };
            (
                StatusCode::CREATED,
                AppendHeaders([(header::SET_COOKIE, session.cookie)]),
                axum::Json(body),
            )
                .into_response()
        }
        Some(token) => {
            let days = number("token.days", token.days)?;
            let (user, secret, token) =
                auth::log_in_for_token(&state, client, &input.login, &password, &token.name, days)
                    .await?;
            let body = Session {
                user: User::from(&user),
                token: Some(NewToken {
                    token: (&token).into(),
                    secret,
                }),
            };
            (StatusCode::CREATED, axum::Json(body)).into_response()
        }
    })
}

/// Ends the session, or revokes the API token the request came with.
#[utoipa::path(delete, path = "/api/v1/session", tag = "people", responses((status = 204, description = "Ended"), Problems))]
pub async fn log_out(
    actor: Actor,
    State(state): State<AppState>,
    client: Client,
) -> Result<Response> {
    let cookie = auth::log_out(&state, client, &actor).await?;
    Ok((
        StatusCode::NO_CONTENT,
        AppendHeaders(cookie.map(|cookie| (header::SET_COOKIE, cookie))),
    )
        .into_response())
}
