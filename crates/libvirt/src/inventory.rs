//! What is there.

use crate::{
    ffi::Failure,
    host::{LibvirtHost, QUICK, SLOW, find},
    link::Session,
    stats,
    trouble::Trouble,
    xml::{
        self,
        capabilities::{self, Platform},
        describe,
    },
};
use async_trait::async_trait;
use bellwether_hypervisor::{
    Groups, HostEvent, HostPlaces, HostSample, HypervisorError, Inventory, Result, VmDescription,
};
use bellwether_model::{
    MiB,
    network::Carrier,
    observed::{CarrierSeen, HostFacts, PoolSeen, PowerState},
};
use std::collections::BTreeMap;
use tokio::sync::broadcast;
use uuid::Uuid;

#[async_trait]
impl Inventory for LibvirtHost {
    async fn facts(&self) -> Result<HostFacts> {
        let mut facts = self.read("asking what the host is", SLOW, facts).await?;
        facts.kernel = self.reading.kernel().await;
        Ok(facts)
    }

    async fn sample(&self, groups: Groups) -> Result<HostSample> {
        self.read("sampling", QUICK, move |session| {
            let groups = stats::libvirt_groups(groups);
            let stats = session.connect.all_domain_stats(groups)?;
            Ok(HostSample {
                cpu: supported(session.connect.cpu_times())?
                    .and_then(|times| stats::host_cpu(&times)),
                memory_used: supported(session.connect.memory_kinds())?
                    .and_then(|kinds| stats::memory_used(&kinds)),
                // A VM held by a long job is not left out: NOWAIT gives its state, CPU time and network, and leaves
                // the rest unknown.
                vms: stats.iter().map(stats::vm_sample).collect(),
            })
        })
        .await
    }

    async fn places(&self) -> Result<HostPlaces> {
        self.read("looking for pools and networks", SLOW, |session| {
            Ok(HostPlaces {
                pools: pools(session)?,
                carriers: carriers(session)?,
            })
        })
        .await
    }

    async fn power_states(&self) -> Result<Vec<(Uuid, PowerState)>> {
        self.read("listing VMs", QUICK, |session| {
            let stats = session
                .connect
                .all_domain_stats(virt_sys::VIR_DOMAIN_STATS_STATE)?;
            Ok(stats
                .iter()
                .map(|domain| (domain.uuid, stats::state_of(&domain.params)))
                .collect())
        })
        .await
    }

    async fn describe(&self, vm: Uuid) -> Result<VmDescription> {
        self.read("describing a VM", QUICK, move |session| {
            let domain = find(&session.connect, vm)?.ok_or(HypervisorError::NoSuchVm)?;
            let mut description = describe::read_domain(&domain.xml(0)?)?;
            description.autostart = supported(domain.autostart())?.unwrap_or(false);
            description.snapshots = supported(domain.has_snapshots())?.unwrap_or(false);
            Ok(description)
        })
        .await
    }

    async fn baseline(&self, cpus: &[String]) -> Result<Option<String>> {
        let cpus = cpus.to_vec();
        self.read("finding the common CPU", SLOW, move |session| {
            let platform = session.platform()?;
            // With one host that only emulates among them, all must do with what is emulated everywhere.
            if !platform.kvm() || cpus.is_empty() || cpus.iter().any(|cpu| cpu == EMULATED) {
                return Ok(None);
            }
            let baseline = session.connect.baseline_hypervisor_cpu(
                &platform.arch,
                &platform.virt_type,
                &cpus,
            )?;
            Ok(Some(baseline))
        })
        .await
    }

    async fn can_run_cpu(&self, guest_cpu: &str) -> Result<std::result::Result<(), String>> {
        let guest_cpu = guest_cpu.to_owned();
        self.read("comparing CPUs", SLOW, move |session| {
            can_run_cpu(session, &guest_cpu)
        })
        .await
    }

    fn events(&self) -> broadcast::Receiver<HostEvent> {
        self.events.subscribe()
    }
}

fn facts(session: &Session) -> Result<HostFacts, Trouble> {
    let connect = &session.connect;
    let platform = capabilities::read_capabilities(&connect.capabilities()?)?;
    let node = connect.node_info()?;
    let from_firmware = connect
        .sysinfo()
        .ok()
        .and_then(|sysinfo| capabilities::processor_name(&sysinfo));
    Ok(HostFacts {
        hostname: connect.hostname()?,
        arch: platform.arch.clone(),
        cpu_model: from_firmware.unwrap_or_else(|| platform.cpu_model.clone()),
        cores: node.cpus,
        memory: MiB::from_kib(node.memory_kib),
        libvirt_version: version(connect.libvirt_version()?),
        hypervisor_version: version(connect.hypervisor_version()?),
        // libvirt does not tell it.
        kernel: None,
        kvm: platform.kvm(),
        cpu: host_cpu(session, &platform)?,
        machine: platform.uuid,
    })
}

/// What a host without hardware virtualisation gives as its CPU: what every QEMU emulates.
const EMULATED: &str = "<cpu><model>qemu64</model></cpu>";

