//! The measurements: what a graph shows is what was appended, whatever happened in between.

use crate::world::World;
use bellwether_model::Timestamp;
use bellwether_store::{History, Series, SeriesKey};
use uuid::Uuid;

crate::cases!(
    samples_are_there_at_once_and_after_closing,
    many_series_are_read_at_once_and_none_is_taken_for_another,
    roll_ups_keep_average_lowest_and_highest,
    a_gap_stays_a_gap_and_unknown_is_absent,
    a_restart_loses_nothing_that_was_appended,
    a_clock_that_steps_back_and_forth_costs_no_sample,
    old_samples_go_and_coarser_ones_stay,
    a_clock_years_ahead_does_not_cost_the_past,
    another_process_reads_what_one_appends,
);

const HOUR: i64 = 3600;
/// The beginning of an hour, and of every tier's block.
const T0: i64 = 1_296_000 * 1381;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(T0 + seconds)
}

fn key(n: u128, signal: &'static str) -> SeriesKey {
    SeriesKey {
        entity: "vm",
        id: Uuid::from_u128(n),
        signal,
    }
}

async fn points(
    history: &History,
    key: SeriesKey,
    from: i64,
    to: i64,
    step: u32,
) -> Vec<(i64, f32, f32, f32)> {
    let series: Vec<Series> = history.range(&[key], at(from), at(to), step).await.unwrap();
    assert_eq!(series[0].key, key);
    series[0]
        .points
        .iter()
        .map(|(at, average, lowest, highest)| (at.seconds() - T0, *average, *lowest, *highest))
        .collect()
}

/// Appends `value(t)` every 10 s over `from..to`.
async fn fill(history: &History, key: SeriesKey, from: i64, to: i64, value: impl Fn(i64) -> f32) {
    for t in (from..to).step_by(10) {
        history.append(at(t), &[(key, value(t))]).await.unwrap();
    }
}

async fn samples_are_there_at_once_and_after_closing(world: World) {
    let history = History::open(&world.url).await.unwrap();
    let (cpu, other) = (key(1, "cpu"), key(1, "memory"));
    fill(&history, cpu, 0, HOUR, |t| t as f32).await;
    let open = points(&history, cpu, 0, HOUR, 10).await;
    assert_eq!(open.len(), 360);
    assert_eq!(open[359], (3590, 3590.0, 3590.0, 3590.0));
    history.settle(at(HOUR + 60)).await.unwrap();
    assert_eq!(points(&history, cpu, 0, HOUR, 10).await, open);
    assert_eq!(points(&history, cpu, 100, 130, 10).await, open[10..13]);
    fill(&history, cpu, HOUR, HOUR + 100, |t| t as f32).await;
    assert_eq!(
        points(&history, cpu, 0, 2 * HOUR, 10).await.len(),
        370,
        "blocks and journal together"
    );
    assert_eq!(points(&history, other, 0, HOUR, 10).await, []);
    assert_eq!(points(&history, cpu, HOUR, 0, 10).await, [], "reversed");
    history.close().await;
}

async fn many_series_are_read_at_once_and_none_is_taken_for_another(world: World) {
    const SIGNALS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let history = History::open(&world.url).await.unwrap();
    let value = |thing: u128, signal: usize, t: i64| {
        (thing * 10_000_000) as f32 + (signal as i64 * 100_000 + t) as f32
    };
    for t in (0..HOUR + 600).step_by(100) {
        let mut all = Vec::new();
        for thing in [1, 2] {
            for (n, signal) in SIGNALS.into_iter().enumerate() {
                all.push((key(thing, signal), value(thing, n, t)));
            }
        }
        history.append(at(t), &all).await.unwrap();
    }
    history.settle(at(HOUR + 60)).await.unwrap();
    // One twice, and one that nobody measured.
    let mut asked: Vec<(u128, usize)> = (0..10).rev().map(|n| (2, n)).collect();
    asked.extend((0..10).map(|n| (1, n)));
    asked.push((2, 3));
    let mut keys: Vec<SeriesKey> = asked
        .iter()
        .map(|(thing, n)| key(*thing, SIGNALS[*n]))
        .collect();
    keys.push(key(3, "a"));
    for step in [10, 600] {
        let series = history
            .range(&keys, at(0), at(2 * HOUR), step)
            .await
            .unwrap();
        let answered: Vec<SeriesKey> = series.iter().map(|series| series.key).collect();
        assert_eq!(answered, keys);
        for (series, (thing, n)) in series.iter().zip(&asked) {
            assert_eq!(series.points.len(), if step == 10 { 42 } else { 7 });
            for (moment, _, lowest, _) in &series.points {
                assert_eq!(
                    *lowest,
                    value(*thing, *n, moment.seconds() - T0),
                    "{:?}",
                    series.key
                );
            }
        }
        assert_eq!(series[keys.len() - 1].points, []);
    }
    history.close().await;
}

