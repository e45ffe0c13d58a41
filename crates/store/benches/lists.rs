//! What the lists behind pages cost with 2,000 VMs on 50 hosts, alone and while 20 ask at once.
//!
//! `cargo bench -p bellwether-store --bench lists` prints the figures; nothing is asserted.
#![allow(clippy::unwrap_used)]

use bellwether_model::{
    GiB, HostId, ImageId, Mac, MiB, NetworkId, StorageId, Timestamp, UserId, Vcpus, VmId,
    host::{Host, HostMode},
    observed::{DiskUse, HostSeen, NicUse, PacketRate, PowerState, TransferRate, VmSeen},
    people::{AccountState, Role, User},
    vm::{Vm, VmState, WantedPower},
};
use bellwether_store::{Store, VmQuery};
use std::time::{Duration, Instant};

const HOSTS: usize = 50;
const VMS_A_HOST: usize = 40;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/bellwether.db", folder.path().display());
    runtime.block_on(async {
        let store = Store::open(&url).await.unwrap();
        let (owner, seen) = fill(&store).await;
        println!("{} VMs on {HOSTS} hosts", HOSTS * VMS_A_HOST);
        for at_once in [1, 20] {
            let all = VmQuery::default();
            let mine = VmQuery {
                owner: Some(owner),
                ..all
            };
            measure("all VMs", at_once, || {
                let s = store.clone();
                async move { s.vms(all).await.unwrap().len() }
            })
            .await;
            measure("one person's VMs", at_once, || {
                let s = store.clone();
                async move { s.vms(mine).await.unwrap().len() }
            })
            .await;
            measure("what was last seen", at_once, || {
                let s = store.clone();
                async move { s.seen().await.unwrap().len() }
            })
            .await;
            measure("totals per person", at_once, || {
                let s = store.clone();
                async move { s.totals().await.unwrap().len() }
            })
            .await;
        }
        let save = &seen[0];
        measure("save what was seen of a host", 1, || {
            let s = store.clone();
            let seen = save.clone();
            async move {
                s.save_seen(&seen).await.unwrap();
                1
            }
        })
        .await;
        store.close().await;
    });
}

async fn measure<F: Future<Output = usize> + Send + 'static>(
    what: &str,
    at_once: usize,
    ask: impl Fn() -> F,
) {
    let mut times: Vec<Duration> = Vec::new();
    let mut rows = 0;
    for _ in 0..200 / at_once {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..at_once {
            let asked = ask();
            tasks.spawn(async move {
                let start = Instant::now();
                let rows = asked.await;
                (start.elapsed(), rows)
            });
        }
        for (time, count) in tasks.join_all().await {
            times.push(time);
            rows = count;
        }
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what:<32} {at_once:>2} at once  {rows:>5} rows  median {:>9.2?}  p99 {:>9.2?}",
        at(0.5),
        at(0.99)
    );
}

async fn fill(store: &Store) -> (UserId, Vec<HostSeen>) {
    let now = Timestamp::from_seconds(1_790_000_000);
    let mut tx = store.begin().await.unwrap();
    let mut owners = Vec::new();
    for n in 0..100 {
        let user = User {
            id: UserId::new(),
            login: format!("u{n}"),
            full_name: format!("Person {n}"),
            mail: format!("u{n}@example.org"),
            role: Role::User,
            state: AccountState::Active,
            created_at: now,
        };
        tx.insert_user(&user, "h").await.unwrap();
        owners.push(user.id);
    }
    let mut all = Vec::new();
    for h in 0..HOSTS {
        let host = Host {
            id: HostId::new(),
            name: format!("host-{h}"),
            uri: "sim://x".into(),
            peer_uri: "sim://x".into(),
            migration_address: None,
            site: "main".into(),
            cores: 64,
            memory: MiB(524_288),
            mode: HostMode::Active,
            machine: None,
            created_at: now,
        };
        tx.insert_host(&host).await.unwrap();
        let mut seen = HostSeen::nothing(host.id);
        for v in 0..VMS_A_HOST {
            let id = VmId::random();
            let name = format!("vm-{h}-{v}");
            let vm = Vm {
                id,
                owner: owners[(h * VMS_A_HOST + v) % owners.len()],
                request: None,
                hostname: Vm::hostname_of(id, &name),
                libvirt_name: Vm::libvirt_name_of(id, &name),
                host: host.id,
                state: VmState::Running,
                wanted: WantedPower::On,
                vcpus: Vcpus(2),
                memory: MiB(4096),
                disk: GiB(40),
                image: ImageId::new(),
                storage: StorageId::new(),
                network: NetworkId::new(),
                mac: Mac::local([0, h as u8, v as u8]),
                address: std::net::IpAddr::from([10, 7, h as u8, v as u8]),
                lease_from: "2026-01-01".parse().unwrap(),
                lease_until: "2026-12-31".parse().unwrap(),
                purpose: "A service that somebody described in a sentence.".into(),
                labels: Vec::new(),
                migration_policy: None,
                note: None,
                created_at: now,
                generation: 0,
                name,
            };
            tx.insert_vm(&vm).await.unwrap();
            let (transfers, packets) = (
                TransferRate {
                    bytes: 1234.5,
                    requests: 12.3,
                    latency: Some(0.000_123),
                },
                PacketRate {
                    bytes: 1234.5,
                    packets: 67.8,
                    dropped: 0.0,
                },
            );
            seen.vms.push(VmSeen {
                vcpus: 2,
                memory: MiB(4096),
                up_since: Some(now),
                cpu: Some(0.123_456_789),
                contention: Some(0.012_345_678),
                overhead: Some(0.012_345_678),
                memory_used: Some(MiB(1234)),
                memory_available: Some(MiB(2345)),
                memory_resident: Some(MiB(2345)),
                memory_at: Some(now),
                disks: vec![DiskUse {
                    device: "vda".into(),
                    read: Some(transfers),
                    written: Some(transfers),
                    capacity: Some(10 << 30),
                    allocation: Some(1 << 30),
                }],
                disks_at: Some(now),
                nics: vec![NicUse {
                    device: "vnet12".into(),
                    received: Some(packets),
                    sent: Some(packets),
                }],
                ..VmSeen::nothing(id.0, vm.libvirt_name, PowerState::Running)
            });
        }
        all.push(seen);
    }
    tx.commit().await.unwrap();
    for seen in &all {
        store.save_seen(seen).await.unwrap();
    }
    (owners[0], all)
}
