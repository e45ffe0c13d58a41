//! People, their sessions and tokens.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    session::{
        Me, NewToken, PasswordChange, PasswordChanged, Session, SessionInput, Token, TokenInput,
    },
    totals::PersonTotals,
    user::{AccountInput, User, UserChange, UserQuery},
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// Makes an account.
    pub async fn register(&self, input: &AccountInput) -> Result<Answer<User>> {
        self.call(Method::POST, "/accounts", NO_QUERY, Some(input))
            .await
    }

    /// Logs in; with `token`, makes an API token.
    pub async fn log_in(&self, input: &SessionInput) -> Result<Answer<Session>> {
        self.call(Method::POST, "/session", NO_QUERY, Some(input))
            .await
    }

    /// Ends the session or revokes the token in use.
    pub async fn log_out(&self) -> Result<Answer<()>> {
        self.call(Method::DELETE, "/session", NO_QUERY, NO_BODY)
            .await
    }

    /// Who asks.
    pub async fn me(&self) -> Result<Answer<Me>> {
        self.call(Method::GET, "/me", NO_QUERY, NO_BODY).await
    }

    /// Changes one's password.
    pub async fn change_password(&self, input: &PasswordChange) -> Result<Answer<PasswordChanged>> {
        self.call(Method::PUT, "/me/password", NO_QUERY, Some(input))
            .await
    }

    /// One's sessions and tokens.
    pub async fn tokens(&self) -> Result<Answer<List<Token>>> {
        self.call(Method::GET, "/me/tokens", NO_QUERY, NO_BODY)
            .await
    }

    /// Makes an API token.
    pub async fn create_token(&self, input: &TokenInput) -> Result<Answer<NewToken>> {
        self.call(Method::POST, "/me/tokens", NO_QUERY, Some(input))
            .await
    }

    /// Revokes one.
    pub async fn revoke_token(&self, id: Uuid) -> Result<Answer<()>> {
        self.call(
            Method::DELETE,
            &format!("/me/tokens/{id}"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// People.
    pub async fn users(&self, query: &UserQuery, most: usize) -> Result<Answer<List<User>>> {
        self.all("/users", query, most).await
    }

    /// One person.
    pub async fn user(&self, id: Uuid) -> Result<Answer<User>> {
        self.call(Method::GET, &format!("/users/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Lets in, locks out, changes the role.
    pub async fn change_user(&self, id: Uuid, input: &UserChange) -> Result<Answer<User>> {
        self.call(
            Method::PATCH,
            &format!("/users/{id}"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Totals per person.
    pub async fn totals(&self, most: usize) -> Result<Answer<List<PersonTotals>>> {
        self.all("/totals", &(), most).await
    }
}
