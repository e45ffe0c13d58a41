//! A real host passes the same contract as the simulated fleet.

use crate::bench::Bench;
use async_trait::async_trait;
use bellwether_hypervisor::{
    Host,
    contract::{ContractSubject, Verdict, cases},
};
use bellwether_lab::Lab;
use bellwether_model::network::Carrier;
use std::{
    net::IpAddr,
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

struct Real {
    lab: Lab,
    hosts: [Arc<dyn Host>; 2],
    image: Arc<Vec<u8>>,
}

#[async_trait]
impl ContractSubject for Real {
    fn host(&self) -> Arc<dyn Host> {
        Arc::clone(&self.hosts[0])
    }
    fn other(&self) -> Option<Arc<dyn Host>> {
        Some(Arc::clone(&self.hosts[1]))
    }
    fn peer_uri(&self) -> String {
        self.lab.hosts[1].uris.tcp.clone()
    }
    fn back_uri(&self) -> String {
        self.lab.hosts[0].uris.tcp.clone()
    }
    fn dead_uri(&self) -> String {
        format!("qemu+tcp://{}:1/system", self.lab.hosts[1].address)
    }
    fn shared_pool(&self) -> String {
        "shared".into()
    }
    fn local_pool(&self) -> Option<String> {
        Some("local".into())
    }
    fn carrier(&self) -> Carrier {
        Carrier::Bridge(self.lab.guests.bridge.clone())
    }
    fn image(&self) -> Option<(String, Arc<Vec<u8>>)> {
        Some(("qcow2".into(), Arc::clone(&self.image)))
    }
    fn seed(&self, address: &str) -> Option<Vec<u8>> {
        Some(seed(address))
    }
    fn guest_address(&self) -> Option<IpAddr> {
        Some(self.lab.guests.first.into())
    }
    fn guest_obeys(&self) -> bool {
        true
    }
    fn patience(&self) -> Duration {
        Duration::from_secs(120)
    }
}

/// A NoCloud seed that gives the guest this address.
fn seed(address: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("meta-data"), "instance-id: contract\n").unwrap();
    std::fs::write(file("user-data"), "#cloud-config\n{}\n").unwrap();
    let network = format!("version: 2\nethernets:\n  eth0:\n    addresses: [{address}/24]\n");
    std::fs::write(file("network-config"), network).unwrap();
    std::fs::File::create(file("seed"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    let run = |command: &mut Command| assert!(command.output().unwrap().status.success());
    run(Command::new("mkfs.vfat")
        .args(["-n", "CIDATA"])
        .arg(file("seed")));
    let parts = ["meta-data", "user-data", "network-config"].map(file);
    run(Command::new("mcopy")
        .arg("-i")
        .arg(file("seed"))
        .args(parts)
        .arg("::"));
    std::fs::read(file("seed")).unwrap()
}

/// Makes a host one that has an address among its guests, as many do, and speaks to one of them: so it comes to know
/// the guest's address by ARP. A lab's hosts have none there, and neither an agent nor libvirt's own DHCP is in a lab.
struct Neighbour(Child);

impl Neighbour {
    fn of(lab: &Lab, guest: IpAddr) -> Self {
        let bridge = &lab.guests.bridge;
        let speak = format!(
            "ip link set {bridge} arp on; ip address add {}/24 dev {bridge}; \
             while sleep 0.2; do echo hello >/dev/udp/{guest}/9; done",
            lab.guests.last
        );
        let init = lab.hosts[0].init.expect("the host runs").pid.to_string();
        let child = Command::new("nsenter")
            .args(["-t", &init, "-n", "--", "bash", "-c", &speak])
            .stderr(std::process::Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_host_passes_the_contract() {
    let Some(bench) = Bench::up("lvcontract") else {
        return;
    };
    let subject: Arc<dyn ContractSubject> = Arc::new(Real {
        lab: bench.lab.clone(),
        hosts: [bench.host(0).await, bench.host(1).await],
        image: Arc::new(std::fs::read(&bench.image).unwrap()),
    });
    let _neighbour = Neighbour::of(&bench.lab, bench.lab.guests.first.into());
    let only = std::env::var("CONTRACT_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for case in cases().into_iter().filter(|case| case.name.contains(&only)) {
        let began = std::time::Instant::now();
        let verdict = case.run(&subject).await;
        println!("{:>6.1?}  {}: {verdict:?}", began.elapsed(), case.name);
        match verdict {
            Verdict::Passed => {}
            Verdict::Failed(why) => failed.push(format!("{}: {why}", case.name)),
            Verdict::Skipped => failed.push(format!("{}: it was not run", case.name)),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
