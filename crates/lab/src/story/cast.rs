//! Who plays: an admin, and a person who wants a VM.

use anyhow::Context;
use bellwether_api::Secret;
use bellwether_api::client::{Client, Settings};
use bellwether_api::session::{SessionInput, TokenInput};
use bellwether_api::user::{AccountInput, AccountState, UserChange};
use bellwether_api::vm::Vm;
use uuid::Uuid;

use super::Existing;

/// Days the tokens of the story last: a demo may be left running for a while.
const TOKEN_DAYS: i64 = 7;

/// Everybody, and the VM once there is one.
pub(super) struct Cast {
    pub admin: Person,
    pub user: Person,
    pub vm: Option<Vm>,
}

/// Somebody who is logged in.
pub(super) struct Person {
    pub client: Client,
    pub login: String,
    pub password: Secret,
}

impl Person {
    /// Logs in, and works with a token from then on.
    pub async fn log_in(url: &str, login: &str, password: Secret) -> anyhow::Result<Self> {
        let client = client(url)?;
        let session = client
            .log_in(&SessionInput {
                login: login.to_owned(),
                password: password.clone(),
                token: Some(TokenInput {
                    name: "quickstart".into(),
                    days: TOKEN_DAYS,
                }),
            })
            .await
            .with_context(|| format!("{login} cannot log in"))?;
        let token = session
            .value
            .token
            .context("the server gave no token when one was asked for")?;
        Ok(Self {
            client: client.with_token(token.secret),
            login: login.to_owned(),
            password,
        })
    }

    /// Logs in to a server that was there before.
    pub async fn log_in_to(existing: &Existing) -> anyhow::Result<Self> {
        let Existing {
            url,
            admin_login,
            admin_password,
        } = existing;
        Self::log_in(url, admin_login, admin_password.clone()).await
    }
}

/// A person registers, is let in where the policy wants an admin's word, and logs in.
pub(super) async fn register(admin: &Person) -> anyhow::Result<(Person, String)> {
    let url = admin.client.server_address();
    let password = fresh_password();
    // A server that was there before may know an Ada already.
    let login = format!("ada-{}", &Uuid::new_v4().simple().to_string()[..4]);
    let account = client(url)?
        .register(&AccountInput {
            login: login.clone(),
            full_name: "Ada Lovelace".into(),
            mail: format!("{login}@example.org"),
            password: password.clone(),
        })
        .await?;
    let waited = account.state == AccountState::Waiting;
    if waited {
        let let_in = UserChange {
            state: Some(AccountState::Active),
            role: None,
        };
        admin.client.change_user(account.id, &let_in).await?;
    }
    let person = Person::log_in(url, &login, password).await?;
    let how = if waited { "let in by the admin, " } else { "" };
    Ok((
        person,
        format!("{login} has an account, {how}and is logged in"),
    ))
}

/// A password nobody has used before.
pub(super) fn fresh_password() -> Secret {
    Secret::from(Uuid::new_v4().simple().to_string())
}

/// A client that is nobody yet.
pub(super) fn client(url: &str) -> anyhow::Result<Client> {
    Ok(Client::new(Settings {
        server: url.to_owned(),
        ..Settings::default()
    })?)
}
