//! Place: finds room for a request and reserves it: a VM with its host, storage, address and MAC, under the fleet's
//! generation number, so that of two who come at once the second sees what the first took.

use crate::{Actor, Engine, Look, approve::Choice, jobs::new_job, networks, provision};
use bellwether_decide::{
    addresses,
    fleet::Fleet,
    place::{self, Ask, Best, Placement},
};
use bellwether_model::{
    Error, ErrorKind, HostId, Refusal, Result, VmId,
    image::Image,
    job::{Job, JobKind, JobSubject},
    network::Network,
    policy::Policy,
    request::{Request, RequestState},
    states::State,
    time,
    vm::{Vm, VmState, WantedPower},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How often a placement is tried anew when somebody else took the room first.
const TRIES: u32 = 8;

/// Everything a placement is decided on, read at one generation of the fleet.
pub(crate) struct Gathered {
    pub generation: i64,
    pub look: Arc<Look>,
}

impl Gathered {
    pub fn fleet(&self) -> &Fleet {
        &self.look.fleet
    }
    pub fn policy(&self) -> &Policy {
        &self.look.records.policy
    }
    pub fn networks(&self) -> &[Network] {
        &self.look.records.networks
    }
}

/// Reads the fleet as it is recorded and was last seen.
pub(crate) async fn gather(engine: &Engine) -> Result<Gathered> {
    // The generation first: the look may know what came after it, and then the reservation is refused.
    let generation = engine.store().fleet_generation().await?;
    let look = engine.look().await?;
    Ok(Gathered { generation, look })
}

/// The question a request asks of the fleet.
pub(crate) async fn ask_of(engine: &Engine, request: &Request, image: &Image) -> Result<Ask> {
    let spec = &request.spec;
    let copies = engine.store().image_copies(image.id).await?;
    Ok(Ask {
        image_bytes: image.file_bytes.unwrap_or(0),
        image_in: copies
            .iter()
            .filter(|copy| copy.complete)
            .map(|copy| (copy.storage, copy.host))
            .collect(),
        host: request.wanted_host,
        storage: request.wanted_storage,
        network: request.wanted_network,
        ..Ask::new(
            spec.vcpus,
            spec.memory,
            spec.disk,
            spec.from.max(engine.today()),
            spec.until,
        )
    })
}

/// What came of placing.
pub struct Placed {
    /// The request, placed or waiting for room.
    pub request: Request,
    /// The job that makes the VM; none where it waits.
    pub job: Option<Job>,
}

/// An admin's yes, given in the same breath as the request is placed.
pub(crate) struct Approval<'a> {
    pub admin: &'a Actor,
    /// The state the request in the database must still be in.
    pub before: RequestState,
    pub choice: Choice,
}

/// Reserves room for an approved request and makes the job that provisions it, or has it wait for room with the reasons.
pub(crate) async fn place(
    engine: &Engine,
    request: Request,
    by: Option<&Approval<'_>>,
) -> Result<Placed> {
    let mut tries = 0;
    loop {
        match attempt(engine, request.clone(), by).await {
            // Somebody took room, an address or a MAC in between: look again.
            Err(error)
                if error.kind == ErrorKind::Conflict
                    && tries < TRIES
                    && still(engine, &request, by).await? =>
            {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(5) * tries).await;
            }
            other => return other,
        }
    }
}

/// Whether the request is still in the state the caller saw.
async fn still(engine: &Engine, request: &Request, by: Option<&Approval<'_>>) -> Result<bool> {
    let before = by.map_or(request.state, |by| by.before);
    Ok(engine.store().request(request.id).await?.state == before)
}

async fn attempt(
    engine: &Engine,
    mut request: Request,
    by: Option<&Approval<'_>>,
) -> Result<Placed> {
    let gathered = gather(engine).await?;
    let image = engine.store().image(request.spec.image).await?;
    let mut ask = ask_of(engine, &request, &image).await?;
    if let Some(Approval { choice, .. }) = by {
        (ask.host, ask.storage, ask.network) = (choice.host, choice.storage, choice.network);
    }
    let placement = place::place(gathered.fleet(), &ask, gathered.policy());
    let before = by.map_or(request.state, |by| by.before);
    match placement.best {
        Some(best) => {
            reserve(
                engine,
                request,
                before,
                by.map(|by| by.admin),
                &gathered,
                best,
            )
            .await
        }
        None if by.is_some() && ask.host.is_some() => {
            Err(chosen_is_full(gathered.fleet(), &placement, ask.host))
        }
        None => {
            let reason = reason(&placement, &ask, gathered.fleet());
            if by.is_none()
                && request.state == RequestState::WaitingForRoom
                && request.reason.as_deref() == Some(reason.as_str())
            {
                return Ok(Placed { request, job: None });
            }
            request.state = request.state.step(RequestState::WaitingForRoom)?;
            request.reason = Some(reason);
            let mut tx = engine.store().begin().await?;
            tx.update_request(&request, before).await?;
            if let Some(by) = by {
                engine
                    .audit(
                        &mut tx,
                        Some(by.admin),
                        "request.approve",
                        "request",
                        request.id,
                        format!("\"{}\"; it waits for room", request.spec.name),
                    )
                    .await?;
            }
            engine
                .emit(&mut tx, "request", request.id, Some(request.owner))
                .await?;
            tx.commit().await?;
            engine.tell().await;
            Ok(Placed { request, job: None })
        }
    }
}

