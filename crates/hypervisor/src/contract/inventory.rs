//! What a host says of itself and of its VMs.

use super::context::{Context, Failure, Outcome, ensure};
use crate::{Groups, GuestCpu, HostEvent};
use bellwether_model::{MiB, counters::VmCounters, observed::PowerState};
use std::time::Duration;
use tokio::time::{sleep, timeout};

pub(super) async fn facts_are_plausible(context: &Context) -> Outcome {
    let facts = context.host().facts().await?;
    ensure!(!facts.hostname.is_empty(), "no host name: {facts:?}");
    ensure!(!facts.arch.is_empty(), "no architecture: {facts:?}");
    ensure!(facts.cores >= 1, "no cores: {facts:?}");
    ensure!(facts.memory.0 >= 64, "no memory: {facts:?}");
    for version in [&facts.libvirt_version, &facts.hypervisor_version] {
        let numbers: Vec<_> = version.split('.').map(str::parse::<u32>).collect();
        ensure!(
            numbers.len() >= 2 && numbers.iter().all(Result::is_ok),
            "'{version}' is no version such as 11.3.0"
        );
    }
    ensure!(!facts.cpu.is_empty(), "no CPU for comparison: {facts:?}");
    Ok(())
}

pub(super) async fn places_name_pools_and_carriers(context: &Context) -> Outcome {
    // A bridge need only show once a VM names it.
    context.defined().await?;
    let places = context.host().places().await?;
    let wanted = context.subject().shared_pool();
    let pool = places.pools.iter().find(|pool| pool.name == wanted);
    let Some(pool) = pool else {
        return Err(Failure(format!("no pool '{wanted}': {:?}", places.pools)));
    };
    ensure!(pool.active, "the pool does not run: {pool:?}");
    ensure!(
        pool.capacity > 0 && pool.available <= pool.capacity,
        "impossible sizes: {pool:?}"
    );
    let carrier = context.subject().carrier();
    ensure!(
        places.carriers.iter().any(|seen| seen.carrier == carrier),
        "{carrier:?} is not among {:?}",
        places.carriers
    );
    Ok(())
}

pub(super) async fn a_sample_holds_running_and_stopped_vms(context: &Context) -> Outcome {
    let (running, off) = (context.running().await?, context.defined().await?);
    let host = context.host();
    let first = host.sample(Groups::ALL).await?;
    sleep(Duration::from_secs(2)).await;
    let second = host.sample(Groups::ALL).await?;
    let of = |sample: &crate::HostSample, vm: &crate::VmDefinition| {
        let found = sample.vms.iter().find(|seen| seen.uuid == vm.uuid).cloned();
        found.ok_or_else(|| Failure(format!("{} is not in the sample", vm.name)))
    };
    let (before, after) = (of(&first, &running)?, of(&second, &running)?);
    ensure!(after.power == PowerState::Running, "{after:?}");
    ensure!(after.name == running.name, "{after:?}");
    ensure!(
        after.vcpus == 1 && after.memory == Some(running.memory),
        "{after:?}"
    );
    growing(&before.counters, &after.counters)?;
    all_is_told(&after.counters, running.memory)?;
    let stopped = of(&second, &off)?;
    ensure!(stopped.power == PowerState::ShutOff, "{stopped:?}");
    ensure!(
        stopped.counters == VmCounters::default(),
        "a VM that is off uses something: {stopped:?}"
    );
    let (Some(cpu_before), Some(cpu)) = (first.cpu, second.cpu) else {
        return Err(Failure("the host's own CPU time is not known".into()));
    };
    // Idle time and waiting may go back a little: kernels, and lxcfs, make them of other figures.
    ensure!(
        cpu.busy_ns() >= cpu_before.busy_ns(),
        "the host's CPU time fell"
    );
    let memory = host.facts().await?.memory;
    ensure!(
        second
            .memory_used
            .is_some_and(|used| used.0 > 0 && used <= memory),
        "the host's memory: {:?} of {memory}",
        second.memory_used
    );
    Ok(())
}

/// The CPU time of a running VM, and the part of it that its vCPUs ran.
fn growing(before: &VmCounters, after: &VmCounters) -> Outcome {
    for of in [
        |c: &VmCounters| c.cpu_ns,
        VmCounters::vcpu_ns,
        VmCounters::delay_ns,
    ] {
        let (Some(a), Some(b)) = (of(before), of(after)) else {
            return Err(Failure(format!("no CPU time of a running VM: {after:?}")));
        };
        ensure!(b >= a, "CPU time fell from {a} to {b}");
    }
    Ok(())
}

