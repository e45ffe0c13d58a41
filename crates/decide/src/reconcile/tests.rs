use super::*;
use crate::testing::{day, host, id, seen_host, seen_vm, storage, vm};
use PowerState::{Crashed, Paused, Running, ShutOff};
use proptest::prelude::*;

/// Three hosts that answer and share storage 1; VM 1 is bound to host 1.
struct Scene {
    vms: Vec<Vm>,
    hosts: Vec<Host>,
    storages: Vec<Storage>,
    observed: Observed,
    held: BTreeSet<VmId>,
    watched: BTreeMap<HostId, Timestamp>,
    leftovers: Vec<Leftover>,
}

const NOW: Timestamp = Timestamp(1_000_000_000);

fn scene() -> Scene {
    let numbers = 1..=3;
    Scene {
        vms: vec![vm(1)],
        hosts: numbers.clone().map(host).collect(),
        storages: vec![storage(1, StorageKind::Shared, &[1, 2, 3])],
        observed: Observed {
            hosts: numbers
                .clone()
                .map(|n| (id(1, n), seen_host(n).into()))
                .collect(),
        },
        held: BTreeSet::new(),
        watched: numbers.map(|n| (id(1, n), Timestamp(0))).collect(),
        leftovers: Vec::new(),
    }
}

impl Scene {
    fn shows(mut self, host: u64, power: PowerState) -> Self {
        let seen = self.observed.host_mut(id(1, host)).unwrap();
        seen.vms.push(seen_vm(id(4, 1), power));
        self
    }
    fn vm(mut self, change: impl FnOnce(&mut Vm)) -> Self {
        change(&mut self.vms[0]);
        self
    }
    fn health(mut self, host: u64, health: HostHealth) -> Self {
        self.observed.host_mut(id(1, host)).unwrap().health = health;
        self
    }
    fn asked(&self) -> Vec<HostId> {
        could_run(
            &self.vms[0],
            &self.hosts,
            &self.storages,
            &self.observed,
            &self.leftovers,
        )
    }
    fn repairs(&self) -> Vec<Repair> {
        reconcile(&Facts {
            vms: &self.vms,
            hosts: &self.hosts,
            storages: &self.storages,
            observed: &self.observed,
            held: &self.held,
            watched_since: &self.watched,
            leftovers: &self.leftovers,
            now: NOW,
            period: Duration::from_secs(10),
            today: day("2026-11-24"),
        })
    }
}

fn follow(state: VmState) -> Vec<Repair> {
    vec![Repair::Follow {
        vm: id(4, 1),
        state,
    }]
}

fn start() -> Vec<Repair> {
    vec![Repair::Start {
        vm: id(4, 1),
        host: id(1, 1),
    }]
}

#[test]
fn what_agrees_is_left_alone() {
    assert_eq!(scene().shows(1, Running).repairs(), []);
    let off = |vm: &mut Vm| (vm.state, vm.wanted) = (VmState::ShutOff, WantedPower::Off);
    assert_eq!(scene().vm(off).shows(1, ShutOff).repairs(), []);
    let ended = |vm: &mut Vm| vm.state = VmState::Ended;
    assert_eq!(scene().vm(ended).shows(1, ShutOff).repairs(), []);
    for state in [VmState::Provisioning, VmState::Migrating, VmState::Deleting] {
        assert_eq!(scene().vm(|vm| vm.state = state).repairs(), [], "{state}");
    }
    let mut held = scene();
    held.held.insert(id(4, 1));
    assert_eq!(held.repairs(), []);
}

#[test]
fn the_record_follows_the_host() {
    assert_eq!(scene().shows(1, Paused).repairs(), follow(VmState::Paused));
    let off = |vm: &mut Vm| (vm.state, vm.wanted) = (VmState::ShutOff, WantedPower::Off);
    assert_eq!(
        scene().vm(off).shows(1, Running).repairs(),
        follow(VmState::Running)
    );
    let away = |vm: &mut Vm| vm.state = VmState::HostUnreachable;
    assert_eq!(
        scene().vm(away).shows(1, Running).repairs(),
        follow(VmState::Running)
    );
    let wanted_off = |vm: &mut Vm| vm.wanted = WantedPower::Off;
    assert_eq!(
        scene().vm(wanted_off).shows(1, ShutOff).repairs(),
        follow(VmState::ShutOff)
    );
}

