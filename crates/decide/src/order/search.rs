//! Passes over ever other orders, the best of which is the plan.

use super::{
    Budget, Left, Plan, Problem,
    bound::{bound, loads},
    detour,
    pass::{Fleet, Outcome, Passed, Task, pass},
};

/// Up to so many moves it is tried what leaving each of them would do for the others.
const FEW: usize = 40;

/// Puts the moves in order.
pub fn order(problem: &Problem<'_>, budget: Budget) -> Plan {
    let begin = Fleet::of(problem);
    let wanted: Vec<Task> = problem
        .moves
        .iter()
        .map(|wanted| {
            let from = problem.vms[wanted.vm].host;
            let trip = (problem.trip)(wanted.vm, from, wanted.to);
            Task {
                vm: wanted.vm,
                from,
                to: wanted.to,
                mbit: trip.mbit,
                ms: trip.ms,
                after: None,
                detour: false,
            }
        })
        .collect();
    let mut search = Search {
        problem,
        begin: &begin,
        evaluations: 0,
    };
    let (tasks, given_up) = search.feasible(wanted);
    let bound = bound(problem, &on_their_way(problem, &tasks));
    let best = search.best(&tasks, bound, budget);
    Plan {
        steps: best.steps(&tasks),
        makespan_ms: best.makespan,
        bound_ms: bound,
        left: search.left(&tasks, &given_up),
        evaluations: search.evaluations,
    }
}

/// The same VMs, without detours: what they would take of the links at least.
fn on_their_way(problem: &Problem<'_>, tasks: &[Task]) -> Vec<Task> {
    let ends = tasks.iter().filter(|task| !task.detour);
    ends.map(|task| {
        let from = problem.vms[task.vm].host;
        let trip = (problem.trip)(task.vm, from, task.to);
        Task {
            from,
            mbit: trip.mbit,
            ms: trip.ms,
            after: None,
            ..*task
        }
    })
    .collect()
}

struct Search<'a> {
    problem: &'a Problem<'a>,
    begin: &'a Fleet,
    evaluations: u64,
}

impl Search<'_> {
    fn pass(&mut self, tasks: &[Task], list: &[usize], held: &[bool]) -> Passed {
        self.evaluations += 1;
        pass(self.problem, self.begin, tasks, list, held)
    }

    /// What of these can be done, and what can't. Who comes first may take the room others wait for: where several are
    /// left it is tried whether leaving one of the others lets more go.
    fn feasible(&mut self, tasks: Vec<Task>) -> (Vec<Task>, Vec<Task>) {
        let mut best = self.with_detours(tasks.clone());
        if tasks.len() > FEW {
            return best;
        }
        for at in 0..tasks.len() {
            if best.1.len() <= 1 {
                break;
            }
            let mut others = tasks.clone();
            let left = others.remove(at);
            let (done, mut given_up) = self.with_detours(others);
            given_up.push(left);
            if given_up.len() < best.1.len() {
                best = (done, given_up);
            }
        }
        best
    }

    /// Why these are left when the others are done.
    fn left(&mut self, tasks: &[Task], given_up: &[Task]) -> Vec<Left> {
        if given_up.is_empty() {
            return Vec::new();
        }
        let list = critical_first(self.problem, tasks);
        let passed = self.pass(tasks, &list, &vec![false; tasks.len()]);
        detour::left(self.problem, &passed.fleet, given_up)
    }

    /// What of these can be done, with detours where it needs them, and what can't.
    fn with_detours(&mut self, mut tasks: Vec<Task>) -> (Vec<Task>, Vec<Task>) {
        let mut given_up: Vec<Task> = Vec::new();
        let mut detours = 0;
        loop {
            let list = critical_first(self.problem, &tasks);
            let passed = self.pass(&tasks, &list, &vec![false; tasks.len()]);
            if passed.outcome.stuck == 0 {
                return (tasks, given_up);
            }
            let may_try = detours < self.problem.moves.len() && given_up.is_empty();
            if may_try && let Some((at, over)) = detour::cheapest(self.problem, &tasks, &passed) {
                detours += 1;
                detour::take(self.problem, &mut tasks, at, over);
                continue;
            }
            given_up.extend(give_up(&mut tasks, &passed));
        }
    }

    /// The best plan for these, all of which can be done.
    fn best(&mut self, tasks: &[Task], bound: u64, budget: Budget) -> Outcome {
        let none = vec![false; tasks.len()];
        let mut list = critical_first(self.problem, tasks);
        let mut best = self.pass(tasks, &list, &none).outcome;
        let mut longest: Vec<usize> = (0..tasks.len()).collect();
        longest.sort_by_key(|at| std::cmp::Reverse((tasks[*at].ms, tasks[*at].mbit)));
        let mut dice = Dice(budget.seed);
        let cost = (tasks.len() as u64).max(1);
        let passes = budget.starts / cost;
        for number in 0..passes {
            if best.makespan <= bound || tasks.len() < 2 {
                break;
            }
            let (tried, held) = match number {
                0 => (longest.clone(), none.clone()),
                _ => changed(&list, &mut dice),
            };
            let outcome = self.pass(tasks, &tried, &held).outcome;
            // One that is as good is gone on from: the next may be better.
            if outcome.worth() <= best.worth() {
                // What it waited for is not in the list, but in when it started.
                list = tried;
                if outcome.worth() < best.worth() {
                    best = outcome;
                }
            }
        }
        best
    }
}