/// The host's CPU as baseline and comparison take it.
fn host_cpu(session: &Session, platform: &Platform) -> Result<String, Trouble> {
    if !platform.kvm() {
        return Ok(EMULATED.into());
    }
    let capabilities = session.connect.domain_capabilities(
        &platform.arch,
        platform.machine.as_deref(),
        &platform.virt_type,
    )?;
    capabilities::host_model(&capabilities)?.ok_or_else(|| {
        Trouble::unsupported("it has KVM, but libvirt can't say which CPU model it is (host-model)")
    })
}

/// `11.3.0` of libvirt's number.
fn version(number: u64) -> String {
    format!(
        "{}.{}.{}",
        number / 1_000_000,
        number / 1_000 % 1_000,
        number % 1_000
    )
}

/// None where a driver lacks the call; that is no fault of the host.
fn supported<T>(result: Result<T, Failure>) -> Result<Option<T>, Trouble> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(failure)
            if matches!(
                failure.code,
                virt_sys::VIR_ERR_NO_SUPPORT | virt_sys::VIR_ERR_OPERATION_UNSUPPORTED
            ) =>
        {
            Ok(None)
        }
        Err(failure) => Err(failure.into()),
    }
}

fn pools(session: &Session) -> Result<Vec<PoolSeen>, Trouble> {
    let mut seen = Vec::new();
    for pool in supported(session.connect.pools())?.unwrap_or_default() {
        // A pool that goes while we look is not worth failing for.
        let (Ok(definition), Ok(active), Ok(info)) = (pool.xml(), pool.is_active(), pool.info())
        else {
            continue;
        };
        let definition = xml::volume::read_pool(&definition)?;
        seen.push(PoolSeen {
            name: pool.name(),
            kind: definition.kind,
            path: definition.path,
            active,
            capacity: info.capacity,
            available: info.available,
        });
    }
    seen.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seen)
}

/// libvirt's networks and the host's bridges, where those drivers exist, and whatever VMs are plugged into already.
fn carriers(session: &Session) -> Result<Vec<CarrierSeen>, Trouble> {
    // Bridges first and networks after, each by name.
    let mut bridges: BTreeMap<String, bool> = BTreeMap::new();
    let mut networks: BTreeMap<String, bool> = BTreeMap::new();
    for domain in session.connect.domains()? {
        // One on its way here would keep us waiting until it has arrived, and the host would seem silent meanwhile.
        let Ok(false) = domain.is_arriving() else {
            continue;
        };
        let Ok(domain_xml) = domain.xml(0) else {
            continue;
        };
        for carrier in describe::carriers(&domain_xml) {
            // Whether it is up is not known here; that VMs use it speaks for it.
            match carrier {
                Carrier::Bridge(name) => bridges.insert(name, true),
                Carrier::Libvirt(name) => networks.insert(name, true),
            };
        }
    }
    networks.extend(supported(session.connect.networks())?.unwrap_or_default());
    for (interface, active) in supported(session.connect.interfaces())?.unwrap_or_default() {
        let document = xml::parse(&interface)?;
        let interface = document.root_element();
        if interface.attribute("type") == Some("bridge")
            && let Some(name) = interface.attribute("name")
        {
            bridges.insert(name.to_owned(), active);
        }
    }
    let seen = |carrier: Carrier, active: bool| CarrierSeen { carrier, active };
    Ok(bridges
        .into_iter()
        .map(|(name, active)| seen(Carrier::Bridge(name), active))
        .chain(
            networks
                .into_iter()
                .map(|(name, active)| seen(Carrier::Libvirt(name), active)),
        )
        .collect())
}

fn can_run_cpu(
    session: &Session,
    guest_cpu: &str,
) -> Result<std::result::Result<(), String>, Trouble> {
    let platform = session.platform()?;
    if guest_cpu.trim().is_empty() {
        // Without a `<cpu>` QEMU's default is used, which is the same everywhere.
        return Ok(Ok(()));
    }
    let (mode, plain_emulated) = {
        let document = xml::parse(guest_cpu)?;
        let cpu = document.root_element();
        let model = xml::child(cpu, "model").map(xml::text).unwrap_or_default();
        (
            cpu.attribute("mode").unwrap_or("custom").to_owned(),
            // Unchecked, or with nothing asked beyond the model, it runs everywhere.
            model == "qemu64"
                && (cpu.attribute("check") == Some("none") || xml::child(cpu, "feature").is_none()),
        )
    };
    if plain_emulated {
        return Ok(Ok(()));
    }
    if matches!(mode.as_str(), "host-passthrough" | "maximum") {
        return Ok(Err(
            "its CPU is its host's own, passed through; only a host with the very same CPU and software can take it".into(),
        ));
    }
    match session
        .connect
        .compare_hypervisor_cpu(&platform.arch, &platform.virt_type, guest_cpu)
    {
        Ok(true) => Ok(Ok(())),
        Ok(false) => Ok(Err(
            "the host's CPU lacks features the VM was started with".into()
        )),
        Err(failure) if failure.code == virt_sys::VIR_ERR_CPU_INCOMPATIBLE => {
            Ok(Err(failure.message))
        }
        Err(failure) => Err(failure.into()),
    }
}
