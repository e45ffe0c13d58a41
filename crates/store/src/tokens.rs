//! Sessions and API tokens; of the secret only its SHA-256 is kept.

use crate::{
    Store, Tx, people,
    sql::{Row, sql},
};
use bellwether_model::{
    Result, Timestamp, TokenId, UserId,
    people::{Token, TokenKind, User},
};

fn from_row(row: &Row) -> Result<Token> {
    Ok(Token {
        id: row.id("token_id")?,
        user: row.id("owner")?,
        kind: row.word("kind")?,
        name: row.get("name")?,
        created_at: row.at("token_created_at")?,
        used_at: row.at("used_at")?,
        expires_at: row.at("expires_at")?,
    })
}

impl Store {
    /// The token with this secret and whose it is; nothing if it has ended or its owner may not log in.
    pub async fn token_by_secret(
        &self,
        secret_sha256: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<(Token, User)>> {
        let found = sql(
            "SELECT t.id AS token_id, t.owner, t.kind, t.name, t.created_at AS token_created_at, t.used_at, t.expires_at, \
             u.id, u.login, u.full_name, u.mail, u.role, u.state, u.created_at \
             FROM tokens t JOIN users u ON u.id = t.owner \
             WHERE t.secret = $1 AND t.expires_at > $2 AND u.state = 'active'",
        )
        .bind(secret_sha256.to_vec())
        .bind(now)
        .optional(self.on())
        .await?;
        found
            .map(|row| Ok((from_row(&row)?, people::from_row(&row)?)))
            .transpose()
    }

    /// A person's sessions and tokens, oldest first; those that have ended until they are pruned.
    pub async fn tokens(&self, user: UserId) -> Result<Vec<Token>> {
        sql(
            "SELECT id AS token_id, owner, kind, name, created_at AS token_created_at, used_at, expires_at \
             FROM tokens WHERE owner = $1 ORDER BY created_at, id",
        )
        .bind(user)
        .list(self.on(), from_row)
        .await
    }
}

impl Tx {
    /// Keeps a new token.
    pub async fn insert_token(&mut self, token: &Token, secret_sha256: &[u8; 32]) -> Result<()> {
        sql(
            "INSERT INTO tokens (id, owner, kind, name, secret, created_at, used_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(token.id)
        .bind(token.user)
        .bind(token.kind.as_str())
        .bind(&token.name)
        .bind(secret_sha256.to_vec())
        .bind(token.created_at)
        .bind(token.used_at)
        .bind(token.expires_at)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Notes that a token was used, and until when it holds now. One that was ended meanwhile stays ended.
    pub async fn touch_token(
        &mut self,
        id: TokenId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<()> {
        sql("UPDATE tokens SET used_at = $2, expires_at = $3 WHERE id = $1")
            .bind(id)
            .bind(now)
            .bind(expires_at)
            .run(self.on())
            .await
            .map(drop)
    }

    /// Ends a token of this person; whether there was one.
    pub async fn delete_token(&mut self, user: UserId, id: TokenId) -> Result<bool> {
        let changed = sql("DELETE FROM tokens WHERE id = $1 AND owner = $2")
            .bind(id)
            .bind(user)
            .run(self.on())
            .await?;
        Ok(changed > 0)
    }

    /// Ends a person's tokens, of one kind or all, but for `except`.
    pub async fn delete_tokens(
        &mut self,
        user: UserId,
        kind: Option<TokenKind>,
        except: Option<TokenId>,
    ) -> Result<()> {
        sql(
            "DELETE FROM tokens WHERE owner = $1 AND ($2 IS NULL OR kind = $2) AND ($3 IS NULL OR id <> $3)",
        )
        .bind(user)
        .bind(kind.map(TokenKind::as_str))
        .bind(except)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Forgets tokens that have ended.
    pub async fn prune_tokens(&mut self, now: Timestamp) -> Result<()> {
        sql("DELETE FROM tokens WHERE expires_at <= $1")
            .bind(now)
            .run(self.on())
            .await
            .map(drop)
    }
}