#[test]
fn a_silent_host_is_said_once_and_nothing_is_started_elsewhere() {
    let silent = scene().health(1, HostHealth::Unreachable);
    assert_eq!(silent.repairs(), [Repair::MarkUnreachable { vm: id(4, 1) }]);
    let known = silent.vm(|vm| vm.state = VmState::HostUnreachable);
    assert_eq!(known.repairs(), []);
    assert_eq!(scene().health(1, HostHealth::Stale).repairs(), []);
}

#[test]
fn a_guest_that_shut_itself_down_stays_off_and_one_whose_host_went_down_is_started() {
    let off = scene().shows(1, ShutOff);
    assert_eq!(off.repairs(), [Repair::AcceptOff { vm: id(4, 1) }]);
    let mut back = scene().shows(1, ShutOff);
    back.watched
        .insert(id(1, 1), NOW.minus(Duration::from_secs(29)));
    assert_eq!(back.repairs(), start());
    assert_eq!(scene().shows(1, Crashed).repairs(), start());
    let was_away = scene()
        .vm(|vm| vm.state = VmState::HostUnreachable)
        .shows(1, ShutOff);
    assert_eq!(was_away.repairs(), start());
    let over = scene()
        .vm(|vm| vm.lease_until = day("2026-11-23"))
        .shows(1, Crashed);
    assert_eq!(
        over.repairs(),
        follow(VmState::ShutOff),
        "its lease is over"
    );
}

#[test]
fn every_host_that_could_run_it_is_asked_before_a_start() {
    let hosts = |numbers: &[u64]| numbers.iter().map(|n| id(1, *n)).collect::<Vec<HostId>>();
    assert_eq!(scene().asked(), hosts(&[2, 3]));
    let mut declared_off = scene();
    declared_off.hosts[1].mode = HostMode::DeclaredOff;
    assert_eq!(declared_off.asked(), hosts(&[3]));
    let local = || {
        let mut scene = scene();
        scene.storages[0].kind = StorageKind::Local;
        scene
    };
    assert_eq!(local().asked(), []);
    let shows = local().shows(3, ShutOff);
    assert_eq!(shows.asked(), hosts(&[3]), "where it shows");
    let silent = local().shows(3, Running).health(3, HostHealth::Unreachable);
    assert_eq!(silent.asked(), hosts(&[3]), "where it last showed");
    let mut left = local();
    left.leftovers = vec![Leftover {
        vm: id(4, 1),
        host: id(1, 2),
    }];
    assert_eq!(left.asked(), hosts(&[2]), "where a job may have left it");
}

#[test]
fn it_is_started_only_when_every_host_has_answered() {
    let two = |answer| may_start(&[(id(1, 2), Answer::NotThere), (id(1, 3), answer)]);
    assert_eq!(may_start(&[]), Ok(()));
    assert_eq!(two(Answer::NotThere), Ok(()));
    assert_eq!(two(Answer::Shows(ShutOff)), Ok(()));
    for against in [
        Answer::Silent,
        Answer::Shows(Running),
        Answer::Shows(Paused),
    ] {
        assert_eq!(two(against), Err((id(1, 3), against)));
    }
}

#[test]
fn moved_by_somebody_or_missing() {
    let moved = scene().shows(2, Running);
    let rebind = |state| {
        [Repair::Rebind {
            vm: id(4, 1),
            to: id(1, 2),
            state,
        }]
    };
    assert_eq!(moved.repairs(), rebind(VmState::Running));
    assert_eq!(scene().shows(2, Paused).repairs(), rebind(VmState::Paused));
    let missing = [Repair::Missing { vm: id(4, 1) }];
    assert_eq!(scene().repairs(), missing);
    assert_eq!(
        scene().shows(2, ShutOff).repairs(),
        missing,
        "a definition is not a VM that lives"
    );
    assert_eq!(
        scene()
            .shows(2, Running)
            .health(2, HostHealth::Stale)
            .repairs(),
        missing
    );
}

