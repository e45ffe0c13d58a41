//! What the server is.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    server::{ServerInfo, TaskStatus},
};
use reqwest::Method;

impl Client {
    /// What the server is.
    pub async fn server(&self) -> Result<Answer<ServerInfo>> {
        self.call(Method::GET, "/server", NO_QUERY, NO_BODY).await
    }

    /// Its tasks.
    pub async fn tasks(&self) -> Result<Answer<List<TaskStatus>>> {
        self.call(Method::GET, "/server/tasks", NO_QUERY, NO_BODY)
            .await
    }

    /// The OpenAPI document.
    pub async fn openapi(&self) -> Result<Answer<serde_json::Value>> {
        self.call(Method::GET, "/openapi.json", NO_QUERY, NO_BODY)
            .await
    }
}
