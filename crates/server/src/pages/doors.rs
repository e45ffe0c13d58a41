//! The ways in and out: sign-in, registration, sign-out, colours, the account, embedded files.

use super::{
    site::{self, Guest, THEME, Visit, again, again_with, done, go, show, typed_wrong},
    typed::Typed,
    view::{Form, assets, doors, words},
};
use crate::{
    auth,
    client::Client,
    error::Result,
    extract::{Path, Query},
};
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bellwether_engine::{
    people::{NewAccount, NewPassword},
    sessions::{self, NewToken},
};
use bellwether_model::{
    Error, ErrorKind, TokenId,
    people::{AccountState, TokenKind},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Next {
    #[serde(default)]
    next: String,
}

/// A path of ours, never another site's.
fn own_path(path: &str) -> String {
    let inner = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.chars().all(|c| c.is_ascii_graphic());
    if inner { path.into() } else { "/".into() }
}

pub async fn sign_in_form(guest: Guest, Query(query): Query<Next>) -> Result<Response> {
    if guest.actor.is_some() {
        return Ok(go(&own_path(&query.next)));
    }
    show(&doors::SignIn {
        frame: guest.frame("Sign in"),
        form: Form::default(),
        next: own_path(&query.next),
    })
}

pub async fn sign_in(guest: Guest, client: Client, typed: Typed) -> Result<Response> {
    let next = own_path(&typed.get("next"));
    let password = SecretString::from(typed.exact("password"));
    match auth::log_in(&guest.state, client, &typed.get("login"), &password).await {
        Ok(session) => {
            let mut response = go(&next);
            response
                .headers_mut()
                .append(header::SET_COOKIE, session.cookie);
            Ok(response)
        }
        Err(failure) if failure.error.kind == ErrorKind::Internal => Err(failure),
        Err(failure) => again_with(
            &failure,
            &doors::SignIn {
                frame: guest.frame("Sign in"),
                form: typed.form().refused(&failure.error),
                next,
            },
        ),
    }
}

async fn waits(guest: &Guest) -> Result<bool> {
    let (policy, _) = guest.state.engine.store().policy().await?;
    Ok(!policy.accounts_active_at_once)
}

pub async fn register_form(guest: Guest) -> Result<Response> {
    if guest.actor.is_some() {
        return Ok(go("/"));
    }
    show(&doors::Register {
        waits: waits(&guest).await?,
        frame: guest.frame("Register"),
        form: Form::default(),
    })
}

pub async fn register(guest: Guest, client: Client, typed: Typed) -> Result<Response> {
    let account = NewAccount {
        login: typed.get("login"),
        full_name: typed.get("full_name"),
        mail: typed.get("mail"),
        password: SecretString::from(typed.exact("password")),
    };
    let password = account.password.clone();
    match auth::register(&guest.state, client, account).await {
        Ok(user) if user.state == AccountState::Active => {
            let session = auth::log_in(&guest.state, client, &user.login, &password).await?;
            let mut response = done(
                "/machines",
                "Welcome. Ask for your first machine when you like.",
            );
            response
                .headers_mut()
                .append(header::SET_COOKIE, session.cookie);
            Ok(response)
        }
        Ok(_) => Ok(done(
            "/sign-in",
            "You are registered. An administrator lets you in; then you can sign in here.",
        )),
        Err(failure) if failure.error.kind == ErrorKind::Internal => Err(failure),
        Err(failure) => again_with(
            &failure,
            &doors::Register {
                waits: waits(&guest).await?,
                frame: guest.frame("Register"),
                form: typed.form().refused(&failure.error),
            },
        ),
    }
}

pub async fn sign_out(visit: Visit, client: Client) -> Result<Response> {
    let cookie = auth::log_out(&visit.state, client, &visit.actor).await?;
    let mut response = done("/sign-in", "You are signed out.");
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

pub async fn theme(_: Guest, client: Client, typed: Typed) -> Result<Response> {
    let theme = typed.get("theme");
    let value = if matches!(theme.as_str(), "light" | "dark") {
        theme.as_str()
    } else {
        ""
    };
    let mut response = go(&own_path(&typed.get("back")));
    if let Some(cookie) = site::set_cookie(THEME, value, client.secure, 400) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn account_page(
    visit: &Visit,
    password: Form,
    mut token: Form,
    made: Option<String>,
) -> Result<doors::Account> {
    let engine = visit.engine();
    let (user, tokens) = tokio::try_join!(
        engine.store().user(visit.actor.user),
        engine.store().tokens(visit.actor.user)
    )?;
    token.default_to("days", 90);
    let (now, zone) = (engine.now(), engine.zone());
    let tokens = tokens.iter().map(|token| {
        let current = token.id == visit.actor.token.id;
        doors::TokenRow {
            id: token.id.to_string(),
            name: match (token.kind, current) {
                (_, true) => "This browser".into(),
                (TokenKind::Session, _) => "Another browser".into(),
                (TokenKind::Api, _) => token.name.clone(),
            },
            kind: match token.kind {
                TokenKind::Session => "session",
                TokenKind::Api => "API token",
            },
            made: words::moment(token.created_at, zone),
            used: words::ago(token.used_at, now),
            ends: words::moment(token.expires_at, zone),
            current,
        }
    });
    Ok(doors::Account {
        frame: visit.page("Account", "").await?,
        login: user.login,
        mail: user.mail,
        since: words::moment(user.created_at, zone),
        password,
        token,
        made,
        tokens: tokens.collect(),
    })
}

pub async fn account(visit: Visit) -> Result<Response> {
    show(&account_page(&visit, Form::default(), Form::default(), None).await?)
}

pub async fn password(visit: Visit, client: Client, typed: Typed) -> Result<Response> {
    let change = NewPassword {
        current: &SecretString::from(typed.exact("current_password")),
        new: &SecretString::from(typed.exact("new_password")),
        keep: visit.actor.token.id,
        end_api_tokens: typed.ticked("end_api_tokens"),
    };
    match auth::change_password(&visit.state, client, &visit.actor, change).await {
        Ok(api_tokens) => {
            let rest = match api_tokens {
                0 => "no API token works",
                1 => "one API token still works; end it below if it should not",
                _ => "API tokens still work; end below those that should not",
            };
            let said = format!("The password is changed. Other sessions have ended; {rest}.");
            Ok(done("/account", &said))
        }
        Err(failure) => {
            let form = typed
                .form()
                .refused(&typed_wrong((*failure.error).clone())?);
            again_with(
                &failure,
                &account_page(&visit, form, Form::default(), None).await?,
            )
        }
    }
}

pub async fn make_token(visit: Visit, typed: Typed) -> Result<Response> {
    let made = match typed.number("days", "a number of days") {
        Err(error) => Err(error),
        Ok(days) => {
            let new = NewToken {
                name: &typed.get("name"),
                days: days.unwrap_or(0),
                with: Some(&visit.actor.token),
            };
            sessions::create_api_token(visit.engine(), &visit.actor, new).await
        }
    };
    match made {
        Ok((secret, _)) => {
            let secret = Some(secret.expose_secret().to_string());
            show(&account_page(&visit, Form::default(), Form::default(), secret).await?)
        }
        Err(error) => {
            let form = typed.form().refused(&typed_wrong(error)?);
            again(&account_page(&visit, Form::default(), form, None).await?)
        }
    }
}

pub async fn end_token(visit: Visit, Path(id): Path<TokenId>) -> Result<Response> {
    sessions::revoke_token(visit.engine(), &visit.actor, id).await?;
    Ok(done("/account", "Ended."))
}

/// An embedded file. Under its own version a browser may keep it for ever.
pub async fn asset(
    Path((version, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let asset = assets::get(&path).ok_or_else(|| Error::not_found("file"))?;
    let lasting = version == assets::version() && version != "dev";
    let cache = if lasting {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let etag = HeaderValue::from_str(&asset.etag).map_err(Error::internal)?;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| *value == etag);
    let kept = [
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
        (header::ETAG, etag),
    ];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let kind = HeaderValue::from_str(&asset.media_type).map_err(Error::internal)?;
    Ok((
        kept,
        [(header::CONTENT_TYPE, kind)],
        asset.data.into_owned(),
    )
        .into_response())
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (asked, went) in [
            ("/vms/1?range=day", "/vms/1?range=day"),
            ("", "/"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
        ] {
            assert_eq!(own_path(asked), went);
        }
    }
}
