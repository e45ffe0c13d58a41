//! Starting other programs: always an argument vector, always with a deadline, always with the reason when it fails.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail};

/// Seconds a program may take before it is ended. Generous: the longest ones (a package download) have their own.
const DEADLINE_S: u32 = 60;

/// Where the system's own tools live; a user's `sudo` may have lost the `sbin` ones.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Reads what a host's daemons need: joins the control groups whose `cgroup.procs` are named before `--`, then becomes
/// the program after it. Joining has to come before any namespace hides the groups.
const JOIN_GROUPS: &str =
    r#"while [ "$1" != -- ]; do echo 0 > "$1"; shift; done; shift; exec "$@""#;

/// A program with its arguments, run under a deadline.
pub(crate) struct Tool {
    words: Vec<String>,
    deadline_s: u32,
    folder: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

/// A program to run on the machine itself.
pub(crate) fn tool<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Tool {
    Tool {
        words: words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect(),
        deadline_s: DEADLINE_S,
        folder: None,
        environment: Vec::new(),
    }
}

impl Tool {
    pub(crate) fn deadline_s(mut self, seconds: u32) -> Self {
        self.deadline_s = seconds;
        self
    }

    /// Runs it in this folder.
    pub(crate) fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Adds to its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs inside the namespaces of process `pid`; `flags` are nsenter's (`-n`, `-m`, …).
    pub(crate) fn inside(mut self, pid: i32, flags: &[&str]) -> Self {
        let mut words: Vec<String> = vec!["nsenter".into(), "-t".into(), pid.to_string()];
        words.extend(flags.iter().map(|flag| (*flag).to_owned()));
        words.push("--".into());
        words.append(&mut self.words);
        self.words = words;
        self
    }

    /// Joins the control groups behind these `cgroup.procs` files first.
    pub(crate) fn in_groups(mut self, procs: &[String]) -> Self {
        let mut words: Vec<String> = ["sh", "-euc", JOIN_GROUPS, "sh"].map(String::from).to_vec();
        words.extend(procs.iter().cloned());
        words.push("--".into());
        words.append(&mut self.words);
        self.words = words;
        self
    }

    fn command(&self) -> Command {
        // `timeout` ends the program even when this process is gone by then.
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", &self.deadline_s.to_string()]);
        command.args(&self.words);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
    }

    fn shown(&self) -> String {
        self.words.join(" ")
    }

    /// Runs it and gives everything it left, whatever its exit code.
    pub(crate) fn output(&self) -> anyhow::Result<Output> {
        self.command()
            .output()
            .with_context(|| format!("cannot run `{}`", self.shown()))
    }

    /// Runs it and gives its standard output; a failure carries what it said.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&self.checked(self.output()?)?).into_owned())
    }

    /// As [`Tool::run`], with this on its standard input, and its output as bytes.
    pub(crate) fn run_with_input(&self, input: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run `{}`", self.shown()))?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        let output = std::thread::scope(|scope| {
            // A program that ends early says so by its exit code; the broken pipe adds nothing.
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output()
        })?;
        self.checked(output)
    }

    fn checked(&self, output: Output) -> anyhow::Result<Vec<u8>> {
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim();
            match output.status.code() {
                Some(124 | 137) => bail!(
                    "`{}` did not finish within {} s {said}",
                    self.shown(),
                    self.deadline_s
                ),
                _ => bail!("`{}` failed ({}): {said}", self.shown(), output.status),
            }
        }
        Ok(output.stdout)
    }

    /// Whether it exits with success; its output is dropped.
    pub(crate) fn succeeds(&self) -> bool {
        self.output().is_ok_and(|output| output.status.success())
    }

    /// Starts it in a session of its own, without a deadline, to outlive this process. `log` takes what it writes;
    /// `marker` goes into its environment (see [`crate::process`]).
    pub(crate) fn spawn(&self, log: std::fs::File, marker: &str) -> anyhow::Result<i32> {
        let mut command = Command::new("setsid");
        command.args(&self.words);
        self.prepare(&mut command);
        let errors = log.try_clone()?;
        command
            .env(crate::process::MARKER, marker)
            .stdout(log)
            .stderr(errors);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", self.shown()))?;
        let pid = i32::try_from(child.id())?;
        // Reap it should it end while this process still runs (a test that brings a lab down again).
        std::thread::spawn(move || child.wait());
        Ok(pid)
    }
}

/// Finds a program by name where the system keeps its tools.
pub(crate) fn which(program: impl AsRef<OsStr>) -> Option<String> {
    PATH.split(':')
        .map(|folder| std::path::Path::new(folder).join(program.as_ref()))
        .find(|path| path.is_file())
        .map(|path| path.to_string_lossy().into_owned())
}
