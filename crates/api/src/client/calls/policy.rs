//! Policy and audit.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    audit::{AuditLine, AuditQuery},
    policy::Policy,
};
use reqwest::Method;

impl Client {
    /// The policy.
    pub async fn policy(&self) -> Result<Answer<Policy>> {
        self.call(Method::GET, "/policy", NO_QUERY, NO_BODY).await
    }

    /// Sets it.
    pub async fn set_policy(&self, input: &Policy) -> Result<Answer<Policy>> {
        self.call(Method::PUT, "/policy", NO_QUERY, Some(input))
            .await
    }

    /// The audit log, newest first.
    pub async fn audit(&self, query: &AuditQuery, most: usize) -> Result<Answer<List<AuditLine>>> {
        self.all("/audit", query, most).await
    }
}
