//! What people ask for.

use crate::{
    Store, Tx, fault, limit,
    sql::{On, Row, sql},
};
use bellwether_model::{
    Error, GiB, MiB, RequestId, Result, UserId, Vcpus,
    request::{Request, RequestSpec, RequestState},
    states::State,
};

macro_rules! columns {
    () => {
        "id, owner, name, vcpus, memory_mib, disk_gib, lease_from, lease_until, purpose, image, ssh_key, state, reason, \
         decided_by, decided_at, wanted_host, wanted_storage, wanted_network, vm, created_at"
    };
}

/// The states in which a request keeps its name from being asked for again: all that may still lead to a VM.
macro_rules! open_states {
    () => {
        "('pending', 'approved', 'waiting for room', 'placed', 'failed')"
    };
}
pub(crate) use open_states;

/// Which requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Of this person.
    pub owner: Option<UserId>,
    /// In one of these states; empty for any.
    pub states: Vec<RequestState>,
    /// At most so many; 0 counts as 1.
    pub limit: u32,
}

fn from_row(row: &Row) -> Result<Request> {
    Ok(Request {
        id: row.id("id")?,
        owner: row.id("owner")?,
        spec: RequestSpec {
            name: row.get("name")?,
            vcpus: Vcpus(row.size("vcpus")?),
            memory: MiB(row.size("memory_mib")?),
            disk: GiB(row.size("disk_gib")?),
            from: row.parsed("lease_from")?,
            until: row.parsed("lease_until")?,
            purpose: row.get("purpose")?,
            image: row.id("image")?,
            ssh_key: row.get("ssh_key")?,
        },
        state: row.word("state")?,
        reason: row.get("reason")?,
        decided_by: row.opt_id("decided_by")?,
        decided_at: row.opt_at("decided_at")?,
        wanted_host: row.opt_id("wanted_host")?,
        wanted_storage: row.opt_id("wanted_storage")?,
        wanted_network: row.opt_id("wanted_network")?,
        vm: row.opt_id("vm")?,
        created_at: row.at("created_at")?,
    })
}

async fn by_id(on: On<'_>, id: RequestId) -> Result<Request> {
    let found = sql(concat!(
        "SELECT ",
        columns!(),
        " FROM requests WHERE id = $1"
    ))
    .bind(id)
    .optional(on)
    .await?;
    from_row(&found.ok_or_else(|| Error::not_found("request"))?)
}

impl Store {
    /// The request.
    pub async fn request(&self, id: RequestId) -> Result<Request> {
        by_id(self.on(), id).await
    }

    /// The requests that fit, oldest first.
    pub async fn requests(&self, query: RequestQuery) -> Result<Vec<Request>> {
        let states: Vec<_> = query.states.iter().map(|s| s.as_str()).collect();
        sql(concat!(
            "SELECT ",
            columns!(),
            " FROM requests WHERE ($1 IS NULL OR owner = $1) AND state IN ($2, $3, $4, $5, $6, $7, $8, $9) \
             ORDER BY created_at, id LIMIT $10"
        ))
        .bind(query.owner)
        .words::<8>(&states, all_states())
        .bind(limit(query.limit))
        .list(self.on(), from_row)
        .await
    }

    /// How many requests are in a state.
    pub async fn count_requests(&self, state: RequestState) -> Result<u32> {
        sql("SELECT COUNT(*) AS n FROM requests WHERE state = $1")
            .bind(state.as_str())
            .one(self.on())
            .await?
            .size("n")
    }
}

fn all_states() -> [&'static str; 8] {
    std::array::from_fn(|index| RequestState::ALL.get(index).map_or("", |s| s.as_str()))
}

impl Tx {
    /// The request, with this transaction's changes.
    pub async fn request(&mut self, id: RequestId) -> Result<Request> {
        by_id(self.on(), id).await
    }

