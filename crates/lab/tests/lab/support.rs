//! What the lab's tests need: a lab that is brought down whatever happens, and guests started with virsh, by hand.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use bellwether_lab::{Host, Kernel, Lab, Options, Process};

/// Whether the lab's tests are to run. They need root and packages, so they have to be asked for.
pub fn wanted() -> bool {
    let wanted = std::env::var("BELLWETHER_LAB").is_ok_and(|value| value == "1");
    if !wanted {
        println!("skipped: set BELLWETHER_LAB=1 and be root to run the lab's tests (./test does)");
    }
    wanted
}

/// A lab of this test process, brought down at the end.
pub struct TestLab {
    pub options: Options,
    pub lab: Lab,
}

impl TestLab {
    pub fn up(prefix: &str, hosts: u8) -> Self {
        let name = bellwether_lab::unique_name(prefix).parse().unwrap();
        let options = Options::new(name, hosts);
        let lab = bellwether_lab::up(&options).unwrap();
        Self { options, lab }
    }

    pub fn down(&self) -> anyhow::Result<()> {
        bellwether_lab::down(&self.options.base, &self.options.name)
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            eprintln!("bringing the lab down: {error:#}");
        }
    }
}

/// Runs a program; what it printed if it succeeded, what it complained of otherwise.
pub fn run(words: &[&str]) -> Result<String, String> {
    let output = output(words);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!(
            "{words:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

pub fn output(words: &[&str]) -> Output {
    Command::new("timeout")
        .args(["-k", "5", "120"])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub fn virsh(host: &Host, words: &[&str]) -> Result<String, String> {
    run(&[&["virsh", "--quiet", "--connect", &host.uris.local], words].concat())
}

/// Waits until it holds; the limit is there to end a test that has failed, not to measure anything.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(
            begin.elapsed() < Duration::from_secs(90),
            "still not so after 90 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Puts the test image into the pool `shared`, as libvirt would.
pub fn upload_image(host: &Host, kernel: Kernel) {
    let image = bellwether_lab::test_image(kernel, &bellwether_lab::cache_folder()).unwrap();
    let size = fs::metadata(&image).unwrap().len().to_string();
    virsh(
        host,
        &[
            "vol-create-as",
            "shared",
            "base.qcow2",
            &size,
            "--format",
            "raw",
        ],
    )
    .unwrap();
    virsh(
        host,
        &[
            "vol-upload",
            "--pool",
            "shared",
            "base.qcow2",
            image.to_str().unwrap(),
        ],
    )
    .unwrap();
    virsh(host, &["pool-refresh", "shared"]).unwrap();
}

/// What a guest is made of.
pub struct Guest<'a> {
    pub name: &'a str,
    pub address: Ipv4Addr,
    pub mac: &'a str,
    /// Without virtio: SATA disk, e1000e, seed as a CD.
    pub bare: bool,
}

impl Guest<'_> {
    /// Makes disk and seed in the pool `shared`, defines the guest on this host and starts it.
    pub fn start(&self, lab: &Lab, host: &Host, user_data: &str) {
        let disk = format!("{}.qcow2", self.name);
        virsh(
            host,
            &[
                "vol-create-as",
                "shared",
                &disk,
                "48M",
                "--format",
                "qcow2",
                "--backing-vol",
                "base.qcow2",
                "--backing-vol-format",
                "qcow2",
            ],
        )
        .unwrap();
        self.make_seed(lab, user_data);
        let xml = lab.folder.join(format!("{}.xml", self.name));
        fs::write(&xml, self.xml(lab)).unwrap();
        virsh(host, &["define", xml.to_str().unwrap(), "--validate"]).unwrap();
        virsh(host, &["start", self.name]).unwrap();
    }

    fn make_seed(&self, lab: &Lab, user_data: &str) {
        let folder = tempfile::tempdir().unwrap();
        let meta_data = format!("instance-id: {0}\nlocal-hostname: {0}\n", self.name);
        let network = format!(
            "version: 2\nethernets:\n  nic0:\n    match:\n      macaddress: \"{}\"\n    addresses: [{}/24]\n    routes:\n      - to: default\n        via: {}\n",
            self.mac, self.address, lab.guests.gateway
        );
        let image = lab.shared_pool().join(format!("{}-seed.img", self.name));
        fs::File::create(&image).unwrap().set_len(1 << 20).unwrap();
        let image = image.to_str().unwrap();
        run(&["mkfs.vfat", "-n", "CIDATA", image]).unwrap();
        for (name, content) in [
            ("meta-data", meta_data.as_str()),
            ("user-data", user_data),
            ("network-config", &network),
        ] {
            let file = folder.path().join(name);
            fs::write(&file, content).unwrap();
            run(&["mcopy", "-i", image, file.to_str().unwrap(), "::"]).unwrap();
        }
    }

    fn xml(&self, lab: &Lab) -> String {
        let (disk, nic) = if self.bare {
            ("sda' bus='sata", "e1000e")
        } else {
            ("vda' bus='virtio", "virtio")
        };
        let seed = if self.bare {
            "sdb' bus='sata"
        } else {
            "vdb' bus='virtio"
        };
        let balloon = if self.bare {
            "<memballoon model='none'/>"
        } else {
            "<memballoon model='virtio'><stats period='1'/></memballoon>"
        };
        format!(
            "<domain type='{kind}'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
             <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
             <cpu mode='custom' match='exact'><model fallback='allow'>qemu64</model></cpu>
             <on_poweroff>destroy</on_poweroff>
             <devices>
             <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/var/lib/libvirt/shared/{name}.qcow2'/><target dev='{disk}'/></disk>
             <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/var/lib/libvirt/shared/{name}-seed.img'/><target dev='{seed}'/>{readonly}</disk>
             <interface type='bridge'><mac address='{mac}'/><source bridge='{bridge}'/><model type='{nic}'/></interface>
             <serial type='file'><source path='/var/lib/libvirt/images/{name}.log' append='on'/></serial>
             {balloon}<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
             </devices></domain>",
            readonly = if self.bare { "" } else { "<readonly/>" },
            kind = if lab.kvm { "kvm" } else { "qemu" },
            name = self.name,
            mac = self.mac,
            bridge = lab.guests.bridge,
        )
        .replace(if self.bare { "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>" } else { "\u{0}" }, "")
    }

    /// What it has written to its serial console on this host.
    pub fn console(&self, host: &Host) -> String {
        String::from_utf8_lossy(
            &fs::read(host.local_pool.join(format!("{}.log", self.name))).unwrap_or_default(),
        )
        .into_owned()
    }

    /// A connection to one of its ports.
    pub fn connect(&self, port: u16) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(
            &SocketAddr::from((self.address, port)),
            Duration::from_secs(2),
        )?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(stream)
    }

    pub fn wait_for_echo(&self, host: &Host) {
        let begin = Instant::now();
        while self.connect(7).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(90),
                "{} does not answer; its console:\n{}",
                self.name,
                self.console(host)
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Gives the guest a command and returns its answer.
    pub fn command(&self, command: &str) -> String {
        let mut stream = self.connect(9).unwrap();
        stream.write_all(format!("{command}\n").as_bytes()).unwrap();
        let mut answer = [0; 256];
        let count = stream.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).trim().to_owned()
    }
}