/// Why the host that was chosen does not take it.
fn chosen_is_full(fleet: &Fleet, placement: &Placement, host: Option<HostId>) -> Error {
    let chosen = placement.refusals().into_iter();
    let refusals: Vec<Refusal> = chosen
        .filter(|refusal| Some(refusal.host) == host)
        .collect();
    let name = host
        .and_then(|host| fleet.host(host))
        .map_or("The host", |host| host.name.as_str());
    let reasons: Vec<&str> = refusals
        .iter()
        .flat_map(|refusal| refusal.reasons.iter().map(String::as_str))
        .collect();
    let message = format!("{name} can't take it: {}.", reasons.join("; "));
    Error::no_capacity(message, refusals)
}

/// Why no host takes it, for the person who waits: each host with its reasons.
fn reason(placement: &Placement, ask: &Ask, fleet: &Fleet) -> String {
    let refusals: Vec<String> = placement
        .refusals()
        .into_iter()
        .filter(|refusal| ask.host.is_none_or(|host| host == refusal.host))
        .map(|refusal| format!("{}: {}", refusal.host_name, refusal.reasons.join(", ")))
        .collect();
    if fleet.hosts.is_empty() {
        "There is no host yet.".into()
    } else {
        format!("No host has room now. {}.", refusals.join("; "))
    }
}

async fn reserve(
    engine: &Engine,
    mut request: Request,
    before: RequestState,
    by: Option<&Actor>,
    gathered: &Gathered,
    best: Best,
) -> Result<Placed> {
    let network = gathered
        .networks()
        .iter()
        .find(|network| network.id == best.network)
        .ok_or_else(|| Error::internal("the placement names a network that was not gathered"))?;
    let rest = Duration::from_secs(gathered.policy().address_rest_seconds.into());
    let address = addresses::next_free(
        network,
        &networks::held(engine, network.id).await?,
        engine.now(),
        rest,
    )
    .ok_or_else(|| {
        Error::conflict(format!(
            "The network \"{}\" has no free address.",
            network.name
        ))
    })?;
    let mut taken = BTreeSet::new();
    for network in gathered.networks() {
        taken.extend(
            engine
                .store()
                .addresses(network.id)
                .await?
                .into_iter()
                .map(|held| held.mac),
        );
    }
    let id = VmId::random();
    let mac = addresses::mac(id.0.as_u64_pair().0, &taken)
        .ok_or_else(|| Error::conflict("No Ethernet address is free."))?;
    let spec = &request.spec;
    let vm = Vm {
        id,
        owner: request.owner,
        request: Some(request.id),
        name: spec.name.clone(),
        hostname: Vm::hostname_of(id, &spec.name),
        libvirt_name: Vm::libvirt_name_of(id, &spec.name),
        host: best.host,
        state: VmState::Provisioning,
        wanted: WantedPower::On,
        vcpus: spec.vcpus,
        memory: spec.memory,
        disk: spec.disk,
        image: spec.image,
        storage: best.storage,
        network: best.network,
        mac,
        address,
        lease_from: spec.from,
        lease_until: spec.until,
        purpose: spec.purpose.clone(),
        labels: Vec::new(),
        migration_policy: None,
        note: None,
        created_at: engine.now(),
        generation: 0,
    };
    request.state = request.state.step(RequestState::Placed)?;
    request.reason = None;
    request.vm = Some(id);
    let data = provision::Data {
        vm: id,
        request: request.id,
        may_be_defined: false,
        host_went_away: false,
    };
    let subject = JobSubject {
        vm: Some(id),
        request: Some(request.id),
        host: Some(best.host),
        image: Some(spec.image),
    };
    let mut job = new_job(
        engine,
        JobKind::Provision,
        subject,
        Some(request.owner),
        by,
        &data,
    )?;
    // Room in a period to come is reserved now and used from its first day on.
    job.not_before = job
        .not_before
        .max(time::day_start(request.spec.from, engine.zone()));
    let mut tx = engine.store().begin().await?;
    tx.advance_generation(gathered.generation).await?;
    tx.insert_vm(&vm).await?;
    tx.hold_address(network.id, address, mac, id).await?;
    tx.insert_job(&job).await?;
    tx.update_request(&request, before).await?;
    let host = gathered
        .fleet()
        .host(best.host)
        .map_or("?", |host| host.name.as_str());
    let text = format!("\"{}\" on {host}", request.spec.name);
    let action = if by.is_some() {
        "request.approve"
    } else {
        "request.place"
    };
    engine
        .audit(&mut tx, by, action, "request", request.id, text)
        .await?;
    engine
        .emit(&mut tx, "request", request.id, Some(request.owner))
        .await?;
    engine.emit(&mut tx, "vm", id, Some(request.owner)).await?;
    tx.commit().await?;
    engine.jobs_wanted().await;
    Ok(Placed {
        request,
        job: Some(job),
    })
}

/// The generation of the fleet at which the VM's host has room for it to be started again: a VM that is off by intent
/// holds no memory. Fails with what is short.
pub(crate) async fn room_to_start(engine: &Engine, vm: &Vm) -> Result<i64> {
    let gathered = gather(engine).await?;
    let host = gathered
        .fleet()
        .host(vm.host)
        .ok_or_else(|| Error::not_found("host"))?;
    let today = engine.today();
    let ask = Ask {
        except: Some(vm.id),
        ..Ask::new(
            vm.vcpus,
            vm.memory,
            vm.disk,
            today,
            vm.lease_until.max(today),
        )
    };
    place::room(host, &ask, gathered.policy())
        .map(|_| gathered.generation)
        .map_err(|short| {
            let message = format!(
                "{} has no room to start it now. {}.",
                host.name,
                short.join("; ")
            );
            let refusal = bellwether_model::Refusal {
                host: host.id,
                host_name: host.name.clone(),
                reasons: short,
            };
            Error::no_capacity(message, vec![refusal])
        })
}
