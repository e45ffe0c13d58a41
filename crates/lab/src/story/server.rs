//! A bellwetherd of the lab's own: it listens on loopback, keeps its files in the lab's folder and needs no root.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bellwether_api::Secret;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Group, Pid, User};
use serde::{Deserialize, Serialize};

use super::cast::{Cast, Person, client, fresh_password};
use super::{Options, until};
use crate::lifecycle;
use crate::plan::Options as LabOptions;
use crate::process::{MARKER, Process};
use crate::state::{Lab, write_secret};

/// Seconds between two samples: shorter than usual, so that a graph shows soon.
const SAMPLE_PERIOD_S: u32 = 5;

/// Where a demo's server listens unless told otherwise.
const DEMO_PORT: u16 = 8080;

/// Lines of the server's log worth showing when something went wrong.
const LOG_LINES: usize = 30;

/// What bellwetherd reads.
#[derive(Serialize)]
struct Config<'a> {
    listen: SocketAddr,
    data_dir: &'a Path,
    sample_period_seconds: u32,
}

/// A server that was started.
pub(super) struct Server {
    child: Child,
    folder: PathBuf,
    url: String,
    admin: Secret,
}

/// Whom the server runs as: whoever called `sudo`, else `nobody`, in the group that may speak to libvirt.
#[derive(Clone, Copy)]
struct RunAs {
    user: u32,
    group: u32,
}

impl RunAs {
    /// Root where the machine has no group `libvirt`: then only root gets to the hosts' sockets.
    fn of_this_machine() -> Self {
        let caller = std::env::var("SUDO_UID")
            .ok()
            .and_then(|text| text.parse().ok());
        let nobody = || Some(User::from_name("nobody").ok()??.uid.as_raw());
        let group = Group::from_name("libvirt").ok().flatten();
        match (caller.or_else(nobody), group) {
            (Some(user), Some(group)) => Self {
                user,
                group: group.gid.as_raw(),
            },
            _ => Self { user: 0, group: 0 },
        }
    }
}

impl Server {
    /// Makes the first admin, starts the server and waits until it answers.
    pub async fn start(options: &Options, lab: &Lab) -> anyhow::Result<Self> {
        let folder = folder(&lab.folder);
        let run_as = RunAs::of_this_machine();
        let program = install(options, &folder, run_as)?;
        let listen = check_listen(options)?;
        let config = folder.join("bellwetherd.toml");
        let text = toml::to_string(&Config {
            listen,
            data_dir: &folder.join("data"),
            sample_period_seconds: SAMPLE_PERIOD_S,
        })?;
        fs::write(&config, text)?;

        let command = |arguments: &[&str]| {
            let mut command = Command::new("setsid");
            command.arg(&program).arg("--config").arg(&config);
            command.args(arguments).current_dir(&folder);
            command.uid(run_as.user).gid(run_as.group);
            command.env_clear().env("HOME", &folder);
            command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
            command.env(MARKER, lab.marker());
            command
        };
        let admin = fresh_password();
        make_admin(
            command(&[
                "admin",
                "create",
                "admin",
                "--full-name",
                "Admin",
                "--mail",
                "admin@example.org",
            ]),
            &admin,
        )?;
        let log = fs::File::create(folder.join("bellwetherd.log"))?;
        let child = command(&[])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut server = Self {
            child,
            folder,
            url: format!("http://{listen}"),
            admin,
        };
        server.wait_until_it_answers().await?;
        Ok(server)
    }

    async fn wait_until_it_answers(&mut self) -> anyhow::Result<()> {
        let client = client(&self.url)?;
        let child = &mut self.child;
        let log = self.folder.join("bellwetherd.log");
        until(Duration::from_secs(30), "an answer of the server", || {
            let ended = child.try_wait();
            let client = client.clone();
            let log = &log;
            async move {
                if let Some(status) = ended? {
                    bail!("the server ended ({status}): {}", tail(log, 5));
                }
                Ok(client.server().await.ok().map(drop))
            }
        })
        .await
    }

    /// The admin, logged in.
    pub async fn admin(&self) -> anyhow::Result<Person> {
        Person::log_in(&self.url, "admin", self.admin.clone()).await
    }

