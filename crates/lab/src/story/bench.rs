//! What Bellwether costs on top of libvirt: a VM made and a VM moved by the server, each beside the same done by hand
//! with qemu-img and virsh, in alternating pairs on one lab.

mod figures;
mod making;
mod moving;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use bellwether_api::client::Client;
use bellwether_api::job::JobState;
use bellwether_api::request::{Approval, RequestInput};
use bellwether_api::vm::Vm;
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::server::Server;
use super::{Options, blocking, furnish, told_to_end, until};
use crate::image::{Kernel, cache_folder, test_image};
use crate::lifecycle;
use crate::plan::Options as LabOptions;
use crate::run::tool;
use crate::state::Lab;
use figures::Compared;

/// Left between two measurements, so that what the last one caused is over.
const REST: Duration = Duration::from_millis(1500);

/// What to measure.
#[derive(Args)]
pub struct Arguments {
    /// Pairs of VMs made: one by the server, one by hand
    #[arg(long, default_value_t = 12)]
    makings: usize,
    /// Pairs of live migrations
    #[arg(long, default_value_t = 30)]
    moves: usize,
    /// Write the figures here, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The bellwetherd to measure [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    bellwetherd: Option<PathBuf>,
}

/// The figures as JSON.
#[derive(Serialize)]
struct Report {
    date: String,
    machine: Machine,
    /// From the admin's word, or the first command, to the domain running.
    making: Option<Compared>,
    /// From asking to the end: shown by the server, or virsh done.
    moving: Option<Compared>,
    /// How long the guest stood still, as libvirt measured it.
    downtime: Option<Compared>,
}

/// Where it was measured.
#[derive(Serialize)]
struct Machine {
    system: String,
    cores: usize,
    kvm: bool,
    libvirt: String,
    qemu: String,
    /// Load average of the last minute when it began: from 0 on an idle machine.
    load: String,
}

impl Machine {
    fn look(lab: &Lab) -> Self {
        let first = |words: &[&str]| {
            let text = tool(words.iter().copied()).run().unwrap_or_default();
            text.lines().next().unwrap_or("unknown").to_owned()
        };
        let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let system = file("/etc/os-release");
        let system = system
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="));
        let load = file("/proc/loadavg");
        Self {
            system: system.unwrap_or("unknown").trim_matches('"').to_owned(),
            cores: crate::plan::machine_cores(),
            kvm: lab.kvm,
            libvirt: first(&["libvirtd", "--version"]),
            qemu: first(&["qemu-system-x86_64", "--version"]),
            load: load.split(' ').next().unwrap_or("unknown").to_owned(),
        }
    }
}

/// A server on a lab, and what to ask of it.
struct Bench {
    client: Client,
    lab: Lab,
    hosts: Vec<Uuid>,
    image: Uuid,
}

/// Measures on a lab of its own, which is removed afterwards.
///
/// # Errors
/// When something did not work; a figure that misses its target is no error.
pub fn measure(arguments: &Arguments, lab: &LabOptions) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut server = None;
        let measured = tokio::select! {
            measured = acts(arguments, lab, &mut server) => measured,
            how = told_to_end() => Err(anyhow::anyhow!("{}", how?)),
        };
        if let (Err(_), Some(server)) = (&measured, &server) {
            server.show_log(None);
        }
        if let Some(server) = server {
            blocking(move || server.stop()).await?;
        }
        let lab = lab.clone();
        blocking(move || lifecycle::down(&lab.base, &lab.name)).await?;
        measured
    })
}

