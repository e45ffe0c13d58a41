use super::{file::read, *};
use proptest::prelude::*;

const GB: u64 = 1_024;

fn host(name: &str, free_gb: u64) -> Host {
    Host {
        name: name.into(),
        free: Room {
            memory_mib: free_gb * GB,
            vcpus: 100,
            disk_mib: 0,
        },
        link_mbit: 1_000,
        may_lend: true,
    }
}

fn vm(name: &str, host: usize, gb: u64) -> Vm {
    Vm {
        name: name.into(),
        host,
        need: Room {
            memory_mib: gb * GB,
            vcpus: 1,
            disk_mib: 0,
        },
        apart: Vec::new(),
    }
}

/// Ten seconds a GiB over a whole link.
fn by_size<'a>(hosts: &'a [Host], vms: &'a [Vm]) -> impl Fn(usize, usize, usize) -> Trip + 'a {
    |vm, from, to| {
        let mbit = hosts[from].link_mbit.min(hosts[to].link_mbit);
        let ms = vms[vm].need.memory_mib / GB * 10_000 * 1_000 / u64::from(mbit);
        Trip { mbit, ms }
    }
}

fn ordered(hosts: &[Host], vms: &[Vm], moves: &[(usize, usize)]) -> Plan {
    let moves: Vec<Move> = moves
        .iter()
        .map(|(vm, to)| Move { vm: *vm, to: *to })
        .collect();
    let trip = by_size(hosts, vms);
    let problem = Problem {
        hosts,
        vms,
        moves: &moves,
        under_way: &[],
        trip: &trip,
    };
    let plan = order(&problem, Budget::default());
    check(&problem, &plan);
    plan
}

/// Plays a plan, and finds it wrong wherever something does not hold at some instant.
fn check(problem: &Problem<'_>, plan: &Plan) {
    let mut at: Vec<usize> = problem.vms.iter().map(|vm| vm.host).collect();
    let mut instants: Vec<u64> = plan.steps.iter().map(|step| step.start_ms).collect();
    instants.sort_unstable();
    for now in instants {
        let runs = |step: &&Step| step.start_ms <= now && now < step.end_ms;
        let mut free: Vec<Room> = problem.hosts.iter().map(|host| host.free).collect();
        let links = |of: fn(&Step) -> usize, host: usize| -> u32 {
            let there = plan
                .steps
                .iter()
                .filter(runs)
                .filter(|step| of(step) == host);
            there.map(|step| step.mbit).sum()
        };
        for host in 0..problem.hosts.len() {
            let link = problem.hosts[host].link_mbit;
            assert!(
                links(|step| step.from, host) <= link,
                "{host} sends too much at {now}"
            );
            assert!(
                links(|step| step.to, host) <= link,
                "{host} receives too much at {now}"
            );
        }
        let mut held: Vec<Vec<usize>> = problem.vms.iter().map(|vm| vec![vm.host]).collect();
        for step in plan.steps.iter().filter(|step| step.start_ms <= now) {
            let need = problem.vms[step.vm].need;
            assert!(
                free[step.to].holds(need) || step.end_ms <= now,
                "no room at {now}: {step:?}"
            );
            free[step.to] = free[step.to].less(need);
            held[step.vm].push(step.to);
            if step.end_ms <= now {
                free[step.from] = free[step.from].and(need);
                held[step.vm].retain(|host| *host != step.from);
            }
        }
        for (one, a) in problem.vms.iter().enumerate() {
            for (other, b) in problem.vms.iter().enumerate().skip(one + 1) {
                let apart = a.apart.iter().any(|group| b.apart.contains(group));
                let together = held[one].iter().any(|host| held[other].contains(host));
                assert!(
                    !(apart && together),
                    "{} and {} together at {now}",
                    a.name,
                    b.name
                );
            }
        }
    }
    for step in &plan.steps {
        assert_eq!(
            at[step.vm], step.from,
            "{step:?} does not start where the VM is"
        );
        at[step.vm] = step.to;
    }
    for wanted in problem.moves {
        let left = plan.left.iter().any(|left| left.wanted == *wanted);
        assert_eq!(at[wanted.vm] == wanted.to, !left, "{wanted:?}");
        if left {
            assert_eq!(at[wanted.vm], problem.vms[wanted.vm].host, "left half-way");
        }
    }
    assert!(
        plan.makespan_ms >= plan.bound_ms,
        "below the bound: {plan:?}"
    );
}

