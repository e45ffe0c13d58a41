//! Every page with made-up data: rendered in the tests, hostile text in every place that comes from outside, and written
//! to `target/pages` to be looked at.

use super::{
    chart, doors, fleet, form::Choice, hosts, images, machines, migrate, people, requests, *,
};
use askama::Template;
use bellwether_model::{
    Error, FieldError, Refusal, Timestamp,
    host::{HostHealth, HostMode},
    image::ImageState,
    job::JobState,
    migration::{MigrationOutcome, Verdict},
    observed::PowerState,
    people::AccountState,
    request::RequestState,
    vm::VmState,
};

/// What a hostile person types.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;{{7*7}}";

fn frame(title: &str, section: &'static str, admin: bool) -> Frame {
    Frame {
        title: title.into(),
        section,
        who: Some(Who {
            login: if admin { "ada" } else { "grace" }.into(),
            full_name: if admin {
                "Ada Lovelace"
            } else {
                "Grace Hopper"
            }
            .into(),
            admin,
        }),
        path: section.into(),
        inbox: 3,
        accounts: 1,
        ..Frame::default()
    }
}

fn list(path: &str, sort: &str, total: usize) -> List {
    let mut list = List::new(path, &ListQuery::default(), sort);
    list.total = total;
    list.all = total;
    list
}

fn words(states: &[&str]) -> Vec<String> {
    states.iter().map(|s| s.to_string()).collect()
}

fn graphs() -> Vec<chart::Graph> {
    styleguide::graphs(Timestamp::from_seconds(1_795_525_500))
}

fn happened() -> Vec<machines::Happened> {
    let line = |when: &str, who: &str, what: &str, tone| machines::Happened {
        when: when.into(),
        who: who.into(),
        what: what.into(),
        tone,
        href: None,
    };
    vec![
        line(
            "24 Nov 2026 12:20",
            "ada",
            "Migrated from host1 to host2 in 2.3 s, 80 ms downtime",
            "good",
        ),
        line(
            "24 Nov 2026 09:02",
            "system",
            "Made on host1: disk, seed, started, reachable",
            "good",
        ),
        line("24 Nov 2026 09:01", "ada", "Approved on host1", "busy"),
        line("23 Nov 2026 17:40", "grace", "Requested", ""),
    ]
}

fn vm(state: VmState, hostile: bool) -> machines::Vm {
    let name = if hostile { HOSTILE } else { "thesis-db" };
    machines::Vm {
        frame: frame(name, "/machines", true),
        id: "5b0b7a52-0f6e-4a1c-9d5e-2a3c1b0a7f11".into(),
        name: name.into(),
        badge: state.into(),
        note: hostile.then(|| HOSTILE.into()),
        alarm: hostile.then(|| HOSTILE.into()),
        admin: true,
        owner: if hostile {
            HOSTILE
        } else {
            "Grace Hopper (grace)"
        }
        .into(),
        job: None,
        address: "10.78.0.21".into(),
        reach: " · its guest was seen there",
        ssh: Some("ssh debian@10.78.0.21".into()),
        key_words: "by the key you gave".into(),
        has_password: true,
        password: None,
        screen: None,
        lease: "1 Nov 2026 – 6 Dec 2026".into(),
        left: Reading::new("13", "days"),
        ends_soon: false,
        end_words: "After the last day it is shut down and kept.".into(),
        extend_until: Some("2027-11-25".into()),
        extend: Form::default().with("until", "2026-12-31"),
        range: "hour",
        graphs: graphs(),
        sampled_topic: "sampled:2".into(),
        calm: 10,
        sampled: "Sampled 4 s ago, every 10 s.".into(),
        facts: vec![
            ("Size", "2 vCPU · 4 GiB · 20 GiB disk".into()),
            ("System", "Debian 12".into()),
            ("Host name", "thesis-db-5b0b".into()),
            ("Ethernet", "52:54:00:ab:0c:1d".into()),
            ("Storage", "fast (shared)".into()),
            ("Network", "guests 10.78.0.0/24".into()),
        ],
        host: Some(("host2".into(), "/hosts/2".into())),
        purpose: if hostile {
            HOSTILE.into()
        } else {
            "The PostgreSQL of my thesis: about 8 GiB of measurements, queried by the plots in chapter 4.".into()
        },
        acts: vec![
            ("shutdown", "Shut down", "Asks the guest to stop"),
            ("reboot", "Reboot", "Asks the guest to start again"),
        ],
        act: Form::default(),
        may_force: true,
        force: Form::default(),
        may_screen: true,
        may_migrate: true,
        may_delete: true,
        delete: Form::default(),
        history: happened(),
        over: false,
    }
}

