//! The scripts a newcomer runs, with stand-ins for the programs they call.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder of stand-ins that comes first on PATH, and the scripts of this checkout.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stage = Self { folder };
        // Root or not, nothing here needs it.
        stage.program(
            "bin/sudo",
            "while [[ $1 == -* ]]; do shift; done; exec \"$@\"",
        );
        stage.program(
            "bin/rustc",
            "echo rustc 99.0.0; echo host: x86_64-unknown-linux-gnu",
        );
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        Command::new(program)
            .args(arguments)
            .current_dir(xtask::root())
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env("BELLWETHER_LAB_STATE", self.path("labs"))
            .env("FOLDER", self.folder.path())
            .env("CI", "false")
            .output()
            .unwrap()
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Output {
        self.run(xtask::root().join(name).to_str().unwrap(), arguments)
    }

    /// Runs a few lines with the functions of `scripts/setup` at hand.
    fn with_setup(&self, lines: &str) -> Output {
        self.run("bash", &["-c", &format!("source scripts/setup\n{lines}")])
    }
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(text).unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn an_install_that_fails_or_is_interrupted_leaves_services_as_they_were() {
    let stage = Stage::new();
    let policy = stage.path("policy-rc.d");
    for (what, apt) in [
        ("fails", "return 1"),
        ("is ended", "kill -TERM $$"),
        ("is interrupted", "kill -INT $$"),
    ] {
        let lines = format!(
            "POLICY=$FOLDER/policy-rc.d; as_root() {{ \"$@\"; }}
             apt_get() {{ cp \"$POLICY\" \"$FOLDER/held\"; {apt}; }}
             install_packages nothing"
        );
        let output = stage.with_setup(&lines);
        assert!(!output.status.success(), "{what}: {}", said(&output));
        assert!(read(&stage.path("held")).contains("exit 101"), "{what}");
        assert!(!policy.exists(), "{what}: no service starts any more");
    }
    // One that the machine's owner put there is neither replaced nor removed.
    fs::write(&policy, "theirs").unwrap();
    stage.with_setup(
        "POLICY=$FOLDER/policy-rc.d; as_root() { \"$@\"; }; apt_get() { :; }; install_packages nothing",
    );
    assert_eq!(read(&policy), "theirs");
}

#[test]
fn a_rust_in_the_users_home_is_found_behind_an_older_one() {
    let stage = Stage::new();
    let found = |stage: &Stage| said(&stage.script("scripts/setup", &["--rust-bin"]));
    stage.program("bin/cargo", "");
    assert_eq!(found(&stage).trim(), stage.path("bin").to_str().unwrap());
    stage.program("bin/rustc", "echo rustc 1.63.0");
    assert!(found(&stage).contains("no Rust of version"));
    stage.program("home/.cargo/bin/rustc", "echo rustc 99.1.0");
    stage.program("home/.cargo/bin/cargo", "");
    let home = stage.path("home/.cargo/bin");
    assert_eq!(found(&stage).trim(), home.to_str().unwrap());
    // A default toolchain that is too old stays the default: the newer one beside it is named by its own folder.
    stage.program("home/.cargo/bin/rustc", "echo rustc 1.70.0");
    stage.program("home/.cargo/bin/rustup", "echo $FOLDER/stable/bin/rustc");
    stage.program("stable/bin/rustc", "echo rustc 99.2.0");
    stage.program("stable/bin/cargo", "");
    assert_eq!(
        found(&stage).trim(),
        stage.path("stable/bin").to_str().unwrap()
    );
}

/// What setup says and does on a machine whose apt would do `plan`.
fn set_up(stage: &Stage, group: &str, plan: &str, yes: &str) -> (bool, String) {
    let output = stage.with_setup(&format!(
        "OS=debian-12 CHECK= YES={yes}
         candidate_of() {{ [[ -z $UPDATED ]] || echo 9.0.0-4; }}
         update_lists() {{ UPDATED=1; }}
         version_of() {{ :; }}
         add_backports() {{ :; }}
         simulated() {{ echo \"$PLAN\"; }}
         install_packages() {{ echo \"install $*\"; }}
         PLAN='{plan}'
         {group} </dev/null"
    ));
    (output.status.success(), said(&output))
}

#[test]
fn an_installed_libvirt_or_qemu_is_replaced_only_when_agreed() {
    let stage = Stage::new();
    let new =
        "Inst libvirt-dev (11.3.0-1 Debian:12-backports [amd64])\nInst zlib1g [1.2] (1.3 Debian)";
    let older =
        format!("{new}\nInst qemu-utils [1:7.2+dfsg-7] (1:10.0.2 Debian)\nRemv libvirt0 [9.0.0-4]");
    for group in [
        "missing_of() { echo libvirt-dev; }; setup_plain build",
        "missing_of() { echo libvirt-daemon; }; setup_lab",
    ] {
        let (ended_well, told) = set_up(&stage, group, &older, "");
        let named = told.contains("libvirt0 9.0.0-4, qemu-utils 1:7.2+dfsg-7");
        assert!(!ended_well && named, "{group}: {told}");
        assert!(!told.contains("install -t"), "{group}: {told}");
        for (plan, yes) in [(older.as_str(), "1"), (new, "")] {
            let (ended_well, told) = set_up(&stage, group, plan, yes);
            let installs = told.contains("install -t bookworm-backports libvirt-d");
            assert!(ended_well && installs, "{group}, {plan}: {told}");
        }
    }
}

#[test]
fn quickstart_removes_a_demo_whose_build_is_gone() {
    let stage = Stage::new();
    stage.program(
        "bin/cargo",
        "mkdir -p $CARGO_TARGET_DIR/release; cd $CARGO_TARGET_DIR/release
         printf '#!/bin/sh\\necho \"$@\" >$FOLDER/told' >bellwether-lab; chmod +x bellwether-lab",
    );
    let output = stage.script("quickstart", &["--down"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("nothing is there"),
        "{}",
        said(&output)
    );

    fs::create_dir_all(stage.path("labs/demo")).unwrap();
    let output = stage.script("quickstart", &["--down"]);
    assert!(output.status.success(), "{}", said(&output));
    let labs = stage.path("labs");
    let wanted = format!("--state {} --name demo down\n", labs.display());
    assert_eq!(read(&stage.path("told")), wanted);
}

#[test]
fn an_address_the_demo_can_not_listen_at_is_said_before_anything_is_built() {
    let stage = Stage::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address_taken = taken.local_addr().unwrap().to_string();
    for (address, why) in [
        ("nonsense", "must be an address of this machine alone"),
        ("0.0.0.0:8080", "ssh -L 8080:127.0.0.1:8080"),
        (&address_taken, "choose another"),
    ] {
        let output = stage.script("quickstart", &["--listen", address]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
        assert!(!said(&output).contains("packages"), "{}", said(&output));
    }
}

#[test]
fn without_nextest_cargo_runs_the_same_tests() {
    let stage = Stage::new();
    stage.program(
        "bin/cargo",
        "[[ $1 != nextest ]] || exit 1; echo \"$@\" >>$FOLDER/told; echo 'test result: ok. 7 passed; 0 failed;'",
    );
    let output = stage.script("test", &["tests-fast", "lab"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("14 passed, 0 failed"),
        "{}",
        said(&output)
    );
    let told = read(&stage.path("told"));
    let [hermetic, hosts] = told.lines().collect::<Vec<_>>()[..] else {
        panic!("two calls of cargo: {told}");
    };
    assert!(
        hermetic.ends_with("--lib --bins --test [!l]*"),
        "{hermetic}"
    );
    assert!(
        hosts.ends_with("--test lab* -- --test-threads=1"),
        "{hosts}"
    );
}
