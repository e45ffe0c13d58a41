//! VMs made by the server, and the same made by hand: overlay, definition, start.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use bellwether_api::vm::Vm;
use uuid::Uuid;

use super::figures::Pairs;
use super::{Bench, REST, blocking};
use crate::config::SHARED_POOL;
use crate::run::tool;

/// A start takes at most this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was started on a host, and when: told by libvirt itself, for both sides alike.
struct Starts {
    virsh: Child,
    told: Receiver<Instant>,
}

impl Starts {
    fn listen(uri: &str) -> anyhow::Result<Self> {
        let mut virsh = Command::new("stdbuf")
            .args(["-oL", "virsh", "--connect", uri])
            .args(["event", "--event", "lifecycle", "--loop"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot listen to a host's events")?;
        let lines = BufReader::new(virsh.stdout.take().context("no standard output")?);
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if line.contains("Started") && tell.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { virsh, told })
    }

    /// Forgets what came before now.
    fn forget(&self) {
        while self.told.try_recv().is_ok() {}
    }

    /// Milliseconds from `begin` to the next start.
    fn next(&self, begin: Instant) -> anyhow::Result<f64> {
        let at = self.told.recv_timeout(PATIENCE);
        let at = at.context("libvirt did not tell that the VM was started")?;
        Ok(at.duration_since(begin).as_secs_f64() * 1000.0)
    }
}

impl Drop for Starts {
    fn drop(&mut self) {
        // It may have ended with the host.
        let _ = self.virsh.kill();
        let _ = self.virsh.wait();
    }
}

/// So many pairs, each side first in every other one.
pub(super) async fn pairs(bench: &Bench, pattern: &Vm, count: usize) -> anyhow::Result<Pairs> {
    let starts = Starts::listen(&bench.lab.hosts[0].uris.local)?;
    tokio::time::sleep(REST).await;
    let mut pairs = Pairs::default();
    for number in 0..count {
        let (ours, by_hand);
        if number % 2 == 0 {
            ours = by_server(bench, &starts, number).await?;
            by_hand = self::by_hand(bench, pattern, &starts)?;
        } else {
            by_hand = self::by_hand(bench, pattern, &starts)?;
            ours = by_server(bench, &starts, number).await?;
        }
        println!("  made: {ours:.0} ms, by hand {by_hand:.0} ms");
        pairs.add(ours, by_hand);
    }
    blocking(move || {
        drop(starts);
        Ok(())
    })
    .await?;
    Ok(pairs)
}

async fn by_server(bench: &Bench, starts: &Starts, number: usize) -> anyhow::Result<f64> {
    let request = bench.request(&format!("measured-{number}")).await?;
    tokio::time::sleep(REST).await;
    starts.forget();
    let begin = Instant::now();
    let job = bench.approve(request).await?;
    let taken = starts.next(begin)?;
    let vm = bench.made(request, job).await?;
    bench.remove(&vm).await?;
    Ok(taken)
}

/// The same VM as the pattern, with a name, an id and a disk of its own. What it is told at its first start is there
/// beforehand.
fn by_hand(bench: &Bench, pattern: &Vm, starts: &Starts) -> anyhow::Result<f64> {
    let host = &bench.lab.hosts[0];
    let id = Uuid::new_v4();
    let file = |id: Uuid, end: &str| format!("bw-{id}{end}");
    let shared = bench.lab.shared_pool();
    std::fs::copy(
        shared.join(file(pattern.id, "-seed.img")),
        shared.join(file(id, "-seed.img")),
    )?;
    let name = format!("by-hand-{}", &id.simple().to_string()[..8]);
    let definition = bench.virsh(0, &["dumpxml", "--inactive", &pattern.id.to_string()])?;
    let definition = definition
        .replace(&pattern.id.to_string(), &id.to_string())
        .replace(&pattern.libvirt_name, &name)
        .replace(&pattern.mac, &other_mac(&pattern.mac));
    let definition_file = bench.lab.folder.join("by-hand.xml");
    std::fs::write(&definition_file, definition)?;
    let base = std::fs::read_dir(&shared)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .find(|name| name.starts_with(&format!("bw-image-{}", bench.image)))
        .context("the image is not in the pool")?;
    let (base, disk) = (
        format!("{SHARED_POOL}/{base}"),
        format!("{SHARED_POOL}/{}", file(id, ".qcow2")),
    );
    std::thread::sleep(REST);
    starts.forget();

    let begin = Instant::now();
    tool([
        "qemu-img", "create", "-q", "-f", "qcow2", "-b", &base, "-F", "qcow2", &disk, "1G",
    ])
    .inside(host.init()?.pid, &["-m"])
    .run()?;
    bench.virsh(0, &["define", &definition_file.to_string_lossy()])?;
    bench.virsh(0, &["start", &name])?;
    let taken = starts.next(begin)?;

    bench.virsh(0, &["destroy", &name])?;
    bench.virsh(0, &["undefine", &name])?;
    for end in [".qcow2", "-seed.img"] {
        std::fs::remove_file(shared.join(file(id, end)))?;
    }
    Ok(taken)
}

/// An Ethernet address that differs from this one in its last digit.
fn other_mac(mac: &str) -> String {
    let other = if mac.ends_with('0') { "1" } else { "0" };
    format!("{}{other}", &mac[..mac.len() - 1])
}