fn new_request(form: Form) -> requests::NewRequest {
    let period = |value, name, until: &str| requests::PeriodChoice {
        value,
        name,
        until: until.into(),
        until_day: "2026-12-23".into(),
    };
    requests::NewRequest {
        frame: frame("Request a machine", "/requests", false),
        form,
        images: vec![
            requests::ImageChoice { value: "i1".into(), os: "Debian 12".into(), needs: "from 10 GiB disk, 512 MiB".into() },
            requests::ImageChoice { value: "i2".into(), os: "Ubuntu 24.04 LTS".into(), needs: "from 10 GiB disk, 1 GiB".into() },
            requests::ImageChoice { value: "i3".into(), os: "Alpine 3.22".into(), needs: "from 1 GiB disk, 128 MiB".into() },
        ],
        periods: vec![
            period("week", "A week", "Mon 30 Nov 2026"),
            period("month", "A month", "Wed 23 Dec 2026"),
            period("term", "The term", "Sun 28 Mar 2027"),
        ],
        today: "2026-11-24".into(),
        latest: "2027-11-25".into(),
        largest: "At most 64 vCPU, 256 GiB memory, 4096 GiB disk.".into(),
        end_words: "After the last day the machine is shut down and kept. You are told 7 days before, and can extend it yourself.".into(),
        have: "2 machines: 4 vCPU, 8 GiB memory, 60 GiB disk.".into(),
        admin: false,
    }
}

fn host_bar(name: &str, chosen: bool, refusals: &[&str], asked: u32) -> requests::HostBar {
    let line = |label: &str, committed, used, words: &str| requests::Line {
        label: label.into(),
        committed,
        used: Some(used),
        asked,
        words: words.into(),
    };
    requests::HostBar {
        id: name.into(),
        name: name.into(),
        href: "/hosts/1".into(),
        badge: HostHealth::Ready.into(),
        chosen,
        refusals: words(refusals),
        lines: vec![
            line(
                "Memory",
                540,
                310,
                "34.6 of 64 GiB committed on 3 Dec 2026, 19.8 used now; 21.4 GiB left after",
            ),
            line(
                "CPU",
                280,
                120,
                "18 of 64 vCPU committed, 1.9 of 16 cores used now; 42 vCPU left after",
            ),
            line(
                "Disk",
                220,
                150,
                "88 of 400 GiB of fast committed, 60 used now; 272 GiB left after",
            ),
        ],
        age: None,
    }
}

fn approve(hostile: bool) -> requests::Approve {
    let name = if hostile { HOSTILE } else { "thesis-db" };
    requests::Approve {
        frame: frame(name, "/inbox", true),
        id: "r1".into(),
        name: name.into(),
        badge: RequestState::Pending.into(),
        owner: if hostile {
            HOSTILE
        } else {
            "Grace Hopper (grace)"
        }
        .into(),
        mail: "grace@example.org".into(),
        owner_has: "2 machines: 4 vCPU, 8 GiB, 60 GiB disk".into(),
        reason: hostile.then(|| HOSTILE.into()),
        purpose: if hostile {
            HOSTILE.into()
        } else {
            "The PostgreSQL of my thesis: about 8 GiB of measurements, queried by the plots in chapter 4.\nI need it until I hand in.".into()
        },
        facts: vec![
            ("Size", "4 vCPU · 8 GiB · 40 GiB disk".into()),
            ("System", "Debian 12".into()),
            (
                "Period",
                "Tue 24 Nov 2026 – Sun 28 Mar 2027 (125 days)".into(),
            ),
            ("SSH key", "given".into()),
            ("Asked", "3 h ago".into()),
        ],
        open: true,
        may_refuse: true,
        verdict: "It lands on host2, which then has 21.4 GiB of memory and 42 vCPU left.".into(),
        place: Some(requests::Place {
            host: "h2".into(),
            host_name: "host2".into(),
            storage: "s1".into(),
            network: "n1".into(),
        }),
        hosts: vec![
            host_bar("host2", true, &[], 125),
            host_bar("host1", false, &[], 125),
            host_bar(
                "host3-old",
                false,
                &[
                    "memory: 8 GiB asked, 2.5 GiB left of 32 GiB",
                    "the network guests is not carried there",
                ],
                0,
            ),
        ],
        fitting: vec![
            Choice::new("h2", "host2: then 21.4 GiB left"),
            Choice::new("h1", "host1: then 12.1 GiB left"),
        ],
        storages: vec![Choice::new("", "the best"), Choice::new("s1", "fast")],
        networks: vec![Choice::new("", "the best")],
        form: Form::default(),
        next: Some("/inbox/r2".into()),
    }
}

fn seen(name: &str, state: PowerState, managed: bool, known: bool) -> fleet::SeenRow {
    fleet::SeenRow {
        href: managed.then(|| "/vms/1".into()),
        name: name.into(),
        libvirt_name: if managed {
            format!("bw-01234567-{}", bellwether_model::text::slug(name, 20))
        } else {
            name.into()
        },
        owner: "grace".into(),
        badge: state.into(),
        host: "host1".into(),
        host_href: "/hosts/1".into(),
        vcpus: 2,
        cpu: if state == PowerState::Running {
            Reading::new("42", "%")
        } else {
            Reading::default()
        },
        memory: "4 GiB".into(),
        used: if known {
            Reading::new("2.1", "GiB")
        } else {
            Reading::unknown("Its balloon driver has not reported.")
        },
        managed,
        moving: false,
    }
}