async fn roll_ups_keep_average_lowest_and_highest(world: World) {
    let history = History::open(&world.url).await.unwrap();
    let cpu = key(1, "cpu");
    let value = |t: i64| if t % 600 == 300 { 100.0 } else { 1.0 };
    fill(&history, cpu, 0, 3 * HOUR, value).await;
    let before = points(&history, cpu, 0, 3 * HOUR, 600).await;
    history.settle(at(2 * HOUR + 60)).await.unwrap();
    // Two hours from blocks, one rolled up from the journal: alike.
    let after = points(&history, cpu, 0, 3 * HOUR, 600).await;
    assert_eq!(after.len(), 18);
    for (a, b) in before.iter().zip(&after) {
        assert_eq!((a.0, a.2, a.3), (b.0, b.2, b.3));
        assert!((a.1 - b.1).abs() < 1e-4);
        assert!((b.1 - (100.0 + 59.0) / 60.0).abs() < 1e-4, "{b:?}");
        assert_eq!((b.2, b.3), (1.0, 100.0));
    }
    let hours = points(&history, cpu, 0, 3 * HOUR, 3600).await;
    assert_eq!(
        hours.iter().map(|p| p.0).collect::<Vec<_>>(),
        [0, HOUR, 2 * HOUR]
    );
    assert_eq!(points(&history, cpu, 0, 3 * HOUR, 60).await.len(), 180);
    history.close().await;
}

async fn a_gap_stays_a_gap_and_unknown_is_absent(world: World) {
    let history = History::open(&world.url).await.unwrap();
    let (cpu, memory) = (key(1, "cpu"), key(1, "memory"));
    for t in (0..HOUR).step_by(10) {
        let away = (1000..2000).contains(&t);
        let unknown = if t % 20 == 0 { f32::NAN } else { f32::INFINITY };
        let value = if away { f32::NAN } else { 1.0 };
        history
            .append(at(t), &[(cpu, value), (memory, unknown)])
            .await
            .unwrap();
    }
    for settled in [false, true] {
        if settled {
            history.settle(at(HOUR + 60)).await.unwrap();
        }
        let raw = points(&history, cpu, 0, HOUR, 10).await;
        assert_eq!(raw.len(), 260);
        assert!(!raw.iter().any(|p| (1000..2000).contains(&p.0)));
        let minutes = points(&history, cpu, 0, HOUR, 60).await;
        assert!(!minutes.iter().any(|p| (1020..1980).contains(&p.0)));
        assert!(minutes.iter().all(|p| p.1 == 1.0));
        assert_eq!(points(&history, memory, 0, HOUR, 10).await, []);
    }
    history.close().await;
}

async fn a_restart_loses_nothing_that_was_appended(world: World) {
    let cpu = key(1, "cpu");
    for round in 0..4 {
        let history = History::open(&world.url).await.unwrap();
        let from = round * 1500;
        assert_eq!(
            points(&history, cpu, 0, from + 10, 10).await.len() as i64,
            from / 10
        );
        fill(&history, cpu, from, from + 1500, |_| 0.5).await;
        // Not closed: as after kill -9.
        drop(history);
    }
    let history = History::open(&world.url).await.unwrap();
    history.settle(at(2 * HOUR)).await.unwrap();
    assert_eq!(points(&history, cpu, 0, 2 * HOUR, 10).await.len(), 600);
    history.close().await;
}