async fn acts(
    arguments: &Arguments,
    lab_options: &LabOptions,
    server: &mut Option<Server>,
) -> anyhow::Result<()> {
    let image = blocking(|| test_image(Kernel::Cloud, &cache_folder())).await?;
    let lab = {
        let options = lab_options.clone();
        blocking(move || lifecycle::up(&options)).await?
    };
    let machine = Machine::look(&lab);
    let options = Options {
        lab: lab_options.clone(),
        check: true,
        json: None,
        earlier: Vec::new(),
        listen: None,
        bellwetherd: arguments.bellwetherd.clone(),
        existing: None,
    };
    let started = Server::start(&options, &lab).await?;
    let client = server.insert(started).admin().await?.client;
    let image = furnish(&client, &lab, &image).await?;
    let known = client.hosts(usize::MAX).await?.value.items;
    let hosts = lab.hosts.iter().map(|host| {
        let host = known.iter().find(|known| known.name == host.name);
        Ok(host.context("the server does not know a host")?.id)
    });
    let bench = Bench {
        hosts: hosts.collect::<anyhow::Result<_>>()?,
        client,
        lab,
        image,
    };
    let mut report = Report {
        date: bench.client.server().await?.value.today.to_string(),
        machine,
        making: None,
        moving: None,
        downtime: None,
    };
    // The first one brings the image to the pool, and is the pattern for what is done by hand.
    let pattern = bench.make("pattern").await?;
    if arguments.makings > 0 {
        let pairs = making::pairs(&bench, &pattern, arguments.makings).await?;
        report.making = Some(pairs.told("approve → domain running", "qemu-img, define, start"));
    }
    if arguments.moves > 0 {
        let (walls, downtimes) = moving::pairs(&bench, &pattern, arguments.moves).await?;
        report.moving = Some(walls.told("migration", "virsh migrate --live --p2p"));
        report.downtime = Some(downtimes.told("downtime", "virsh migrate --live --p2p"));
    }
    bench.remove(&pattern).await?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

impl Bench {
    /// Asks for a VM.
    async fn request(&self, name: &str) -> anyhow::Result<Uuid> {
        let today = self.client.server().await?.value.today.to_string();
        let wanted = RequestInput {
            name: name.into(),
            vcpus: 1,
            memory_mib: 256,
            disk_gib: 1,
            from: today.clone(),
            until: today,
            purpose: "measured".into(),
            image: self.image,
            ssh_key: None,
        };
        Ok(self.client.create_request(&wanted).await?.value.id)
    }

    /// Says yes to it, on the first host; the job.
    async fn approve(&self, request: Uuid) -> anyhow::Result<Uuid> {
        let approval = Approval {
            host: self.hosts.first().copied(),
            ..Approval::default()
        };
        let approved = self.client.approve(request, &approval).await?.value;
        Ok(approved.job.context("approved, but nothing is made")?.id)
    }

    /// The VM of a request, once its job has ended.
    async fn made(&self, request: Uuid, job: Uuid) -> anyhow::Result<Vm> {
        self.ended(job).await?;
        let request = self.client.request_by_id(request).await?.value;
        let vm = request.vm.context("the request has no VM")?;
        Ok(self.client.vm(vm.id).await?.value)
    }

    async fn make(&self, name: &str) -> anyhow::Result<Vm> {
        let request = self.request(name).await?;
        let job = self.approve(request).await?;
        self.made(request, job).await
    }

    async fn remove(&self, vm: &Vm) -> anyhow::Result<()> {
        let job = self.client.delete_vm(vm.id, &vm.name).await?.value;
        self.ended(job.id).await
    }

    async fn ended(&self, job: Uuid) -> anyhow::Result<()> {
        let ended = self.client.wait_for_job(job, |_| ()).await?.value;
        anyhow::ensure!(
            ended.state == JobState::Done,
            "a job is {}: {}",
            ended.state,
            ended.error.unwrap_or_default()
        );
        Ok(())
    }

    /// virsh on a host, counted from nought.
    fn virsh(&self, host: usize, words: &[&str]) -> anyhow::Result<String> {
        let uri = &self.lab.hosts[host].uris.local;
        let mut all = vec!["virsh", "--connect", uri];
        all.extend(words);
        tool(all).run()
    }
}
