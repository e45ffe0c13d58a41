//! Alerts.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    alert::{Alert, AlertQuery, AlertTold, SilenceInput},
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// Alerts, newest first.
    pub async fn alerts(&self, query: &AlertQuery, most: usize) -> Result<Answer<List<Alert>>> {
        self.all("/alerts", query, most).await
    }

    /// One alert, with who was told.
    pub async fn alert(&self, id: Uuid) -> Result<Answer<AlertTold>> {
        self.call(Method::GET, &format!("/alerts/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Has nobody told of it for a while; 0 minutes for no longer.
    pub async fn silence_alert(&self, id: Uuid, input: &SilenceInput) -> Result<Answer<Alert>> {
        let path = format!("/alerts/{id}/silence");
        self.call(Method::POST, &path, NO_QUERY, Some(input)).await
    }
}
