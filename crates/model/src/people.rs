//! People: accounts, roles, sessions.
//!
//! ```text
//! waiting ──► active ◄──► disabled
//!    └──────────────────────▲
//! ```
//! - waiting → active: an admin's word, or at once where the policy says so.
//! - waiting → disabled: an admin declined.
//! - active → disabled: an admin; a disabled person can't log in and their tokens stop working, their VMs stay.
//! - disabled → active: an admin.

use crate::{Timestamp, TokenId, UserId, state_machine};
use serde::{Deserialize, Serialize};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Asks for VMs and uses their own.
    User,
    /// Decides on requests and runs the fleet.
    Admin,
}

impl Role {
    /// The word on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = crate::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "user" => Ok(Role::User),
            "admin" => Ok(Role::Admin),
            other => Err(crate::Error::field(
                "role",
                format!(
                    "'{}' is no role; they are: user, admin",
                    crate::text::shown(other)
                ),
            )),
        }
    }
}

state_machine! {
    /// State of an account.
    AccountState, "account" {
        /// Registered, not yet let in.
        Waiting = "waiting" => [Active, Disabled],
        /// May log in.
        Active = "active" => [Disabled],
        /// May not log in.
        Disabled = "disabled" => [Active],
    }
}

/// A person with a login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// Login name: 2–32 of a–z, 0–9, `.`, `_`, `-`, beginning with a letter; unique.
    pub login: String,
    /// The person's name, any script.
    pub full_name: String,
    /// Mail address; unique.
    pub mail: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may log in.
    pub state: AccountState,
    /// When they registered.
    pub created_at: Timestamp,
}

/// How a token is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// A browser's session cookie; ends after a time without use.
    Session,
    /// An API token made by the person; ends at its expiry only.
    Api,
}

impl TokenKind {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenKind::Session => "session",
            TokenKind::Api => "api",
        }
    }
}

/// A session or API token; the token itself is not kept, only its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Identifier, not the secret.
    pub id: TokenId,
    /// Whose it is.
    pub user: UserId,
    /// Session or API token.
    pub kind: TokenKind,
    /// What the person called it; empty for sessions.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used (kept to the minute).
    pub used_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}