/// Takes out what can't be done: a VM that would be stranded on its detour, or else all that never start.
fn give_up(tasks: &mut Vec<Task>, passed: &Passed) -> Vec<Task> {
    let never: Vec<(usize, Task)> = detour::stuck(tasks, passed)
        .map(|(at, task)| (at, *task))
        .collect();
    let stranded = never.iter().find(|(_, task)| {
        task.after
            .is_some_and(|at| passed.outcome.starts[at].is_some())
    });
    let gone: Vec<usize> = match stranded {
        Some((_, task)) => vec![task.vm],
        None => never.iter().map(|(_, task)| task.vm).collect(),
    };
    let last_legs = tasks
        .iter()
        .filter(|task| gone.contains(&task.vm) && !task.detour)
        .copied()
        .collect();
    // Places change, and with them what comes after what.
    let kept: Vec<usize> = (0..tasks.len())
        .filter(|at| !gone.contains(&tasks[*at].vm))
        .collect();
    let place = |at: usize| kept.binary_search(&at).ok();
    *tasks = kept
        .iter()
        .map(|at| Task {
            after: tasks[*at].after.and_then(place),
            ..tasks[*at]
        })
        .collect();
    last_legs
}

/// Those first that use the links with most to do, and of these the longest. What leads on to another counts with it.
fn critical_first(problem: &Problem<'_>, tasks: &[Task]) -> Vec<usize> {
    let (sends, receives) = loads(problem, tasks);
    let mut weight: Vec<(u64, u64)> = tasks
        .iter()
        .map(|task| (sends[task.from].max(receives[task.to]), task.ms))
        .collect();
    for task in tasks.iter().rev() {
        if let Some(before) = task.after {
            let on = sends[task.from].max(receives[task.to]);
            weight[before].0 = weight[before].0.max(on).saturating_add(task.ms);
        }
    }
    let mut list: Vec<usize> = (0..tasks.len()).collect();
    list.sort_by_key(|at| (std::cmp::Reverse(weight[*at]), *at));
    list
}

/// Another order near this one: some moves earlier, or some trading places, and now and then one that waits although it
/// could start.
fn changed(list: &[usize], dice: &mut Dice) -> (Vec<usize>, Vec<bool>) {
    let mut list = list.to_vec();
    let count = list.len();
    for _ in 0..=dice.below(3) {
        let (a, b) = (dice.below(count), dice.below(count));
        if dice.below(2) == 0 {
            list.swap(a, b);
        } else {
            let task = list.remove(a.max(b));
            list.insert(a.min(b), task);
        }
    }
    let mut held = vec![false; count];
    if dice.below(4) == 0 {
        held[dice.below(count)] = true;
    }
    (list, held)
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): what it gives never changes, so that a seed gives the same plan on any
/// machine and with any version.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
    /// A number below `end`; 0 where that is 0.
    fn below(&mut self, end: usize) -> usize {
        let end = (end as u64).max(1);
        // Fewer than 2^32 choices from 32 bits: no choice is favoured noticeably.
        usize::try_from(((self.next() >> 32) * end) >> 32).unwrap_or(0)
    }
}
