//! One pass of list scheduling: at each instant the first moves of a list that fit are started.

use super::{Problem, Room, Step};
use std::{cmp::Reverse, collections::BinaryHeap};

/// A move of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub vm: usize,
    pub from: usize,
    pub to: usize,
    pub mbit: u32,
    pub ms: u64,
    /// Another of the list that must have ended before.
    pub after: Option<usize>,
    /// What it is for goes on from its target.
    pub detour: bool,
}

/// What a pass comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// When each task starts; none where it never can.
    pub starts: Vec<Option<u64>>,
    pub makespan: u64,
    /// The sum of all ends: of two that end together the one that gets on faster is better.
    pub ends: u64,
    pub stuck: usize,
}

impl Outcome {
    /// Less is better.
    pub fn worth(&self) -> (usize, u64, u64) {
        (self.stuck, self.makespan, self.ends)
    }
    pub fn steps(&self, tasks: &[Task]) -> Vec<Step> {
        let started = tasks.iter().zip(&self.starts);
        let mut steps: Vec<Step> = started
            .filter_map(|(task, start)| {
                let start_ms = (*start)?;
                Some(Step {
                    vm: task.vm,
                    from: task.from,
                    to: task.to,
                    mbit: task.mbit,
                    start_ms,
                    end_ms: start_ms + task.ms,
                    detour: task.detour,
                })
            })
            .collect();
        steps.sort_by_key(|step| (step.start_ms, step.end_ms, step.vm));
        steps
    }
}

/// What there is at an instant.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub free: Vec<Room>,
    /// Mbit/s that are left of each link's directions: less than nothing where more is under way than it carries.
    sends: Vec<i64>,
    receives: Vec<i64>,
    /// VMs of each group on each host.
    together: Vec<u32>,
    groups: usize,
}

impl Fleet {
    /// At the beginning, with what is under way.
    pub fn of(problem: &Problem<'_>) -> Self {
        let links = problem.hosts.iter().map(|host| i64::from(host.link_mbit));
        let links: Vec<i64> = links.collect();
        let all = problem.vms.iter().flat_map(|vm| &vm.apart);
        let groups = all.max().map_or(0, |most| most + 1);
        let mut fleet = Self {
            free: problem.hosts.iter().map(|host| host.free).collect(),
            sends: links.clone(),
            receives: links,
            together: vec![0; groups * problem.hosts.len()],
            groups,
        };
        for vm in problem.vms {
            fleet.join(&vm.apart, vm.host);
        }
        for (moving, _) in problem.under_way {
            let vm = &problem.vms[moving.vm];
            let mbit = (problem.trip)(moving.vm, vm.host, moving.to).mbit;
            fleet.sends[vm.host] -= i64::from(mbit);
            fleet.receives[moving.to] -= i64::from(mbit);
            fleet.join(&vm.apart, moving.to);
        }
        fleet
    }
    fn join(&mut self, apart: &[usize], host: usize) {
        for group in apart {
            self.together[host * self.groups + group] += 1;
        }
    }
    fn leave(&mut self, apart: &[usize], host: usize) {
        for group in apart {
            self.together[host * self.groups + group] -= 1;
        }
    }
    /// Whether a VM may be on this host besides what is there.
    pub fn may_join(&self, apart: &[usize], host: usize) -> bool {
        apart
            .iter()
            .all(|group| self.together[host * self.groups + group] == 0)
    }
    /// Whether the target has what the VM needs, whatever the links do.
    pub fn takes(&self, problem: &Problem<'_>, vm: usize, to: usize) -> bool {
        let vm = &problem.vms[vm];
        self.free[to].holds(vm.need) && self.may_join(&vm.apart, to)
    }
    /// The same, had this VM left this host.
    pub fn without(&self, problem: &Problem<'_>, vm: usize, host: usize) -> Self {
        let mut fleet = self.clone();
        let vm = &problem.vms[vm];
        fleet.free[host] = fleet.free[host].and(vm.need);
        fleet.leave(&vm.apart, host);
        fleet
    }
    fn may_start(&self, problem: &Problem<'_>, task: &Task) -> bool {
        self.sends[task.from] >= i64::from(task.mbit)
            && self.receives[task.to] >= i64::from(task.mbit)
            && self.takes(problem, task.vm, task.to)
    }
    fn start(&mut self, problem: &Problem<'_>, task: &Task) {
        let vm = &problem.vms[task.vm];
        self.sends[task.from] -= i64::from(task.mbit);
        self.receives[task.to] -= i64::from(task.mbit);
        self.free[task.to] = self.free[task.to].less(vm.need);
        self.join(&vm.apart, task.to);
    }
    fn end(&mut self, problem: &Problem<'_>, task: &Task) {
        let vm = &problem.vms[task.vm];
        self.sends[task.from] += i64::from(task.mbit);
        self.receives[task.to] += i64::from(task.mbit);
        self.free[task.from] = self.free[task.from].and(vm.need);
        self.leave(&vm.apart, task.from);
    }
}

