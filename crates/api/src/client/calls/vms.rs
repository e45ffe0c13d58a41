//! VMs.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    audit::AuditLine,
    job::Job,
    metrics::{Metrics, MetricsQuery},
    migration::{MigrationChoices, MigrationInput, MigrationStarted, MigrationTargetsQuery},
    migration_policy::MovesByInput,
    vm::{ConfirmQuery, FirstPassword, LeaseInput, PowerInput, Screen, Vm, VmQuery},
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// VMs.
    pub async fn vms(&self, query: &VmQuery, most: usize) -> Result<Answer<List<Vm>>> {
        self.all("/vms", query, most).await
    }

    /// One VM.
    pub async fn vm(&self, id: Uuid) -> Result<Answer<Vm>> {
        self.call(Method::GET, &format!("/vms/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// What was done to it.
    pub async fn vm_audit(&self, id: Uuid, most: usize) -> Result<Answer<List<AuditLine>>> {
        self.all(&format!("/vms/{id}/audit"), &(), most).await
    }

    /// Its history.
    pub async fn vm_metrics(&self, id: Uuid, query: &MetricsQuery) -> Result<Answer<Metrics>> {
        self.call(
            Method::GET,
            &format!("/vms/{id}/metrics"),
            Some(query),
            NO_BODY,
        )
        .await
    }

    /// Starts, stops, reboots it.
    pub async fn power(&self, id: Uuid, input: &PowerInput) -> Result<Answer<Job>> {
        self.call(
            Method::POST,
            &format!("/vms/{id}/power"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Moves the end of its lease.
    pub async fn extend(&self, id: Uuid, input: &LeaseInput) -> Result<Answer<Vm>> {
        self.call(
            Method::PUT,
            &format!("/vms/{id}/lease"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Takes its first password, once.
    pub async fn first_password(&self, id: Uuid) -> Result<Answer<FirstPassword>> {
        self.call(
            Method::POST,
            &format!("/vms/{id}/first-password"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Opens its screen for a short time.
    pub async fn screen(&self, id: Uuid) -> Result<Answer<Screen>> {
        self.call(
            Method::POST,
            &format!("/vms/{id}/screen"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Where it could move.
    pub async fn migration_targets(
        &self,
        id: Uuid,
        policy: Option<&str>,
    ) -> Result<Answer<MigrationChoices>> {
        let query = MigrationTargetsQuery {
            policy: policy.map(Into::into),
        };
        self.call(
            Method::GET,
            &format!("/vms/{id}/migration-targets"),
            Some(&query),
            NO_BODY,
        )
        .await
    }

    /// Says by what its policy for moves is chosen.
    pub async fn set_vm_migration_policy(
        &self,
        id: Uuid,
        input: &MovesByInput,
    ) -> Result<Answer<Vm>> {
        self.call(
            Method::PUT,
            &format!("/vms/{id}/migration-policy"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Moves it live.
    pub async fn migrate(
        &self,
        id: Uuid,
        input: &MigrationInput,
    ) -> Result<Answer<MigrationStarted>> {
        self.call(
            Method::POST,
            &format!("/vms/{id}/migrations"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Removes a VM; `confirm` is its exact name, typed by a person.
    pub async fn delete_vm(&self, id: Uuid, confirm: &str) -> Result<Answer<Job>> {
        let query = ConfirmQuery {
            confirm: confirm.into(),
        };
        self.call(Method::DELETE, &format!("/vms/{id}"), Some(&query), NO_BODY)
            .await
    }
}