fn towers(hosts: usize, vms: usize) -> Vec<fleet::Tower> {
    (1..=hosts)
        .map(|h| {
            let mut y = 1000_u32;
            let pieces = (0..vms + h % 3)
                .map(|v| {
                    let height = [60, 30, 120, 30, 90, 45][(v * 7 + h) % 6] * 8
                        / u32::try_from(vms + 2).unwrap();
                    y = y.saturating_sub(height);
                    fleet::Piece {
                        href: (v % 5 != 4).then(|| "/vms/1".into()),
                        y,
                        height,
                        shade: ["h0", "h1", "h0", "h2", "hu", "h3", "h0", "h4"][(v * 3 + h) % 8],
                        kind: if h == 2 && v == 3 {
                            "incoming"
                        } else if h == 1 && v == 3 {
                            "moving"
                        } else if v % 5 == 4 {
                            "unmanaged"
                        } else {
                            "managed"
                        },
                        title: format!("vm-{h}-{v}, 4 GiB, CPU 42 %"),
                    }
                })
                .collect();
            fleet::Tower {
                href: "/hosts/1".into(),
                name: format!("host{h}"),
                badge: if h == 4 {
                    HostHealth::Unreachable.into()
                } else {
                    HostHealth::Ready.into()
                },
                tight: h == 3,
                silent: h == 4,
                memory: "35 of 64 GiB".into(),
                cpu: "CPU 12 %".into(),
                age: (h == 4).then(|| "7 min".into()),
                pieces: std::sync::Arc::new(fleet::Pieces { pieces }.render().unwrap()),
            }
        })
        .collect()
}

fn fleet_page(hosts: usize, vms: usize, hostile: bool) -> fleet::Fleet {
    fleet::Fleet {
        frame: frame("Fleet", "/fleet", true),
        summary: format!("{hosts} hosts, 34 VMs of which 29 run; 140 of 256 GiB memory committed."),
        alarms: if hostile {
            vec![HOSTILE.into()]
        } else {
            vec![]
        },
        picture: std::sync::Arc::new(
            fleet::Picture {
                towers: towers(hosts, vms),
            }
            .render()
            .unwrap(),
        ),
        list: list("/fleet", "name", 4),
        states: words(&["running", "shut off", "paused"]),
        rows: vec![
            seen(
                if hostile { HOSTILE } else { "thesis-db" },
                PowerState::Running,
                true,
                true,
            ),
            seen("build-runner", PowerState::Running, true, false),
            seen("old-wiki", PowerState::Running, false, true),
            seen("exam-2025", PowerState::ShutOff, true, false),
        ],
    }
}

fn members() -> Vec<places::Member> {
    let member = |host: &str, proven| places::Member {
        host: host.into(),
        host_href: "/hosts/1".into(),
        what: "shared".into(),
        badge: badge::proven(proven),
        more: "312 of 400 GiB".into(),
    };
    vec![member("host1", true), member("host2", false)]
}

fn place_row(name: &str, kind: &str, free: &str) -> places::PlaceRow {
    places::PlaceRow {
        href: "/storages/1".into(),
        name: name.into(),
        badge: badge::proven(true),
        kind: kind.into(),
        hosts: 2,
        free: free.into(),
        machines: 6,
    }
}

fn found() -> Vec<places::Found> {
    ["host1", "host2"]
        .iter()
        .map(|host| places::Found {
            value: format!("{host}/default"),
            host: host.to_string(),
            name: "default".into(),
            words: "dir · /var/lib/libvirt/images · 120 of 200 GiB free".into(),
            badge: badge::started(true),
            ticked: *host == "host1",
        })
        .collect()
}

fn alone(title: &str) -> Frame {
    Frame {
        title: title.into(),
        path: "/sign-in".into(),
        ..Frame::default()
    }
}

