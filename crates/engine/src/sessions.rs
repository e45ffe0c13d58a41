//! Sessions and API tokens: logging in and out, and whose a token is.

use crate::{Actor, Engine, passwords};
use bellwether_decide::account;
use bellwether_model::{
    Error, Result, Timestamp, TokenId, UserId,
    people::{AccountState, Token, TokenKind, User},
    text::is_hidden,
    time,
};
use bellwether_store::Tx;
use rand::TryRngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A browser session ends after this long without use.
pub const SESSION_IDLE: Duration = Duration::from_secs(12 * 3600);
/// The longest an API token may live, days.
pub const TOKEN_DAYS_MOST: u32 = 3660;
/// Seconds of a day.
const DAY: u64 = 86_400;
/// The use of a token is noted this often at most.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// An API token to make.
pub struct NewToken<'a> {
    /// What to call it.
    pub name: &'a str,
    /// Days until it ends.
    pub days: u32,
    /// The session or API token it is asked for with; none for who gave the password.
    pub with: Option<&'a Token>,
}

/// The person whose login and password these are. An unknown login and a wrong password cannot be told apart, by words
/// or by time; that an account waits or is disabled is told only to who knows its password.
pub async fn prove(engine: &Engine, login: &str, password: &SecretString) -> Result<User> {
    let wrong = || Error::unauthenticated("The login or the password is wrong.");
    let user = check(engine, login, password).await?.ok_or_else(wrong)?;
    match user.state {
        AccountState::Active => Ok(user),
        AccountState::Waiting => Err(Error::forbidden(
            "Your account waits for an administrator to let you in.",
        )),
        AccountState::Disabled => Err(Error::forbidden(
            "Your account is disabled; ask an administrator.",
        )),
    }
}

/// Opens a browser session for who proves to be that person.
pub async fn log_in(
    engine: &Engine,
    login: &str,
    password: &SecretString,
) -> Result<(SecretString, User)> {
    let user = prove(engine, login, password).await?;
    let (secret, session) = make(
        engine,
        user.id,
        TokenKind::Session,
        String::new(),
        SESSION_IDLE,
    )?;
    let mut tx = engine.store().begin().await?;
    insert(&mut tx, &session, &secret).await?;
    tx.commit().await?;
    Ok((secret, user))
}

/// The user, where the password is theirs. Takes the same time for an unknown login.
pub(crate) async fn check(
    engine: &Engine,
    login: &str,
    password: &SecretString,
) -> Result<Option<User>> {
    let login = account::login_key(login);
    let user = engine.store().user_by_login(&login).await?;
    let stored = match &user {
        Some(user) => engine.store().password_hash(user.id).await?,
        None => decoy().await?.to_owned(),
    };
    let good = passwords::verify(password.clone(), stored).await?;
    Ok(user.filter(|_| good))
}

/// A hash nobody's password has, so that unknown logins cost the same time.
async fn decoy() -> Result<&'static str> {
    static DECOY: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    DECOY
        .get_or_try_init(|| async { passwords::hash(random_secret()?).await })
        .await
        .map(String::as_str)
}

/// Who the token belongs to, if it is valid. Its use is noted, and a session's life extended, beside the request: a
/// database that can't write now neither logs people out nor makes them wait.
pub async fn authenticate(engine: &Engine, token: &str) -> Result<Option<(Actor, Token)>> {
    let now = engine.now();
    let Some((token, user)) = engine.store().token_by_secret(&digest(token), now).await? else {
        return Ok(None);
    };
    if now.since(token.used_at) > NOTED_EVERY {
        note_use(engine, &token, now);
    }
    Ok(Some((Actor::of(&user), token)))
}

/// Uses of tokens on their way to the database.
#[derive(Default)]
pub(crate) struct Uses(Mutex<Pending>);

#[derive(Default)]
struct Pending {
    /// What to write: when a token was used, and when it ends now.
    uses: BTreeMap<TokenId, (Timestamp, Timestamp)>,
    /// Somebody is writing, or tried lately.
    busy: bool,
}

