//! The whole story by command line: the real server, in a process of its own, on simulated hosts.

use crate::common::{Ended, run};
use clap::Parser;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};
use tempfile::TempDir;

const ARGUMENTS: &str = "TEST_BELLWETHERD_ARGUMENTS";
const PASSWORD: &str = "correct horse battery";
/// Nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(120);

/// Not a test of its own: this program again, as bellwetherd, when [`Site`] starts it so.
#[test]
fn be_the_server() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else {
        return;
    };
    let arguments = ["bellwetherd"].into_iter().chain(arguments.split('\n'));
    if let Err(error) = bellwether_server::cli::Cli::parse_from(arguments).run() {
        eprintln!("bellwetherd: {error:#}");
        std::process::exit(1);
    }
    std::process::exit(0);
}

/// A server with a home for each person.
struct Site {
    server: Child,
    address: String,
    folder: TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn bellwetherd(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "whole::be_the_server", "--nocapture"])
        .env(ARGUMENTS, arguments.join("\n"))
        .env_remove("RUST_LOG")
        .env_remove("BELLWETHER_DATABASE");
    command
}

impl Site {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("bellwetherd.toml");
        let text = format!(
            "listen = '127.0.0.1:0'\ndata_dir = '{}'\nsample_period_seconds = 1\ntime_zone = 'UTC'\n\
             allow_simulated_hosts = true\n[limits]\nlogins_per_minute = 1000\nlogins_per_minute_and_address = 1000\n",
            folder.path().join("data").display()
        );
        fs::write(&config, text).unwrap();
        let config = config.to_str().unwrap();
        let made = run(
            &mut bellwetherd(&["--config", config, "admin", "create", "root"]),
            PASSWORD,
        );
        assert!(
            made.out.contains("root is an administrator now."),
            "{made:?}"
        );
        let mut server = bellwetherd(&["--config", config, "serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(server.stderr.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        // Read to the end, so that the server never waits for a reader.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let address = line
                    .split("serves ")
                    .nth(1)
                    .and_then(|rest| rest.split_whitespace().next())
                    .map(str::to_owned);
                let _ = tell.send(address.ok_or(line));
            }
        });
        let mut said = Vec::new();
        let address = loop {
            match told.recv_timeout(PATIENCE) {
                Ok(Ok(address)) => break address,
                Ok(Err(line)) => said.push(line),
                Err(_) => panic!("the server did not start: {said:#?}"),
            }
        };
        Self {
            server,
            address,
            folder,
        }
    }

    fn home(&self, who: &str) -> PathBuf {
        self.folder.path().join(who)
    }

    fn command(&self, who: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("BELLWETHER_")) {
            command.env_remove(name);
        }
        command
            .env("XDG_CONFIG_HOME", self.home(who))
            .env("BELLWETHER_SERVER", &self.address)
            .args(args);
        command
    }

    fn run(&self, who: &str, args: &[&str]) -> Ended {
        run(&mut self.command(who, args), "")
    }

    /// Runs what must succeed; its standard output.
    fn ok(&self, who: &str, args: &[&str]) -> String {
        let ended = self.run(who, args);
        assert_eq!(ended.code, 0, "{who}: {args:?}: {}{}", ended.out, ended.err);
        ended.out
    }

    /// The same with `--json`.
    fn json(&self, who: &str, args: &[&str]) -> Value {
        let args = [args, &["--json"]].concat();
        serde_json::from_str(&self.ok(who, &args)).unwrap()
    }

    fn log_in(&self, who: &str) {
        let input = format!("{PASSWORD}\n");
        let ended = run(&mut self.command(who, &["login", who]), &input);
        assert_eq!(ended.code, 0, "{}", ended.err);
    }

    fn register(&self, who: &str) {
        let mail = format!("{who}@example.org");
        let args = ["register", who, "--full-name", "Somebody", "--mail", &mail];
        let ended = run(&mut self.command(who, &args), &format!("{PASSWORD}\n"));
        assert_eq!(ended.code, 0, "{}", ended.err);
        self.log_in(who);
    }

    /// Two hosts with a storage, a network and an image; root, ada and bob are logged in.
    fn furnish(&self) {
        self.log_in("root");
        self.register("ada");
        self.register("bob");
        // The first connection makes the fleet; it lives in the server's process.
        let first = "sim://story/host01?hosts=2&cores=8&memory=16384&vms=1";
        let tried = self.ok("root", &["host", "try", first]);
        assert!(tried.contains("KVM"), "{tried}");
        self.ok("root", &["host", "add", "h1", first]);
        self.ok(
            "root",
            &[
                "host",
                "add",
                "h2",
                "sim://story/host02",
                "--cores",
                "4",
                "--memory",
                "8GiB",
            ],
        );
        self.until("both hosts are seen with their pools", || {
            let found = self.json("root", &["storage", "found"]);
            found["items"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|p| p["pool"]["name"] == "shared")
                .count()
                == 2
        });
        let created = self.ok(
            "root",
            &[
                "storage",
                "create",
                "main",
                "--kind",
                "shared",
                "h1:shared",
                "h2:shared",
            ],
        );
        assert!(
            !created.contains("not yet"),
            "both members are proven: {created}"
        );
        let found = self.ok("root", &["network", "found"]);
        assert!(found.contains("h1=bridge:br0"), "{found}");
        let args = [
            "network",
            "create",
            "guests",
            "--cidr",
            "10.0.0.0/24",
            "--gateway",
            "10.0.0.1",
            "--dns",
            "10.0.0.1",
            "--from",
            "10.0.0.100",
            "--until",
            "10.0.0.199",
            "--on",
            "h1=bridge:br0",
            "--on",
            "h2=bridge:br0",
        ];
        self.ok("root", &args);
        let image = self.folder.path().join("debian.raw");
        fs::write(&image, vec![0_u8; 1 << 20]).unwrap();
        let image = image.to_str().unwrap();
        let args = [
            "image",
            "upload",
            image,
            "--name",
            "Debian 12",
            "--os",
            "Debian 12",
            "--min-disk",
            "1GiB",
        ];
        self.ok("root", &args);
    }

    fn ask(&self, who: &str, name: &str) {
        let args = [
            "request",
            "create",
            name,
            "--image",
            "Debian 12",
            "--memory",
            "1GiB",
            "--disk",
            "4GiB",
            "--until",
            "+7d",
            "--purpose",
            "To be tried",
        ];
        self.ok(who, &args);
    }

    fn until(&self, what: &str, so: impl Fn() -> bool) {
        let began = std::time::Instant::now();
        while !so() {
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_vm_from_request_to_removal() {
    let site = Site::start();
    site.furnish();
    site.ask("ada", "web");
    let considered = site.ok("root", &["request", "consider", "ada/web"]);
    assert!(considered.contains("Would go to  h"), "{considered}");
    let approved = site.ok("root", &["request", "approve", "ada/web"]);
    assert!(approved.starts_with("web runs on h"), "{approved}");

    let vm = site.json("ada", &["vm", "show", "web"]);
    assert_eq!(
        (&vm["state"], &vm["owner"]["name"]),
        (&"running".into(), &"ada".into())
    );
    assert!(
        site.ok("ada", &["request", "show", "web"])
            .contains("request.approve")
    );
    site.until("it is seen running", || {
        site.json("ada", &["vm", "show", "web"])["sightings"][0]["power"] == "running"
    });
    assert!(site.ok("ada", &["vm", "list"]).contains("10.0.0.100"));
    assert_eq!(
        site.ok("ada", &["vm", "password", "web"]).lines().count(),
        1
    );
    let again = site.run("ada", &["vm", "password", "web"]);
    assert_eq!(again.code, 4, "a first password is shown once: {again:?}");
    assert!(site.ok("ada", &["vm", "screen", "web"]).contains("VNC"));

    // Others do not learn that it is there.
    let id = vm["id"].as_str().unwrap();
    assert_eq!(site.run("bob", &["vm", "show", id]).code, 4);
    assert_eq!(site.run("bob", &["vm", "show", "web"]).code, 4);
    assert_eq!(site.run("ada", &["fleet"]).code, 5);

    assert_eq!(
        site.ok("ada", &["vm", "shutdown", "web"]),
        "It is shut off.\n"
    );
    assert_eq!(site.ok("ada", &["vm", "start", "web"]), "It runs.\n");
    assert!(
        site.ok("ada", &["vm", "show", "web"]).contains("vm."),
        "what was done to it is told"
    );
    let extended = site.json("ada", &["vm", "extend", "web", "+7d"]);
    assert_ne!(extended["lease_until"], vm["lease_until"]);

    let wrong = site.run("ada", &["vm", "delete", "web", "--confirm", "wob"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let gone = site.ok("ada", &["vm", "delete", "web", "--confirm", "web"]);
    assert!(gone.starts_with("web is gone"), "{gone}");
    assert_eq!(site.ok("ada", &["vm", "list"]), "No VMs.\n");
    let kinds: Vec<Value> = site.json("ada", &["job", "list"])["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["kind"].clone())
        .collect();
    assert_eq!(kinds, ["delete", "power", "power", "provision"]);
    let job = site.json("ada", &["job", "list", "--limit", "1"])["items"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(site.ok("ada", &["job", "show", &job]).contains("did"));
}

#[test]
fn a_vm_moves_live_and_the_figures_are_told() {
    let site = Site::start();
    site.furnish();
    site.ask("ada", "web");
    site.ok("root", &["request", "approve", "ada/web", "--host", "h1"]);
    site.until("it is seen running", || {
        site.json("root", &["vm", "show", "web"])["sightings"][0]["power"] == "running"
    });
    let dry = site.ok("root", &["vm", "migrate", "web", "--dry-run"]);
    assert!(dry.contains("h2: possible"), "{dry}");
    let there = site.run("root", &["vm", "migrate", "web", "--to", "h1"]);
    assert_eq!(there.code, 2, "it is there already: {there:?}");
    assert_eq!(site.run("ada", &["vm", "migrate", "web"]).code, 5);
    let moved = site.run("root", &["vm", "migrate", "web", "--to", "h2", "--watch"]);
    assert_eq!(moved.code, 0, "{moved:?}");
    assert!(moved.out.starts_with("web runs on h2 now: "), "{moved:?}");
    let list = site.json("root", &["migration", "list", "--vm", "web"]);
    assert_eq!(list["items"][0]["outcome"], "completed");
    let id = list["items"][0]["id"].as_str().unwrap();
    assert!(
        site.ok("root", &["migration", "show", id])
            .contains("Downtime")
    );
    assert_eq!(
        site.json("root", &["vm", "show", "web"])["host"]["name"],
        "h2"
    );
    site.until("its history is kept", || {
        let metrics = site.json("ada", &["vm", "metrics", "web", "--last", "15m"]);
        let cpu = metrics["series"]
            .as_array()
            .unwrap()
            .iter()
            .find(|s| s["signal"] == "cpu");
        cpu.is_some_and(|cpu| !cpu["average"].as_array().unwrap().is_empty())
    });
    assert!(site.ok("ada", &["vm", "metrics", "web"]).contains("cpu"));
    assert!(site.ok("root", &["host", "metrics", "h2"]).contains("cpu"));
}

#[test]
fn an_administrator_runs_the_site() {
    let site = Site::start();
    site.furnish();
    let fleet = site.ok("root", &["fleet"]);
    assert!(
        fleet.contains("h1") && fleet.contains("(unmanaged)"),
        "{fleet}"
    );

    site.ask("ada", "web");
    site.ask("bob", "web");
    assert_eq!(
        site.run("root", &["request", "show", "web"]).code,
        2,
        "there are two"
    );
    site.ok(
        "root",
        &["request", "refuse", "ada/web", "--reason", "Not this term."],
    );
    assert!(
        site.ok("ada", &["request", "show", "web"])
            .contains("Not this term.")
    );
    assert_eq!(
        site.run("root", &["request", "approve", "ada/web"]).code,
        3,
        "it was refused"
    );
    site.ok("bob", &["request", "withdraw", "web"]);
    assert_eq!(
        site.json("root", &["request", "list", "--state", "withdrawn"])["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // Hosts put aside take nothing; what is asked for then waits.
    site.ok("root", &["host", "maintenance", "h1"]);
    site.ok("root", &["host", "maintenance", "h2"]);
    site.ask("ada", "later");
    let considered = site.ok("root", &["request", "consider", "later"]);
    assert!(considered.contains("no host can take it"), "{considered}");
    let waits = site.ok("root", &["request", "approve", "later"]);
    assert!(waits.starts_with("later is waiting for room"), "{waits}");
    site.ok("root", &["host", "activate", "h1"]);
    site.until("there is room for it", || {
        site.json("ada", &["request", "show", "later"])["state"] == "fulfilled"
    });
    assert!(site.ok("ada", &["vm", "show", "later"]).contains("h1"));
    let bound = site.run("root", &["host", "remove", "h1"]);
    assert_eq!(bound.code, 3, "{bound:?}");
    assert!(
        site.ok("root", &["host", "change", "h2", "--site", "elsewhere"])
            .contains("elsewhere")
    );

    site.ok(
        "root",
        &["policy", "set", "max_vcpus=2", "cpu_overcommit=3.5"],
    );
    let args = [
        "request",
        "create",
        "big",
        "--image",
        "Debian 12",
        "--memory",
        "1GiB",
        "--disk",
        "4GiB",
        "--vcpus",
        "3",
        "--until",
        "+1d",
        "--purpose",
        "x",
    ];
    let big = site.run("ada", &args);
    assert_eq!(big.code, 2);
    assert!(big.err.contains("  vcpus: "), "{}", big.err);
    assert_eq!(site.run("ada", &["policy", "set", "max_vcpus=64"]).code, 5);

    site.ok("root", &["user", "disable", "bob"]);
    assert_eq!(site.run("bob", &["vm", "list"]).code, 5);
    site.ok("root", &["user", "activate", "bob"]);
    site.ok("root", &["user", "role", "bob", "admin"]);
    site.log_in("bob");
    site.ok("bob", &["user", "list"]);
    assert!(site.ok("root", &["user", "totals"]).contains("ada"));
    let audit = site.ok("root", &["audit", "--by", "root"]);
    for act in [
        "host.add",
        "storage.",
        "network.",
        "request.refuse",
        "request.approve",
        "policy.",
    ] {
        assert!(audit.contains(act), "{act} in {audit}");
    }
    assert!(
        site.ok("root", &["audit", "--host", "h1"])
            .contains("host.")
    );
    for args in [
        &["host", "list"][..],
        &["host", "show", "h1"],
        &["storage", "list"],
        &["storage", "show", "main"],
        &["storage", "prove", "main"],
        &["network", "list"],
        &["network", "show", "guests"],
        &["image", "list"],
        &["image", "show", "Debian 12"],
        &["image", "catalogue"],
        &["job", "list"],
        &["server"],
        &["server", "--tasks"],
        &["token", "list"],
        &["whoami"],
    ] {
        assert!(!site.ok("root", args).is_empty());
        site.json("root", args);
    }
    let made = site.json("ada", &["token", "create", "ci", "--days", "1"]);
    let mut command = site.command("nobody", &["whoami", "--json"]);
    let ended = run(
        command.env("BELLWETHER_TOKEN", made["secret"].as_str().unwrap()),
        "",
    );
    assert_eq!(ended.json()["user"]["login"], "ada");
    site.ok("ada", &["token", "revoke", "ci"]);
    let ended = run(&mut command, "");
    assert_eq!(ended.code, 5, "a revoked token no longer works");
    let events = site.ok("ada", &["events", "--after", "0", "--count", "3", "--json"]);
    assert_eq!(events.lines().count(), 3);
    site.ok("ada", &["logout"]);
    assert_eq!(site.run("ada", &["whoami"]).code, 5);
}
