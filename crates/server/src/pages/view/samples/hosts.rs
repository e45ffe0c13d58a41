//! Hosts.

use super::super::*;
use super::{Author, NOW, Rendered, fleet::seen, frame, happened, list, rendered, words};
use askama::Template;
use bellwether_model::{Error, host::HostHealth, host::HostMode, observed::PowerState};

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    let host_page = |health: HostHealth| hosts::HostPage {
        frame: frame("host1", "/hosts", true),
        alerts: super::alerts::open(author),
        id: "h1".into(),
        name: "host1".into(),
        badge: badge::host(HostMode::Active, health),
        uri: text("qemu+ssh://bellwether@host1.example.org/system"),
        trouble: (health == HostHealth::Unreachable)
            .then(|| text("The connection was refused: is libvirtd running there?")),
        missing: vec![hosts::Missing {
            what: text("So that host1 can move VMs to host2, run as root on host1:"),
            commands: vec![text("ssh-copy-id root@host2")],
        }],
        sampled: "Sampled 4 s ago, in 12 ms.".into(),
        cpu: Reading::new("12", "%").aged((health != HostHealth::Ready).then(|| "7 min".into())),
        cpu_under: "1.9 of 16 cores".into(),
        memory: Reading::or_unknown(None, "The host does not say."),
        memory_under: "of 64 GiB".into(),
        promised_cpu: Reading::new("18", "vCPU"),
        promised_cpu_under: "of 64 that may be promised".into(),
        promised: Reading::new("34.6", "GiB"),
        promised_under: "of 60 GiB offered".into(),
        timeline: styleguide::timeline(NOW, false, vec![styleguide::stack(NOW)]),
        calm: 10,
        vms: vec![
            seen(&text("thesis-db"), PowerState::Running, true, true),
            seen("old-wiki", PowerState::Running, false, true),
        ],
        facts: vec![
            ("Processor", text("AMD EPYC 7302P, 16 cores")),
            ("Memory", "64 GiB".into()),
            ("libvirt, QEMU", "11.3.0, 10.0.2".into()),
            ("Kernel", "6.1.0-28-amd64".into()),
            ("KVM", "yes".into()),
            ("Other hosts reach it by", text("qemu+ssh://host1/system")),
        ],
        pools: vec![
            hosts::PoolRow {
                name: text("shared"),
                kind: "netfs".into(),
                path: "/srv/shared".into(),
                badge: badge::started(true),
                room: "312 of 400 GiB".into(),
                storage: Some((text("fast"), "/storages/1".into())),
                value: "h1/shared".into(),
                joins: vec![],
            },
            hosts::PoolRow {
                name: "default".into(),
                kind: "dir".into(),
                path: "/var/lib/libvirt/images".into(),
                badge: badge::started(true),
                room: "120 of 200 GiB".into(),
                storage: None,
                value: "h1/default".into(),
                joins: vec![(text("disks"), "/storages/2/join".into())],
            },
        ],
        carriers: vec![hosts::CarrierRow {
            name: text("br0"),
            kind: "bridge",
            badge: badge::started(true),
            network: Some((text("guests"), "/networks/1".into())),
            value: "h1/bridge/br0".into(),
            joins: vec![],
        }],
        maintenance: false,
        declared_off: false,
        may_declare_off: health == HostHealth::Unreachable,
        change: Form::default()
            .with("uri", text("qemu+ssh://host1/system"))
            .with("peer_uri", "qemu+ssh://host1/system")
            .with("cores", "15")
            .with("memory_gib", "60")
            .with("site", "main"),
        act: Form::default(),
        off: Form::default(),
        remove: Form::default(),
        history: happened(),
    };
    rendered![
        "hosts" => hosts::Hosts { frame: frame("Hosts", "/hosts", true), list: list("/hosts", "name", 2), states: words(&["ready", "unreachable"]), rows: vec![hosts::HostRow { href: "/hosts/1".into(), name: text("host1"), badge: HostHealth::Ready.into(), trouble: None, vms: Reading::new("12", ""), cpu_committed: 28, cpu_used: 12, cpu: "18 of 64 vCPU, 12 %".into(), memory_committed: 54, memory_used: 31, memory: "34.6 of 64 GiB, 19.8 used".into(), age: None, site: "main".into() }, hosts::HostRow { href: "/hosts/2".into(), name: "host2".into(), badge: HostHealth::Unreachable.into(), trouble: Some(text("connection refused")), vms: Reading::unknown("It has not answered yet."), cpu_committed: 10, cpu_used: 0, cpu: "6 of 64 vCPU, unknown".into(), memory_committed: 20, memory_used: 0, memory: "12 of 64 GiB, unknown used".into(), age: Some("7 min".into()), site: "main".into() }], sites: false },
        "host" => host_page(HostHealth::Ready),
        "host-silent" => host_page(HostHealth::Unreachable),
        "host-new" => hosts::NewHost { frame: frame("Add a host", "/hosts", true), form: Form::default().with("uri", text("qemu+ssh://host3/system")).with("name", "host3").refused(&Error::field("uri", text("host3 refused the key: put the key of the account bellwether there."))), found: vec![] },
        "host-added" => hosts::HostAdded { frame: frame("host3 is added", "/hosts", true), href: "/hosts/3".into(), name: text("host3"), facts: vec![("Processor", "AMD EPYC, 16 cores".into())], missing: vec![hosts::Missing { what: text("host1 can't yet log in on host3 by ssh"), commands: vec![text("ssh-copy-id -f -i host1.pub root@host3")] }] },
    ]
}