/// Leaves the use to one writer for all tokens; it tries again, a while later, what it could not write.
fn note_use(engine: &Engine, token: &Token, now: Timestamp) {
    let ends = match token.kind {
        TokenKind::Session => now.plus(SESSION_IDLE),
        TokenKind::Api => token.expires_at,
    };
    let begins = engine.inner.uses.with(|pending| {
        pending.uses.insert(token.id, (now, ends));
        !std::mem::replace(&mut pending.busy, true)
    });
    if !begins {
        return;
    }
    let engine = engine.clone();
    tokio::spawn(async move {
        let uses = engine
            .inner
            .uses
            .with(|pending| std::mem::take(&mut pending.uses));
        if let Err(error) = write_uses(&engine, &uses).await {
            tracing::debug!(%error, context = error.context(), "the use of tokens could not be noted");
            // Whoever is there next tries again; at once would only queue where others wait to write.
            tokio::time::sleep(NOTED_EVERY).await;
        }
        engine.inner.uses.with(|pending| pending.busy = false);
    });
}

async fn write_uses(
    engine: &Engine,
    uses: &BTreeMap<TokenId, (Timestamp, Timestamp)>,
) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    for (token, (used, ends)) in uses {
        tx.touch_token(*token, *used, *ends).await?;
    }
    tx.commit().await
}

impl Uses {
    fn with<T>(&self, change: impl FnOnce(&mut Pending) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Ends a session.
pub async fn log_out(engine: &Engine, actor: &Actor, token: TokenId) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    tx.delete_token(actor.user, token).await?;
    tx.commit().await
}

/// Makes an API token; the secret is shown this once. One that is asked for with another one ends no later than that:
/// a token that fell into wrong hands can't be made to last.
pub async fn create_api_token(
    engine: &Engine,
    actor: &Actor,
    new: NewToken<'_>,
) -> Result<(SecretString, Token)> {
    let (name, days) = (new.name.trim(), new.days);
    if name.is_empty() || name.chars().count() > 63 || name.chars().any(is_hidden) {
        return Err(Error::field(
            "name",
            "give the token a name of 1 to 63 visible characters, so that you know it again",
        ));
    }
    if days == 0 || days > TOKEN_DAYS_MOST {
        return Err(Error::field(
            "days",
            format!("{days} is not possible; a token may live 1 to {TOKEN_DAYS_MOST} days"),
        ));
    }
    let life = Duration::from_secs(u64::from(days) * DAY);
    let (secret, mut token) = make(engine, actor.user, TokenKind::Api, name.into(), life)?;
    if let Some(with) = new.with.filter(|with| with.kind == TokenKind::Api) {
        let left = with.expires_at.since(token.created_at).as_secs();
        if u64::from(days) > left.div_ceil(DAY) {
            let ends = time::day_of(with.expires_at, engine.zone());
            return Err(Error::field(
                "days",
                format!(
                    "{days} is too long: the API token this is asked for with ends on {ends}, and what is made with it \
                     may not last longer; sign in with your password for that"
                ),
            ));
        }
        token.expires_at = token.expires_at.min(with.expires_at);
    }
    let mut tx = engine.store().begin().await?;
    insert(&mut tx, &token, &secret).await?;
    let text = format!("API token \"{name}\" for {days} days");
    engine
        .audit(
            &mut tx,
            Some(actor),
            "token.create",
            "token",
            token.id,
            text,
        )
        .await?;
    tx.commit().await?;
    Ok((secret, token))
}

/// Ends one of the own tokens or sessions.
pub async fn revoke_token(engine: &Engine, actor: &Actor, token: TokenId) -> Result<()> {
    let mut tx = engine.store().begin().await?;
    if !tx.delete_token(actor.user, token).await? {
        return Err(Error::not_found("token"));
    }
    engine
        .audit(
            &mut tx,
            Some(actor),
            "token.revoke",
            "token",
            token,
            "revoked",
        )
        .await?;
    tx.commit().await
}

fn make(
    engine: &Engine,
    user: UserId,
    kind: TokenKind,
    name: String,
    life: Duration,
) -> Result<(SecretString, Token)> {
    let now = engine.now();
    let token = Token {
        id: TokenId::new(),
        user,
        kind,
        name,
        created_at: now,
        used_at: now,
        expires_at: now.plus(life),
    };
    Ok((random_secret()?, token))
}

async fn insert(tx: &mut Tx, token: &Token, secret: &SecretString) -> Result<()> {
    tx.insert_token(token, &digest(secret.expose_secret()))
        .await
}

/// 256 random bits in hexadecimal.
fn random_secret() -> Result<SecretString> {
    let mut bytes = [0_u8; 32];
    rand::rngs::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(Error::internal)?;
    Ok(SecretString::from(hex::encode(bytes)))
}

/// What is kept of a token. The token itself has 256 bits of entropy, so a plain hash is enough.
fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
