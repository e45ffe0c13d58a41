//! Evacuate: which host takes each VM of one that is to be emptied, so that all fit there together.
//!
//! Largest first, each to the host that has the most room left with it (as a placement is). One that finds no room that
//! way may send one that was assigned before to another of its hosts. What can't go even so is left, and nothing is
//! dropped without a word. The order in which they go is [`crate::order`]'s matter.

use bellwether_model::{HostId, VmId};

pub use crate::order::Room;

/// A VM that is to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The VM.
    pub vm: VmId,
    /// What it takes of a host.
    pub need: Room,
    /// Hosts that could take it, were it alone; the best first.
    pub targets: Vec<HostId>,
}

/// Room on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The host.
    pub host: HostId,
    /// What is free.
    pub free: Room,
    /// Its memory in all, MiB: by it shares are reckoned.
    pub memory_mib: u64,
}

/// Who goes where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Each VM with its host, in the order of `leaving`.
    pub moves: Vec<(VmId, HostId)>,
    /// Those for which there is no room beside the others.
    pub left: Vec<VmId>,
}

/// Finds a host for each.
pub fn assign(leaving: &[Leaving], spaces: &[Space]) -> Assigned {
    let mut order: Vec<usize> = (0..leaving.len()).collect();
    let size = |at: &usize| {
        let one = &leaving[*at];
        // Of two of one size the one with fewer hosts to go to comes first.
        (
            std::cmp::Reverse(one.need.memory_mib),
            std::cmp::Reverse(one.need.vcpus),
            one.targets.len(),
            one.vm,
        )
    };
    order.sort_by_key(size);
    let mut work = Work {
        leaving,
        spaces: spaces.to_vec(),
        to: vec![None; leaving.len()],
    };
    for at in order {
        if let Some(space) = work.best(at) {
            work.put(at, space);
        } else {
            work.make_room(at);
        }
    }
    let hosts = work
        .to
        .iter()
        .map(|to| to.map(|space| work.spaces[space].host));
    let each = leaving.iter().zip(hosts);
    let moves = each
        .clone()
        .filter_map(|(one, host)| Some((one.vm, host?)))
        .collect();
    let left = each.filter(|(_, host)| host.is_none());
    Assigned {
        moves,
        left: left.map(|(one, _)| one.vm).collect(),
    }
}

struct Work<'a> {
    leaving: &'a [Leaving],
    spaces: Vec<Space>,
    to: Vec<Option<usize>>,
}

impl Work<'_> {
    /// The place of the host that has the largest share of its memory left with this one.
    fn best(&self, at: usize) -> Option<usize> {
        let one = &self.leaving[at];
        let share = |space: &Space| {
            let left = space.free.memory_mib - one.need.memory_mib;
            u128::from(left) * 1_000_000 / u128::from(space.memory_mib.max(1))
        };
        let ranked = one.targets.iter().enumerate().filter_map(|(rank, host)| {
            let space = self.spaces.iter().position(|space| space.host == *host)?;
            self.spaces[space]
                .free
                .holds(one.need)
                .then(|| (share(&self.spaces[space]), std::cmp::Reverse(rank), space))
        });
        ranked.max().map(|(_, _, space)| space)
    }

    fn put(&mut self, at: usize, space: usize) {
        let free = &mut self.spaces[space].free;
        *free = free.less(self.leaving[at].need);
        self.to[at] = Some(space);
    }

    fn take(&mut self, at: usize) {
        if let Some(space) = self.to[at].take() {
            let free = &mut self.spaces[space].free;
            *free = free.and(self.leaving[at].need);
        }
    }

    /// Sends one that was assigned before to another host, where that makes room for this one.
    fn make_room(&mut self, at: usize) {
        for host in &self.leaving[at].targets {
            for other in 0..self.leaving.len() {
                let Some(space) = self.to[other] else {
                    continue;
                };
                if self.spaces[space].host != *host {
                    continue;
                }
                self.take(other);
                if self.spaces[space].free.holds(self.leaving[at].need) {
                    self.put(at, space);
                    if let Some(elsewhere) = self.best(other) {
                        self.put(other, elsewhere);
                        return;
                    }
                    self.take(at);
                }
                self.put(other, space);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::id;
    use proptest::prelude::*;

    fn room(memory_mib: u64) -> Room {
        Room {
            memory_mib,
            vcpus: 1,
            disk_mib: 0,
        }
    }
    fn leaving(number: u64, memory: u64, targets: &[u64]) -> Leaving {
        Leaving {
            vm: id(4, number),
            need: room(memory),
            targets: targets.iter().map(|host| id(1, *host)).collect(),
        }
    }
    fn space(number: u64, memory_mib: u64) -> Space {
        Space {
            host: id(1, number),
            free: Room {
                memory_mib,
                vcpus: 100,
                disk_mib: 0,
            },
            memory_mib: 1_000,
        }
    }

    #[test]
    fn they_are_spread_over_the_hosts_with_room() {
        let vms = [1, 2, 3, 4].map(|number| leaving(number, 100, &[2, 3]));
        let found = assign(&vms, &[space(2, 1_000), space(3, 1_000)]);
        let on = |host| {
            found
                .moves
                .iter()
                .filter(|(_, to)| *to == id(1, host))
                .count()
        };
        assert_eq!((on(2), on(3), found.left.len()), (2, 2, 0));
    }

    #[test]
    fn one_makes_room_for_another_that_has_nowhere_else_to_go() {
        // Host 2 has more room and would get the first, and then none for the one that can only go there.
        let vms = [leaving(1, 600, &[2, 3]), leaving(2, 500, &[2])];
        let found = assign(&vms, &[space(2, 900), space(3, 700)]);
        assert_eq!(found.moves, [(id(4, 1), id(1, 3)), (id(4, 2), id(1, 2))]);
    }

    #[test]
    fn what_finds_no_room_is_left_and_named() {
        let vms = [
            leaving(1, 600, &[2]),
            leaving(2, 500, &[2]),
            leaving(3, 1, &[]),
        ];
        let found = assign(&vms, &[space(2, 700)]);
        assert_eq!(found.moves, [(id(4, 1), id(1, 2))]);
        assert_eq!(found.left, [id(4, 2), id(4, 3)]);
    }

    proptest! {
        #[test]
        fn no_host_is_given_more_than_it_holds_and_none_is_dropped(
            vms in prop::collection::vec((1..400_u64, prop::collection::btree_set(2..6_u64, 0..4)), 0..12),
            rooms in prop::collection::vec(0..1_000_u64, 4),
        ) {
            let vms: Vec<Leaving> = vms.iter().enumerate().map(|(n, (memory, targets))| {
                leaving(n as u64, *memory, &targets.iter().copied().collect::<Vec<_>>())
            }).collect();
            let spaces: Vec<Space> = rooms.iter().enumerate().map(|(n, room)| space(n as u64 + 2, *room)).collect();
            let found = assign(&vms, &spaces);
            prop_assert_eq!(found.moves.len() + found.left.len(), vms.len());
            for space in &spaces {
                let taken: u64 = found.moves.iter().filter(|(_, to)| *to == space.host)
                    .map(|(vm, _)| vms.iter().find(|one| one.vm == *vm).unwrap().need.memory_mib).sum();
                prop_assert!(taken <= space.free.memory_mib);
            }
            for (vm, host) in &found.moves {
                prop_assert!(vms.iter().find(|one| one.vm == *vm).unwrap().targets.contains(host));
            }
            prop_assert_eq!(assign(&vms, &spaces), found);
        }
    }
}