/// An echo every 10 ms over one connection, in a thread of its own.
pub struct Echoes {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: std::thread::JoinHandle<Result<(u32, Duration), String>>,
}

impl Echoes {
    pub fn start(guest: &Guest<'_>) -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut stream = guest.connect(7).unwrap();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut count, mut longest) = (0_u32, Duration::ZERO);
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                let begin = Instant::now();
                stream
                    .write_all(&count.to_le_bytes())
                    .map_err(|error| format!("echo {count}: {error}"))?;
                let mut answer = [0; 4];
                stream
                    .read_exact(&mut answer)
                    .map_err(|error| format!("echo {count}: {error}"))?;
                assert_eq!(answer, count.to_le_bytes());
                longest = longest.max(begin.elapsed());
                count += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok((count, longest))
        });
        Self { stop, thread }
    }

    /// Ends it: how many echoes came back and the longest wait for one, or why the connection was lost.
    pub fn finish(self) -> Result<(u32, Duration), String> {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Runs a program in all of a host's namespaces.
pub fn inside(init: Process, words: &[&str]) -> Result<String, String> {
    run(&[
        &[
            "nsenter",
            "-t",
            &init.pid.to_string(),
            "-m",
            "-u",
            "-n",
            "-p",
            "--",
        ],
        words,
    ]
    .concat())
}