#[test]
fn running_twice_is_an_alarm_and_nothing_else() {
    let twice = scene().shows(1, Running).shows(3, Running);
    let alarm = [Repair::Alarm {
        vm: id(4, 1),
        hosts: vec![id(1, 1), id(1, 3)],
    }];
    assert_eq!(twice.repairs(), alarm);
    let elsewhere = scene().shows(2, Running).shows(3, Running);
    assert_eq!(elsewhere.repairs().len(), 1);
    // A move that is under way explains it; one that left two behind does not.
    let moving = || scene().vm(|vm| vm.state = VmState::Migrating);
    let mut explained = moving().shows(1, Running).shows(3, Running);
    for seen in explained.observed.hosts_mut() {
        seen.vms.iter_mut().for_each(|vm| vm.migrating = true);
    }
    assert_eq!(explained.repairs(), []);
    let left = moving().shows(1, Running).shows(3, Running);
    assert_eq!(left.repairs(), alarm);
    // One of them may stand still: it can go on at any moment.
    for powers in [(Running, Paused), (Paused, Running), (Paused, Paused)] {
        let twice = scene().shows(1, powers.0).shows(3, powers.1);
        assert_eq!(twice.repairs(), alarm, "{powers:?}");
    }
    // Whoever moves it has it stand still on its target.
    assert_eq!(moving().shows(1, Running).shows(3, Paused).repairs(), []);
    let mut held = scene().shows(1, Paused).shows(3, Running);
    held.held.insert(id(4, 1));
    assert_eq!(held.repairs(), []);
}

#[test]
fn one_that_is_off_here_and_lives_elsewhere_is_followed_there_and_never_started() {
    let rebind = [Repair::Rebind {
        vm: id(4, 1),
        to: id(1, 2),
        state: VmState::Running,
    }];
    for off in [ShutOff, Crashed] {
        let moved = scene().shows(1, off).shows(2, Running);
        assert_eq!(moved.repairs(), rebind);
    }
    // Its disk is not there: nobody knows what that one is.
    let mut stranger = scene().shows(1, Crashed).shows(2, Running);
    stranger.storages = vec![storage(1, StorageKind::Local, &[1])];
    assert_eq!(stranger.repairs(), start(), "and the start asks host 2");
    assert_eq!(stranger.asked(), [id(1, 2)]);
}

#[test]
fn one_that_is_only_defined_a_second_time_is_noted() {
    let twin = [Repair::Twin {
        vm: id(4, 1),
        hosts: vec![id(1, 3)],
    }];
    let mut twice = scene().shows(1, Running).shows(3, ShutOff);
    assert_eq!(twice.repairs(), twin);
    twice.leftovers = vec![Leftover {
        vm: id(4, 1),
        host: id(1, 3),
    }];
    assert!(matches!(
        twice.repairs()[..],
        [Repair::RemoveLeftover { .. }]
    ));
    let away = scene()
        .vm(|vm| vm.state = VmState::HostUnreachable)
        .health(1, HostHealth::Unreachable)
        .shows(3, Running);
    assert_eq!(away.repairs(), twin, "nothing is known of its own host");
}

#[test]
fn leftovers_go_when_they_show_and_never_the_one_that_lives() {
    let leftover = |host| Leftover {
        vm: id(4, 1),
        host: id(1, host),
    };
    let removal = |host| Repair::RemoveLeftover {
        leftover: leftover(host),
    };
    let with = |mut scene: Scene, host| {
        scene.leftovers = vec![leftover(host), leftover(host)];
        scene
    };
    let off = with(scene().shows(1, Running).shows(2, ShutOff), 2);
    assert_eq!(off.repairs(), [removal(2)]);
    assert_eq!(
        with(scene().shows(1, Running), 2).repairs(),
        [],
        "it does not show"
    );
    assert_eq!(
        with(scene().shows(1, Running), 1).repairs(),
        [],
        "it lives there by a later job"
    );
    let mut gone = with(scene().shows(2, Running), 2);
    gone.vms.clear();
    assert_eq!(gone.repairs(), [removal(2)]);
    let twice = with(scene().shows(1, Running).shows(2, Running), 2);
    assert!(matches!(twice.repairs()[..], [Repair::Alarm { .. }]));
    let silent = with(
        scene()
            .shows(1, Running)
            .shows(2, ShutOff)
            .health(2, HostHealth::Unreachable),
        2,
    );
    assert_eq!(silent.repairs(), []);
}

#[test]
fn strangers_are_listed() {
    let mut scene = scene().shows(1, Running);
    let stranger = seen_vm(id(9, 1), ShutOff);
    scene
        .observed
        .host_mut(id(1, 2))
        .unwrap()
        .vms
        .push(stranger);
    let ours = scene.vms.iter().map(|vm| vm.id).collect();
    let listed: Vec<_> = strangers(&scene.observed, &ours)
        .into_iter()
        .map(|(host, vm)| (host, vm.uuid))
        .collect();
    assert_eq!(listed, [(id(1, 2), id::<VmId>(9, 1).0)]);
}