/// What every look that asks for everything tells of a running VM.
fn all_is_told(counters: &VmCounters, defined: MiB) -> Outcome {
    ensure!(counters.vcpus.len() == 1, "not one vCPU: {counters:?}");
    let nic = counters.nics.first();
    ensure!(
        nic.is_some_and(|nic| !nic.device.is_empty()),
        "no network card: {counters:?}"
    );
    let (Some(disks), Some(memory)) = (&counters.disks, counters.memory) else {
        return Err(Failure(format!("no disks or memory: {counters:?}")));
    };
    let disk = disks.iter().find(|disk| disk.device == "vda");
    ensure!(
        disk.is_some_and(|disk| disk.capacity > Some(0) && disk.allocation.is_some()),
        "no disk vda with its sizes: {counters:?}"
    );
    ensure!(
        memory.resident_kib > Some(0),
        "the emulator holds no memory: {counters:?}"
    );
    if let (Some(usable), Some(available)) = (memory.usable_kib, memory.available_kib) {
        ensure!(
            usable <= available && available <= defined.kib(),
            "impossible memory: {counters:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_cheap_look_leaves_out_what_is_dear(context: &Context) -> Outcome {
    let running = context.running().await?;
    for groups in [
        Groups::default(),
        Groups {
            memory: true,
            disks: false,
        },
        Groups {
            memory: false,
            disks: true,
        },
    ] {
        let sample = context.host().sample(groups).await?;
        let found = sample.vms.into_iter().find(|vm| vm.uuid == running.uuid);
        let Some(vm) = found else {
            return Err(Failure(format!("{} is not in the sample", running.name)));
        };
        let counters = &vm.counters;
        ensure!(
            counters.cpu_ns.is_some() && counters.delay_ns().is_some() && !counters.nics.is_empty(),
            "no CPU time, contention or network: {vm:?}"
        );
        ensure!(
            vm.memory.is_some() == groups.memory
                && counters.memory.is_some() == groups.memory
                && counters.disks.is_some() == groups.disks,
            "{groups:?} brought {vm:?}"
        );
    }
    Ok(())
}

pub(super) async fn power_states_hold_every_vm(context: &Context) -> Outcome {
    let (running, off) = (context.running().await?, context.defined().await?);
    let states = context.host().power_states().await?;
    for expected in [
        (running.uuid, PowerState::Running),
        (off.uuid, PowerState::ShutOff),
    ] {
        ensure!(
            states.contains(&expected),
            "{expected:?} is not among {states:?}"
        );
    }
    Ok(())
}

pub(super) async fn a_host_runs_its_own_baseline(context: &Context) -> Outcome {
    let host = context.host();
    let mut cpus = vec![host.facts().await?.cpu];
    if let Some(other) = context.subject().other() {
        cpus.push(other.facts().await?.cpu);
    }
    let baseline = host.baseline(&cpus).await?;
    let pool = context.subject().shared_pool();
    let mut definition = context.prepared(&*host, &pool).await?;
    definition.cpu = match baseline {
        Some(cpu) => GuestCpu::Baseline(cpu),
        None => GuestCpu::Emulated,
    };
    host.define(&definition).await?;
    host.start(definition.uuid).await?;
    let cpu = host.describe(definition.uuid).await?.cpu;
    for host in [Some(host), context.subject().other()]
        .into_iter()
        .flatten()
    {
        if let Err(missing) = host.can_run_cpu(&cpu).await? {
            return Err(Failure(format!("a host can't run the baseline: {missing}")));
        }
    }
    Ok(())
}

pub(super) async fn events_tell_of_a_start(context: &Context) -> Outcome {
    let definition = context.defined().await?;
    let host = context.host();
    let mut events = host.events();
    host.start(definition.uuid).await?;
    let wanted = HostEvent::Lifecycle(definition.uuid);
    let arrived = timeout(context.subject().patience(), async {
        loop {
            match events.recv().await {
                Ok(event) if event == wanted => return true,
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(_) => return false,
            }
        }
    });
    ensure!(
        arrived.await.unwrap_or(false),
        "no lifecycle event came for {}",
        definition.name
    );
    Ok(())
}