#[test]
fn nothing_to_do_is_a_plan() {
    assert_eq!(ordered(&[host("a", 1)], &[vm("x", 0, 1)], &[]).steps, []);
}

#[test]
fn one_link_carries_one_after_the_other_and_two_pairs_go_at_once() {
    let hosts = ["a", "b", "c", "d"].map(|name| host(name, 100));
    let vms = [vm("x", 0, 1), vm("y", 0, 2), vm("z", 2, 3)];
    let plan = ordered(&hosts, &vms, &[(0, 1), (1, 1), (2, 3)]);
    assert_eq!(plan.makespan_ms, 30_000);
    assert_eq!(plan.makespan_ms, plan.bound_ms);
}

#[test]
fn who_makes_room_goes_first() {
    let hosts = [host("a", 10), host("b", 0), host("c", 10)];
    let vms = [vm("wants-on", 0, 4), vm("in-the-way", 1, 4)];
    let plan = ordered(&hosts, &vms, &[(0, 1), (1, 2)]);
    assert_eq!(plan.steps[0].vm, 1);
    assert_eq!(plan.makespan_ms, 80_000);
}

#[test]
fn who_trades_places_on_full_hosts_goes_by_the_cheapest_detour() {
    let hosts = [host("a", 0), host("b", 0), host("c", 5)];
    let vms = [vm("big", 0, 4), vm("small", 1, 4), vm("tiny", 1, 1)];
    // Of the two, none is dearer than the other: the one over the third host, once.
    let plan = ordered(&hosts, &vms, &[(0, 1), (1, 0)]);
    assert!(plan.left.is_empty(), "{plan:?}");
    assert_eq!(plan.steps.iter().filter(|step| step.detour).count(), 1);
    assert_eq!(plan.steps.len(), 3);
    let without = [host("a", 0), host("b", 0)];
    let plan = ordered(&without, &vms, &[(0, 1), (1, 0)]);
    assert_eq!(plan.steps, []);
    assert_eq!(plan.left.len(), 2);
    assert!(
        plan.left[0]
            .why
            .contains("4096 MiB of memory wanted, 0 free"),
        "{:?}",
        plan.left
    );
}

#[test]
fn what_can_be_done_is_done_and_the_rest_is_named() {
    let hosts = [host("a", 10), host("b", 2), host("c", 0)];
    let vms = [vm("fits", 0, 1), vm("never", 0, 1)];
    let plan = ordered(&hosts, &vms, &[(0, 1), (1, 2)]);
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.left[0].wanted.vm, 1);
}

#[test]
fn those_that_are_to_be_apart_are_so_at_every_instant() {
    let hosts = ["a", "b", "c"].map(|name| host(name, 100));
    let mut vms = [vm("one", 0, 1), vm("other", 1, 1)];
    for vm in &mut vms {
        vm.apart = vec![0];
    }
    // `one` goes where `other` is, which must be gone before.
    let plan = ordered(&hosts, &vms, &[(0, 1), (1, 2)]);
    assert_eq!(plan.steps[0].vm, 1);
    assert_eq!(plan.steps[1].start_ms, plan.steps[0].end_ms);
}

#[test]
fn what_is_under_way_holds_its_links_and_gives_its_room_back() {
    let hosts = [host("a", 0), host("b", 0), host("c", 10)];
    let vms = [vm("goes", 1, 4), vm("waits", 2, 4)];
    let moves = [Move { vm: 1, to: 1 }];
    let under_way = [(Move { vm: 0, to: 2 }, 7_000)];
    let trip = by_size(&hosts, &vms);
    let problem = Problem {
        hosts: &hosts,
        vms: &vms,
        moves: &moves,
        under_way: &under_way,
        trip: &trip,
    };
    let plan = order(&problem, Budget::default());
    assert_eq!(plan.steps[0].start_ms, 7_000, "{plan:?}");
    assert_eq!(plan.makespan_ms, 47_000);
}

