//! Provision: a job that makes the VM a request was approved for.
//!
//! Room, address and MAC were reserved when the request was placed ([`crate::place`]); here the disk is made, the VM
//! defined and started. Until `define` may have reached the host a dead host sends the request back to wait for room;
//! from then on the VM stays bound to that host until the host answers or an admin declares it off.

mod definition;
mod undo;

pub(crate) use definition::{definition, overlay, ownership, pool_of};

use crate::{
    Engine, images,
    jobs::{Halt, Run, Step, Work},
    secrets,
    seed::{SEED_BYTES, Seed},
};
use async_trait::async_trait;
use bellwether_hypervisor::HypervisorError;
use bellwether_model::{
    Error, HostId, RequestId, VmId,
    host::{HostHealth, HostMode},
    observed::PowerState,
    request::RequestState,
    states::State,
    vm::{Vm, VmState, WantedPower},
};
use bellwether_store::Tx;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the job keeps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Data {
    /// The VM being made.
    pub vm: VmId,
    /// The request it is for.
    pub request: RequestId,
    /// `define` may have reached the host: written before the call.
    pub may_be_defined: bool,
    /// It is given up because its host went away, which is no fault of the request.
    #[serde(default)]
    pub host_went_away: bool,
}

/// How long a started VM may take to be seen running.
const RUNNING_PATIENCE: Duration = Duration::from_secs(30);

const IMAGE: usize = 0;
const DISK: usize = 1;
const SEED: usize = 2;
const DEFINE: usize = 3;
const START: usize = 4;

/// The work.
pub struct Provision;

#[async_trait]
impl Work for Provision {
    fn steps(&self) -> &'static [Step] {
        &[
            Step {
                name: "image",
                doing: "bringing the image to the storage",
            },
            Step {
                name: "disk",
                doing: "making the disk",
            },
            Step {
                name: "seed",
                doing: "writing what the guest is told",
            },
            Step {
                name: "define",
                doing: "defining the VM",
            },
            Step {
                name: "start",
                doing: "starting the VM",
            },
            Step {
                name: "verify",
                doing: "checking that it runs",
            },
        ]
    }

    async fn run(&self, at: usize, run: &mut Run) -> Result<(), Halt> {
        let mut data: Data = run.data()?;
        let vm = run.engine.store().vm(data.vm).await?;
        let host = run.engine.store().host(vm.host).await?;
        if at == IMAGE && host.mode == HostMode::Maintenance {
            // Room for a period to come was reserved long ago; nothing new lands on a host that was put aside since.
            data.host_went_away = true;
            run.save(&data).await?;
            return Err(Halt::Fail(Error::conflict(format!(
                "{} is put aside for maintenance.",
                host.name
            ))));
        }
        let outcome = match at {
            IMAGE => image(run, &vm).await,
            DISK => disk(run, &vm).await,
            SEED => seed(run, &vm, &data).await,
            DEFINE => define(run, &vm, &mut data).await,
            START => start(run, &vm).await,
            _ => verify(run, &vm).await,
        };
        match outcome {
            // Nothing of it can be on the host, or an admin said that nothing runs there: rather elsewhere soon than here
            // some day.
            Err(Halt::Again(_, error))
                if run.is_declared_off(vm.host).await?
                    || !data.may_be_defined && host_is_away(&run.engine, vm.host) =>
            {
                data.host_went_away = true;
                run.save(&data).await?;
                Err(Halt::Fail(error))
            }
            Err(Halt::Again(after, error)) => {
                if data.may_be_defined {
                    unreachable(run, vm, &error).await?;
                }
                Err(Halt::Again(after, error))
            }
            other => other,
        }
    }

    async fn undo(&self, at: usize, run: &mut Run) -> Result<(), Halt> {
        undo::undo(at, run).await
    }

    async fn done(&self, run: &Run, tx: &mut Tx) -> Result<(), Halt> {
        made(run, tx).await
    }

    async fn undone(&self, run: &Run, tx: &mut Tx, why: &str) -> Result<(), Halt> {
        undo::undone(run, tx, why).await
    }
}

async fn image(run: &mut Run, vm: &Vm) -> Result<(), Halt> {
    let image = run.engine.store().image(vm.image).await?;
    images::bring(run, &image, vm.storage, vm.host).await
}

async fn disk(run: &mut Run, vm: &Vm) -> Result<(), Halt> {
    let image = run.engine.store().image(vm.image).await?;
    let pool = pool_of(&run.engine, vm, vm.host).await?;
    run.host(vm.host)
        .await?
        .create_volume(&pool, &overlay(vm, &image))
        .await?;
    Ok(())
}

