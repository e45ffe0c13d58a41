//! What an admin tells a new server: the lab's hosts, their storage and network, and an image to start from.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use bellwether_api::client::Client;
use bellwether_api::host::{HostHealth, HostInput};
use bellwether_api::image::UploadQuery;
use bellwether_api::network::{Carrier, CarrierKind, NetworkInput, NetworkMemberInput};
use bellwether_api::storage::{StorageInput, StorageKind, StorageMemberInput};
use bytes::Bytes;
use uuid::Uuid;

use super::until;
use crate::state::{Host, Lab};

/// Memory of a host kept for libvirtd and QEMU's own needs, in MiB.
const RESERVE_MIB: u64 = 256;

/// Bytes handed to the upload at a time.
const PART: usize = 1 << 20;

/// Tells a server everything about a lab, and waits until it has seen the hosts; the image's id. What is there already
/// by its name is kept.
///
/// # Errors
/// What the server refused, or did not see in time.
pub async fn furnish(admin: &Client, lab: &Lab, image: &Path) -> anyhow::Result<Uuid> {
    let mut hosts = Vec::new();
    for host in &lab.hosts {
        hosts.push(add_host(admin, host).await?);
    }
    for host in &hosts {
        until(Duration::from_secs(30), "an answer of a host", || async {
            let seen = admin.host(*host).await?.value.seen;
            Ok((seen.health == HostHealth::Ready).then_some(()))
        })
        .await?;
    }
    add_storage(admin, lab, &hosts).await?;
    add_network(admin, lab, &hosts).await?;
    upload(admin, image).await
}

async fn add_host(admin: &Client, host: &Host) -> anyhow::Result<Uuid> {
    let known = admin.hosts(usize::MAX).await?;
    if let Some(known) = known
        .items
        .iter()
        .find(|known| known.uri == host.uris.local)
    {
        return Ok(known.id);
    }
    let input = HostInput {
        name: host.name.clone(),
        uri: host.uris.local.clone(),
        peer_uri: Some(host.uris.tcp.clone()),
        migration_address: Some(host.address.to_string()),
        site: None,
        // The host shows the machine's cores; its share of them is what it can offer.
        offered_cores: Some(host.cores.ceil().max(1.0) as i64),
        offered_memory_mib: Some(i64::try_from(
            host.memory_mib.saturating_sub(RESERVE_MIB).max(RESERVE_MIB),
        )?),
    };
    let added = admin.add_host(&input).await;
    let added = added.with_context(|| format!("host {} could not be added", host.name))?;
    Ok(added.value.host.id)
}

async fn add_storage(admin: &Client, lab: &Lab, hosts: &[Uuid]) -> anyhow::Result<()> {
    let pool = lab
        .pools
        .iter()
        .find(|pool| pool.shared)
        .context("the lab has no shared pool")?;
    let known = admin.storages(usize::MAX).await?;
    if known.items.iter().any(|known| known.name == pool.name) {
        return Ok(());
    }
    let members = hosts
        .iter()
        .map(|host| StorageMemberInput {
            host: *host,
            pool: pool.name.clone(),
        })
        .collect();
    let input = StorageInput {
        name: pool.name.clone(),
        kind: StorageKind::Shared,
        members,
    };
    let made = admin.create_storage(&input).await;
    made.context("the shared storage was not taken").map(drop)
}

async fn add_network(admin: &Client, lab: &Lab, hosts: &[Uuid]) -> anyhow::Result<()> {
    let guests = &lab.guests;
    let known = admin.networks(usize::MAX).await?;
    if known.items.iter().any(|known| known.cidr == guests.cidr) {
        return Ok(());
    }
    let members = hosts
        .iter()
        .map(|host| NetworkMemberInput {
            host: *host,
            carrier: Carrier {
                kind: CarrierKind::Bridge,
                name: guests.bridge.clone(),
            },
        })
        .collect();
    let input = NetworkInput {
        name: "guests".into(),
        cidr: guests.cidr.clone(),
        gateway: Some(guests.gateway.to_string()),
        dns: Vec::new(),
        range_from: guests.first.to_string(),
        range_until: guests.last.to_string(),
        vlan: None,
        members,
    };
    let made = admin.create_network(&input).await;
    made.context("the network was not taken").map(drop)
}

async fn upload(admin: &Client, image: &Path) -> anyhow::Result<Uuid> {
    let name = image
        .file_stem()
        .context("the image has no name")?
        .to_string_lossy();
    let known = admin.images(usize::MAX).await?;
    if let Some(known) = known.items.iter().find(|known| known.name == name) {
        return Ok(known.id);
    }
    let bytes = Bytes::from(std::fs::read(image)?);
    let length = bytes.len() as u64;
    let starts = (0..bytes.len()).step_by(PART);
    let parts: Vec<_> = starts
        .map(|start| Ok(bytes.slice(start..(start + PART).min(bytes.len()))))
        .collect();
    let what = UploadQuery {
        name: name.into_owned(),
        os: "Bellwether test image".into(),
        min_memory_mib: Some(128),
        min_disk_gib: Some(1),
        ..UploadQuery::default()
    };
    let made = admin
        .upload_image(&what, length, futures::stream::iter(parts), |_| ())
        .await;
    Ok(made.context("the image was not taken")?.value.id)
}