    /// Shows what the server said last, and keeps all of it in `copy`.
    pub fn show_log(&self, copy: Option<PathBuf>) {
        let path = self.folder.join("bellwetherd.log");
        if let Some(copy) = copy {
            // Nothing hangs on it: what is said last is shown anyway.
            let _ = fs::copy(&path, copy);
        }
        eprintln!("\nThe server's last words:\n{}", tail(&path, LOG_LINES));
    }

    /// Asks it to end, and ends it where it does not.
    pub fn stop(mut self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        // It may have ended by itself.
        let _ = kill(pid, Signal::SIGTERM);
        let end = Instant::now() + Duration::from_secs(20);
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= end {
                self.child.kill()?;
                self.child.wait()?;
                bail!("the server did not end within 20 s when asked to, and was killed");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Leaves it running, and writes down the ways in for who asks again.
    pub fn leave_running(&self, cast: &Cast) -> anyhow::Result<Running> {
        let pid = i32::try_from(self.child.id())?;
        let running = Running {
            url: self.url.clone(),
            process: Process::of(pid).context("the server has ended")?,
            logins: [&cast.admin, &cast.user]
                .map(|person| (person.login.clone(), person.password.clone()))
                .to_vec(),
        };
        write_secret(&record(&self.folder), serde_json::to_vec_pretty(&running)?)?;
        Ok(running)
    }
}

/// A server that was left running.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Running {
    url: String,
    process: Process,
    logins: Vec<(String, Secret)>,
}

impl Running {
    /// Says where it is and how to get in.
    pub fn print(&self, last: &str) {
        println!("\n  Bellwether is at {}", self.url);
        for (login, password) in &self.logins {
            println!("    log in as {login:<10} password {}", password.expose());
        }
        println!("\n  {last}");
    }
}

/// The server an earlier quickstart left running in this lab, if it still does.
pub(super) fn left_running(lab: &LabOptions) -> Option<Running> {
    let lab = Lab::folder_of(&lab.base, &lab.name).ok()?;
    let text = fs::read(record(&folder(&lab))).ok()?;
    let running: Running = serde_json::from_slice(&text).ok()?;
    running.process.alive().then_some(running)
}

/// Removes a lab in which an earlier story ended half-way or lost its server: the server may still hold the port, and
/// the VMs would be strangers to a new one.
pub(super) fn remove_left(lab: &LabOptions) -> anyhow::Result<()> {
    if folder(&Lab::folder_of(&lab.base, &lab.name)?).exists() {
        println!("  (removing what an earlier try left in lab {})", lab.name);
        lifecycle::down(&lab.base, &lab.name)?;
    }
    Ok(())
}

fn folder(lab: &Path) -> PathBuf {
    lab.join("server")
}

fn record(folder: &Path) -> PathBuf {
    folder.join("running.json")
}

/// Puts the program and an empty data folder where the server's user may use them: the build may lie in a home folder
/// that only its owner enters.
fn install(options: &Options, folder: &Path, run_as: RunAs) -> anyhow::Result<PathBuf> {
    let built = match &options.bellwetherd {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("bellwetherd"),
    };
    ensure!(
        built.is_file(),
        "{} is not there; build it, or name it with --bellwetherd",
        built.display()
    );
    let data = folder.join("data");
    fs::create_dir_all(&data)?;
    chown(&data, Some(run_as.user), Some(run_as.group))?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
    let program = folder.join("bellwetherd");
    fs::copy(&built, &program)?;
    Ok(program)
}

/// Where the server is to listen: where it was told, else at the usual port for a demo and at any free one for a check.
/// It is free now; who takes it meanwhile shows as a server that does not start.
pub(super) fn check_listen(options: &Options) -> anyhow::Result<SocketAddr> {
    let port = if options.check { 0 } else { DEMO_PORT };
    let wanted = options
        .listen
        .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = TcpListener::bind(wanted)
        .with_context(|| format!("{wanted} is taken; choose another with --listen ADDRESS:PORT"))?;
    Ok(listener.local_addr()?)
}

/// Makes the first admin; the password goes in by standard input and nowhere else.
fn make_admin(mut command: Command, password: &Secret) -> anyhow::Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start bellwetherd")?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{}", password.expose())?;
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "the first admin could not be made: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// The last lines of a file.
fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