async fn seed(run: &mut Run, vm: &Vm, data: &Data) -> Result<(), Halt> {
    let engine = run.engine.clone();
    let image = engine.store().image(vm.image).await?;
    if !image.cloud_init {
        return Ok(());
    }
    let request = engine.store().request(data.request).await?;
    let network = engine.store().network(vm.network).await?;
    let owner = engine.store().user(vm.owner).await?;
    let key = request.spec.ssh_key.as_deref();
    let password_hash = match key {
        Some(_) => None,
        None => Some(secrets::crypt(&first_password(run, vm).await?)?),
    };
    let disk = Seed {
        instance: vm.id.to_string(),
        hostname: &vm.hostname,
        user: &owner.login,
        ssh_key: key,
        password_hash: password_hash.as_deref(),
        mac: vm.mac,
        address: vm.address,
        prefix: network.cidr_prefix,
        gateway: network.gateway,
        dns: &network.dns,
    }
    .disk()?;
    let pool = pool_of(&engine, vm, vm.host).await?;
    let host = run.host(vm.host).await?;
    // One written by an attempt that was cut off may be half: write it anew.
    host.delete_volume(&pool, &vm.seed_volume()).await?;
    host.upload(
        &pool,
        &vm.seed_volume(),
        "raw",
        SEED_BYTES as u64,
        Box::pin(std::io::Cursor::new(disk)),
        Box::new(|_| {}),
    )
    .await?;
    Ok(())
}

/// The guest's first password: made once, however often the step is repeated.
async fn first_password(run: &Run, vm: &Vm) -> Result<SecretString, Halt> {
    let mut tx = run.begin().await?;
    if let Some(password) = tx.first_password(vm.id).await? {
        return Ok(password.into());
    }
    let password = secrets::random_password(16)?;
    tx.set_first_password(vm.id, password.expose_secret(), run.now())
        .await?;
    tx.commit().await?;
    Ok(password)
}

async fn define(run: &mut Run, vm: &Vm, data: &mut Data) -> Result<(), Halt> {
    let definition = definition(&run.engine, vm, &run.job.id.to_string()).await?;
    let host = run.host(vm.host).await?;
    if !data.may_be_defined {
        data.may_be_defined = true;
        run.save(data).await?;
    }
    host.define(&definition).await?;
    Ok(())
}

async fn start(run: &mut Run, vm: &Vm) -> Result<(), Halt> {
    run.host(vm.host).await?.start(vm.id.0).await?;
    Ok(())
}

async fn verify(run: &mut Run, vm: &Vm) -> Result<(), Halt> {
    let host = run.host(vm.host).await?;
    let until = tokio::time::Instant::now() + RUNNING_PATIENCE;
    loop {
        match host.power(vm.id.0).await? {
            Some(PowerState::Running) => return Ok(()),
            state if tokio::time::Instant::now() > until => {
                let seen = state.map_or("not there", PowerState::as_str);
                return Err(Halt::Fail(Error::conflict(format!(
                    "The VM was started but is {seen}."
                ))));
            }
            state => {
                if state == Some(PowerState::Paused) {
                    host.resume(vm.id.0).await?;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The VM runs, and its request is fulfilled.
async fn made(run: &Run, tx: &mut Tx) -> Result<(), Halt> {
    let data: Data = run.data()?;
    let engine = &run.engine;
    let mut vm = tx.vm(data.vm).await?;
    vm.state = vm.state.step(VmState::Running)?;
    vm.wanted = WantedPower::On;
    vm.note = None;
    tx.update_vm(&mut vm).await?;
    let mut request = tx.request(data.request).await?;
    request.state = request.state.step(RequestState::Fulfilled)?;
    request.reason = None;
    tx.update_request(&request, RequestState::Placed).await?;
    let text = format!("\"{}\" runs at {}", vm.name, vm.address);
    engine.audit(tx, None, "vm.made", "vm", vm.id, text).await?;
    engine
        .emit(tx, "request", request.id, Some(request.owner))
        .await?;
    engine.emit(tx, "vm", vm.id, Some(vm.owner)).await?;
    engine.links().wake(vm.host);
    Ok(())
}

/// Whether the monitor has given the host up: a request whose VM can't have reached it need not wait any longer.
pub(crate) fn host_is_away(engine: &Engine, host: HostId) -> bool {
    engine
        .observed()
        .hosts
        .get(&host)
        .is_none_or(|seen| seen.health == HostHealth::Unreachable)
}

/// Shows that the VM waits for its host.
async fn unreachable(run: &Run, vm: Vm, why: &Error) -> Result<(), Halt> {
    if vm.state == VmState::Provisioning && host_is_away(&run.engine, vm.host) {
        let mut tx = run.begin().await?;
        let mut vm = tx.vm(vm.id).await?;
        vm.state = vm.state.step(VmState::HostUnreachable)?;
        vm.note = Some(why.message.clone());
        tx.update_vm(&mut vm).await?;
        run.engine
            .emit(&mut tx, "vm", vm.id, Some(vm.owner))
            .await?;
        tx.commit().await?;
    }
    Ok(())
}

/// For undoing: what is not there needs no undoing.
pub(crate) fn ignore_absent(error: HypervisorError) -> Result<(), HypervisorError> {
    match error {
        HypervisorError::NoSuchVm => Ok(()),
        other => Err(other),
    }
}
