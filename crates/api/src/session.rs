//! Logging in and out, and one's own tokens.

use crate::{Moment, Secret, user::User};
use bellwether_model::people;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

words! {
    /// How a token is used.
    TokenKind from people::TokenKind {
        /// A browser's session cookie; ends after a time without use.
        Session = "session",
        /// An API token; ends at its expiry only.
        Api = "api",
    }
}

/// Login and password. Without `token` the answer sets the session cookie (browsers); with `token` it carries a new API
/// token instead and sets no cookie (programs).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionInput {
    /// Login name.
    pub login: String,
    /// Password.
    pub password: Secret,
    /// Make an API token instead of a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenInput>,
}

/// Who is signed in now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// The person.
    pub user: User,
    /// The API token, where one was asked for; its secret is shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<NewToken>,
}

/// Who asks, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The person.
    pub user: User,
    /// The session or API token the request came with.
    pub token: Token,
}

/// A new password.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    /// The password until now.
    pub current: Secret,
    /// The password from now on; all other sessions end.
    pub new: Secret,
    /// End API tokens as well, but for the one this is asked with.
    #[serde(default)]
    pub end_api_tokens: bool,
}

/// What goes on after the password was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PasswordChanged {
    /// How many API tokens of yours still work.
    pub api_tokens: u64,
}

/// A token to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenInput {
    /// What to call it.
    pub name: String,
    /// Days until it ends.
    #[schema(minimum = 1)]
    pub days: i64,
}

/// A session or API token, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Identifier, not the secret.
    pub id: Uuid,
    /// Session or API token.
    pub kind: TokenKind,
    /// What the person called it; empty for sessions.
    pub name: String,
    /// When it was made.
    pub created_at: Moment,
    /// When it was last used, to the minute.
    pub used_at: Moment,
    /// When it ends.
    pub expires_at: Moment,
}

impl From<&people::Token> for Token {
    fn from(token: &people::Token) -> Self {
        Self {
            id: token.id.into(),
            kind: token.kind.into(),
            name: token.name.clone(),
            created_at: token.created_at.into(),
            used_at: token.used_at.into(),
            expires_at: token.expires_at.into(),
        }
    }
}

/// A new API token with its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The token.
    pub token: Token,
    /// Send it as `Authorization: Bearer …`; it is not kept and can't be shown again.
    pub secret: Secret,
}
