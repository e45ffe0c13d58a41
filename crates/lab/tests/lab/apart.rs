//! What keeps guests, hosts and the machine's users apart.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bellwether_lab::{Lab, Process};

use crate::support::{self, TestLab, eventually, inside, run};
use crate::traces::namespace;

#[test]
fn a_guest_reaches_no_management_port() {
    if !support::wanted() {
        return;
    }
    let test = TestLab::up("i", 2);
    let lab = &test.lab;
    let switch = lab.switch.unwrap();
    // A stand-in for a guest: a namespace on the guests' segment, with every freedom a guest's root would have.
    let mut holder = std::process::Command::new("unshare")
        .args(["-n", "sleep", "300"])
        .spawn()
        .unwrap();
    let stranger = i32::try_from(holder.id()).unwrap();
    eventually("a namespace", || {
        namespace(stranger, "net") != namespace(switch.pid, "net")
            && namespace(stranger, "net") != namespace(std::process::id() as i32, "net")
    });
    let result = std::panic::catch_unwind(|| probe_from(lab, switch, stranger));
    holder.kill().unwrap();
    holder.wait().unwrap();
    result.unwrap();
}

fn probe_from(lab: &Lab, switch: Process, stranger: i32) {
    let in_switch = |words: &[&str]| inside_net(switch.pid, words).unwrap();
    in_switch(&[
        "ip",
        "link",
        "add",
        "stranger",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        &stranger.to_string(),
    ]);
    in_switch(&["ip", "link", "set", "stranger", "master", "guests"]);
    in_switch(&["ip", "link", "set", "stranger", "up"]);
    let own = |words: &[&str]| inside_net(stranger, words).unwrap();
    let [a, b, c, _] = lab.guests.gateway.octets();
    own(&[
        "ip",
        "address",
        "add",
        &format!("{}/24", Ipv4Addr::new(a, b, c, 240)),
        "dev",
        "eth0",
    ]);
    own(&["ip", "link", "set", "lo", "up"]);
    own(&["ip", "link", "set", "eth0", "up"]);
    own(&[
        "ip",
        "route",
        "add",
        "default",
        "via",
        &lab.guests.gateway.to_string(),
    ]);

    // The way out is there: what the machine offers on the gateway address is reached.
    let offered = TcpListener::bind((lab.guests.gateway, 0)).unwrap();
    let gateway = offered.local_addr().unwrap();
    eventually("the gateway answers the stand-in", || {
        connects(stranger, gateway)
    });

    // And the doors are there, seen from where they may be seen; so a closed one below means something.
    let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let machine = SocketAddr::from((
        lab.management.machine,
        everywhere.local_addr().unwrap().port(),
    ));
    assert!(TcpStream::connect_timeout(&machine, Duration::from_secs(1)).is_ok());
    let mut doors = vec![machine];
    for host in &lab.hosts {
        // A migration port that is open for the time of the test, on every address of the host.
        let listener = listen_in(host.init.unwrap().pid, 49152);
        for port in [22, 16509, 16514, 49152] {
            let door = SocketAddr::from((host.address, port));
            assert!(
                TcpStream::connect_timeout(&door, Duration::from_secs(2)).is_ok(),
                "{door} is open on the management network"
            );
            doors.push(door);
        }
        std::mem::forget(listener);
    }
    let closed = |how: &str| {
        let open: Vec<&SocketAddr> = std::thread::scope(|scope| {
            let tries: Vec<_> = doors
                .iter()
                .map(|door| (door, scope.spawn(move || connects(stranger, *door))))
                .collect();
            tries
                .into_iter()
                .filter_map(|(door, tried)| tried.join().unwrap().then_some(door))
                .collect()
        });
        assert!(open.is_empty(), "reached {how}: {open:?}");
    };
    closed("by the gateway");

    // Straight at the hardware addresses: each host's bridge, and whatever answered for the gateway.
    let neighbours = own(&["ip", "neigh", "show", &lab.guests.gateway.to_string()]);
    let answered = neighbours
        .split_whitespace()
        .skip_while(|word| *word != "lladdr")
        .nth(1)
        .unwrap()
        .to_owned();
    own(&["ip", "route", "add", &lab.management.cidr, "dev", "eth0"]);
    for host in &lab.hosts {
        let shown = inside_net(
            host.init.unwrap().pid,
            &[
                "cat",
                &format!("/sys/class/net/{}/address", lab.guests.bridge),
            ],
        );
        // /sys belongs to who mounted it; the host's own view of it is read inside.
        let bridge = inside(
            host.init.unwrap(),
            &[
                "cat",
                &format!("/sys/class/net/{}/address", lab.guests.bridge),
            ],
        )
        .or(shown)
        .unwrap();
        own(&[
            "ip",
            "neigh",
            "replace",
            &host.address.to_string(),
            "lladdr",
            &bridge,
            "dev",
            "eth0",
        ]);
    }
    own(&[
        "ip",
        "neigh",
        "replace",
        &lab.management.machine.to_string(),
        "lladdr",
        &answered,
        "dev",
        "eth0",
    ]);
    closed("by hardware address");

    // And as one of them: an address of the management network, everything on the link.
    let [a, b, c, _] = lab.management.machine.octets();
    own(&["ip", "neigh", "flush", "dev", "eth0"]);
    own(&[
        "ip",
        "address",
        "add",
        &format!("{}/24", Ipv4Addr::new(a, b, c, 240)),
        "dev",
        "eth0",
    ]);
    closed("with an address of the management network");

    // A host has no address at all on the guests' side.
    for host in &lab.hosts {
        let addresses = inside(
            host.init.unwrap(),
            &["ip", "-o", "address", "show", "dev", &lab.guests.bridge],
        )
        .unwrap();
        assert_eq!(addresses, "", "{} on {}", lab.guests.bridge, host.name);
    }
}

fn inside_net(pid: i32, words: &[&str]) -> Result<String, String> {
    run(&[&["nsenter", "-t", &pid.to_string(), "-n", "--"], words].concat())
}

/// Does something in the network namespace of a process, on a thread that ends with it.
fn in_net<T: Send + 'static>(pid: i32, work: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let namespace = fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        work()
    });
    thread.join().unwrap()
}

fn connects(pid: i32, to: SocketAddr) -> bool {
    in_net(pid, move || {
        TcpStream::connect_timeout(&to, Duration::from_secs(1)).is_ok()
    })
}

fn listen_in(pid: i32, port: u16) -> TcpListener {
    in_net(pid, move || {
        TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), port)).unwrap()
    })
}

#[test]
fn the_socket_is_open_to_whoever_may_enter_its_folder_and_nobody_else() {
    if !support::wanted() {
        return;
    }
    let test = TestLab::up("s", 1);
    let socket = test.lab.hosts[0]
        .uris
        .local
        .split_once("socket=")
        .unwrap()
        .1
        .to_owned();
    assert!(UnixStream::connect(&socket).is_ok());
    let folder = Path::new(&socket).parent().unwrap();
    assert_eq!(
        fs::metadata(folder).unwrap().mode() & 0o007,
        0,
        "others may not enter"
    );
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o777);
}