#[test]
fn more_under_way_than_a_link_carries_does_not_widen_it() {
    let hosts = ["a", "b", "c", "d"].map(|name| host(name, 100));
    let vms = ["one", "two", "next", "last"].map(|name| vm(name, 0, 1));
    let under_way = [
        (Move { vm: 0, to: 1 }, 5_000),
        (Move { vm: 1, to: 2 }, 7_000),
    ];
    let moves = [Move { vm: 2, to: 1 }, Move { vm: 3, to: 3 }];
    let trip = by_size(&hosts, &vms);
    let problem = Problem {
        hosts: &hosts,
        vms: &vms,
        moves: &moves,
        under_way: &under_way,
        trip: &trip,
    };
    let plan = order(&problem, Budget::default());
    let starts: Vec<u64> = plan.steps.iter().map(|step| step.start_ms).collect();
    assert_eq!(starts, [7_000, 17_000], "{plan:?}");
}

/// A thousand moves over two hundred hosts of two speeds.
fn large() -> (Vec<Host>, Vec<Vm>, Vec<Move>) {
    let mut number = 12_345_u64;
    let mut dice = move |end: u64| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) % end
    };
    let hosts: Vec<Host> = (0..200)
        .map(|at| Host {
            link_mbit: if at % 4 == 0 { 10_000 } else { 1_000 },
            ..host(&format!("host{at}"), 64)
        })
        .collect();
    let (mut vms, mut moves) = (Vec::new(), Vec::new());
    for at in 0..1_000 {
        let from = dice(200);
        let to = (from + 1 + dice(199)) % 200;
        let size = 1 + dice(8);
        vms.push(vm(&format!("vm{at}"), from as usize, size));
        moves.push(Move {
            vm: at,
            to: to as usize,
        });
    }
    (hosts, vms, moves)
}

#[test]
fn a_thousand_moves_come_near_what_the_links_carry() {
    let (hosts, vms, moves) = large();
    let trip = by_size(&hosts, &vms);
    let problem = Problem {
        hosts: &hosts,
        vms: &vms,
        moves: &moves,
        under_way: &[],
        trip: &trip,
    };
    let plan = order(&problem, Budget::default());
    assert!(plan.left.is_empty());
    let over = plan.makespan_ms as f64 / plan.bound_ms as f64;
    assert!(over <= 1.02, "{over} times the bound");
    assert_eq!(plan, order(&problem, Budget::default()), "the same again");
}

#[test]
fn files_are_read_and_their_faults_named() {
    let text = r#"{"hosts": [{"name": "a", "memory_mib": 4096, "link_mbit": 1000}, {"name": "b", "memory_mib": 4096, "link_mbit": 500}],
        "vms": [{"name": "x", "host": "a", "memory_mib": 2048, "hot_mib": 10, "cold_mib_per_s": 1}],
        "moves": [{"vm": "x", "to": "b"}]}"#;
    let ordered = read(text).unwrap().order(Budget::default());
    assert_eq!(ordered.steps.len(), 1);
    assert_eq!(ordered.steps[0].mbit, 500);
    assert!((30.0..45.0).contains(&ordered.makespan_s), "{ordered:?}");
    for (broken, said) in [
        ("{", "no JSON"),
        ("{}", "missing field `hosts`"),
        (
            &text.replace("\"link_mbit\": 500", "\"link\": 500"),
            "unknown field `link`",
        ),
        (
            &text.replace("\"to\": \"b\"", "\"to\": \"z\""),
            "The move of x names the host z",
        ),
        (
            &text.replace("\"host\": \"a\"", "\"host\": \"q\""),
            "The VM x names the host q",
        ),
        (
            &text.replace("\"name\": \"b\"", "\"name\": \"a\""),
            "There are two hosts a",
        ),
        (
            &text.replace("\"hot_mib\": 10", "\"hot_mib\": -1"),
            "hot_mib is -1",
        ),
    ] {
        let error = read(broken).err().unwrap();
        assert!(error.message.contains(said), "{said}: {}", error.message);
    }
}

