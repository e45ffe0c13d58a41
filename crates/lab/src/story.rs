//! The story the quickstart tells: a person registers and asks for a VM, an admin approves, the VM boots, its graph
//! fills, and it moves live to another host while a TCP connection to it stays open. Everything goes through the REST
//! interface, on real hosts of a lab; the figures come from what happened.

mod arguments;
pub mod bench;
mod cast;
mod clean;
mod echo;
mod fleet;
mod migrate;
mod report;
mod server;
mod vm;

pub use arguments::Arguments;
pub use fleet::furnish;
pub use report::{MigrationFigures, Report, StepReport};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::image::{Kernel, cache_folder, test_image};
use crate::lifecycle;
use crate::plan::Options as LabOptions;
use cast::Cast;
use report::Teller;
use server::Server;

/// How many hosts the story needs: one to boot on, one to move to.
pub const HOSTS: u8 = 2;

/// How to tell it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lab to tell it on; brought up if it is not.
    pub lab: LabOptions,
    /// Clean up at the end, whatever happened, instead of leaving server and lab running.
    pub check: bool,
    /// Where to write the report as JSON.
    pub json: Option<PathBuf>,
    /// Steps that were done before, with the seconds each took: `packages`, `build`.
    pub earlier: Vec<(String, f64)>,
    /// Where the server is to listen; a free port of loopback if none.
    pub listen: Option<SocketAddr>,
    /// The program to start; `bellwetherd` beside this one if none.
    pub bellwetherd: Option<PathBuf>,
    /// A server that runs already, with an admin of it, instead of one that is started.
    pub existing: Option<Existing>,
}

/// A server that runs already.
#[derive(Clone, Debug)]
pub struct Existing {
    /// Its address.
    pub url: String,
    /// An admin's login.
    pub admin_login: String,
    /// Their password.
    pub admin_password: bellwether_api::Secret,
}

/// Tells the story; the report says how far it came.
///
/// # Errors
/// Only when the report can't be written: a step that fails is in the report.
pub fn tell(options: &Options) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if let Some(running) = server::left_running(&options.lab).filter(|_| !options.check) {
            running.print(&format!("It runs already; {} it.", removes(&options.lab)));
            return Ok(Report::nothing_to_do());
        }
        let mut teller = Teller::new(&options.earlier);
        let mut stage = Stage::default();
        let told = tokio::select! {
            told = acts(options, &mut teller, &mut stage) => told,
            how = told_to_end() => Err(anyhow::anyhow!("{}", how?)),
        };
        if let Err(error) = &told {
            teller.broke(error);
            stage.show_log(options.json.as_deref());
        }
        if options.check {
            let clean = clean::clean(options, &mut stage, told.is_ok());
            teller.step("clean", clean).await.ok();
        }
        let report = teller.finish();
        if !report.ok && !options.check && options.existing.is_none() {
            println!(
                "\n  What it made is left to be looked at; {} it, and so does the next try.",
                removes(&options.lab)
            );
        }
        if let Some(path) = &options.json {
            report.write(path)?;
        }
        if let (true, Some(cast)) = (report.ok && !options.check, &stage.cast) {
            stage.hand_over(cast, &options.lab)?;
        }
        Ok(report)
    })
}

/// What is on the stage so far, for cleaning up.
#[derive(Default)]
struct Stage {
    server: Option<Server>,
    cast: Option<Cast>,
}

impl Stage {
    /// What the server said last, where it was ours; all of it goes beside the report.
    fn show_log(&self, report: Option<&Path>) {
        if let Some(server) = &self.server {
            server.show_log(report.map(|report| report.with_extension("server.log")));
        }
    }

    /// Leaves server and lab to the person, with the ways in.
    fn hand_over(&self, cast: &Cast, lab: &LabOptions) -> anyhow::Result<()> {
        if let Some(server) = &self.server {
            server
                .leave_running(cast)?
                .print(&format!("It goes on running; {} it all.", removes(lab)));
        }
        Ok(())
    }
}

/// The command that removes what a story leaves, and "removes".
fn removes(lab: &LabOptions) -> String {
    match lab.name.as_str() {
        "demo" => "`./quickstart --down` removes".to_owned(),
        name => format!("`bellwether-lab --name {name} down` removes"),
    }
}

/// Waits for a signal to end, and says which; a check cleans up before it obeys.
async fn told_to_end() -> anyhow::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = tokio::signal::ctrl_c() => "interrupted",
        _ = terminate.recv() => "told to end",
        _ = hang_up.recv() => "its terminal is gone",
    })
}

/// The acts in order. Each step's name is part of the report's format.
async fn acts(options: &Options, teller: &mut Teller, stage: &mut Stage) -> anyhow::Result<()> {
    if options.existing.is_none() {
        let lab = options.lab.clone();
        blocking(move || server::remove_left(&lab)).await?;
        server::check_listen(options)?;
    }
    let image = teller
        .step("image", async {
            let image = blocking(|| test_image(Kernel::Cloud, &cache_folder())).await?;
            let mib = std::fs::metadata(&image)?.len() as f64 / f64::from(1 << 20);
            Ok((image, format!("a bootable test disk of {mib:.0} MiB")))
        })
        .await?;

    let lab = teller
        .step("lab", async {
            let lab_options = options.lab.clone();
            let lab = blocking(move || lifecycle::up(&lab_options)).await?;
            let how = if lab.kvm { "KVM" } else { "emulation" };
            let said = format!("{} libvirt hosts, guests under {how}", lab.hosts.len());
            Ok((lab, said))
        })
        .await?;
    teller.report.kvm = Some(lab.kvm);

    let (admin, image) = teller
        .step("server", async {
            let admin = match &options.existing {
                Some(existing) => cast::Person::log_in_to(existing).await?,
                None => {
                    let server = Server::start(options, &lab).await?;
                    stage.server.insert(server).admin().await?
                }
            };
            let image = furnish(&admin.client, &lab, &image).await?;
            let url = admin.client.server_address().to_owned();
            Ok((
                (admin, image),
                format!("{url} knows hosts, storage, network, image"),
            ))
        })
        .await?;

    let user = teller.step("register", cast::register(&admin)).await?;
    let cast = stage.cast.insert(Cast {
        admin,
        user,
        vm: None,
    });

    let request = teller.step("request", vm::ask(cast, image)).await?;

    let approved = teller.step("approve", vm::approve(cast, request)).await?;
    cast.vm = Some(approved.vm.clone());
    teller.report.approve_to_running_s = Some(approved.running_s());

    let guest = teller.step("boot", vm::wait_for_guest(&approved)).await?;
    teller.report.approve_to_guest_up_s = Some(guest);

    teller.step("graph", vm::graph(cast, &approved.vm)).await?;

    let figures = teller
        .step("migrate", migrate::migrate(cast, &approved.vm))
        .await?;
    teller.report.migration = Some(figures);
    Ok(())
}

/// Runs what blocks beside the runtime.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .context("it broke off")?
}

/// Looks again and again until `look` finds something, at most `limit`; `what` names it in the failure.
async fn until<T, F: Future<Output = anyhow::Result<Option<T>>>>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> anyhow::Result<T> {
    let end = std::time::Instant::now() + limit;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        anyhow::ensure!(
            std::time::Instant::now() < end,
            "{what} did not come within {} s",
            limit.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
