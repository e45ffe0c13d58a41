//! Where VMs would have to trade places: who steps aside, and where to.

use super::{
    Left, Problem,
    bound::loads,
    pass::{Fleet, Passed, Task},
};

/// The detour that costs least: of a VM that waits on a host others wait to get on, over a host that has room for it
/// meanwhile. Those that let somebody move at once come first, then those that take the shortest time, then those over a
/// link with little else to do. None where there is no such VM and host.
pub(super) fn cheapest(
    problem: &Problem<'_>,
    tasks: &[Task],
    passed: &Passed,
) -> Option<(usize, usize)> {
    let fleet = &passed.fleet;
    let waits: Vec<(usize, &Task)> = stuck(tasks, passed).collect();
    let (sends, receives) = loads(problem, tasks);
    let mut best = None;
    for (at, task) in &waits {
        // Each VM steps aside once at most.
        if task.detour || task.after.is_some() {
            continue;
        }
        let vm = &problem.vms[task.vm];
        let freed = fleet.without(problem, task.vm, task.from);
        let helped = |other: &&(usize, &Task)| other.1.to == task.from && other.0 != *at;
        if !waits.iter().any(|other| helped(&other)) {
            continue;
        }
        let lets_on = waits
            .iter()
            .filter(helped)
            .any(|(_, other)| freed.takes(problem, other.vm, task.from));
        for (over, host) in problem.hosts.iter().enumerate() {
            let fits = host.may_lend
                && over != task.from
                && over != task.to
                && fleet.takes(problem, task.vm, over);
            if !fits {
                continue;
            }
            let there = (problem.trip)(task.vm, task.from, over).ms;
            let back = (problem.trip)(task.vm, over, task.to).ms;
            let busy = sends[over].max(receives[over]);
            let slack = fleet.free[over].less(vm.need).memory_mib;
            let worth = (
                !lets_on,
                there.saturating_add(back),
                busy,
                u64::MAX - slack,
                *at,
                over,
            );
            if best.is_none_or(|best| worth < best) {
                best = Some(worth);
            }
        }
    }
    best.map(|(.., at, over)| (at, over))
}

/// Tasks that never started.
pub(super) fn stuck<'a>(
    tasks: &'a [Task],
    passed: &'a Passed,
) -> impl Iterator<Item = (usize, &'a Task)> {
    tasks
        .iter()
        .enumerate()
        .filter(|(at, _)| passed.outcome.starts[*at].is_none())
}

/// The same moves, with this one's VM going over `over`.
pub(super) fn take(problem: &Problem<'_>, tasks: &mut Vec<Task>, at: usize, over: usize) {
    let Task { vm, from, to, .. } = tasks[at];
    let aside = (problem.trip)(vm, from, over);
    tasks[at] = Task {
        to: over,
        mbit: aside.mbit,
        ms: aside.ms,
        detour: true,
        ..tasks[at]
    };
    let on = (problem.trip)(vm, over, to);
    tasks.push(Task {
        vm,
        from: over,
        to,
        mbit: on.mbit,
        ms: on.ms,
        after: Some(at),
        detour: false,
    });
}

/// Why a task can't start where everything that could be done is done.
pub(super) fn why(problem: &Problem<'_>, fleet: &Fleet, task: &Task) -> String {
    let (vm, host) = (&problem.vms[task.vm], &problem.hosts[task.to]);
    if !fleet.free[task.to].holds(vm.need) {
        let short = fleet.free[task.to].short_of(vm.need);
        return format!(
            "{} can't get on {}: {short} once everything else that can move has moved, and no host can lend the room.",
            vm.name, host.name
        );
    }
    if !fleet.may_join(&vm.apart, task.to) {
        return format!(
            "{} can't get on {}: a VM it is to be apart from is there and stays.",
            vm.name, host.name
        );
    }
    format!(
        "{} can't get on {}: its stream of {} Mbit/s is more than the links carry.",
        vm.name, host.name, task.mbit
    )
}

/// A sentence for each move that is left.
pub(super) fn left(problem: &Problem<'_>, fleet: &Fleet, tasks: &[Task]) -> Vec<Left> {
    let of = |task: &Task| {
        let mut wanted = problem.moves.iter().filter(|wanted| wanted.vm == task.vm);
        Some(Left {
            wanted: *wanted.next()?,
            why: why(problem, fleet, task),
        })
    };
    tasks.iter().filter_map(of).collect()
}
