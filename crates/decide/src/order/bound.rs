//! What no plan can beat.

use super::{Problem, pass::Task};

/// How long each direction of each link is taken, in milliseconds of the whole link: as sender and as receiver.
pub(super) fn loads(problem: &Problem<'_>, tasks: &[Task]) -> (Vec<u64>, Vec<u64>) {
    let none = vec![0_u64; problem.hosts.len()];
    let (mut sends, mut receives) = (none.clone(), none);
    let mut add = |from: usize, to: usize, mbit: u32, ms: u64| {
        let work = ms.saturating_mul(u64::from(mbit));
        sends[from] = sends[from].saturating_add(work);
        receives[to] = receives[to].saturating_add(work);
    };
    for task in tasks {
        add(task.from, task.to, task.mbit, task.ms);
    }
    for (moving, ms) in problem.under_way {
        let from = problem.vms[moving.vm].host;
        let mbit = (problem.trip)(moving.vm, from, moving.to).mbit;
        add(from, moving.to, mbit, *ms);
    }
    for (host, link) in problem.hosts.iter().enumerate() {
        let link = u64::from(link.link_mbit.max(1));
        sends[host] = sends[host].div_ceil(link);
        receives[host] = receives[host].div_ceil(link);
    }
    (sends, receives)
}

/// When the last of these ends at the earliest: a link's direction carries no more than it can, and no move is shorter
/// than it is.
pub(super) fn bound(problem: &Problem<'_>, tasks: &[Task]) -> u64 {
    let (sends, receives) = loads(problem, tasks);
    let links = sends.iter().chain(&receives).copied();
    let under_way = problem.under_way.iter().map(|(_, ms)| *ms);
    let alone = tasks.iter().map(|task| task.ms).chain(under_way);
    links.chain(alone).max().unwrap_or(0)
}
