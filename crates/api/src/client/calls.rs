//! One method an endpoint, in the order of `docs/api-design.md`. Lists take the most items wanted and page by themselves.

use super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List, audit::*, fleet::*, host::*, image::*, job::*, metrics::*, migration::*, network::*,
    policy::*, request::*, server::*, session::*, storage::*, totals::*, user::*, vm::*,
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    // The server

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

    // People

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

    // Requests

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

    // VMs

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
    pub async fn migration_targets(&self, id: Uuid) -> Result<Answer<MigrationChoices>> {
        self.call(
            Method::GET,
            &format!("/vms/{id}/migration-targets"),
            NO_QUERY,
            NO_BODY,
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

    // Migrations and jobs

    /// Migrations, newest first.
    pub async fn migrations(
        &self,
        query: &MigrationQuery,
        most: usize,
    ) -> Result<Answer<List<Migration>>> {
        self.all("/migrations", query, most).await
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

    // Fleet and hosts

    /// Everything last seen.
    pub async fn fleet(&self) -> Result<Answer<Fleet>> {
        self.call(Method::GET, "/fleet", NO_QUERY, NO_BODY).await
    }

    /// Hosts.
    pub async fn hosts(&self, most: usize) -> Result<Answer<List<Host>>> {
        self.all("/hosts", &(), most).await
    }

    /// One host.
    pub async fn host(&self, id: Uuid) -> Result<Answer<Host>> {
        self.call(Method::GET, &format!("/hosts/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Adds one.
    pub async fn add_host(&self, input: &HostInput) -> Result<Answer<AddedHost>> {
        self.call(Method::POST, "/hosts", NO_QUERY, Some(input))
            .await
    }

    /// Tries a URI.
    pub async fn try_host(&self, input: &HostTry) -> Result<Answer<HostFacts>> {
        self.call(Method::POST, "/hosts/try", NO_QUERY, Some(input))
            .await
    }

    /// Changes one.
    pub async fn change_host(&self, id: Uuid, input: &HostChange) -> Result<Answer<Host>> {
        self.call(
            Method::PATCH,
            &format!("/hosts/{id}"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Puts one aside, takes it back, declares it off.
    pub async fn set_host_mode(&self, id: Uuid, input: &HostModeInput) -> Result<Answer<Host>> {
        self.call(
            Method::PUT,
            &format!("/hosts/{id}/mode"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Its history.
    pub async fn host_metrics(&self, id: Uuid, query: &MetricsQuery) -> Result<Answer<Metrics>> {
        self.call(
            Method::GET,
            &format!("/hosts/{id}/metrics"),
            Some(query),
            NO_BODY,
        )
        .await
    }

    /// Removes one.
    pub async fn remove_host(&self, id: Uuid) -> Result<Answer<()>> {
        self.call(Method::DELETE, &format!("/hosts/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    // Storages, networks, images

    /// Storages.
    pub async fn storages(&self, most: usize) -> Result<Answer<List<Storage>>> {
        self.all("/storages", &(), most).await
    }

    /// One storage.
    pub async fn storage(&self, id: Uuid) -> Result<Answer<Storage>> {
        self.call(Method::GET, &format!("/storages/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Pools found on hosts.
    pub async fn found_pools(&self, most: usize) -> Result<Answer<List<FoundPool>>> {
        self.all("/storages/discovered", &(), most).await
    }

    /// Confirms one.
    pub async fn create_storage(&self, input: &StorageInput) -> Result<Answer<Storage>> {
        self.call(Method::POST, "/storages", NO_QUERY, Some(input))
            .await
    }

    /// Changes its members.
    pub async fn change_storage(&self, id: Uuid, input: &StorageChange) -> Result<Answer<Storage>> {
        self.call(
            Method::PATCH,
            &format!("/storages/{id}"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Proves that it is shared, again.
    pub async fn prove_storage(&self, id: Uuid) -> Result<Answer<Storage>> {
        self.call(
            Method::POST,
            &format!("/storages/{id}/prove"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Removes one.
    pub async fn remove_storage(&self, id: Uuid) -> Result<Answer<()>> {
        self.call(
            Method::DELETE,
            &format!("/storages/{id}"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Networks.
    pub async fn networks(&self, most: usize) -> Result<Answer<List<Network>>> {
        self.all("/networks", &(), most).await
    }

    /// One network.
    pub async fn network(&self, id: Uuid) -> Result<Answer<Network>> {
        self.call(Method::GET, &format!("/networks/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Bridges and libvirt networks found on hosts.
    pub async fn found_carriers(&self, most: usize) -> Result<Answer<List<FoundCarrier>>> {
        self.all("/networks/discovered", &(), most).await
    }

    /// Confirms one.
    pub async fn create_network(&self, input: &NetworkInput) -> Result<Answer<Network>> {
        self.call(Method::POST, "/networks", NO_QUERY, Some(input))
            .await
    }

    /// Changes one.
    pub async fn change_network(&self, id: Uuid, input: &NetworkChange) -> Result<Answer<Network>> {
        self.call(
            Method::PATCH,
            &format!("/networks/{id}"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Removes one.
    pub async fn remove_network(&self, id: Uuid) -> Result<Answer<()>> {
        self.call(
            Method::DELETE,
            &format!("/networks/{id}"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Images.
    pub async fn images(&self, most: usize) -> Result<Answer<List<Image>>> {
        self.all("/images", &(), most).await
    }

    /// One image.
    pub async fn image(&self, id: Uuid) -> Result<Answer<Image>> {
        self.call(Method::GET, &format!("/images/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// What vendors publish.
    pub async fn catalogue(&self) -> Result<Answer<List<CatalogueEntry>>> {
        self.call(Method::GET, "/images/catalogue", NO_QUERY, NO_BODY)
            .await
    }

    /// Adds one from the catalogue or a URL.
    pub async fn add_image(&self, input: &ImageInput) -> Result<Answer<ImageAdded>> {
        self.call(Method::POST, "/images", NO_QUERY, Some(input))
            .await
    }

    /// Fetches a failed one again.
    pub async fn retry_image(&self, id: Uuid) -> Result<Answer<ImageAdded>> {
        self.call(
            Method::POST,
            &format!("/images/{id}/retry"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Removes one.
    pub async fn remove_image(&self, id: Uuid) -> Result<Answer<()>> {
        self.call(Method::DELETE, &format!("/images/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    // Policy and audit

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

    /// Removes a VM; `confirm` is its exact name, typed by a person.
    pub async fn delete_vm(&self, id: Uuid, confirm: &str) -> Result<Answer<Job>> {
        let query = ConfirmQuery {
            confirm: confirm.into(),
        };
        self.call(Method::DELETE, &format!("/vms/{id}"), Some(&query), NO_BODY)
            .await
    }
}
