//! From a request to a guest that answers and a graph that fills.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bellwether_api::metrics::MetricsQuery;
use bellwether_api::request::{Approval, RequestInput, RequestState};
use bellwether_api::vm::{Vm, VmState};
use uuid::Uuid;

use super::cast::Cast;
use super::report::rounded;
use super::{blocking, echo, until};

/// Memory to ask for, in MiB: what the test image is happy with.
const MEMORY_MIB: i64 = 256;

/// Days of the lease.
const DAYS: usize = 7;

/// Generous: emulation on a busy machine.
const BOOT_LIMIT: Duration = Duration::from_secs(120);

/// Points a graph must show: two make a line.
const POINTS: usize = 2;

/// A VM that was approved and seen running.
pub(super) struct Approved {
    pub vm: Vm,
    said_yes: Instant,
    running: Duration,
}

impl Approved {
    /// Seconds from the admin's word to the VM seen running.
    pub fn running_s(&self) -> f64 {
        rounded(self.running.as_secs_f64())
    }
}

/// The user asks.
pub(super) async fn ask(cast: &Cast, image: Uuid) -> anyhow::Result<(Uuid, String)> {
    let today = cast.user.client.server().await?.value.today;
    let mut until = today;
    for _ in 1..DAYS {
        until = until.tomorrow()?;
    }
    let request = cast
        .user
        .client
        .create_request(&RequestInput {
            name: "analytical-engine".into(),
            vcpus: 1,
            memory_mib: MEMORY_MIB,
            disk_gib: 1,
            from: today.to_string(),
            until: until.to_string(),
            purpose: "Bernoulli numbers".into(),
            image,
            ssh_key: None,
        })
        .await?
        .value;
    let words = format!(
        "{} asks for {}: {} vCPU, {} MiB, {} GiB, until {until}",
        cast.user.login, request.name, request.vcpus, request.memory_mib, request.disk_gib
    );
    Ok((request.id, words))
}

/// The admin looks at the fleet beside the request, says yes, and the VM is made and started.
pub(super) async fn approve(cast: &Cast, request: Uuid) -> anyhow::Result<(Approved, String)> {
    let admin = &cast.admin.client;
    let considered = admin.consider(request).await?.value;
    let Some(place) = considered.placement else {
        let reasons = considered.hosts.iter().flat_map(|host| {
            host.reasons
                .iter()
                .map(|reason| format!("{}: {reason}", host.host.name))
        });
        bail!(
            "no host can take it: {}",
            reasons.collect::<Vec<_>>().join("; ")
        );
    };
    let said_yes = Instant::now();
    let approved = admin.approve(request, &Approval::default()).await?.value;
    let job = approved.job.with_context(|| {
        format!(
            "approved, but nothing is made: the request is {}",
            approved.request.state
        )
    })?;
    let vm = until(BOOT_LIMIT, "the VM", || async {
        let request = admin.request_by_id(request).await?.value;
        if request.state == RequestState::Failed {
            bail!(
                "the VM could not be made: {}",
                request.reason.unwrap_or_default()
            );
        }
        let Some(vm) = request.vm else {
            return Ok(None);
        };
        let vm = admin.vm(vm.id).await?.value;
        Ok((vm.state == VmState::Running).then_some(vm))
    })
    .await?;
    let running = said_yes.elapsed();
    let ended = admin.wait_for_job(job.id, |_| ()).await?.value;
    if let Some(error) = ended.error {
        bail!("the job that makes the VM is {}: {error}", ended.state);
    }
    let words = format!(
        "{} approves; {} runs on {} after {:.1} s",
        cast.admin.login,
        vm.name,
        place.host.name,
        running.as_secs_f64()
    );
    let approved = Approved {
        vm,
        said_yes,
        running,
    };
    Ok((approved, words))
}

/// Waits until the guest answers on the network, and gives the seconds since the admin's word.
pub(super) async fn wait_for_guest(approved: &Approved) -> anyhow::Result<(f64, String)> {
    let address = approved.vm.address;
    until(BOOT_LIMIT, "an answer of the guest", || async {
        let answers = blocking(move || Ok(echo::answers(address))).await?;
        Ok(answers.then_some(()))
    })
    .await?;
    let seconds = rounded(approved.said_yes.elapsed().as_secs_f64());
    Ok((
        seconds,
        format!("{} answers at {address}", approved.vm.hostname),
    ))
}

/// Waits until the owner's graph shows a line for CPU and one for memory.
pub(super) async fn graph(cast: &Cast, vm: &Vm) -> anyhow::Result<((), String)> {
    let points = until(
        Duration::from_secs(60),
        "a graph of CPU and memory",
        || async {
            let metrics = cast
                .user
                .client
                .vm_metrics(vm.id, &MetricsQuery::default())
                .await?
                .value;
            let points = |signal: &str| {
                let series = metrics.series.iter().find(|series| series.signal == signal);
                series.map_or(0, |series| series.average.len())
            };
            let (cpu, memory) = (points("cpu"), points("memory"));
            Ok((cpu >= POINTS && memory >= POINTS).then_some((cpu, memory)))
        },
    )
    .await?;
    let words = format!("{} points of CPU, {} of memory", points.0, points.1);
    Ok(((), words))
}