proptest! {
    /// Whatever shows where: a VM that shows live anywhere is never started, a start asks every other host that shares the
    /// storage, and what runs and is bound there is never removed.
    #[test]
    fn nothing_is_ever_started_twice_or_removed_while_it_lives(
        sights in prop::collection::vec((1_u64..=3, 0_usize..5), 0..4), state in 0_usize..9, wanted: bool,
        watched in 0_i64..100, healths in prop::collection::vec(0_usize..4, 3), graves in prop::collection::vec(1_u64..=3, 0..3),
    ) {
        use bellwether_model::states::State;
        let powers = [Running, Paused, PowerState::ShuttingDown, ShutOff, Crashed];
        let all = [HostHealth::Ready, HostHealth::Stale, HostHealth::Unreachable, HostHealth::Connecting];
        let mut scene = scene();
        for (host, health) in (1..).zip(&healths) {
            scene = scene.health(host, all[*health]);
        }
        for (host, power) in &sights {
            if scene.observed.hosts[&id(1, *host)].vms.is_empty() {
                scene = scene.shows(*host, powers[*power]);
            }
        }
        scene.vms[0].state = VmState::ALL[state];
        scene.vms[0].wanted = if wanted { WantedPower::On } else { WantedPower::Off };
        scene.watched.insert(id(1, 1), NOW.minus(Duration::from_secs(watched as u64)));
        scene.leftovers = graves.iter().map(|host| Leftover { vm: id(4, 1), host: id(1, *host) }).collect();
        let shows = |host: HostId| scene.observed.hosts[&host].vms.first().map(|vm| vm.power);
        let repairs = scene.repairs();
        prop_assert_eq!(&repairs, &scene.repairs());
        for repair in &repairs {
            match repair {
                Repair::Start { host, .. } => {
                    prop_assert!(shows(*host).is_some_and(|power| !power.is_live()));
                    prop_assert!(wanted);
                    prop_assert_eq!(scene.asked().len(), 2);
                }
                Repair::RemoveLeftover { leftover } => {
                    let gone = scene.vms[0].state == VmState::Gone;
                    prop_assert!(gone || leftover.host != scene.vms[0].host);
                    prop_assert!(gone || !shows(leftover.host).unwrap().is_live());
                }
                Repair::Rebind { to, .. } => prop_assert!(shows(*to).unwrap().is_live()),
                Repair::Alarm { hosts, .. } => prop_assert!(hosts.len() > 1),
                _ => {}
            }
        }
    }
}

#[test]
fn a_host_declared_off_gives_its_vms_up_and_shared_ones_start_elsewhere() {
    let declared = |vm_state, wanted| {
        let mut scene = scene().health(1, HostHealth::Unreachable).vm(|vm| {
            vm.state = vm_state;
            vm.wanted = wanted;
        });
        scene.hosts[0].mode = HostMode::DeclaredOff;
        scene
    };
    let vm = id(4, 1);
    for state in [VmState::Running, VmState::Paused, VmState::HostUnreachable] {
        let scene = declared(state, WantedPower::On);
        assert_eq!(scene.repairs(), [Repair::GiveUp { vm }]);
    }
    let off = declared(VmState::ShutOff, WantedPower::On);
    assert_eq!(off.repairs(), [Repair::StartElsewhere { vm }]);
    assert_eq!(
        declared(VmState::ShutOff, WantedPower::Off).repairs(),
        [],
        "off by intent"
    );
    let mut local = declared(VmState::ShutOff, WantedPower::On);
    local.storages = vec![storage(1, StorageKind::Local, &[1, 2, 3])];
    assert_eq!(local.repairs(), [], "its disk is on that host");
    // What a host shows running is so, whatever was declared.
    let alive = declared(VmState::Running, WantedPower::On)
        .health(1, HostHealth::Ready)
        .shows(1, Running);
    assert_eq!(alive.repairs(), []);
    let moved = declared(VmState::HostUnreachable, WantedPower::On).shows(2, Running);
    assert!(matches!(moved.repairs()[..], [Repair::Rebind { to, .. }] if to == id(1, 2)));
}
