//! Addresses of guests and their Ethernet addresses: held by one VM each, resting for a while after release.

use crate::{
    Store, Tx, fault,
    sql::{On, Row, sql},
};
use bellwether_model::{Mac, NetworkId, Result, Timestamp, VmId};
use std::{collections::BTreeMap, net::IpAddr};

/// An address that is held, or was and is listed until it is taken again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldAddress {
    /// The address.
    pub address: IpAddr,
    /// The Ethernet address that goes, or went, with it.
    pub mac: Mac,
    /// Who holds it; none after release.
    pub vm: Option<VmId>,
    /// When it was released.
    pub released_at: Option<Timestamp>,
}

fn from_row(row: &Row) -> Result<HeldAddress> {
    Ok(HeldAddress {
        address: row.parsed("address")?,
        mac: row.parsed("mac")?,
        vm: row.opt_id("vm")?,
        released_at: row.opt_at("released_at")?,
    })
}

async fn list(on: On<'_>, network: NetworkId) -> Result<Vec<HeldAddress>> {
    let mut all = sql("SELECT address, mac, vm, released_at FROM addresses WHERE network = $1")
        .bind(network)
        .list(on, from_row)
        .await?;
    // By number: as text 10.0.0.10 would come before 10.0.0.9.
    all.sort_by_key(|held| held.address);
    Ok(all)
}

/// Every network's addresses, held and resting, in their order.
pub(crate) async fn all(on: On<'_>) -> Result<BTreeMap<NetworkId, Vec<HeldAddress>>> {
    let mut all: BTreeMap<NetworkId, Vec<HeldAddress>> = BTreeMap::new();
    let rows = sql("SELECT network, address, mac, vm, released_at FROM addresses");
    for row in rows.all(on).await? {
        all.entry(row.id("network")?)
            .or_default()
            .push(from_row(&row)?);
    }
    for held in all.values_mut() {
        held.sort_by_key(|held| held.address);
    }
    Ok(all)
}

impl Store {
    /// A network's addresses, held and resting, in their order.
    pub async fn addresses(&self, network: NetworkId) -> Result<Vec<HeldAddress>> {
        list(self.on(), network).await
    }
}

impl Tx {
    /// A network's addresses, with this transaction's changes.
    pub async fn addresses(&mut self, network: NetworkId) -> Result<Vec<HeldAddress>> {
        list(self.on(), network).await
    }

    /// Gives an address and an Ethernet address to a VM. Holding the same again is fine; `Conflict` on `address` or `mac`
    /// if another VM holds it (an Ethernet address on any network). Whether a released one has rested long enough is the
    /// caller's to decide.
    pub async fn hold_address(
        &mut self,
        network: NetworkId,
        address: IpAddr,
        mac: Mac,
        vm: VmId,
    ) -> Result<()> {
        let held = sql(
            "SELECT address, mac, vm, released_at, network FROM addresses \
             WHERE vm IS NOT NULL AND ((network = $1 AND address = $2) OR mac = $3)",
        )
        .bind(network)
        .bind(address)
        .bind(mac)
        .all(self.on())
        .await?;
        for row in held {
            let other = from_row(&row)?;
            let same_place = other.address == address && row.id::<NetworkId>("network")? == network;
            if same_place && other.vm == Some(vm) && other.mac == mac {
                return Ok(());
            }
            if same_place && other.vm != Some(vm) {
                return Err(fault::conflict(
                    "address",
                    format!("the address {address} is held by another VM"),
                ));
            }
            if other.mac == mac && !(same_place && other.vm == Some(vm)) {
                return Err(fault::conflict(
                    "mac",
                    format!("the Ethernet address {mac} is in use"),
                ));
            }
        }
        sql("INSERT INTO addresses (network, address, mac, vm, released_at) VALUES ($1, $2, $3, $4, NULL) \
             ON CONFLICT (network, address) DO UPDATE SET mac = excluded.mac, vm = excluded.vm, released_at = NULL")
        .bind(network)
        .bind(address)
        .bind(mac)
        .bind(vm)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Releases whatever a VM holds; nothing to release is fine.
    pub async fn release_address(&mut self, vm: VmId, now: Timestamp) -> Result<()> {
        sql("UPDATE addresses SET vm = NULL, released_at = $2 WHERE vm = $1")
            .bind(vm)
            .bind(now)
            .run(self.on())
            .await
            .map(drop)
    }
}
