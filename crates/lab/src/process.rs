//! Knowing one's own processes. A pid alone may have been given to somebody else since, so each is recorded with its
//! start time; and everything a lab starts carries the lab's folder in its environment, which finds a process that
//! was started but not yet recorded when `up` was killed.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// The environment variable that holds the state folder of the lab a process belongs to.
pub const MARKER: &str = "BELLWETHER_LAB_STATE_OF";

/// One process, named so that it cannot be mistaken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Process id, as the machine's first pid namespace counts.
    pub pid: i32,
    /// Clock ticks after boot at which it started (field 22 of `/proc/<pid>/stat`).
    pub start: u64,
}

impl Process {
    /// The process that has this id now; none if there is none, or only a zombie's remains.
    pub fn of(pid: i32) -> Option<Self> {
        let (state, start) = stat(pid)?;
        (state != 'Z' && state != 'X').then_some(Self { pid, start })
    }

    /// Whether it still runs.
    pub fn alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Ends it at once, if it still is the same process.
    pub fn kill(&self) {
        if self.alive() {
            // Gone in between is what was wanted.
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }

    /// The end of the chain of children that begins here; the process itself when it has none.
    pub(crate) fn last_descendant(self) -> Self {
        let all: Vec<(i32, i32)> = processes().collect();
        let mut last = self.pid;
        // A chain is no longer than there are processes, whatever /proc showed while it was being read.
        for _ in 0..all.len() {
            match all.iter().find(|(_, parent)| *parent == last) {
                Some((child, _)) => last = *child,
                None => break,
            }
        }
        Self::of(last).unwrap_or(self)
    }
}

/// State letter and start time.
fn stat(pid: i32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// Every process with its parent.
fn processes() -> impl Iterator<Item = (i32, i32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(entry.path().join("stat")).ok()?;
        let parent = text.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        Some((pid, parent))
    })
}

/// Processes that carry this lab's folder in their environment.
pub(crate) fn marked(state: &str) -> Vec<Process> {
    let wanted = format!("{MARKER}={state}");
    let carries = |pid: i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == wanted.as_bytes())
    };
    processes()
        .filter(|(pid, _)| carries(*pid))
        .filter_map(|(pid, _)| Process::of(pid))
        .collect()
}

/// Waits until `done` says so, at most `limit`; gives what it said last.
pub(crate) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_and_no_later_one_of_its_number() {
        let own = Process::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.alive());
        assert!(
            !Process {
                start: own.start + 1,
                ..own
            }
            .alive()
        );
        assert_eq!(Process::of(i32::MAX), None);
    }
}
