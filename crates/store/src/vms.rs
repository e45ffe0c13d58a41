//! The VMs we manage: intent. A row is also the reservation of what the VM holds on its host.

use crate::{
    Store, Tx, fault,
    sql::{On, Row, sql},
};
use bellwether_model::{
    Error, GiB, HostId, MiB, Result, UserId, Vcpus, VmId,
    vm::{Vm, VmState},
};

macro_rules! columns {
    () => {
        "id, owner, request, name, hostname, libvirt_name, host, state, wanted, vcpus, memory_mib, disk_gib, image, storage, \
         network, mac, address, lease_from, lease_until, purpose, note, created_at, generation, \
         labels, migration_policy"
    };
}

/// Which VMs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmQuery {
    /// Of this person.
    pub owner: Option<UserId>,
    /// Bound to this host.
    pub host: Option<HostId>,
    /// Those that are gone, too.
    pub with_gone: bool,
}

fn from_row(row: &Row) -> Result<Vm> {
    Ok(Vm {
        id: row.id("id")?,
        owner: row.id("owner")?,
        request: row.opt_id("request")?,
        name: row.get("name")?,
        hostname: row.get("hostname")?,
        libvirt_name: row.get("libvirt_name")?,
        host: row.id("host")?,
        state: row.word("state")?,
        wanted: row.word("wanted")?,
        vcpus: Vcpus(row.size("vcpus")?),
        memory: MiB(row.size("memory_mib")?),
        disk: GiB(row.size("disk_gib")?),
        image: row.id("image")?,
        storage: row.id("storage")?,
        network: row.id("network")?,
        mac: row.parsed("mac")?,
        address: row.parsed("address")?,
        lease_from: row.parsed("lease_from")?,
        lease_until: row.parsed("lease_until")?,
        purpose: row.get("purpose")?,
        note: row.get("note")?,
        created_at: row.at("created_at")?,
        generation: row.get("generation")?,
        labels: row.opt_json("labels")?.unwrap_or_default(),
        migration_policy: row.get("migration_policy")?,
    })
}

async fn by_id(on: On<'_>, id: VmId) -> Result<Vm> {
    let found = sql(concat!("SELECT ", columns!(), " FROM vms WHERE id = $1"))
        .bind(id)
        .optional(on)
        .await?;
    from_row(&found.ok_or_else(|| Error::not_found("VM"))?)
}

pub(crate) async fn list(on: On<'_>, query: VmQuery) -> Result<Vec<Vm>> {
    sql(concat!(
        "SELECT ",
        columns!(),
        " FROM vms WHERE ($1 IS NULL OR owner = $1) AND ($2 IS NULL OR host = $2) AND ($3 OR state <> 'gone') \
         ORDER BY created_at, id"
    ))
    .bind(query.owner)
    .bind(query.host)
    .bind(query.with_gone)
    .list(on, from_row)
    .await
}

impl Store {
    /// The VM, also when it is gone.
    pub async fn vm(&self, id: VmId) -> Result<Vm> {
        by_id(self.on(), id).await
    }

    /// The VMs that fit, oldest first.
    pub async fn vms(&self, query: VmQuery) -> Result<Vec<Vm>> {
        if query == VmQuery::default() {
            return Ok(self.records().await?.vms.to_vec());
        }
        list(self.on(), query).await
    }
}

/// How many names are asked for at once.
const NAMES: usize = 20;

impl Store {
    /// Names of these VMs, also of those that are gone; those nobody knows are left out.
    pub async fn vm_names(&self, ids: &[VmId]) -> Result<Vec<(VmId, String)>> {
        let mut names = Vec::with_capacity(ids.len());
        for some in ids.chunks(NAMES) {
            let mut statement = sql(
                "SELECT id, name FROM vms WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
                 $13, $14, $15, $16, $17, $18, $19, $20)",
            );
            for place in 0..NAMES {
                // The last is repeated.
                statement = statement.bind(some.get(place).or(some.last()).copied());
            }
            let named = |row: &Row| Ok((row.id("id")?, row.get("name")?));
            names.extend(statement.list(self.on(), named).await?);
        }
        Ok(names)
    }
}

impl Tx {
    /// The VM, with this transaction's changes.
    pub async fn vm(&mut self, id: VmId) -> Result<Vm> {
        by_id(self.on(), id).await
    }

    /// The VMs that fit, with this transaction's changes.
    pub async fn vms(&mut self, query: VmQuery) -> Result<Vec<Vm>> {
        list(self.on(), query).await
    }

