//! What cases share: making VMs and volumes that are removed again, waiting, comparing.

use super::ContractSubject;
use crate::{
    DiskDefinition, GuestCpu, Host, HypervisorError, MigrateSpec, Ownership, VmDefinition,
    VolumeSpec,
};
use bellwether_model::{Mac, MiB, Vcpus, observed::PowerState, vm::Devices};
use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Why a case fails, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

/// How a case ends.
pub type Outcome<T = ()> = Result<T, Failure>;

impl From<HypervisorError> for Failure {
    fn from(error: HypervisorError) -> Self {
        Self(format!("unexpected error: {error} ({error:?})"))
    }
}

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($arg:tt)+) => {
        if !$condition {
            return Err($crate::contract::Failure(format!($($arg)+)));
        }
    };
}
/// Fails the case unless the result is the error of that variant.
macro_rules! refused {
    ($result:expr, $($variant:pat_param)|+) => {
        match $result {
            Err($($variant)|+) => {}
            other => {
                return Err($crate::contract::Failure(format!(
                    "{} gave {other:?}, expected {}",
                    stringify!($result),
                    stringify!($($variant)|+)
                )));
            }
        }
    };
}
pub(super) use {ensure, refused};

/// What a case works with.
pub struct Context {
    subject: Arc<dyn ContractSubject>,
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    vms: Vec<Uuid>,
    /// Pool and volume, newest last.
    volumes: Vec<(String, String)>,
}

impl Context {
    pub(super) fn new(subject: Arc<dyn ContractSubject>) -> Self {
        Self {
            subject,
            made: Mutex::default(),
        }
    }
    pub(super) fn subject(&self) -> &dyn ContractSubject {
        &*self.subject
    }
    pub(super) fn host(&self) -> Arc<dyn Host> {
        self.subject.host()
    }
    pub(super) fn other(&self) -> Outcome<Arc<dyn Host>> {
        self.subject
            .other()
            .ok_or_else(|| Failure("there is no other host".into()))
    }

    /// A name that nothing else has.
    pub(super) fn name(&self, what: &str) -> String {
        let random = Uuid::new_v4().simple().to_string();
        format!("bw-contract-{what}-{}", &random[..8])
    }

    /// Remembers a volume, to be removed from every host at the end.
    pub(super) fn will_remove(&self, pool: &str, volume: &str) {
        self.made().volumes.push((pool.into(), volume.into()));
    }
    pub(super) fn will_undefine(&self, vm: Uuid) {
        self.made().vms.push(vm);
    }
    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A definition with its disk (an overlay of the image, if there is one) made in `pool` of `host`, not yet defined.
    pub(super) async fn prepared(&self, host: &dyn Host, pool: &str) -> Outcome<VmDefinition> {
        let uuid = Uuid::new_v4();
        let address = self
            .subject
            .guest_address()
            .map(|address| address.to_string());
        let address = address.unwrap_or_else(|| "192.0.2.10".into());
        let mut disks = vec![self.disk(host, pool).await?];
        if let Some(seed) = self.subject.seed(&address) {
            disks.push(
                self.upload_as(host, pool, "seed", "raw", seed, true)
                    .await?,
            );
        }
        let [.., a, b, c] = *uuid.as_bytes();
        self.will_undefine(uuid);
        Ok(VmDefinition {
            uuid,
            name: self.name("vm"),
            title: "A VM of the contract".into(),
            description: "made by the contract".into(),
            ownership: Ownership {
                owner: "contract".into(),
                lease_from: "2026-01-01".into(),
                lease_until: "2026-12-31".into(),
                name: "contract".into(),
                address,
                job: Uuid::new_v4().to_string(),
                ..Ownership::default()
            },
            vcpus: Vcpus(1),
            memory: MiB(256),
            cpu: GuestCpu::Emulated,
            devices: Devices::Virtio,
            disks,
            mac: Mac::local([a, b, c]),
            carrier: self.subject.carrier(),
        })
    }

