//! Requests.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    audit::AuditLine,
    request::{Approval, Approved, Consideration, Refusal, Request, RequestInput, RequestQuery},
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// Requests.
    pub async fn requests(
        &self,
        query: &RequestQuery,
        most: usize,
    ) -> Result<Answer<List<Request>>> {
        self.all("/requests", query, most).await
    }

    /// One request.
    pub async fn request_by_id(&self, id: Uuid) -> Result<Answer<Request>> {
        self.call(Method::GET, &format!("/requests/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Asks for a VM.
    pub async fn create_request(&self, input: &RequestInput) -> Result<Answer<Request>> {
        self.call(Method::POST, "/requests", NO_QUERY, Some(input))
            .await
    }

    /// What was decided about it.
    pub async fn request_audit(&self, id: Uuid, most: usize) -> Result<Answer<List<AuditLine>>> {
        self.all(&format!("/requests/{id}/audit"), &(), most).await
    }

    /// Takes it back.
    pub async fn withdraw(&self, id: Uuid) -> Result<Answer<Request>> {
        self.call(
            Method::POST,
            &format!("/requests/{id}/withdraw"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// The fleet beside it.
    pub async fn consider(&self, id: Uuid) -> Result<Answer<Consideration>> {
        self.call(
            Method::GET,
            &format!("/requests/{id}/consideration"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Says yes.
    pub async fn approve(&self, id: Uuid, input: &Approval) -> Result<Answer<Approved>> {
        self.call(
            Method::POST,
            &format!("/requests/{id}/approve"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Says no.
    pub async fn refuse(&self, id: Uuid, input: &Refusal) -> Result<Answer<Request>> {
        self.call(
            Method::POST,
            &format!("/requests/{id}/refuse"),
            NO_QUERY,
            Some(input),
        )
        .await
    }
}
