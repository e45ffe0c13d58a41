use super::*;
use crate::testing::{day, host, id, seen_host, seen_vm, storage, vm};
use bellwether_model::{
    HostId, MiB, StorageId,
    alert::About,
    host::{Host, HostHealth, HostMode},
    migration::{Migration, MigrationOutcome},
    observed::{HostSeen, Observed, PowerState},
    policy::Policy,
    storage::{Storage, StorageKind},
    vm::Vm,
};
use proptest::prelude::*;

const STEP: u64 = 10;

fn key() -> AlertKey {
    AlertKey::new(Rule::HostCpu, About::Host, id::<HostId>(1, 1))
}

fn sight(condition: Condition) -> Sight {
    Sight {
        key: key(),
        name: "host01".into(),
        owner: None,
        condition,
        text: String::new(),
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_seconds(i64::try_from(second).unwrap())
}

fn minute(_: Rule) -> Timing {
    Timing {
        hold: Duration::from_secs(60),
        clear: Duration::from_secs(60),
    }
}

/// `+` opened, `-` resolved, by the number of the look; `g` good, `m` between, `b` bad, `u` unknown, `x` not there.
fn told(looks: &str) -> Vec<(usize, char)> {
    let mut standing = Standing::default();
    let mut told = Vec::new();
    for (number, look) in looks.chars().enumerate() {
        let condition = match look {
            'g' => Some(Condition::Good),
            'm' => Some(Condition::Between),
            'b' => Some(Condition::Bad),
            'u' => Some(Condition::Unknown),
            _ => None,
        };
        let sights = condition.map(sight).into_iter().collect();
        let (after, changes) = step(&standing, sights, minute, at(number as u64 * STEP));
        standing = after;
        for change in changes {
            let sign = if matches!(change, Change::Opened(_)) {
                '+'
            } else {
                '-'
            };
            told.push((number, sign));
        }
    }
    told
}

#[test]
fn it_must_hold_before_it_opens_and_be_well_below_before_it_ends() {
    assert_eq!(told("bbbbbbb"), [(6, '+')]);
    assert_eq!(told("bbbbbb"), []);
    assert_eq!(told("bbbbbmbbbbbb"), [], "just below the mark begins anew");
    assert_eq!(
        told("bbbbbbbbmmmmmmmmmmmmm"),
        [(6, '+')],
        "not far below it is not over"
    );
    assert_eq!(told("bbbbbbbggggggg"), [(6, '+'), (13, '-')]);
    assert_eq!(told("bbbbbbbgggmggggggg"), [(6, '+'), (17, '-')]);
}

#[test]
fn what_is_not_known_counts_for_neither() {
    assert_eq!(told("buuuuuuuuuuub"), []);
    assert_eq!(
        told("bbbuuuubbbbb"),
        [(11, '+')],
        "what was seen before counts"
    );
    assert_eq!(told("bbbbbbbguuuuuuuuuuug"), [(6, '+')]);
    assert_eq!(told("bbbbbbbuuuuuuuuuuuuu"), [(6, '+')]);
}

#[test]
fn what_is_no_longer_there_is_over() {
    assert_eq!(told("bbbbbbbx"), [(6, '+'), (7, '-')]);
    assert_eq!(told("bbbbxbbbb"), []);
}

#[test]
fn a_clock_that_jumps_is_no_time_in_which_it_held() {
    let (standing, _) = step(
        &Standing::default(),
        vec![sight(Condition::Bad)],
        minute,
        at(0),
    );
    let hour = |_| Timing {
        hold: Duration::from_secs(3_000),
        clear: Duration::ZERO,
    };
    let (standing, changes) = step(&standing, vec![sight(Condition::Bad)], hour, at(3_600));
    assert_eq!(changes, []);
    let (_, changes) = step(&standing, vec![sight(Condition::Bad)], hour, at(10));
    assert_eq!(changes, []);
}

#[test]
fn the_database_says_what_is_open() {
    let (standing, changes) = step(
        &Standing::default().with_open([key()]),
        vec![sight(Condition::Bad)],
        minute,
        at(0),
    );
    assert_eq!(changes, [], "no second one after a restart");
    assert_eq!(standing.open().collect::<Vec<_>>(), [&key()]);
    let elsewhere = standing.with_open([]);
    let (_, changes) = step(&elsewhere, vec![sight(Condition::Good)], minute, at(10));
    assert_eq!(changes, [], "another process ended it");
}

proptest! {
    #[test]
    fn never_two_are_open_and_each_ends_once(looks in "[gmbux]{0,120}") {
        let mut open = false;
        for (_, sign) in told(&looks) {
            prop_assert_eq!(open, sign == '-');
            open = sign == '+';
        }
    }

    #[test]
    fn what_swings_around_the_mark_does_not_flap(looks in "[mb]{0,200}") {
        prop_assert!(told(&looks).len() <= 1);
    }

    #[test]
    fn short_peaks_tell_nothing(looks in "(b{1,6}[gm]){0,30}") {
        prop_assert_eq!(told(&looks), []);
    }

    #[test]
    fn gaps_open_and_end_nothing(before in "[gmb]{0,60}", gap in "u{1,60}") {
        let without = told(&before);
        let with = told(&format!("{before}{gap}"));
        prop_assert_eq!(without, with);
    }
}

/// A small fleet in which nothing is wrong.
struct World {
    hosts: Vec<Host>,
    seen: HostSeen,
    vms: Vec<Vm>,
    storages: Vec<Storage>,
    moves: Vec<(Migration, Option<u64>)>,
    used: BTreeMap<(StorageId, String), Vec<(Timestamp, u64)>>,
    history: Option<&'static str>,
    policy: Policy,
    progress: Progress,
}

impl World {
    fn new() -> Self {
        let mut seen = seen_host(1);
        seen.facts.as_mut().unwrap().memory = MiB(1_000);
        seen.cpu = Some(1.0);
        seen.memory_used = Some(MiB(100));
        seen.latency_ms = Some(20);
        seen.vms = vec![seen_vm(id(4, 1), PowerState::Running)];
        seen.vms[0].contention = Some(0.0);
        Self {
            hosts: vec![host(1)],
            seen,
            vms: vec![vm(1)],
            storages: vec![storage(1, StorageKind::Shared, &[1])],
            moves: Vec::new(),
            used: BTreeMap::new(),
            history: None,
            policy: Policy::default(),
            progress: Progress::default(),
        }
    }

    fn at(&mut self, now: Timestamp) -> Vec<Sight> {
        let observed = Observed {
            hosts: [(self.seen.host, self.seen.clone().into())].into(),
        };
        let moves: Vec<MoveSeen<'_>> = self
            .moves
            .iter()
            .map(|(migration, remaining)| MoveSeen {
                migration,
                remaining: *remaining,
            })
            .collect();
        let scene = Scene {
            hosts: &self.hosts,
            observed: &observed,
            vms: &self.vms,
            storages: &self.storages,
            migrations: &moves,
            used: &self.used,
            history: self.history,
            policy: &self.policy,
            today: day("2026-12-01"),
            now,
        };
        sights(&scene, &mut self.progress)
    }

    /// What is bad, with its words; and of what nobody can tell.
    fn bad(&mut self) -> Vec<(Rule, String)> {
        let sights = self.at(Timestamp::from_seconds(1_000_000)).into_iter();
        let bad = sights.filter(|sight| sight.condition == Condition::Bad);
        bad.map(|sight| (sight.key.rule, sight.text)).collect()
    }

    fn unknown(&mut self) -> Vec<Rule> {
        let sights = self.at(Timestamp::from_seconds(1_000_000)).into_iter();
        let unknown = sights.filter(|sight| sight.condition == Condition::Unknown);
        unknown.map(|sight| sight.key.rule).collect()
    }
}

fn moving(outcome: MigrationOutcome, ended: Option<i64>) -> Migration {
    Migration {
        id: id(7, 1),
        job: None,
        vm: id(4, 1),
        source: id(1, 1),
        target: id(1, 2),
        copy_disk: false,
        asked_by: None,
        outcome,
        reason: Some("the link broke".into()),
        started_at: Timestamp::from_seconds(999_000),
        ended_at: ended.map(Timestamp::from_seconds),
        total_ms: None,
        downtime_ms: None,
        bytes: None,
        rounds: None,
        zero_bytes: None,
        forecast: None,
        intent: None,
        mechanism: None,
        phases: Vec::new(),
    }
}

#[test]
fn where_nothing_is_wrong_nothing_is_told() {
    let mut world = World::new();
    assert_eq!(world.bad(), []);
    assert_eq!(
        world.unknown(),
        [Rule::VmMemory],
        "its balloon tells nothing"
    );
}

#[test]
fn a_silent_host_is_told_and_nothing_is_known_of_what_it_carries() {
    let mut world = World::new();
    world.seen.health = HostHealth::Unreachable;
    world.seen.at = Some(Timestamp::from_seconds(0));
    world.seen.trouble = Some("no route to host".into());
    let said = "It was last seen at 1970-01-01T00:00:00Z: no route to host";
    assert_eq!(world.bad(), [(Rule::HostStale, said.to_owned())]);
    assert_eq!(world.unknown().len(), 6, "{:?}", world.unknown());
    world.hosts[0].mode = HostMode::Maintenance;
    assert_eq!(world.bad(), [], "somebody works on it");
}

#[test]
fn measurements_that_are_not_kept_are_told() {
    let mut world = World::new();
    world.history = Some("The disk is full.");
    let said = world.bad();
    assert_eq!(said[0].0, Rule::HistoryStopped);
    assert!(
        said[0].1.starts_with("The disk is full. Graphs"),
        "{said:?}"
    );
}

#[test]
fn marks_are_those_of_the_policy() {
    let mut world = World::new();
    world.seen.cpu = Some(7.6);
    world.seen.memory_used = Some(MiB(950));
    world.seen.latency_ms = Some(6_000);
    world.seen.vms[0].contention = Some(0.3);
    world.seen.vms[0].memory_used = Some(MiB(970));
    world.seen.vms[0].memory_available = Some(MiB(30));
    let said = world.bad();
    let rules: Vec<Rule> = said.iter().map(|(rule, _)| *rule).collect();
    let expected = [
        Rule::SamplingLate,
        Rule::HostCpu,
        Rule::HostMemory,
        Rule::VmContention,
        Rule::VmMemory,
    ];
    assert_eq!(rules, expected);
    assert_eq!(said[1].1, "95 % of its CPU is in use; the mark is 90 %.");
    world.policy.alerts.off = expected.into();
    assert_eq!(world.bad(), []);
    world.policy.alerts.off.clear();
    world.policy.alerts.host_cpu_percent = 96;
    assert!(!world.bad().iter().any(|(rule, _)| *rule == Rule::HostCpu));
    // A VM that is off presses on nothing.
    world.seen.vms[0].power = PowerState::ShutOff;
    assert!(!world.bad().iter().any(|(rule, _)| *rule == Rule::VmMemory));
}

#[test]
fn a_storage_is_told_before_it_is_full_with_the_day() {
    let mut world = World::new();
    let gib = |count: u64| count << 30;
    // 100 of 1,000 GiB are in use.
    let lately = |growth: u64| {
        let points = (0..48).map(|hour: u64| {
            let ago = Duration::from_secs((47 - hour) * 3_600);
            let used = gib(100) - growth * (47 - hour);
            (Timestamp::from_seconds(1_000_000).minus(ago), used)
        });
        BTreeMap::from([((id(2, 1), String::new()), points.collect())])
    };
    world.used = lately(gib(1) / 2);
    assert_eq!(world.bad(), [], "75 days are long enough");
    // 900 GiB last for 18 days and 18 hours at 2 GiB an hour.
    world.used = lately(gib(2));
    world.policy.alerts.pool_days = 20;
    let said = "10 % of 1,000 GiB is in use, 900 GiB is free; as it fills now, it will be full on 2026-12-19.";
    assert_eq!(world.bad(), [(Rule::PoolFilling, said.to_owned())]);
    world.used.clear();
    world.seen.pools[0].available = gib(120);
    let said = "88 % of 1,000 GiB is in use, 120 GiB is free; it is not known to fill any further.";
    assert_eq!(world.bad(), [(Rule::PoolFilling, said.to_owned())]);
    world.seen.pools[0].active = false;
    assert!(world.unknown().contains(&Rule::PoolFilling));
}

#[test]
fn of_a_local_storage_each_pool_is_told_apart() {
    let mut world = World::new();
    world.storages = vec![storage(1, StorageKind::Local, &[1, 2])];
    world.hosts.push(host(2));
    world.seen.pools[0].available = 1;
    let sights = world.at(Timestamp(0));
    let pools = sights
        .iter()
        .filter(|sight| sight.key.rule == Rule::PoolFilling);
    let pools: Vec<_> = pools
        .map(|sight| (sight.name.as_str(), sight.condition))
        .collect();
    let expected = [
        ("shared on host01", Condition::Bad),
        ("shared on host02", Condition::Unknown),
    ];
    assert_eq!(pools, expected);
}

#[test]
fn a_failed_move_is_told_until_another_is_made() {
    let mut world = World::new();
    world.moves = vec![(moving(MigrationOutcome::Failed, Some(999_900)), None)];
    let said = "It could not be moved from host01 to a removed host: the link broke";
    assert_eq!(world.bad(), [(Rule::MigrationFailed, said.to_owned())]);
    let mut next = moving(MigrationOutcome::Completed, Some(999_950));
    next.id = id(7, 2);
    world.moves.push((next, None));
    assert_eq!(world.bad(), []);
    world.moves = vec![(moving(MigrationOutcome::Failed, Some(900_000)), None)];
    assert_eq!(world.bad(), [], "that was yesterday");
}

#[test]
fn a_move_is_stuck_while_it_has_no_less_left_than_before() {
    let mut world = World::new();
    let running = moving(MigrationOutcome::Running, None);
    let mut stuck = Vec::new();
    for remaining in [Some(100), Some(80), Some(90), Some(80), Some(79), None] {
        world.moves = vec![(running.clone(), remaining)];
        stuck.push(!world.bad().is_empty());
    }
    assert_eq!(stuck, [false, false, true, true, false, true]);
    world.moves = vec![(moving(MigrationOutcome::Unknown, None), None)];
    assert_eq!(world.bad()[0].0, Rule::MigrationStuck);
}

#[test]
fn each_end_of_a_lease_is_told_once() {
    let mut world = World::new();
    world.vms[0].lease_until = day("2026-12-03");
    let said = "Its lease ends on 2026-12-03; 3 days are left.";
    assert_eq!(world.bad(), [(Rule::LeaseEnding, said.to_owned())]);
    let first = world.at(Timestamp(0));
    world.vms[0].lease_until = day("2026-12-05");
    let second = world.at(Timestamp(0));
    let of = |sights: &[Sight]| {
        let mut found = sights
            .iter()
            .filter(|sight| sight.key.rule == Rule::LeaseEnding);
        found.next().unwrap().key.clone()
    };
    assert_ne!(of(&first), of(&second));
}
