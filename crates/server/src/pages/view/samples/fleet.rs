//! The fleet, the first steps, finding.

use super::super::*;
use super::{Author, HOSTILE, NOW, Rendered, frame, list, rendered, words};
use crate::graphed::heat::{Cells, HostHeat};
use askama::Template;
use bellwether_model::{host::HostHealth, observed::PowerState};

pub(super) fn seen(name: &str, state: PowerState, managed: bool, known: bool) -> fleet::SeenRow {
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

fn heat_page(hosts: usize, hostile: bool) -> heat::Heat {
    let cells = |n: usize, scale: f32| -> Cells {
        let value = |t: usize| scale * (0.5 + 0.5 * ((t + 7 * n) as f32 / 9.0).sin());
        (0..48)
            .map(|t| (t % 31 != 30 && n != 2).then(|| value(t)))
            .collect()
    };
    let hosts: Vec<HostHeat> = (0..hosts)
        .map(|n| HostHeat {
            host: bellwether_model::HostId(uuid::Uuid::from_u128(n as u128)),
            name: if hostile {
                HOSTILE.into()
            } else {
                format!("host{n:03}")
            },
            cpu: cells(n, 0.3 + 0.1 * (n % 8) as f32),
            memory: cells(n + 3, 0.9),
            contention: cells(n, 0.03 * (n % 7) as f32),
        })
        .collect();
    heat::Heat {
        frame: frame("Heat map", "/fleet", true),
        summary: "Hottest: host007. Emptiest: host000.".into(),
        tabs: styleguide::timeline(NOW, false, Vec::new()).tabs,
        tiles: if hosts.len() > ROWS {
            hosts.iter().map(heat::Tile::of).collect()
        } else {
            Vec::new()
        },
        list: list("/fleet/heat", "heat", hosts.len()),
        rows: hosts.iter().take(ROWS).map(heat::HeatRow::of).collect(),
        calm: 10,
    }
}

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    let hostile = author == Author::Hostile;
    let step = |title, why, done, now| fleet::Step {
        title,
        why,
        href: "/hosts/new",
        act: if done { "See" } else { title },
        done,
        now,
    };
    rendered![
        "fleet" => fleet_page(4, 6, hostile),
        "fleet-large" => fleet_page(50, 40, hostile),
        "heat" => heat_page(4, hostile),
        "heat-large" => heat_page(120, hostile),
        "start" => fleet::Start { frame: frame("First steps", "/fleet", true), complete: false, steps: vec![step("Add a host", "A machine that runs libvirt; it carries the VMs.", true, false), step("Name a storage", "Where the machines' disks lie.", false, true), step("Name a network", "What the machines are attached to, with addresses to give.", false, false), step("Add an image", "The operating system a disk starts from.", false, false), step("Request a machine", "The first one, to see it all work.", false, false)] },
        "search" => fleet::Search { frame: frame("Find", "", true), q: text("web"), hits: vec![fleet::Hit { href: "/vms/1".into(), name: text("web"), kind: "machine", more: text("grace, on host1") }], more: false },
    ]
}
