//! People with a login.

use crate::{Moment, Secret};
use bellwether_model::people;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

words! {
    /// What somebody may do.
    Role from people::Role {
        /// Asks for VMs and uses their own.
        User = "user",
        /// Decides on requests and runs the fleet.
        Admin = "admin",
    }
}

words! {
    /// State of an account.
    AccountState from people::AccountState {
        /// Registered, not yet let in.
        Waiting = "waiting",
        /// May log in.
        Active = "active",
        /// May not log in.
        Disabled = "disabled",
    }
}

/// An account to make.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountInput {
    /// Login name: 2–32 of a–z, 0–9, `.`, `_`, `-`, beginning with a letter.
    pub login: String,
    /// The person's name.
    pub full_name: String,
    /// Mail address.
    pub mail: String,
    /// Password.
    pub password: Secret,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Identifier.
    pub id: Uuid,
    /// Login name.
    pub login: String,
    /// The person's name.
    pub full_name: String,
    /// Mail address.
    pub mail: String,
    /// What they may do.
    pub role: Role,
    /// Whether they may log in.
    pub state: AccountState,
    /// When they registered.
    pub created_at: Moment,
}

impl From<&people::User> for User {
    fn from(user: &people::User) -> Self {
        Self {
            id: user.id.into(),
            login: user.login.clone(),
            full_name: user.full_name.clone(),
            mail: user.mail.clone(),
            role: user.role.into(),
            state: user.state.into(),
            created_at: user.created_at.into(),
        }
    }
}

/// What to change about a person; what is absent stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// Let in (`active`) or lock out (`disabled`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AccountState>,
    /// What they may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Which people to list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// Only in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<AccountState>,
    /// At most this many, 1–1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next` of the part before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}
