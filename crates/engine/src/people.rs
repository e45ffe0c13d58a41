//! People: registering, the own password, letting in and locking out.

use crate::{Actor, Admin, Engine, passwords, sessions};
use bellwether_decide::account;
use bellwether_model::{
    Error, Result, TokenId, UserId,
    people::{AccountState, Role, TokenKind, User},
    states::State,
};
use secrecy::{ExposeSecret, SecretString};

/// What somebody registers with.
pub struct NewAccount {
    /// Login name.
    pub login: String,
    /// Full name.
    pub full_name: String,
    /// Mail address.
    pub mail: String,
    /// Password.
    pub password: SecretString,
}

/// A new password, and what else is to end with the old one.
pub struct NewPassword<'a> {
    /// The password until now.
    pub current: &'a SecretString,
    /// The password from now on.
    pub new: &'a SecretString,
    /// The session or token the change is asked for with: it goes on.
    pub keep: TokenId,
    /// API tokens end as well, not only sessions.
    pub end_api_tokens: bool,
}

/// What to change about a person; what is absent stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// What they may do.
    pub role: Option<Role>,
    /// Whether they may log in.
    pub state: Option<AccountState>,
}

/// Makes an account; active at once where the policy says so, else it waits for an admin.
pub async fn register(engine: &Engine, new: NewAccount) -> Result<User> {
    let (policy, _) = engine.store().policy().await?;
    let state = if policy.accounts_active_at_once {
        AccountState::Active
    } else {
        AccountState::Waiting
    };
    insert(engine, new, Role::User, state, "user.register").await
}

/// Makes an active admin; used by `bellwetherd admin create` only.
pub async fn create_admin(engine: &Engine, new: NewAccount) -> Result<User> {
    insert(
        engine,
        new,
        Role::Admin,
        AccountState::Active,
        "admin.create",
    )
    .await
}

async fn insert(
    engine: &Engine,
    new: NewAccount,
    role: Role,
    state: AccountState,
    action: &str,
) -> Result<User> {
    let draft = account::AccountDraft {
        login: new.login,
        full_name: new.full_name,
        mail: new.mail,
    };
    let account =
        account::validate(&draft, new.password.expose_secret()).map_err(Error::invalid_fields)?;
    let hash = passwords::hash(new.password).await?;
    let user = User {
        id: UserId::new(),
        login: account.login,
        full_name: account.full_name,
        mail: account.mail,
        role,
        state,
        created_at: engine.now(),
    };
    let mut tx = engine.store().begin().await?;
    tx.insert_user(&user, &hash).await?;
    let actor = Actor::of(&user);
    let text = format!("{} ({})", user.login, user.full_name);
    engine
        .audit(&mut tx, Some(&actor), action, "user", user.id, text)
        .await?;
    engine.emit(&mut tx, "user", user.id, None).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(user)
}

/// Changes the own password and ends every other session. API tokens go on unless they are to end as well; how many do.
pub async fn change_password(
    engine: &Engine,
    actor: &Actor,
    change: NewPassword<'_>,
) -> Result<usize> {
    let current = sessions::check(engine, &actor.login, change.current).await?;
    if current.is_none() {
        return Err(Error::field(
            "current_password",
            "this is not your current password",
        ));
    }
    account::check_password(change.new.expose_secret(), &actor.login)
        .map_err(|message| Error::field("new_password", message))?;
    let hash = passwords::hash(change.new.clone()).await?;
    let mut tx = engine.store().begin().await?;
    tx.set_password_hash(actor.user, &hash).await?;
    let (kind, text) = match change.end_api_tokens {
        true => (None, "changed their password and ended their API tokens"),
        false => (Some(TokenKind::Session), "changed their password"),
    };
    tx.delete_tokens(actor.user, kind, Some(change.keep))
        .await?;
    engine
        .audit(
            &mut tx,
            Some(actor),
            "user.password",
            "user",
            actor.user,
            text,
        )
        .await?;
    tx.commit().await?;
    let now = engine.now();
    let left = engine.store().tokens(actor.user).await?;
    let going_on = left
        .iter()
        .filter(|token| token.kind == TokenKind::Api && token.expires_at > now);
    Ok(going_on.count())
}

/// Lets an account in, disables or enables it, changes a role: all of it or nothing. The last active admin stays one.
pub async fn change(engine: &Engine, admin: &Admin, id: UserId, change: Change) -> Result<User> {
    let mut tx = engine.store().begin().await?;
    let mut user = tx.user(id).await?;
    let mut done = Vec::new();
    if let Some(role) = change.role.filter(|role| *role != user.role) {
        let text = format!("{} → {}", user.role.as_str(), role.as_str());
        done.push(("user.role", text));
        user.role = role;
    }
    if let Some(state) = change.state.filter(|state| *state != user.state) {
        done.push(("user.state", format!("{} → {state}", user.state)));
        user.state = user.state.step(state)?;
    }
    if done.is_empty() {
        return Ok(user);
    }
    tx.update_user(&user).await?;
    if tx.active_admins().await? == 0 {
        return Err(Error::conflict(
            "This is the last active administrator; make another one first.",
        ));
    }
    if user.state == AccountState::Disabled {
        tx.delete_tokens(user.id, None, None).await?;
    }
    for (action, text) in done {
        let text = format!("{}: {text}", user.login);
        engine
            .audit(&mut tx, Some(admin), action, "user", user.id, text)
            .await?;
    }
    engine.emit(&mut tx, "user", user.id, Some(user.id)).await?;
    tx.commit().await?;
    engine.tell().await;
    Ok(user)
}
