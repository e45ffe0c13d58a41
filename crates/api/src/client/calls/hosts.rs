//! The fleet and its hosts.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::plan::{DrainInput, Plan, PlanCancelInput, PlanQuery, ResumeInput, Resumed};
use crate::{
    List,
    fleet::Fleet,
    host::{AddedHost, Host, HostChange, HostFacts, HostInput, HostModeInput, HostTry},
    metrics::{
        FleetHeat, HeatQuery, HistoryQuery, HistoryStatus, Metrics, MetricsQuery, Shares,
        SharesQuery,
    },
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
    /// Everything last seen.
    pub async fn fleet(&self) -> Result<Answer<Fleet>> {
        self.call(Method::GET, "/fleet", NO_QUERY, NO_BODY).await
    }

    /// How hot every host was.
    pub async fn fleet_heat(&self, query: &HeatQuery) -> Result<Answer<FleetHeat>> {
        self.call(Method::GET, "/fleet/heat", Some(query), NO_BODY)
            .await
    }

    /// Which VM takes how much of a host.
    pub async fn host_shares(&self, id: Uuid, query: &SharesQuery) -> Result<Answer<Shares>> {
        self.call(
            Method::GET,
            &format!("/hosts/{id}/shares"),
            Some(query),
            NO_BODY,
        )
        .await
    }

    /// What measurements take on disk.
    pub async fn history(&self, query: &HistoryQuery) -> Result<Answer<HistoryStatus>> {
        self.call(Method::GET, "/history", Some(query), NO_BODY)
            .await
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

    /// The plan by which one would be emptied; nothing is moved.
    pub async fn drain_prospect(&self, id: Uuid) -> Result<Answer<Plan>> {
        self.call(
            Method::GET,
            &format!("/hosts/{id}/drain"),
            NO_QUERY,
            NO_BODY,
        )
        .await
    }

    /// Has its VMs leave.
    pub async fn drain(&self, id: Uuid, input: &DrainInput) -> Result<Answer<Plan>> {
        self.call(
            Method::POST,
            &format!("/hosts/{id}/drain"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Has it take VMs again.
    pub async fn resume_host(&self, id: Uuid, input: &ResumeInput) -> Result<Answer<Resumed>> {
        self.call(
            Method::POST,
            &format!("/hosts/{id}/resume"),
            NO_QUERY,
            Some(input),
        )
        .await
    }

    /// Plans, newest first.
    pub async fn plans(&self, query: &PlanQuery) -> Result<Answer<List<Plan>>> {
        self.call(Method::GET, "/plans", Some(query), NO_BODY).await
    }

    /// One plan.
    pub async fn plan(&self, id: Uuid) -> Result<Answer<Plan>> {
        self.call(Method::GET, &format!("/plans/{id}"), NO_QUERY, NO_BODY)
            .await
    }

    /// Has no more moves of a plan begun.
    pub async fn cancel_plan(&self, id: Uuid, input: &PlanCancelInput) -> Result<Answer<Plan>> {
        self.call(
            Method::POST,
            &format!("/plans/{id}/cancel"),
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
}
