//! The few things asked of the kernel and of busybox.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Loads a group of modules (`/modules/<group>` lists files in their order). A module without a device does no harm.
pub fn load_modules(group: &str) {
    for module in fs::read_to_string(format!("/modules/{group}"))
        .unwrap_or_default()
        .lines()
    {
        run(&["insmod", &format!("/modules/{module}")]);
    }
}

/// Runs one of busybox's programs and says whether it succeeded.
pub fn run(words: &[&str]) -> bool {
    busybox(words).status().is_ok_and(|status| status.success())
}

/// Runs one of busybox's programs with text on its standard input and gives what it prints.
pub fn pipe(words: &[&str], input: &str) -> Option<String> {
    let mut child = busybox(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(input.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn busybox(words: &[&str]) -> Command {
    let mut command = Command::new("/bin/busybox");
    command
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// One line on the serial console and on the screen.
pub fn say(text: &str) {
    for console in ["/dev/ttyS0", "/dev/tty1"] {
        if let Ok(mut console) = fs::OpenOptions::new().write(true).open(console) {
            // A console nobody listens to is no reason to stop.
            let _ = console.write_all(format!("bellwether {text}\r\n").as_bytes());
        }
    }
}

/// Ends the guest: `poweroff` or `reboot`.
pub fn end(how: &str) {
    say(how);
    run(&["sync"]);
    run(&[how, "-f"]);
}

/// Seconds since the guest started.
pub fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(0.0)
}

/// Mounts a disk with one of these file systems.
pub fn mount(device: &str, at: &str, kinds: &[&str], options: &str) -> bool {
    fs::create_dir_all(at).is_ok()
        && kinds
            .iter()
            .any(|kind| run(&["mount", "-t", kind, "-o", options, device, at]))
}

/// Names in a folder, sorted.
pub fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
