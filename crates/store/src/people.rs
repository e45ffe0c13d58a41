//! Accounts.

use crate::{
    Store, Tx, fault,
    sql::{On, Row, sql},
};
use bellwether_model::{Error, Result, UserId, people::User};

macro_rules! columns {
    () => {
        "id, login, full_name, mail, role, state, created_at"
    };
}

pub(crate) fn from_row(row: &Row) -> Result<User> {
    Ok(User {
        id: row.id("id")?,
        login: row.get("login")?,
        full_name: row.get("full_name")?,
        mail: row.get("mail")?,
        role: row.word("role")?,
        state: row.word("state")?,
        created_at: row.at("created_at")?,
    })
}

/// The form of a login, mail address or name in which it is unique: both databases' own ideas of case differ.
pub(crate) fn key(text: &str) -> String {
    text.to_lowercase()
}

async fn active_admins(on: On<'_>) -> Result<u32> {
    sql("SELECT COUNT(*) AS n FROM users WHERE role = 'admin' AND state = 'active'")
        .one(on)
        .await?
        .size("n")
}

async fn user(on: On<'_>, id: UserId) -> Result<User> {
    let found = sql(concat!("SELECT ", columns!(), " FROM users WHERE id = $1"))
        .bind(id)
        .optional(on)
        .await?;
    from_row(&found.ok_or_else(|| Error::not_found("user"))?)
}

impl Store {
    /// The person.
    pub async fn user(&self, id: UserId) -> Result<User> {
        user(self.on(), id).await
    }

    /// The person with this login, whatever its case.
    pub async fn user_by_login(&self, login: &str) -> Result<Option<User>> {
        sql(concat!(
            "SELECT ",
            columns!(),
            " FROM users WHERE login_key = $1"
        ))
        .bind(key(login))
        .optional(self.on())
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
    }

    /// Everybody, oldest account first.
    pub async fn users(&self) -> Result<Vec<User>> {
        sql(concat!(
            "SELECT ",
            columns!(),
            " FROM users ORDER BY created_at, id"
        ))
        .list(self.on(), from_row)
        .await
    }

    /// The hash of the person's password.
    pub async fn password_hash(&self, id: UserId) -> Result<String> {
        sql("SELECT password_hash FROM users WHERE id = $1")
            .bind(id)
            .optional(self.on())
            .await?
            .ok_or_else(|| Error::not_found("user"))?
            .get("password_hash")
    }

    /// How many admins can log in.
    pub async fn active_admins(&self) -> Result<u32> {
        active_admins(self.on()).await
    }
}

impl Tx {
    /// The person, as they stay until this transaction ends.
    pub async fn user(&mut self, id: UserId) -> Result<User> {
        user(self.on(), id).await
    }

    /// Keeps a new person. `Conflict` on the field whose value another has, whatever its case.
    pub async fn insert_user(&mut self, user: &User, password_hash: &str) -> Result<()> {
        self.user_is_unique(user).await?;
        sql(
            "INSERT INTO users (id, login, login_key, full_name, mail, mail_key, role, state, password_hash, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(user.id)
        .bind(&user.login)
        .bind(key(&user.login))
        .bind(&user.full_name)
        .bind(&user.mail)
        .bind(key(&user.mail))
        .bind(user.role.as_str())
        .bind(user.state.as_str())
        .bind(password_hash)
        .bind(user.created_at)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Changes a person's login, name, mail, role and state.
    pub async fn update_user(&mut self, user: &User) -> Result<()> {
        self.user_is_unique(user).await?;
        let changed = sql(
            "UPDATE users SET login = $2, login_key = $3, full_name = $4, mail = $5, mail_key = $6, role = $7, state = $8 \
             WHERE id = $1",
        )
        .bind(user.id)
        .bind(&user.login)
        .bind(key(&user.login))
        .bind(&user.full_name)
        .bind(&user.mail)
        .bind(key(&user.mail))
        .bind(user.role.as_str())
        .bind(user.state.as_str())
        .run(self.on())
        .await?;
        found(changed, "user")
    }

    /// Replaces a person's password hash.
    pub async fn set_password_hash(&mut self, id: UserId, password_hash: &str) -> Result<()> {
        let changed = sql("UPDATE users SET password_hash = $2 WHERE id = $1")
            .bind(id)
            .bind(password_hash)
            .run(self.on())
            .await?;
        found(changed, "user")
    }

    /// How many admins can log in, this transaction's changes included.
    pub async fn active_admins(&mut self) -> Result<u32> {
        active_admins(self.on()).await
    }

    async fn user_is_unique(&mut self, user: &User) -> Result<()> {
        let others = sql("SELECT login_key, mail_key FROM users WHERE id <> $1 AND (login_key = $2 OR mail_key = $3)")
            .bind(user.id)
            .bind(key(&user.login))
            .bind(key(&user.mail))
            .all(self.on())
            .await?;
        let mut same_mail = false;
        for other in others {
            if other.get::<String>("login_key")? == key(&user.login) {
                let shown = bellwether_model::text::shown(&user.login);
                return Err(fault::conflict(
                    "login",
                    format!("the login '{shown}' is taken"),
                ));
            }
            same_mail = true;
        }
        if same_mail {
            return Err(fault::conflict(
                "mail",
                "another account has this mail address",
            ));
        }
        Ok(())
    }
}

/// `NotFound` where an update by identifier changed nothing.
pub(crate) fn found(changed: u64, what: &str) -> Result<()> {
    if changed == 0 {
        return Err(Error::not_found(what));
    }
    Ok(())
}
