//! Storages, networks, images.

use super::super::{Answer, Client, NO_BODY, NO_QUERY, Result};
use crate::{
    List,
    image::{CatalogueEntry, Image, ImageAdded, ImageInput},
    network::{FoundCarrier, Network, NetworkChange, NetworkInput},
    storage::{FoundPool, Storage, StorageChange, StorageInput},
};
use reqwest::Method;
use uuid::Uuid;

impl Client {
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
}
