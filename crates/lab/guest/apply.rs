//! Becoming the machine a seed describes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::disks;
use crate::seed::{DEFAULT_USER, Interface, Password, Seed, User};
use crate::system;

/// Who this guest is.
#[derive(Debug)]
pub struct Machine {
    hostname: String,
}

impl Machine {
    /// Hostname and addresses, for the console.
    pub fn describe(&self) -> String {
        let addresses = system::pipe(&["ip", "-o", "-4", "addr", "show", "scope", "global"], "")
            .unwrap_or_default();
        let addresses: Vec<&str> = addresses
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3))
            .collect();
        let addresses = if addresses.is_empty() {
            "none".to_owned()
        } else {
            addresses.join(",")
        };
        format!("host={} address={addresses}", self.hostname)
    }

    /// The hostname.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }
}

/// Sets hostname and network; without a seed the first interface asks for an address for a short while.
pub fn machine(seed: &Seed) -> Machine {
    let hostname = seed
        .hostname
        .clone()
        .unwrap_or_else(|| "bellwether-guest".into());
    let _ = fs::write("/proc/sys/kernel/hostname", &hostname);
    let _ = fs::write("/etc/hostname", format!("{hostname}\n"));
    let _ = fs::write(
        "/etc/hosts",
        format!("127.0.0.1 localhost\n127.0.1.1 {hostname}\n"),
    );
    system::run(&["ip", "link", "set", "lo", "up"]);
    if interfaces().is_empty() {
        system::load_modules("nic");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let mut free = interfaces();
    let unseeded = [Interface {
        dhcp: true,
        ..Interface::default()
    }];
    let wanted = if seed.interfaces.is_empty() {
        &unseeded[..]
    } else {
        &seed.interfaces
    };
    for interface in wanted {
        if let Some(device) = choose(interface, &mut free) {
            configure(&device, interface);
        }
    }
    if !seed.dns.is_empty() {
        let servers: String = seed
            .dns
            .iter()
            .map(|server| format!("nameserver {server}\n"))
            .collect();
        let _ = fs::write("/etc/resolv.conf", servers);
    }
    Machine { hostname }
}

fn interfaces() -> Vec<String> {
    system::names("/sys/class/net")
        .into_iter()
        .filter(|name| name != "lo")
        .collect()
}

/// The device an entry means: by hardware address, else by name, else the next one left.
fn choose(interface: &Interface, free: &mut Vec<String>) -> Option<String> {
    let has_mac = |device: &String| {
        let own =
            fs::read_to_string(format!("/sys/class/net/{device}/address")).unwrap_or_default();
        interface.mac.as_deref() == Some(own.trim())
    };
    let at = match &interface.mac {
        Some(_) => free.iter().position(has_mac)?,
        None => free
            .iter()
            .position(|device| Some(device) == interface.name.as_ref())
            .unwrap_or(0),
    };
    (at < free.len()).then(|| free.remove(at))
}

fn configure(device: &str, interface: &Interface) {
    system::run(&["ip", "link", "set", device, "up"]);
    for address in &interface.addresses {
        system::run(&["ip", "addr", "add", address, "dev", device]);
    }
    if let Some(gateway) = &interface.gateway {
        system::run(&["ip", "route", "add", "default", "via", gateway]);
    }
    if interface.dhcp {
        let device = device.to_owned();
        // Nobody may answer; the rest does not wait for it.
        std::thread::spawn(move || {
            system::run(&[
                "udhcpc",
                "-i",
                &device,
                "-n",
                "-q",
                "-t",
                "4",
                "-T",
                "1",
                "-s",
                "/etc/udhcpc",
            ])
        });
    }
}

/// Makes the users of the seed and says whether anybody may log in.
pub fn users(seed: &Seed) -> bool {
    let with_access: Vec<&User> = seed
        .users
        .iter()
        .filter(|user| !user.keys.is_empty() || user.password.is_some())
        .collect();
    let mut passwd = "root:x:0:0:root:/root:/bin/sh\n".to_owned();
    let mut shadow = String::new();
    for (number, user) in with_access.iter().enumerate() {
        let name = if user.name.is_empty() {
            DEFAULT_USER
        } else {
            &user.name
        };
        let id = 1000 + number;
        let home = if name == "root" {
            "/root".to_owned()
        } else {
            format!("/home/{name}")
        };
        if name != "root" {
            passwd.push_str(&format!("{name}:x:{id}:{id}::{home}:/bin/sh\n"));
        }
        let hash = match &user.password {
            Some(Password::Hashed(hash)) => hash.clone(),
            Some(Password::Plain(plain)) => {
                system::pipe(&["mkpasswd", "-m", "sha512", "-P", "0"], plain)
                    .unwrap_or_else(|| "*".into())
            }
            None => "*".into(),
        };
        shadow.push_str(&format!("{name}:{hash}:19000:0:99999:7:::\n"));
        let ssh = format!("{home}/.ssh");
        let keys = format!("{ssh}/authorized_keys");
        let written =
            fs::create_dir_all(&ssh).and_then(|()| fs::write(&keys, user.keys.join("\n") + "\n"));
        if written.is_ok() {
            for (path, mode) in [(&home, 0o755), (&ssh, 0o700), (&keys, 0o600)] {
                let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode));
            }
            let owner = if name == "root" {
                "0:0".to_owned()
            } else {
                format!("{id}:{id}")
            };
            system::run(&["chown", "-R", &owner, &home]);
        }
    }
    let _ = fs::write("/etc/passwd", passwd);
    let _ = fs::write("/etc/group", "root:x:0:\n");
    let _ = fs::write("/etc/shadow", shadow);
    let _ = fs::set_permissions("/etc/shadow", fs::Permissions::from_mode(0o600));
    !with_access.is_empty()
}

/// Starts the ssh server. Its host key is kept on the boot partition: a guest that is started again is the same one.
pub fn start_ssh(boot_disk: Option<&str>) {
    const KEY: &str = "/etc/dropbear/key";
    let kept = "/boot/ssh.key";
    let _ = fs::create_dir_all("/etc/dropbear");
    let make = || {
        std::process::Command::new("/bin/dropbearkey")
            .args(["-t", "ed25519", "-f", KEY])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
    };
    let through_disk = || {
        if fs::copy(kept, KEY).is_err() && make().is_ok() {
            let _ = fs::copy(KEY, kept);
        }
    };
    if boot_disk
        .and_then(|device| disks::with_boot_partition(device, through_disk))
        .is_none()
    {
        let _ = make();
    }
    let started = std::process::Command::new("/bin/dropbear")
        .args(["-r", KEY, "-p", "22"])
        .stdin(std::process::Stdio::null())
        .status();
    if !started.is_ok_and(|status| status.success()) {
        return system::say("cannot start the ssh server");
    }
    system::say("ssh answers");
}