async fn a_clock_that_steps_back_and_forth_costs_no_sample(world: World) {
    let history = History::open(&world.url).await.unwrap();
    let cpu = key(1, "cpu");
    fill(&history, cpu, 0, 600, |_| 1.0).await;
    // An hour ahead: the first hour is closed early.
    fill(&history, cpu, HOUR + 600, HOUR + 1200, |_| 2.0).await;
    history.settle(at(HOUR + 1200)).await.unwrap();
    // And back.
    fill(&history, cpu, 1200, 1800, |_| 3.0).await;
    assert_eq!(points(&history, cpu, 0, HOUR, 10).await.len(), 120);
    history.settle(at(2 * HOUR + 60)).await.unwrap();
    assert_eq!(points(&history, cpu, 0, 2 * HOUR, 10).await.len(), 180);
    let tens = points(&history, cpu, 0, 2 * HOUR, 600).await;
    let seen: Vec<_> = tens.iter().map(|p| (p.0, p.1)).collect();
    assert_eq!(seen, [(0, 1.0), (1200, 3.0), (HOUR + 600, 2.0)]);
    history.close().await;
}

async fn old_samples_go_and_coarser_ones_stay(world: World) {
    let history = History::open(&world.url).await.unwrap();
    let cpu = key(1, "cpu");
    fill(&history, cpu, 0, HOUR, |_| 7.0).await;
    history.settle(at(HOUR + 60)).await.unwrap();
    for hour in 2..40 {
        history
            .append(at(hour * HOUR), &[(cpu, 7.0)])
            .await
            .unwrap();
        history.settle(at((hour + 1) * HOUR + 60)).await.unwrap();
    }
    let raw = points(&history, cpu, 38 * HOUR, 39 * HOUR + 1, 10).await;
    assert_eq!(raw.len(), 2);
    // Further back than samples are kept as taken: minutes.
    let day_old = points(&history, cpu, 0, HOUR, 10).await;
    assert_eq!(day_old.len(), 60);
    assert_eq!(day_old[0], (0, 7.0, 7.0, 7.0));
    history.close().await;
}

async fn a_clock_years_ahead_does_not_cost_the_past(world: World) {
    let history = History::open(&world.url).await.unwrap();
    let cpu = key(1, "cpu");
    fill(&history, cpu, 0, HOUR, |_| 7.0).await;
    history.settle(at(HOUR + 60)).await.unwrap();
    let ahead = 5 * 366 * 24 * HOUR;
    history.append(at(ahead), &[(cpu, 1.0)]).await.unwrap();
    history.settle(at(ahead + 2 * HOUR)).await.unwrap();
    history.append(at(HOUR + 100), &[(cpu, 8.0)]).await.unwrap();
    history.settle(at(2 * HOUR + 60)).await.unwrap();
    assert_eq!(points(&history, cpu, 0, 2 * HOUR, 60).await.len(), 61);
    history.close().await;
}

async fn another_process_reads_what_one_appends(world: World) {
    let leader = History::open(&world.url).await.unwrap();
    let follower = History::open(&world.url).await.unwrap();
    let (cpu, late) = (key(1, "cpu"), key(2, "cpu"));
    fill(&leader, cpu, 0, 300, |_| 1.0).await;
    assert_eq!(points(&follower, cpu, 0, HOUR, 10).await.len(), 30);
    fill(&leader, late, 300, 400, |_| 1.0).await;
    assert_eq!(points(&follower, late, 0, HOUR, 10).await.len(), 10);
    leader.settle(at(HOUR + 60)).await.unwrap();
    fill(&leader, cpu, HOUR + 60, HOUR + 160, |_| 1.0).await;
    assert_eq!(points(&follower, cpu, 0, 2 * HOUR, 10).await.len(), 40);
    // The leader changes.
    fill(&follower, cpu, HOUR + 160, HOUR + 260, |_| 1.0).await;
    assert_eq!(points(&leader, cpu, 0, 2 * HOUR, 10).await.len(), 50);
    leader.close().await;
    follower.close().await;
}
