//! The story when it does not come to its end.

use std::fs;
use std::process::{Command, Stdio};

use bellwether_lab::{Lab, Options};

use crate::support::{self, eventually};

#[test]
fn a_story_that_fails_or_is_told_to_end_says_what_is_left() {
    if !support::wanted() {
        return;
    }
    let name = bellwether_lab::unique_name("t");
    let options = Options::new(name.parse().unwrap(), 2);
    let folder = options.base.join(&name);
    let report = tempfile::NamedTempFile::new().unwrap();
    let story = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether-lab"));
        command.args(["--name", &name, "story", "--listen", "127.0.0.1:0"]);
        command.args(["--bellwetherd", "/bin/false", "--json"]);
        command.arg(report.path()).args(more);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let steps = || {
        let report: serde_json::Value =
            serde_json::from_slice(&fs::read(report.path()).unwrap()).unwrap();
        let steps = report["steps"].as_array().unwrap().iter();
        let named = steps.map(|step| format!("{} {}", step["name"], step["ok"]));
        named.collect::<Vec<_>>().join(", ").replace('"', "")
    };

    // One to be looked at: what it made stays, and how to remove it is said. The next one removes it too.
    for first in [true, false] {
        let output = story(&[]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success());
        assert!(
            said.contains(&format!("bellwether-lab --name {name} down` removes")),
            "{said}"
        );
        assert_eq!(said.contains("an earlier try left"), !first, "{said}");
        assert_eq!(steps(), "image true, lab true, server false");
        assert!(folder.exists());
    }

    // A check cleans up, also when it is told to end half-way.
    let child = story(&["--check"]).spawn().unwrap();
    let record = folder.join("lab.json");
    let before = Lab::load(&options.base, &options.name).unwrap().unwrap();
    eventually("a new lab is being made", || {
        fs::read(&record).is_ok_and(|text| !text.is_empty())
            && Lab::load(&options.base, &options.name)
                .ok()
                .flatten()
                .is_some_and(|lab| lab.switch != before.switch)
    });
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(steps(), "image true, lab false, clean true");
    assert!(!folder.exists());
}
