//! Machines: one's own, all of them, one.

use super::super::*;
use super::{Author, HOSTILE, NOW, Rendered, frame, happened, list, rendered, words};
use askama::Template;
use bellwether_model::{request::RequestState, vm::VmState};

fn vm(state: VmState, hostile: bool) -> machines::Vm {
    let name = if hostile { HOSTILE } else { "thesis-db" };
    machines::Vm {
        frame: frame(name, "/machines", true),
        alerts: match hostile {
            true => super::alerts::open(Author::Hostile),
            false => Vec::new(),
        },
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
        timeline: styleguide::timeline(NOW, true, styleguide::graphs(NOW)),
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

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
    let hostile = author == Author::Hostile;
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
    rendered![
        "machines" => machines::Machines { frame: frame("My machines", "/machines", false), machines: vec![machine("thesis-db", VmState::Running, false), machine("exam-sandbox", VmState::ShutOff, true), machine("crawler", VmState::HostUnreachable, false)], awaited: vec![machines::Awaited { href: "/requests/1".into(), name: text("web"), badge: RequestState::Pending.into(), next: "waits for an administrator since 3 h".into() }], totals: "3 machines: 6 vCPU, 12 GiB memory, 60 GiB disk.".into() },
        "machines-empty" => machines::Machines { frame: frame("My machines", "/machines", false), machines: vec![], awaited: vec![], totals: String::new() },
        "vms" => machines::AllMachines { frame: frame("All machines", "/vms", true), list: list("/vms", "name", 320), states: words(&["running", "shut off"]), rows: vec![vm_row("thesis-db", VmState::Running), vm_row("web", VmState::Migrating), vm_row("crawler", VmState::Paused), vm_row("old", VmState::Ended)] },
        "vm" => vm(VmState::Running, hostile),
        "vm-busy" => busy_vm,
        "vm-own" => own_vm,
    ]
}
