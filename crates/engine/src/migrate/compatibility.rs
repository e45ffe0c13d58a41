//! What must be asked of hosts to know whether a VM can move, asked in the background and remembered: pages never wait
//! for a host. A move that is asked for is checked anew, all hosts at once.

use crate::Engine;
use bellwether_decide::migrate::CpuMatch;
use bellwether_hypervisor::VmDescription;
use bellwether_model::{
    HostId, Result, Timestamp, VmId,
    host::{Host, HostHealth, HostMode},
    vm::{Vm, VmState},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// A VM is described again after this long.
const DESCRIBED_FOR: Duration = Duration::from_secs(600);
/// The longest a host is waited for, when a move is asked for.
const ASK_DEADLINE: Duration = Duration::from_secs(5);

/// When, on which host, and how a VM was described.
type Described = (Timestamp, HostId, Arc<VmDescription>);

/// What was learnt.
#[derive(Default)]
pub(crate) struct Compatibility {
    vms: Mutex<BTreeMap<VmId, Described>>,
    /// By guest CPU, host and the host's own CPU.
    cpus: Mutex<BTreeMap<(String, HostId), (String, CpuMatch)>>,
}

impl Compatibility {
    /// The VM as last described on its present host.
    fn description(&self, vm: &Vm) -> Option<Arc<VmDescription>> {
        let vms = self
            .vms
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        vms.get(&vm.id)
            .filter(|(_, host, _)| *host == vm.host)
            .map(|(_, _, description)| description.clone())
    }
    fn describe(&self, vm: &Vm, at: Timestamp, description: VmDescription) -> Arc<VmDescription> {
        let description = Arc::new(description);
        self.vms
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(vm.id, (at, vm.host, description.clone()));
        description
    }
    fn described_at(&self, vm: &Vm) -> Option<Timestamp> {
        let vms = self
            .vms
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        vms.get(&vm.id)
            .filter(|(_, host, _)| *host == vm.host)
            .map(|(at, ..)| *at)
    }
    /// Whether the host can run a guest with this CPU, if it was asked.
    fn cpu(&self, guest: &str, host: HostId, host_cpu: &str) -> Option<CpuMatch> {
        let cpus = self
            .cpus
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        cpus.get(&(guest.to_owned(), host))
            .filter(|(cpu, _)| cpu == host_cpu)
            .map(|(_, found)| found.clone())
    }
    fn learn(&self, guest: &str, host: HostId, host_cpu: &str, found: CpuMatch) {
        self.cpus
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert((guest.to_owned(), host), (host_cpu.to_owned(), found));
    }
}

/// Describes VMs that were not described lately, and asks hosts about CPUs they were not asked about.
pub(crate) async fn learn(engine: &Engine) -> Result<()> {
    let known = &engine.inner.compatibility;
    let records = engine.store().records().await?;
    for vm in records.vms.iter() {
        let due = known
            .described_at(vm)
            .is_none_or(|at| engine.now().since(at) > DESCRIBED_FOR);
        if vm.state != VmState::Running || !due {
            continue;
        }
        if let Some(description) = describe(engine, vm).await {
            for host in records
                .hosts
                .iter()
                .filter(|host| host.id != vm.host && host.mode == HostMode::Active)
            {
                cpu(engine, &description, host, false).await;
            }
        }
    }
    Ok(())
}

/// What is known of a VM and of the CPUs of hosts it could move to.
#[derive(Default)]
pub(super) struct Known {
    /// The VM, where its host has described it.
    pub description: Option<Arc<VmDescription>>,
    /// By host; one that is not in it was not asked.
    pub cpus: BTreeMap<HostId, CpuMatch>,
}

impl Known {
    /// As last learnt; no host is asked.
    pub fn remembered(engine: &Engine, vm: &Vm, hosts: &[Host]) -> Self {
        let known = &engine.inner.compatibility;
        let Some(description) = known.description(vm) else {
            return Self::default();
        };
        let observed = engine.observed();
        let cpus = hosts.iter().filter_map(|host| {
            let seen = observed.hosts.get(&host.id)?;
            let found = known.cpu(&description.cpu, host.id, &seen.facts.as_ref()?.cpu)?;
            Some((host.id, found))
        });
        Self {
            cpus: cpus.collect(),
            description: Some(description),
        }
    }
    /// Asked of the VM's host and of `hosts`, these all at once.
    pub async fn asked(engine: &Engine, vm: &Vm, hosts: &[Host]) -> Self {
        let Some(description) = describe(engine, vm).await else {
            return Self::default();
        };
        let asking = hosts
            .iter()
            .map(async |host| (host.id, cpu(engine, &description, host, true).await));
        Self {
            cpus: futures::future::join_all(asking)
                .await
                .into_iter()
                .collect(),
            description: Some(description),
        }
    }
}

/// Asks the VM's host what it is made of.
async fn describe(engine: &Engine, vm: &Vm) -> Option<Arc<VmDescription>> {
    let host = engine.host(vm.host).ok()?;
    let description = tokio::time::timeout(ASK_DEADLINE, host.describe(vm.id.0))
        .await
        .ok()?
        .ok()?;
    Some(
        engine
            .inner
            .compatibility
            .describe(vm, engine.now(), description),
    )
}

/// Whether `host` can run the guest's CPU; `anew` asks even where the answer is known.
async fn cpu(engine: &Engine, guest: &VmDescription, host: &Host, anew: bool) -> CpuMatch {
    let observed = engine.observed();
    let seen = observed.hosts.get(&host.id);
    let Some(facts) = seen
        .filter(|seen| seen.health == HostHealth::Ready)
        .and_then(|seen| seen.facts.as_ref())
    else {
        return CpuMatch::NotChecked(format!("{} does not answer", host.name));
    };
    let known = &engine.inner.compatibility;
    if let Some(found) = known.cpu(&guest.cpu, host.id, &facts.cpu).filter(|_| !anew) {
        return found;
    }
    let Ok(connection) = engine.host(host.id) else {
        return CpuMatch::NotChecked(format!("{} is not connected", host.name));
    };
    match tokio::time::timeout(ASK_DEADLINE, connection.can_run_cpu(&guest.cpu)).await {
        Ok(Ok(answer)) => {
            let found = answer.map_or_else(CpuMatch::Lacks, |()| CpuMatch::Fits);
            known.learn(&guest.cpu, host.id, &facts.cpu, found.clone());
            found
        }
        Ok(Err(error)) => CpuMatch::NotChecked(error.to_string()),
        Err(_) => CpuMatch::NotChecked(format!("{} did not answer in time", host.name)),
    }
}