    /// Keeps a new VM. `Conflict` when its owner has a VM (not gone) or another open request of that name, or when what it
    /// is to stand on was removed meanwhile.
    pub async fn insert_vm(&mut self, vm: &Vm) -> Result<()> {
        if vm.state != VmState::Gone {
            self.name_is_free(vm.owner, &vm.name, vm.request).await?;
            self.ground_is_there(vm).await?;
        }
        sql(concat!(
            "INSERT INTO vms (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)"
        ))
        .bind(vm.id)
        .bind(vm.owner)
        .bind(vm.request)
        .bind(&vm.name)
        .bind(&vm.hostname)
        .bind(&vm.libvirt_name)
        .bind(vm.host)
        .bind(vm.state.as_str())
        .bind(vm.wanted.as_str())
        .bind(vm.vcpus.0)
        .size(vm.memory.0)
        .size(vm.disk.0)
        .bind(vm.image)
        .bind(vm.storage)
        .bind(vm.network)
        .bind(vm.mac)
        .bind(vm.address)
        .bind(vm.lease_from)
        .bind(vm.lease_until)
        .bind(&vm.purpose)
        .bind(vm.note.clone())
        .bind(vm.created_at)
        .bind(vm.generation)
        .json(&vm.labels)
        .bind(vm.migration_policy.clone())
        .run(self.on())
        .await
        .map(drop)
    }

    /// Writes a VM if it is still of the generation that was read, and counts that on; `Conflict` otherwise. Identity
    /// (identifier, owner, request, creation) does not change.
    pub async fn update_vm(&mut self, vm: &mut Vm) -> Result<()> {
        let changed = sql(
            "UPDATE vms SET name = $3, hostname = $4, libvirt_name = $5, host = $6, state = $7, wanted = $8, vcpus = $9, \
             memory_mib = $10, disk_gib = $11, image = $12, storage = $13, network = $14, mac = $15, address = $16, \
             lease_from = $17, lease_until = $18, purpose = $19, note = $20, labels = $21, migration_policy = $22, \
             generation = generation + 1 WHERE id = $1 AND generation = $2",
        )
        .bind(vm.id)
        .bind(vm.generation)
        .bind(&vm.name)
        .bind(&vm.hostname)
        .bind(&vm.libvirt_name)
        .bind(vm.host)
        .bind(vm.state.as_str())
        .bind(vm.wanted.as_str())
        .bind(vm.vcpus.0)
        .size(vm.memory.0)
        .size(vm.disk.0)
        .bind(vm.image)
        .bind(vm.storage)
        .bind(vm.network)
        .bind(vm.mac)
        .bind(vm.address)
        .bind(vm.lease_from)
        .bind(vm.lease_until)
        .bind(&vm.purpose)
        .bind(vm.note.clone())
        .json(&vm.labels)
        .bind(vm.migration_policy.clone())
        .run(self.on())
        .await?;
        if changed == 0 {
            // NotFound if there is none at all.
            let now = self.vm(vm.id).await?;
            return Err(Error::conflict(format!(
                "The VM '{}' was changed meanwhile (it is {}). Look at it again.",
                bellwether_model::text::shown(&now.name),
                now.state
            )));
        }
        vm.generation += 1;
        Ok(())
    }

    /// `Conflict` if the host, or for a VM made here the image, storage or network, is not known (any more). An adopted VM
    /// may stand on what we do not know.
    async fn ground_is_there(&mut self, vm: &Vm) -> Result<()> {
        let row = sql(
            "SELECT (SELECT COUNT(*) FROM hosts WHERE id = $1) AS hosts, (SELECT COUNT(*) FROM images WHERE id = $2) AS images, \
             (SELECT COUNT(*) FROM storages WHERE id = $3) AS storages, (SELECT COUNT(*) FROM networks WHERE id = $4) AS networks",
        )
        .bind(vm.host)
        .bind(vm.image)
        .bind(vm.storage)
        .bind(vm.network)
        .one(self.on())
        .await?;
        for (column, field, only_if_made_here) in [
            ("hosts", "host", false),
            ("images", "image", true),
            ("storages", "storage", true),
            ("networks", "network", true),
        ] {
            if row.get::<i64>(column)? == 0 && (vm.request.is_some() || !only_if_made_here) {
                return Err(fault::conflict(
                    field,
                    format!("this {field} was removed meanwhile"),
                ));
            }
        }
        Ok(())
    }

    /// The names of VMs (not gone) that a removal would leave without ground; `Conflict` naming some of them.
    pub(crate) async fn unused_by_vms(&mut self, vms: Vec<Row>, what: &str) -> Result<()> {
        let names: Vec<String> = vms
            .iter()
            .map(|row| row.get("name"))
            .collect::<Result<_>>()?;
        if names.is_empty() {
            return Ok(());
        }
        let some: Vec<_> = names
            .iter()
            .take(5)
            .map(|name| format!("'{}'", bellwether_model::text::shown(name)))
            .collect();
        let more = match names.len() - some.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        Err(Error::conflict(format!(
            "The {what} is still in use by {} {}{more}.",
            if names.len() == 1 {
                "the VM"
            } else {
                "the VMs"
            },
            some.join(", ")
        )))
    }
}