    /// Keeps a new request. `Conflict` on `name` when its owner has an open request or a VM (not gone) of that name.
    pub async fn insert_request(&mut self, request: &Request) -> Result<()> {
        self.name_is_free(request.owner, &request.spec.name, Some(request.id))
            .await?;
        let image = sql("SELECT id FROM images WHERE id = $1")
            .bind(request.spec.image)
            .optional(self.on())
            .await?;
        if image.is_none() {
            return Err(fault::conflict(
                "image",
                "this image was removed meanwhile; choose another",
            ));
        }
        sql(concat!(
            "INSERT INTO requests (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)"
        ))
        .bind(request.id)
        .bind(request.owner)
        .bind(&request.spec.name)
        .bind(request.spec.vcpus.0)
        .size(request.spec.memory.0)
        .size(request.spec.disk.0)
        .bind(request.spec.from)
        .bind(request.spec.until)
        .bind(&request.spec.purpose)
        .bind(request.spec.image)
        .bind(request.spec.ssh_key.clone())
        .bind(request.state.as_str())
        .bind(request.reason.clone())
        .bind(request.decided_by)
        .bind(request.decided_at)
        .bind(request.wanted_host)
        .bind(request.wanted_storage)
        .bind(request.wanted_network)
        .bind(request.vm)
        .bind(request.created_at)
        .run(self.on())
        .await
        .map(drop)
    }

    /// Writes what became of a request, and its specification; `Conflict` that says what happened if it is not in the
    /// state `expected` any more.
    pub async fn update_request(
        &mut self,
        request: &Request,
        expected: RequestState,
    ) -> Result<()> {
        let changed = sql(
            "UPDATE requests SET name = $3, vcpus = $4, memory_mib = $5, disk_gib = $6, lease_from = $7, lease_until = $8, \
             purpose = $9, image = $10, ssh_key = $11, state = $12, reason = $13, decided_by = $14, decided_at = $15, \
             wanted_host = $16, wanted_storage = $17, wanted_network = $18, vm = $19 WHERE id = $1 AND state = $2",
        )
        .bind(request.id)
        .bind(expected.as_str())
        .bind(&request.spec.name)
        .bind(request.spec.vcpus.0)
        .size(request.spec.memory.0)
        .size(request.spec.disk.0)
        .bind(request.spec.from)
        .bind(request.spec.until)
        .bind(&request.spec.purpose)
        .bind(request.spec.image)
        .bind(request.spec.ssh_key.clone())
        .bind(request.state.as_str())
        .bind(request.reason.clone())
        .bind(request.decided_by)
        .bind(request.decided_at)
        .bind(request.wanted_host)
        .bind(request.wanted_storage)
        .bind(request.wanted_network)
        .bind(request.vm)
        .run(self.on())
        .await?;
        if changed == 0 {
            let now = self.request(request.id).await?.state;
            return Err(Error::conflict(match now {
                RequestState::Withdrawn => "The request was withdrawn meanwhile.".into(),
                RequestState::Refused => "The request was refused meanwhile.".into(),
                RequestState::Approved => "The request was approved meanwhile.".into(),
                other => format!("The request changed meanwhile: it is {other} now."),
            }));
        }
        Ok(())
    }

    /// `Conflict` on `name` if the owner has an open request (but `own`) or a VM (not gone) of that name.
    pub(crate) async fn name_is_free(
        &mut self,
        owner: UserId,
        name: &str,
        own: Option<RequestId>,
    ) -> Result<()> {
        let shown = bellwether_model::text::shown(name);
        let vm = sql("SELECT id FROM vms WHERE owner = $1 AND name = $2 AND state <> 'gone'")
            .bind(owner)
            .bind(name)
            .optional(self.on())
            .await?;
        if vm.is_some() {
            return Err(fault::conflict(
                "name",
                format!("there is a VM named '{shown}' already"),
            ));
        }
        let request = sql(concat!(
            "SELECT id FROM requests WHERE owner = $1 AND name = $2 AND ($3 IS NULL OR id <> $3) AND state IN ",
            open_states!()
        ))
        .bind(owner)
        .bind(name)
        .bind(own)
        .optional(self.on())
        .await?;
        if request.is_some() {
            return Err(fault::conflict(
                "name",
                format!("there is an open request named '{shown}' already"),
            ));
        }
        Ok(())
    }
}