    async fn disk(&self, host: &dyn Host, pool: &str) -> Outcome<DiskDefinition> {
        let volume = format!("{}.qcow2", self.name("disk"));
        let backing = match self.subject.image() {
            None => None,
            Some((format, bytes)) => {
                let image = self
                    .upload_as(host, pool, "image", &format, bytes.to_vec(), false)
                    .await?;
                Some((image.volume, format))
            }
        };
        let spec = VolumeSpec {
            name: volume.clone(),
            capacity: 1 << 30,
            format: "qcow2".into(),
            backing,
        };
        // Before it is made: what was made and not answered must go too.
        self.will_remove(pool, &volume);
        host.create_volume(pool, &spec).await?;
        Ok(DiskDefinition {
            pool: pool.into(),
            volume,
            format: "qcow2".into(),
            seed: false,
        })
    }

    async fn upload_as(
        &self,
        host: &dyn Host,
        pool: &str,
        what: &str,
        format: &str,
        bytes: Vec<u8>,
        seed: bool,
    ) -> Outcome<DiskDefinition> {
        let volume = self.name(what);
        self.will_remove(pool, &volume);
        let length = bytes.len() as u64;
        let source = Box::pin(std::io::Cursor::new(bytes));
        host.upload(pool, &volume, format, length, source, Box::new(|_| {}))
            .await?;
        Ok(DiskDefinition {
            pool: pool.into(),
            volume,
            format: format.into(),
            seed,
        })
    }

    /// A defined VM on the host, off.
    pub(super) async fn defined(&self) -> Outcome<VmDefinition> {
        let host = self.host();
        let definition = self.prepared(&*host, &self.subject.shared_pool()).await?;
        host.define(&definition).await?;
        Ok(definition)
    }
    /// A running VM on the host.
    pub(super) async fn running(&self) -> Outcome<VmDefinition> {
        let definition = self.defined().await?;
        self.host().start(definition.uuid).await?;
        Ok(definition)
    }

    pub(super) fn migration(&self, vm: Uuid, peer_uri: String) -> MigrateSpec {
        MigrateSpec {
            timeout_seconds: 300,
            ..MigrateSpec::new(vm, peer_uri)
        }
    }

    /// Looks until `condition` holds, for as long as the subject's patience; says `what` was waited for.
    pub(super) async fn eventually<F, Fut>(&self, what: &str, mut condition: F) -> Outcome
    where
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Outcome<bool>> + Send,
    {
        let end = Instant::now() + self.subject.patience();
        loop {
            if condition().await? {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(Failure(format!(
                    "waited {} s for this: {what}",
                    self.subject.patience().as_secs()
                )));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Fails unless the VM shows exactly so on the host and on the other one.
    pub(super) async fn shows(
        &self,
        vm: Uuid,
        here: Option<PowerState>,
        there: Option<PowerState>,
    ) -> Outcome {
        let seen = (self.host().power(vm).await?, self.other()?.power(vm).await?);
        ensure!(
            seen == (here, there),
            "the VM shows as {seen:?} on the two hosts, expected {:?}",
            (here, there)
        );
        Ok(())
    }

    /// Removes everything the case made, from both hosts.
    pub(super) async fn clean(&self) -> Outcome {
        let made = std::mem::take(&mut *self.made());
        let hosts = [Some(self.host()), self.subject.other()];
        let mut left = Ok(());
        for host in hosts.into_iter().flatten() {
            for vm in &made.vms {
                if let Err(error) = remove_vm(&*host, *vm).await {
                    left = Err(error.into());
                }
            }
        }
        for host in [Some(self.host()), self.subject.other()]
            .into_iter()
            .flatten()
        {
            for (pool, volume) in made.volumes.iter().rev() {
                match host.delete_volume(pool, volume).await {
                    Ok(()) | Err(HypervisorError::NoSuchPool(_)) => {}
                    Err(error) => left = Err(error.into()),
                }
            }
        }
        left
    }
}

async fn remove_vm(host: &dyn Host, vm: Uuid) -> Result<(), HypervisorError> {
    if host.power(vm).await?.is_none() {
        return Ok(());
    }
    host.abort_migration(vm).await?;
    host.force_off(vm).await?;
    host.undefine(vm).await
}
