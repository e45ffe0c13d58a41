//! Migrations and jobs.

use super::super::*;
use super::{Author, Rendered, frame, list, rendered, words};
use askama::Template;
use bellwether_model::{
    job::JobState,
    migration::{Convergence, MigrationOutcome, Verdict},
    plan::{PlanState, StepState},
    vm::VmState,
};

/// Every page of these.
pub(super) fn pages(author: Author) -> Vec<Rendered> {
    let text = |good: &str| author.text(good);
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
    let foretold = || forecast::Foretold {
        badge: Convergence::Converges.into(),
        total: "2.1 s (1.8–2.6 s)".into(),
        downtime: "80 ms (40–300 ms)".into(),
        sent: "1.9 GiB (1.8–2.1 GiB)".into(),
        basis: vec![
            text("1800 MiB of memory have to travel (as at its last move)."),
            "It writes 21 MiB within a second and 30 MiB within ten, measured 4 min ago.".into(),
        ],
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
        forecast: Some(foretold()),
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
            ("Policy", text("careful: a pause of 300 ms at most; kept")),
            (
                "How",
                "Plain pre-copy: it writes 21 MiB in a second and the way carries 112 MiB.".into(),
            ),
        ],
        phases: vec![
            ("12 ms".into(), "copying begins".into()),
            (
                "1.9 s".into(),
                text("pass 2 begins with 24 MiB left, 214 ms at 112 MiB/s"),
            ),
            ("2.3 s".into(), "it runs on the target".into()),
        ],
        limits: running.then(|| Form::default().with("longest_pause_ms", 300)),
        href: "/migrations/1".into(),
    };
    let step = |name: &str, state: StepState, x: f64, width: f64, y: usize| plans::StepRow {
        vm: text(name),
        href: "/vms/1".into(),
        way: text("host1 → host2"),
        badge: state.into(),
        x,
        width,
        y,
        begins: "0 ms".into(),
        ends: "6.1 s".into(),
        migration: Some("/migrations/1".into()),
        why: (state == StepState::Left).then(|| text("It was shut off meanwhile, and stays.")),
    };
    let gantt = |running: bool| plans::Gantt {
        steps: vec![
            step("thesis-db", StepState::Done, 0.0, 500.0, 0),
            step("web", StepState::Moving, 500.0, 400.0, 20),
            step("old", StepState::Left, 900.0, 100.0, 40),
        ],
        height: 60,
        length: "12 s".into(),
        now: running.then_some(640.0),
    };
    let blocked = || {
        vec![plans::BlockedRow {
            vm: text("gpu"),
            href: Some("/vms/2".into()),
            why: vec![text("It has devices of its host, which can't move: a graphics card.")],
            unblock: "Detach the device, or delete the snapshots; or shut it down until the host is back.".into(),
        }]
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
    rendered![
        "migrate" => migrate::Migrate { frame: frame("Migrate", "/migrations", true), id: "v1".into(), name: text("thesis-db"), badge: VmState::Running.into(), source: "host1".into(), size: "4 GiB of memory, disk on fast (shared)".into(), targets: vec![migrate::Target { id: "h2".into(), name: text("host2"), possible: true, best: true, reason: text("34 GiB and 42 vCPU left after; shares the disk"), checks: checks(), remarks: "2 worth knowing".into(), forecast: Some(foretold()), others: vec![("holding the guest back", "3.4 s (2.9–4.1 s)".into(), "80 ms (40–200 ms)".into())] }, migrate::Target { id: "h3".into(), name: text("host3"), possible: false, best: false, reason: text("memory: 4 GiB needed, 2.5 GiB left"), checks: vec![check(Verdict::Fail, "2.5 GiB of memory are left, 4 GiB are needed")], remarks: "1 not possible".into(), forecast: None, others: vec![] }], any: true, policy: text("careful"), policies: vec![form::Choice::new("careful", text("careful"))], moves_by: Form::default().with("labels", text("database")), own: vec![form::Choice::new("", "by its labels, or the usual one")], form: Form::default() },
        "move-policies" => move_policies::MovePolicies { frame: frame("What moves may cost", "/policy", true), rows: vec![move_policies::PolicyRow { href: "/policy/moves?name=careful".into(), name: text("careful"), usual: true, pause: "300 ms".into(), within: "no end".into(), may: "hold the guest back, compress".into(), share: "100 %".into(), resort: "give the move up", labels: String::new() }, move_policies::PolicyRow { href: "/policy/moves?name=huge".into(), name: text("huge VM"), usual: false, pause: "1,500 ms".into(), within: "600 s".into(), may: "only copy".into(), share: "50 %".into(), resort: "finish with a longer pause", labels: text("database, cache") }], was: text("huge VM"), may_remove: true, resorts: vec![form::Choice::new("give_up", "give the move up")], form: Form::default().with("name", text("huge VM")).with("longest_pause_ms", 1500).with("link_share_percent", 50).with("may_throttle", "on"), version: 7 },
        "drain" => plans::DrainPage { frame: frame("Empty host1", "/hosts", true), id: "h1".into(), name: text("host1"), gantt: gantt(false), blocked: blocked(), words: "2 machines leave in about 12 s; the links allow no plan that takes less than 11 s.".into(), form: Form::default() },
        "plan" => plans::PlanPage { frame: frame("Empty host1", "/migrations", true), href: "/plans/1".into(), title: text("Empty host1"), host: text("host1"), host_href: "/hosts/1".into(), badge: PlanState::Running.into(), running: true, stopping: false, words: "1 of 2 moved after 8 s; about 12 s were expected in all.".into(), gantt: gantt(true), blocked: blocked(), facts: vec![("Asked by", "ada".into())] },
        "plans" => plans::Plans { frame: frame("Plans", "/migrations", true), rows: vec![plans::PlanRow { href: "/plans/1".into(), when: "1 Dec 2026 12:20".into(), what: text("Empty host1"), badge: PlanState::Done.into(), moved: "2 of 2".into(), took: "12 s".into() }] },
        "plans-empty" => plans::Plans { frame: frame("Plans", "/migrations", true), rows: vec![] },
        "migration-running" => migration(MigrationOutcome::Running, true),
        "migration" => migration(MigrationOutcome::Completed, false),
        "migration-failed" => migration(MigrationOutcome::Failed, false),
        "accuracy" => forecast::Accuracy { frame: frame("How right forecasts were", "/migrations", true), moves: 3, figures: vec![("Off by, in the middle", Reading::new("8", "%"), "of what it took: half were nearer".into()), ("Pause foretold", Reading::or_unknown(None, "No pause was measured."), "within a factor of 1.5".into())], longest: "2.3 s".into(), dots: vec![forecast::Dot { x: 900.0, y: 0.0, within: true }, forecast::Dot { x: 500.0, y: 520.0, within: true }, forecast::Dot { x: 300.0, y: 300.0, within: false }], rows: vec![forecast::Outcome { href: "/migrations/1".into(), when: "24 Nov 2026 12:20".into(), vm: text("thesis-db"), way: text("host1 → host2"), expected: "2.1 s (1.8–2.6 s)".into(), took: "2.3 s".into(), error: "8.7 %".into(), expected_downtime: "80 ms (40–300 ms)".into(), downtime: "84 ms".into() }] },
        "accuracy-empty" => forecast::Accuracy { frame: frame("How right forecasts were", "/migrations", true), moves: 0, figures: vec![], longest: String::new(), dots: vec![], rows: vec![] },
        "migrations" => migrate::Migrations { frame: frame("Migrations", "/migrations", true), list: list("/migrations", "when", 2), states: words(&["completed"]), rows: vec![migrate::MigrationRow { href: "/migrations/1".into(), vm: text("thesis-db"), vm_href: "/vms/1".into(), source: "host1".into(), target: "host2".into(), badge: MigrationOutcome::Completed.into(), reason: None, when: "24 Nov 2026 12:20".into(), total: "2.3 s".into(), downtime: "80 ms".into(), bytes: "1.9 GiB".into() }] },
        "jobs" => migrate::Jobs { frame: frame("Jobs", "/jobs", true), list: list("/jobs", "when", 2), states: words(&["done", "failed"]), rows: vec![migrate::JobRow { href: "/jobs/1".into(), what: text("Make thesis-db"), badge: JobState::Running.into(), doing: text("Bringing the image"), by: "ada".into(), when: "just now".into(), took: "12 s".into() }], tasks: vec![("monitor".into(), "every 10 s, last 4 s ago in 31 ms".into(), None), ("reconcile".into(), "last 20 s ago".into(), Some(text("host2 does not answer")))] },
        "job" => job(JobState::Running),
        "job-failed" => job(JobState::Failed),
    ]
}
