//! Networks with the hosts that carry them.

use crate::{
    Store, Tx, fault,
    people::{found, key},
    sql::{Row, sql},
    storages::Reader,
};
use bellwether_model::{
    Error, NetworkId, Result,
    network::{Network, NetworkMember},
};
use std::collections::BTreeMap;

const SELECT: &str = "SELECT id, name, cidr_address, cidr_prefix, gateway, dns, range_from, range_until, vlan, created_at \
     FROM networks WHERE ($1 IS NULL OR id = $1) ORDER BY created_at, id";
const SELECT_MEMBERS: &str = "SELECT network, host, carrier FROM network_members WHERE ($1 IS NULL OR network = $1) \
     ORDER BY network, position, host";

async fn read(from: &mut Reader<'_>, id: Option<NetworkId>) -> Result<Vec<Network>> {
    let mut members: BTreeMap<NetworkId, Vec<NetworkMember>> = BTreeMap::new();
    let rows = sql(SELECT_MEMBERS).bind(id).all(from.on()).await?;
    for row in &rows {
        members
            .entry(row.id("network")?)
            .or_default()
            .push(NetworkMember {
                host: row.id("host")?,
                carrier: row.json("carrier")?,
            });
    }
    let rows = sql(SELECT).bind(id).all(from.on()).await?;
    rows.iter()
        .map(|row: &Row| {
            let id = row.id("id")?;
            Ok(Network {
                id,
                name: row.get("name")?,
                cidr_address: row.parsed("cidr_address")?,
                cidr_prefix: row.size("cidr_prefix")?,
                gateway: row.opt_parsed("gateway")?,
                dns: row.json("dns")?,
                range_from: row.parsed("range_from")?,
                range_until: row.parsed("range_until")?,
                vlan: row.opt_size("vlan")?,
                members: members.remove(&id).unwrap_or_default(),
                created_at: row.at("created_at")?,
            })
        })
        .collect()
}

impl Store {
    /// The network.
    pub async fn network(&self, id: NetworkId) -> Result<Network> {
        read(&mut Reader::Store(self), Some(id))
            .await?
            .pop()
            .ok_or_else(|| Error::not_found("network"))
    }

    /// All networks, oldest first.
    pub async fn networks(&self) -> Result<Vec<Network>> {
        read(&mut Reader::Store(self), None).await
    }
}

impl Tx {
    /// The network, with this transaction's changes.
    pub async fn network(&mut self, id: NetworkId) -> Result<Network> {
        read(&mut Reader::Tx(self), Some(id))
            .await?
            .pop()
            .ok_or_else(|| Error::not_found("network"))
    }

    /// All networks, with this transaction's changes.
    pub async fn networks(&mut self) -> Result<Vec<Network>> {
        read(&mut Reader::Tx(self), None).await
    }

    /// Keeps a new network with its members; `Conflict` on `name` if another has it.
    pub async fn insert_network(&mut self, network: &Network) -> Result<()> {
        self.network_is_unique(network).await?;
        sql(
            "INSERT INTO networks (id, name, name_key, cidr_address, cidr_prefix, gateway, dns, range_from, range_until, vlan, \
             created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(network.id)
        .bind(&network.name)
        .bind(key(&network.name))
        .bind(network.cidr_address)
        .bind(i64::from(network.cidr_prefix))
        .bind(network.gateway)
        .json(&network.dns)
        .bind(network.range_from)
        .bind(network.range_until)
        .bind(network.vlan)
        .bind(network.created_at)
        .run(self.on())
        .await?;
        self.write_carriers(network).await
    }

    /// Writes a network and its members. `Conflict` on `name` if another has it, and where a host would leave on which a VM
    /// (not gone) is attached to it.
    pub async fn update_network(&mut self, network: &Network) -> Result<()> {
        self.network_is_unique(network).await?;
        let before = self.network(network.id).await?;
        for member in &before.members {
            if network.on(member.host).is_none() {
                let vms = sql("SELECT name FROM vms WHERE network = $1 AND host = $2 AND state <> 'gone' ORDER BY name, id")
                    .bind(network.id)
                    .bind(member.host)
                    .all(self.on())
                    .await?;
                self.unused_by_vms(vms, "bridge or network of one of its hosts")
                    .await?;
                sql("DELETE FROM network_members WHERE network = $1 AND host = $2")
                    .bind(network.id)
                    .bind(member.host)
                    .run(self.on())
                    .await?;
            }
        }
        sql(
            "UPDATE networks SET name = $2, name_key = $3, cidr_address = $4, cidr_prefix = $5, gateway = $6, dns = $7, \
             range_from = $8, range_until = $9, vlan = $10 WHERE id = $1",
        )
        .bind(network.id)
        .bind(&network.name)
        .bind(key(&network.name))
        .bind(network.cidr_address)
        .bind(i64::from(network.cidr_prefix))
        .bind(network.gateway)
        .json(&network.dns)
        .bind(network.range_from)
        .bind(network.range_until)
        .bind(network.vlan)
        .run(self.on())
        .await?;
        self.write_carriers(network).await
    }

    /// Forgets a network and its addresses. `Conflict` naming the VMs (not gone) attached to it.
    pub async fn delete_network(&mut self, id: NetworkId) -> Result<()> {
        let vms =
            sql("SELECT name FROM vms WHERE network = $1 AND state <> 'gone' ORDER BY name, id")
                .bind(id)
                .all(self.on())
                .await?;
        self.unused_by_vms(vms, "network").await?;
        let changed = sql("DELETE FROM networks WHERE id = $1")
            .bind(id)
            .run(self.on())
            .await?;
        found(changed, "network")
    }

    async fn write_carriers(&mut self, network: &Network) -> Result<()> {
        for (position, member) in (0i64..).zip(&network.members) {
            sql("INSERT INTO network_members (network, host, carrier, position) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (network, host) DO UPDATE SET carrier = excluded.carrier, position = excluded.position")
            .bind(network.id)
            .bind(member.host)
            .json(&member.carrier)
            .bind(position)
            .run(self.on())
            .await?;
        }
        Ok(())
    }

    async fn network_is_unique(&mut self, network: &Network) -> Result<()> {
        let other = sql("SELECT id FROM networks WHERE name_key = $1 AND id <> $2")
            .bind(key(&network.name))
            .bind(network.id)
            .optional(self.on())
            .await?;
        match other {
            Some(_) => Err(fault::conflict(
                "name",
                format!(
                    "another network is named '{}'",
                    bellwether_model::text::shown(&network.name)
                ),
            )),
            None => Ok(()),
        }
    }
}