/// The tasks that touch each host, in the order of the list.
struct Touching(Vec<Vec<usize>>);

impl Touching {
    fn of(hosts: usize, tasks: &[Task], list: &[usize]) -> Self {
        let mut touching = vec![Vec::new(); hosts];
        for (rank, task) in list.iter().enumerate() {
            let task = &tasks[*task];
            touching[task.from].push(rank);
            if task.to != task.from {
                touching[task.to].push(rank);
            }
        }
        Self(touching)
    }
}

/// The fleet after a pass, for who wants to know what a task that never started waits for.
pub(super) struct Passed {
    pub outcome: Outcome,
    pub fleet: Fleet,
}

/// Makes a pass. `list` names the tasks, first choice first; `held` says which of them are passed over at the first
/// chance they have: now and then waiting for something better is worth it.
pub(super) fn pass(
    problem: &Problem<'_>,
    begin: &Fleet,
    tasks: &[Task],
    list: &[usize],
    held: &[bool],
) -> Passed {
    let mut fleet = begin.clone();
    let mut starts: Vec<Option<u64>> = vec![None; tasks.len()];
    let mut ended = vec![false; tasks.len()];
    let mut held = held.to_vec();
    let touching = Touching::of(problem.hosts.len(), tasks, list);
    // By end, then by place, so that the same input gives the same plan. What is under way comes after the tasks.
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    for (at, (_, ms)) in problem.under_way.iter().enumerate() {
        running.push(Reverse((*ms, tasks.len() + at)));
    }
    let task_of = |at: usize| -> Task {
        tasks.get(at).copied().unwrap_or_else(|| {
            let (moving, ms) = problem.under_way[at - tasks.len()];
            let from = problem.vms[moving.vm].host;
            Task {
                vm: moving.vm,
                from,
                to: moving.to,
                mbit: (problem.trip)(moving.vm, from, moving.to).mbit,
                ms,
                after: None,
                detour: false,
            }
        })
    };
    let (mut now, mut makespan, mut ends, mut left) = (0, 0, 0_u64, tasks.len());
    let mut candidates: Vec<usize> = (0..list.len()).collect();
    // Whether, with nothing running, there is still something that had no chance.
    let mut passed_over = false;
    loop {
        for rank in candidates.drain(..) {
            let at = list[rank];
            let task = &tasks[at];
            let due = starts[at].is_none() && task.after.is_none_or(|before| ended[before]);
            if !due || !fleet.may_start(problem, task) {
                continue;
            }
            if held[at] {
                held[at] = false;
                passed_over = true;
                continue;
            }
            fleet.start(problem, task);
            starts[at] = Some(now);
            left -= 1;
            let end = now + task.ms;
            makespan = makespan.max(end);
            ends = ends.saturating_add(end);
            running.push(Reverse((end, at)));
        }
        let Some(Reverse((end, _))) = running.peek().copied() else {
            // Nothing runs: what was passed over has its chance after all.
            if std::mem::take(&mut passed_over) {
                candidates.extend(0..list.len());
                continue;
            }
            break;
        };
        now = end;
        makespan = makespan.max(end);
        while let Some(Reverse((at_end, at))) = running.peek().copied() {
            if at_end > now {
                break;
            }
            running.pop();
            let task = task_of(at);
            fleet.end(problem, &task);
            if let Some(ended) = ended.get_mut(at) {
                *ended = true;
            }
            candidates.extend(&touching.0[task.from]);
            candidates.extend(&touching.0[task.to]);
        }
        candidates.retain(|rank| starts[list[*rank]].is_none());
        candidates.sort_unstable();
        candidates.dedup();
    }
    Passed {
        outcome: Outcome {
            starts,
            makespan,
            ends,
            stuck: left,
        },
        fleet,
    }
}
