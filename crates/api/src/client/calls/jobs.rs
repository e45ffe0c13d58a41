//! Migrations and jobs.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    job::{Job, JobQuery},
    migration::{Migration, MigrationAccuracy, MigrationQuery},
    migration_policy::LimitsInput,
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// Migrations, newest first.
    pub async fn migrations(
        &self,
        query: &MigrationQuery,
        most: usize,
    ) -> Result<Answer<List<Migration>>> {
        self.all("/migrations", query, most).await
    }

    /// How right the forecasts of the last migrations were.
    pub async fn migration_accuracy(&self) -> Result<Answer<MigrationAccuracy>> {
        self.call(Method::GET, "/migrations/accuracy", NO_QUERY, NO_BODY)
            .await
    }

    /// Changes what a migration under way may cost.
    pub async fn set_migration_limits(
        &self,
        id: Uuid,
        input: &LimitsInput,
    ) -> Result<Answer<Migration>> {
        self.call(
            Method::PUT,
            &format!("/migrations/{id}/limits"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// One migration.
    pub async fn migration(&self, id: Uuid) -> Result<Answer<Migration>> {
        self.call(Method::GET, &format!("/migrations/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Jobs, newest first.
    pub async fn jobs(&self, query: &JobQuery, most: usize) -> Result<Answer<List<Job>>> {
        self.all("/jobs", query, most).await
    }

    /// One job with its journal.
    pub async fn job(&self, id: Uuid) -> Result<Answer<Job>> {
        self.call(Method::GET, &format!("/jobs/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Asks a job to stop.
    pub async fn cancel_job(&self, id: Uuid) -> Result<Answer<Job>> {
        self.call(
            Method::POST,
            &format!("/jobs/{id}/cancel"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Has a job that needs a person try again.
    pub async fn retry_job(&self, id: Uuid) -> Result<Answer<Job>> {
        self.call(
            Method::POST,
            &format!("/jobs/{id}/retry"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }
}