/// Every page: name and contents. With `hostile`, what comes from outside is hostile.
fn pages(hostile: bool) -> Vec<(&'static str, String)> {
    let text = |good: &str| {
        if hostile {
            HOSTILE.to_string()
        } else {
            good.to_string()
        }
    };
    let wrong = Form::default()
        .with("name", text("web"))
        .with("size", "medium")
        .with("period", "month")
        .with("image", "i1")
        .with("vcpus", "2")
        .with("memory_gib", "4")
        .with("disk_gib", "20")
        .with("from", "2026-11-24")
        .with("until", "2026-12-23")
        .with("purpose", text("A small web server"))
        .refused(&Error::invalid_fields(vec![FieldError {
            field: "name".into(),
            message: text("You already have a machine called web."),
        }]));
    let mut right = wrong.clone();
    right.errors.clear();
    let row = |name: &str, badge: Badge, reason: Option<&str>| requests::RequestRow {
        href: "/requests/1".into(),
        name: text(name),
        owner: text("grace"),
        badge,
        size: "2 vCPU · 4 GiB · 20 GiB".into(),
        period: "24 Nov – 23 Dec 2026".into(),
        made: "3 h ago".into(),
        reason: reason.map(text),
    };
    let waiting = |name: &str, badge: Badge| requests::Waiting {
        href: "/inbox/1".into(),
        name: text(name),
        owner: text("Grace Hopper"),
        badge,
        size: "4 vCPU · 8 GiB · 40 GiB".into(),
        period: "24 Nov 2026 – 28 Mar 2027".into(),
        purpose: text("The PostgreSQL of my thesis: about 8 GiB of measurements …"),
        waits: "3 h".into(),
        reason: None,
    };
    let machine = |name: &str, state: VmState, soon| machines::Machine {
        href: "/vms/1".into(),
        name: text(name),
        badge: state.into(),
        note: (state == VmState::HostUnreachable)
            .then(|| text("host1 does not answer since 12 min; your machine may still run.")),
        size: "2 vCPU · 4 GiB · 20 GiB disk".into(),
        os: text("Debian 12"),
        address: "10.78.0.21".into(),
        ssh: (state == VmState::Running).then(|| "ssh debian@10.78.0.21".into()),
        left: if soon { "3 days left" } else { "34 days left" }.into(),
        until: "Mon 28 Dec 2026".into(),
        ends_soon: soon,
        purpose: text("thesis"),
    };
    let check = |verdict: Verdict, words: &str| migrate::CheckLine {
        badge: verdict.into(),
        text: text(words),
    };
    let checks = || {
        vec![
            check(Verdict::Pass, "host2 answers, sampled 3 s ago"),
            check(
                Verdict::Pass,
                "Its CPU runs what the machine was started with (x86-64-v2)",
            ),
            check(Verdict::Pass, "34 GiB of memory and 42 vCPU are left"),
            check(Verdict::Pass, "The disk lies on fast, which host2 shares"),
            check(Verdict::Warn, "Kernels differ: 6.1.0-28 here, 6.12.9 there"),
            check(
                Verdict::Warn,
                "No move between these two has succeeded yet; keys are not proven",
            ),
        ]
    };
    let migration = |outcome: MigrationOutcome, running: bool| migrate::MigrationPage {
        frame: frame("Migration of thesis-db", "/migrations", true),
        vm: text("thesis-db"),
        vm_href: "/vms/1".into(),
        source: "host1".into(),
        target: "host2".into(),
        badge: outcome.into(),
        reason: (outcome == MigrationOutcome::Failed).then(|| {
            text("host2 was cut off in the middle; the machine goes on running on host1.")
        }),
        running,
        job: Some(("/jobs/1".into(), running)),
        percent: running.then_some(62),
        doing: "Copying memory, round 3".into(),
        figures: if running {
            vec![
                ("Sent", Reading::new("1.2", "GiB"), "of 1.9 GiB".into()),
                ("Rate", Reading::new("112", "MiB/s"), "now".into()),
                (
                    "Dirtied",
                    Reading::new("38", "MiB/s"),
                    "by the guest".into(),
                ),
                ("Rounds", Reading::new("3", ""), "over memory".into()),
                ("Left", Reading::new("8.1", "s"), "at this pace".into()),
            ]
        } else {
            vec![
                (
                    "Total",
                    Reading::new("2.3", "s"),
                    "from start to finish".into(),
                ),
                (
                    "Downtime",
                    Reading::new("80", "ms"),
                    "the guest stood still".into(),
                ),
                ("Sent", Reading::new("1.9", "GiB"), "in 4 rounds".into()),
            ]
        },
        facts: vec![
            ("Asked by", "ada".into()),
            ("Began", "24 Nov 2026 12:20".into()),
            ("Disk", "shared, not copied".into()),
        ],
    };
    let host_page = |health: HostHealth| hosts::HostPage {
        frame: frame("host1", "/hosts", true),
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
        range: "day",
        graphs: graphs().into_iter().take(2).collect(),
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
    let job = |state: JobState| migrate::JobPage {
        frame: frame("Make thesis-db", "/jobs", true),
        id: "j1".into(),
        what: text("Make thesis-db on host1"),
        badge: state.into(),
        doing: text("Bringing the image to fast, 120 of 188 MiB"),
        percent: Some(44),
        error: (state == JobState::Failed)
            .then(|| text("The pool shared on host1 is full: 20 GiB needed, 3.1 GiB left.")),
        open: state.is_open(),
        may_cancel: state.is_open(),
        may_retry: state == JobState::NeedsPerson,
        about: vec![
            (text("thesis-db"), "/vms/1".into()),
            ("request".into(), "/requests/1".into()),
        ],
        facts: vec![
            ("Asked by", "ada".into()),
            ("Began", "24 Nov 2026 09:01".into()),
            ("Runs on", "bellwetherd-1".into()),
            ("Attempts", "1".into()),
        ],
        journal: vec![
            migrate::JournalRow {
                when: "09:01:12".into(),
                event: "did",
                tone: "good",
                step: "reserve".into(),
                text: text("2 vCPU, 4 GiB on host1; 10.78.0.21"),
            },
            migrate::JournalRow {
                when: "09:01:13".into(),
                event: "doing",
                tone: "busy",
                step: "image".into(),
                text: text("debian-12 to fast"),
            },
        ],
    };
    let person = |login: &str, state: AccountState, admin, me| people::PersonRow {
        id: "u1".into(),
        login: text(login),
        full_name: text("Grace Hopper"),
        mail: text("grace@example.org"),
        badge: state.into(),
        admin,
        vms: 2,
        vcpus: 4,
        memory: "8 GiB".into(),
        disk: "60 GiB".into(),
        since: "1 Oct 2026".into(),
        may_activate: state != AccountState::Active,
        may_disable: state == AccountState::Active,
        me,
    };
    let image = |os: &str, state: ImageState| images::ImageRow {
        href: "/images/1".into(),
        name: text("debian-12"),
        os: text(os),
        badge: state.into(),
        unverified: state == ImageState::Ready,
        reason: (state == ImageState::Failed)
            .then(|| text("The checksum is not the one the maker publishes.")),
        size: "412 MiB".into(),
        needs: "10 GiB disk, 512 MiB".into(),
        origin: "cloud.debian.org".into(),
        progress: (state == ImageState::Fetching).then(|| ("120 of 412 MiB".into(), Some(29))),
    };
    let image_page = |state: ImageState| images::ImagePage {
        frame: frame("Debian 12", "/images", true),
        id: "i1".into(),
        name: text("debian-12"),
        os: text("Debian 12"),
        badge: state.into(),
        unverified: state == ImageState::Ready,
        admin: true,
        reason: (state == ImageState::Failed)
            .then(|| text("The checksum is not the one the maker publishes.")),
        progress: (state == ImageState::Fetching).then(|| ("120 of 412 MiB".into(), Some(29))),
        fetching: state == ImageState::Fetching,
        may_retry: state == ImageState::Failed,
        facts: vec![
            ("Needs", "10 GiB disk, 512 MiB".into()),
            (
                "From",
                text(
                    "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2",
                ),
            ),
            (
                "SHA-256",
                "3f1a09bd12cc6f1b7b1f9e2f5a0f9f0c9a3e4b5c6d7e8f90112233445566778899".into(),
            ),
            ("Copied to", text("fast (host1)")),
        ],
        act: Form::default(),
        remove: Form::default(),
        history: happened(),
    };
    let image_new = |upload: bool| images::NewImagePage {
        frame: frame(
            if upload {
                "Upload an image"
            } else {
                "Fetch an image"
            },
            "/images",
            true,
        ),
        upload,
        largest: 64,
        form: Form::default()
            .with("os", text("Debian 12"))
            .with("min_disk_gib", "10")
            .with("min_memory_mib", "512")
            .with("cloud_init", "on")
            .refused(&Error::field("sha256", text("'x' is no SHA-256"))),
    };
    let vm_row = |name: &str, state: VmState| machines::MachineRow {
        href: "/vms/1".into(),
        name: text(name),
        owner: text("grace"),
        badge: state.into(),
        host: "host1".into(),
        host_href: "/hosts/1".into(),
        vcpus: 2,
        memory: "4 GiB".into(),
        disk: "20 GiB".into(),
        address: "10.78.0.21".into(),
        left: "12 days left".into(),
        ends_soon: state == VmState::Paused,
    };
    let step = |title, why, done, now| fleet::Step {
        title,
        why,
        href: "/hosts/new",
        act: if done { "See" } else { title },
        done,
        now,
    };
    let refused = Form::default().refused(&Error::no_capacity(
        text("No host can take it now."),
        vec![Refusal {
            host: bellwether_model::HostId(uuid::Uuid::nil()),
            host_name: text("host1"),
            reasons: vec![text("memory: 8 GiB asked, 2.5 GiB left")],
        }],
    ));
    let guide_form = Form::default()
        .with("name", text("web"))
        .refused(&Error::field(
            "name",
            text("You already have a machine called web."),
        ));
    let mut busy_vm = vm(VmState::Migrating, hostile);
    busy_vm.job = Some(machines::RunningJob {
        href: "/jobs/1".into(),
        text: text("Migrating to host2"),
        doing: "round 3".into(),
        percent: Some(62),
    });
    busy_vm.password = Some(text("kelp-otter-42"));
    busy_vm.screen = Some(machines::Screen {
        place: "host2:5901".into(),
        password: "a8f3k2".into(),
        until: "13:35".into(),
    });
    busy_vm.frame.jobs = vec![frame::StripJob {
        href: "/jobs/1".into(),
        text: text("Migrating thesis-db to host2"),
        doing: "round 3".into(),
    }];
    let mut own_vm = vm(VmState::Running, hostile);
    own_vm.admin = false;
    own_vm.may_migrate = false;
    own_vm.frame = frame("thesis-db", "/machines", false);
    own_vm.frame.said = Some(text("Extended until Sun 6 Dec 2026."));

    macro_rules! all {
        ($($name:literal => $view:expr),+ $(,)?) => { vec![$(($name, $view.render().unwrap())),+] };
    }
    all![
        "sign-in" => doors::SignIn { frame: alone("Sign in"), form: Form::default().with("login", text("grace")).refused(&Error::unauthenticated(text("That login and password don't belong together."))), next: text("/machines") },
        "register" => doors::Register { frame: alone("Register"), form: Form::default(), waits: true },
        "error" => doors::Trouble { frame: frame("Not found", "", false), status: 404, title: "There is no such page", message: text("There is no such VM."), back: Some("/vms".into()), refusals: vec![] },
        "account" => doors::Account { frame: frame("Account", "", false), login: text("grace"), mail: text("grace@example.org"), since: "1 Oct 2026".into(), password: Form::default(), token: Form::default().with("days", "90"), made: Some(text("bw_5b0b7a520f6e4a1c9d5e2a3c1b0a7f11")), tokens: vec![doors::TokenRow { id: "t1".into(), name: "this browser".into(), kind: "session", made: "today".into(), used: "just now".into(), ends: "in 30 days".into(), current: true }, doors::TokenRow { id: "t2".into(), name: text("laptop"), kind: "API token", made: "1 Oct 2026".into(), used: "2 days ago".into(), ends: "30 Dec 2026".into(), current: false }] },
        "machines" => machines::Machines { frame: frame("My machines", "/machines", false), machines: vec![machine("thesis-db", VmState::Running, false), machine("exam-sandbox", VmState::ShutOff, true), machine("crawler", VmState::HostUnreachable, false)], awaited: vec![machines::Awaited { href: "/requests/1".into(), name: text("web"), badge: RequestState::Pending.into(), next: "waits for an administrator since 3 h".into() }], totals: "3 machines: 6 vCPU, 12 GiB memory, 60 GiB disk.".into() },
        "machines-empty" => machines::Machines { frame: frame("My machines", "/machines", false), machines: vec![], awaited: vec![], totals: String::new() },
        "vms" => machines::AllMachines { frame: frame("All machines", "/vms", true), list: list("/vms", "name", 320), states: words(&["running", "shut off"]), rows: vec![vm_row("thesis-db", VmState::Running), vm_row("web", VmState::Migrating), vm_row("crawler", VmState::Paused), vm_row("old", VmState::Ended)] },
        "vm" => vm(VmState::Running, hostile),
        "vm-busy" => busy_vm,
        "vm-own" => own_vm,
        "requests" => requests::Requests { frame: frame("Requests", "/requests", false), list: list("/requests", "made", 3), states: words(&["pending", "refused"]), all: false, rows: vec![row("web", RequestState::Pending.into(), None), row("gpu-box", RequestState::Refused.into(), Some("We have no GPU; ask the cluster group.")), row("thesis-db", RequestState::Fulfilled.into(), None)] },
        "request-new" => new_request(right),
        "request-wrong" => new_request(wrong),
        "request" => requests::RequestPage { frame: frame("web", "/requests", false), id: "r1".into(), name: text("web"), badge: RequestState::Placed.into(), reason: hostile.then(|| HOSTILE.into()), next: "Your machine is being made; this takes a minute or so.".into(), vm: None, job: Some(("/jobs/1".into(), text("Bringing the image to fast"), Some(44))), facts: vec![("Size", "2 vCPU · 4 GiB · 20 GiB disk".into()), ("System", text("Debian 12")), ("Period", "24 Nov – 23 Dec 2026".into())], purpose: text("A small web server for the reading group."), may_withdraw: true, decide: None, history: happened() },
        "inbox" => requests::Inbox { frame: frame("Inbox", "/inbox", true), undecided: 3, stuck: vec![(text("Make thesis-db"), "/jobs/1".into(), text("The VM was started but is paused. Undoing it fails: the host refused it."))], list: list("/inbox", "made", 4), states: words(&["pending", "failed"]), rows: vec![waiting("thesis-db", RequestState::Pending.into()), waiting("web", RequestState::Failed.into()), waiting("crawler", RequestState::Pending.into()), waiting("huge", RequestState::WaitingForRoom.into())] },
        "inbox-empty" => requests::Inbox { frame: frame("Inbox", "/inbox", true), undecided: 0, stuck: vec![], list: list("/inbox", "made", 0), states: vec![], rows: vec![] },
        "approve" => approve(hostile),
        "approve-full" => requests::Approve { place: None, verdict: text("No host has room for it now. Approved, it waits and is placed when one has."), fitting: vec![], hosts: vec![host_bar("host1", false, &["memory: 8 GiB asked, 2.5 GiB left of 32 GiB"], 0)], form: refused.clone(), ..approve(hostile) },
        "fleet" => fleet_page(4, 6, hostile),
        "fleet-large" => fleet_page(50, 40, hostile),
        "start" => fleet::Start { frame: frame("First steps", "/fleet", true), complete: false, steps: vec![step("Add a host", "A machine that runs libvirt; it carries the VMs.", true, false), step("Name a storage", "Where the machines' disks lie.", false, true), step("Name a network", "What the machines are attached to, with addresses to give.", false, false), step("Add an image", "The operating system a disk starts from.", false, false), step("Request a machine", "The first one, to see it all work.", false, false)] },
        "search" => fleet::Search { frame: frame("Find", "", true), q: text("web"), hits: vec![fleet::Hit { href: "/vms/1".into(), name: text("web"), kind: "machine", more: text("grace, on host1") }], more: false },
        "hosts" => hosts::Hosts { frame: frame("Hosts", "/hosts", true), list: list("/hosts", "name", 2), states: words(&["ready", "unreachable"]), rows: vec![hosts::HostRow { href: "/hosts/1".into(), name: text("host1"), badge: HostHealth::Ready.into(), trouble: None, vms: Reading::new("12", ""), cpu_committed: 28, cpu_used: 12, cpu: "18 of 64 vCPU, 12 %".into(), memory_committed: 54, memory_used: 31, memory: "34.6 of 64 GiB, 19.8 used".into(), age: None, site: "main".into() }, hosts::HostRow { href: "/hosts/2".into(), name: "host2".into(), badge: HostHealth::Unreachable.into(), trouble: Some(text("connection refused")), vms: Reading::unknown("It has not answered yet."), cpu_committed: 10, cpu_used: 0, cpu: "6 of 64 vCPU, unknown".into(), memory_committed: 20, memory_used: 0, memory: "12 of 64 GiB, unknown used".into(), age: Some("7 min".into()), site: "main".into() }], sites: false },
        "host" => host_page(HostHealth::Ready),
        "host-silent" => host_page(HostHealth::Unreachable),
        "host-new" => hosts::NewHost { frame: frame("Add a host", "/hosts", true), form: Form::default().with("uri", text("qemu+ssh://host3/system")).with("name", "host3").refused(&Error::field("uri", text("host3 refused the key: put the key of the account bellwether there."))), found: vec![] },
        "host-added" => hosts::HostAdded { frame: frame("host3 is added", "/hosts", true), href: "/hosts/3".into(), name: text("host3"), facts: vec![("Processor", "AMD EPYC, 16 cores".into())], missing: vec![hosts::Missing { what: text("host1 can't yet log in on host3 by ssh"), commands: vec![text("ssh-copy-id -f -i host1.pub root@host3")] }] },
        "storages" => places::Storages { frame: frame("Storages", "/storages", true), list: list("/storages", "name", 2), states: words(&["proven", "active"]), rows: vec![place_row(&text("fast"), "shared", "312 of 400 GiB"), place_row("disks", "local", "unknown")], found: found(), form: Form::default(), any_host: true },
        "storage" => places::StoragePage { frame: frame("fast", "/storages", true), id: "s1".into(), name: text("fast"), words: "Shared, on 2 hosts; 6 machines use it.".into(), badge: badge::proven(false), members: members(), may_prove: true, act: Form::default().failed(&Error::field("members", text("host2 does not see what was written"))), found: found(), change: Form::default(), history: happened() },
        "networks" => places::Networks { frame: frame("Networks", "/networks", true), list: list("/networks", "name", 1), states: words(&["active"]), rows: vec![place_row(&text("guests"), "10.78.0.0/24", "173")], found: found(), form: Form::default(), hosts: vec![Choice::new("h1", text("host1")), Choice::new("h2", "host2")], any_host: true },
        "network" => places::NetworkPage { frame: frame("guests", "/networks", true), id: "n1".into(), name: text("guests"), words: "Carried by 2 hosts; 6 machines use it.".into(), facts: vec![("Network", "10.78.0.0/24".into()), ("Gateway", "10.78.0.1".into()), ("Addresses", "10.78.0.20 – 10.78.0.200, 173 free".into())], members: members(), act: Form::default(), found: found(), hosts: vec![Choice::new("h1", text("host1")), Choice::new("h2", "host2")], change: Form::default().with("name", text("guests")).refused(&Error::field("cidr", text("the VM \"web\" has 10.78.0.20, which would be outside"))), history: happened() },
        "images" => images::Images { frame: frame("Images", "/images", true), admin: true, list: list("/images", "os", 3), states: words(&["ready"]), rows: vec![image("Debian 12", ImageState::Ready), image("Ubuntu 24.04", ImageState::Fetching), image("Rocky 9", ImageState::Failed)], fetching: true, catalogue: vec![images::Entry { key: "alpine".into(), name: text("alpine-3.22"), os: text("Alpine 3.22"), needs: "1 GiB disk, 128 MiB".into(), origin: "dl-cdn.alpinelinux.org".into() }], act: Form::default() },
        "image" => image_page(ImageState::Ready),
        "image-fetching" => image_page(ImageState::Fetching),
        "image-failed" => image_page(ImageState::Failed),
        "image-new" => image_new(false),
        "image-upload" => image_new(true),
        "migrate" => migrate::Migrate { frame: frame("Migrate", "/migrations", true), id: "v1".into(), name: text("thesis-db"), badge: VmState::Running.into(), source: "host1".into(), size: "4 GiB of memory, disk on fast (shared)".into(), targets: vec![migrate::Target { id: "h2".into(), name: text("host2"), possible: true, best: true, reason: text("34 GiB and 42 vCPU left after; shares the disk"), checks: checks(), remarks: "2 worth knowing".into() }, migrate::Target { id: "h3".into(), name: text("host3"), possible: false, best: false, reason: text("memory: 4 GiB needed, 2.5 GiB left"), checks: vec![check(Verdict::Fail, "2.5 GiB of memory are left, 4 GiB are needed")], remarks: "1 not possible".into() }], any: true, form: Form::default() },
        "migration-running" => migration(MigrationOutcome::Running, true),
        "migration" => migration(MigrationOutcome::Completed, false),
        "migration-failed" => migration(MigrationOutcome::Failed, false),
        "migrations" => migrate::Migrations { frame: frame("Migrations", "/migrations", true), list: list("/migrations", "when", 2), states: words(&["completed"]), rows: vec![migrate::MigrationRow { href: "/migrations/1".into(), vm: text("thesis-db"), vm_href: "/vms/1".into(), source: "host1".into(), target: "host2".into(), badge: MigrationOutcome::Completed.into(), reason: None, when: "24 Nov 2026 12:20".into(), total: "2.3 s".into(), downtime: "80 ms".into(), bytes: "1.9 GiB".into() }] },
        "jobs" => migrate::Jobs { frame: frame("Jobs", "/jobs", true), list: list("/jobs", "when", 2), states: words(&["done", "failed"]), rows: vec![migrate::JobRow { href: "/jobs/1".into(), what: text("Make thesis-db"), badge: JobState::Running.into(), doing: text("Bringing the image"), by: "ada".into(), when: "just now".into(), took: "12 s".into() }], tasks: vec![("monitor".into(), "every 10 s, last 4 s ago in 31 ms".into(), None), ("reconcile".into(), "last 20 s ago".into(), Some(text("host2 does not answer")))] },
        "job" => job(JobState::Running),
        "job-failed" => job(JobState::Failed),
        "people" => people::People { frame: frame("People", "/people", true), list: list("/people", "login", 3), states: words(&["waiting", "active", "disabled"]), rows: vec![person("ada", AccountState::Active, true, true), person("grace", AccountState::Active, false, false), person("new", AccountState::Waiting, false, false)] },
        "policy" => people::PolicyPage { frame: frame("Policy", "/policy", true), form: Form::default().with("max_vcpus", "64").with("accounts_active_at_once", "on").with("cpu_overcommit", "4").with("max_lease_days", "366"), version: 7 },
        "audit" => people::Audit { frame: frame("Audit", "/audit", true), login: text(""), about: String::new(), rows: vec![people::AuditRow { seq: 12, when: "24 Nov 2026 12:20:01".into(), who: text("ada"), action: "vm.migrate".into(), text: text("Migrate thesis-db from host1 to host2"), href: Some("/vms/1".into()) }], older: None, newest: true, problem: None },
        "styleguide" => people::StyleGuide { frame: frame("Style guide", "", true), badges: super::styleguide::badges(), form: guide_form, readings: super::styleguide::readings(), graphs: graphs(), roles: super::styleguide::ROLES.to_vec(), options: vec![Choice::new("a", text("One"))] },
    ]
}

#[test]
fn every_page_renders_and_is_written_to_be_looked_at() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/pages");
    std::fs::create_dir_all(folder).unwrap();
    for (name, page) in pages(false) {
        assert!(page.starts_with("<!doctype html>"), "{name}");
        assert!(page.contains("<h1"), "{name} has a heading");
        assert!(!page.contains("style=\""), "{name} has an inline style");
        assert!(!page.contains(" onclick="), "{name} has an inline script");
        std::fs::write(format!("{folder}/{name}.html"), page).unwrap();
    }
}

#[test]
fn nothing_from_outside_becomes_markup() {
    for (name, page) in pages(true) {
        assert!(!page.contains("<script>alert"), "{name}");
        assert!(!page.contains("<img src=x"), "{name}");
        assert!(!page.contains("\"'><"), "{name}");
    }
    let shown = pages(true)
        .into_iter()
        .filter(|(_, page)| page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"));
    assert!(
        shown.count() > 30,
        "hostile names are shown as they were typed"
    );
}

#[test]
fn the_navigation_of_a_user_names_no_page_of_an_administrator() {
    let pages = pages(false);
    let (_, page) = pages.iter().find(|(name, _)| *name == "machines").unwrap();
    for path in [
        "/hosts",
        "/fleet",
        "/people",
        "/audit",
        "/inbox",
        "/policy",
        "/storages",
    ] {
        assert!(!page.contains(&format!("href=\"{path}\"")), "{path}");
    }
}