#[test]
fn a_published_plan_of_btrplace_is_read_with_its_network() {
    let text = r#"{"origin": {"mapping": {"readyVMs": [], "offlineNodes": [], "onlineNodes": {
        "0": {"sleepingVMs": [], "runningVMs": [1]}, "1": {"sleepingVMs": [], "runningVMs": [2]},
        "2": {"sleepingVMs": [], "runningVMs": []}, "3": {"sleepingVMs": [], "runningVMs": []}}},
        "attributes": {"nodes": {}, "vms": {
          "1": {"maxDirtySize": 96, "maxDirtyDuration": 2, "memUsed": 2000, "dirtyRate": 2.0},
          "2": {"maxDirtySize": 96, "maxDirtyDuration": 2, "memUsed": 3000, "dirtyRate": 2.0}}},
        "views": [{"rcId": "mem", "id": "shareableResource", "defConsumption": 0, "defCapacity": 0,
                   "nodes": {"0": 12, "1": 12, "2": 12, "3": 12}, "vms": {"1": 2, "2": 3}}]},
      "actions": [{"id": "migrateVM", "vm": 1, "from": 0, "to": 2, "bw": 500, "start": 0, "end": 51},
                  {"id": "migrateVM", "vm": 2, "from": 1, "to": 2, "bw": 500, "start": 0, "end": 70}]}"#;
    let ordered = read(text).unwrap().order(Budget::default());
    // Both at once: the receiver's link is as wide as both senders'.
    assert_eq!(ordered.makespan_s, 70.0);
    let times: Vec<f64> = ordered
        .steps
        .iter()
        .map(|step| step.end_s - step.start_s)
        .collect();
    assert_eq!(times, [51.0, 70.0]);
    let shown = serde_json::to_value(&ordered.steps[0]).unwrap();
    assert_eq!(shown["vm"], 1);
    let error = read(&text.replace("\"to\": 2", "\"dest\": 2"))
        .err()
        .unwrap();
    assert!(
        error.message.contains("only migrateVM"),
        "{}",
        error.message
    );
}

/// GiB free of each host; of each VM where it is, its size, where it is to go, and whether it is to be apart.
type Drawn = (Vec<u64>, Vec<(usize, u64, usize, bool)>);

fn problems() -> impl Strategy<Value = Drawn> {
    let hosts = prop::collection::vec(0_u64..12, 2..6);
    hosts.prop_flat_map(|free| {
        let count = free.len();
        let vms = prop::collection::vec((0..count, 1_u64..6, 0..count, any::<bool>()), 0..14);
        (Just(free), vms)
    })
}

proptest! {
    #[test]
    fn whatever_is_wanted_every_instant_holds((free, wanted) in problems()) {
        let hosts: Vec<Host> = free.iter().enumerate().map(|(at, free)| Host {
            link_mbit: if at % 2 == 0 { 500 } else { 1_000 },
            ..host(&format!("h{at}"), *free)
        }).collect();
        let mut vms: Vec<Vm> = wanted.iter().enumerate().map(|(at, (from, size, _, _))| vm(&format!("v{at}"), *from, *size)).collect();
        // Two at most are to be apart, and only where they are so at the beginning.
        let apart: Vec<usize> = (0..vms.len()).filter(|at| wanted[*at].3).take(2).collect();
        if let [a, b] = apart[..] && vms[a].host != vms[b].host {
            vms[a].apart = vec![0];
            vms[b].apart = vec![0];
        }
        let moves: Vec<(usize, usize)> = wanted.iter().enumerate()
            .filter(|(_, (from, _, to, _))| from != to)
            .map(|(at, (_, _, to, _))| (at, *to))
            .collect();
        ordered(&hosts, &vms, &moves);
    }
}
