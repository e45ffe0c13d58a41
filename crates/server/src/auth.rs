//! Who asks, as extractors; and the ways in and out that pages and REST share.
//!
//! A handler that takes an [`Actor`] can't be reached by nobody, one that takes an [`Admin`] can't be reached by a user;
//! [`MaybeActor`] lets everybody in. Put them before extractors of the path and the body, so that who may not ask does
//! not learn what would have been wrong with the question.

use crate::{
    client::Client,
    cookie,
    error::{Failure, Result},
    state::AppState,
};
use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderValue, request::Parts},
};
use bellwether_api::Secret;
use bellwether_engine::{
    people::{self, NewAccount, NewPassword},
    sessions::{self, NewToken},
};
use bellwether_model::{
    Error,
    people::{Token, TokenKind, User},
    text::shown,
};
use secrecy::{ExposeSecret, SecretString};
use std::{convert::Infallible, future::Future, ops::Deref};

/// Somebody who is logged in, with the session or API token they came by. Dereferences to the engine's actor.
#[derive(Clone, Debug)]
pub struct Actor {
    actor: bellwether_engine::Actor,
    /// The session or API token.
    pub token: Token,
}

impl Deref for Actor {
    type Target = bellwether_engine::Actor;
    fn deref(&self) -> &Self::Target {
        &self.actor
    }
}

/// Who is logged in, if anybody is.
#[derive(Clone, Debug)]
pub struct MaybeActor(pub Option<Actor>);

/// An admin who is logged in. Dereferences to the engine's admin.
#[derive(Clone, Debug)]
pub struct Admin(bellwether_engine::Admin);

impl Deref for Admin {
    type Target = bellwether_engine::Admin;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequestParts<AppState> for MaybeActor {
    type Rejection = Failure;

    /// A wrong or ended API token is an error; a wrong or ended cookie only means that nobody is logged in. Asked
    /// twice in one request, the database is asked once.
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let client = Client::from_request_parts(parts, state).await?;
        let bearer = cookie::bearer_of(&parts.headers);
        let found = match bearer.or_else(|| cookie::session_of(&parts.headers, client.secure)) {
            Some(secret) => sessions::authenticate(&state.engine, secret).await?,
            None => None,
        };
        if bearer.is_some() && found.is_none() {
            return Err(Error::unauthenticated(
                "The API token is not valid: it may have ended or been revoked.",
            )
            .into());
        }
        let maybe = Self(found.map(|(actor, token)| Actor { actor, token }));
        if let Self(Some(actor)) = &maybe {
            tracing::Span::current().record("login", actor.login.as_str());
        }
        parts.extensions.insert(maybe.clone());
        Ok(maybe)
    }
}

impl FromRequestParts<AppState> for Actor {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let MaybeActor(actor) = MaybeActor::from_request_parts(parts, state).await?;
        actor.ok_or_else(|| Error::unauthenticated("Log in first.").into())
    }
}

impl OptionalFromRequestParts<AppState> for Actor {
    type Rejection = Infallible;
    /// For what must show whatever happens, an error page mostly: trouble counts as nobody.
    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Option<Self>, Infallible> {
        Ok(MaybeActor::from_request_parts(parts, state)
            .await
            .ok()
            .and_then(|MaybeActor(actor)| actor))
    }
}

impl FromRequestParts<AppState> for Admin {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let actor = <Actor as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        Ok(Self(actor.admin()?))
    }
}

/// Registers a new account, throttled by address.
pub async fn register(state: &AppState, client: Client, account: NewAccount) -> Result<User> {
    state.limits.registration(client)?;
    Ok(people::register(&state.engine, account).await?)
}

/// A session just begun.
pub struct NewSession {
    /// Whose.
    pub user: User,
    /// The `Set-Cookie` header.
    pub cookie: HeaderValue,
}

/// Checks a password, throttled by account and address; who tries in vain is named in the log.
async fn throttled<T>(
    state: &AppState,
    client: Client,
    login: &str,
    check: impl Future<Output = Result<T, Error>>,
) -> Result<T> {
    let checked = match state.limits.login(client, login) {
        Ok(()) => check.await.map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    match &checked {
        Ok(_) => state.limits.logged_in(client, login),
        Err(failure) => tracing::warn!(
            login = %shown(login),
            client = %client.address,
            status = failure.status.as_u16(),
            "an attempt to log in was refused"
        ),
    }
    checked
}

/// Logs in.
pub async fn log_in(
    state: &AppState,
    client: Client,
    login: &str,
    password: &SecretString,
) -> Result<NewSession> {
    let log_in = sessions::log_in(&state.engine, login, password);
    let (secret, user) = throttled(state, client, login, log_in).await?;
    Ok(NewSession {
        cookie: cookie::keep(&secret, client.secure),
        user,
    })
}

/// Logs in for an API token instead of a session.
pub async fn log_in_for_token(
    state: &AppState,
    client: Client,
    login: &str,
    password: &SecretString,
    name: &str,
    days: u32,
) -> Result<(User, Secret, Token)> {
    let engine = &state.engine;
    let prove = sessions::prove(engine, login, password);
    let user = throttled(state, client, login, prove).await?;
    let new = NewToken {
        name,
        days,
        with: None,
    };
    let actor = bellwether_engine::Actor::of(&user);
    let (secret, token) = sessions::create_api_token(engine, &actor, new).await?;
    Ok((user, secret.expose_secret().into(), token))
}

/// Changes the own password, which could be guessed here as well as at the front door.
pub async fn change_password(
    state: &AppState,
    client: Client,
    actor: &Actor,
    change: NewPassword<'_>,
) -> Result<usize> {
    let change = people::change_password(&state.engine, actor, change);
    throttled(state, client, &actor.login, change).await
}

/// Ends what the actor came by: the session, with the header that makes the browser forget it, or the API token.
pub async fn log_out(
    state: &AppState,
    client: Client,
    actor: &Actor,
) -> Result<Option<HeaderValue>> {
    match actor.token.kind {
        TokenKind::Session => {
            sessions::log_out(&state.engine, actor, actor.token.id).await?;
            Ok(Some(cookie::forget(client.secure)))
        }
        TokenKind::Api => {
            sessions::revoke_token(&state.engine, actor, actor.token.id).await?;
            Ok(None)
        }
    }
}
