use super::*;
use crate::graphed::marks::MarkKind;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn window() -> Window {
    Window {
        from: at(0),
        to: at(3600),
        now: at(3600),
        follows: true,
        step: 10,
        zone: jiff::tz::TimeZone::UTC,
    }
}

fn plan(shape: Shape) -> Plan {
    Plan {
        id: "cpu",
        title: "CPU",
        unit: Unit::Share,
        shape,
        source: None,
        scale: 1.0,
        ceiling: Some(1.0),
        empty: "no samples yet",
        labels: true,
    }
}

fn trace(label: &str, points: &[(i64, f64)]) -> Trace {
    Trace {
        label: label.into(),
        key: label.to_lowercase(),
        points: points.iter().map(|(t, value)| (at(*t), *value)).collect(),
    }
}

fn mark(seconds: i64, until: Option<i64>, label: &str) -> Mark {
    Mark {
        at: at(seconds),
        until: until.map(at),
        kind: MarkKind::Migration,
        label: label.into(),
        text: label.into(),
        who: String::new(),
    }
}

fn graph(points: &[(i64, f64)]) -> Graph {
    let marks = [mark(1800, Some(1836), "moved")];
    draw(
        plan(Shape::Lines),
        &window(),
        vec![trace("CPU", points)],
        &marks,
    )
}

#[test]
fn a_hole_in_time_stays_a_hole() {
    let drawn = graph(&[(0, 0.0), (10, 0.5), (3_590, 1.0)]);
    assert_eq!(drawn.lines[0].path.matches('M').count(), 2);
    assert_eq!(drawn.marks[0].at, "50.00");
    assert_eq!(drawn.marks[0].width.as_deref(), Some("1.00"));
    assert_eq!(drawn.now, "100 %");
    assert_eq!(drawn.rows.len(), 3);
}

#[test]
fn a_last_value_that_is_old_says_its_age() {
    assert_eq!(graph(&[(3_500, 0.2), (3_575, 0.5)]).now, "50 %");
    let silent = graph(&[(0, 0.5), (1_200, 0.42)]);
    assert_eq!(silent.now, "42 % (40 min old)");
    assert!(silent.summary.contains("last 42 % (40 min old)"));
}

#[test]
fn nothing_is_said_to_be_nothing() {
    let drawn = graph(&[]);
    assert_eq!(drawn.empty.as_deref(), Some("no samples yet"));
    assert_eq!(drawn.y_ticks[2].label, "100 %");
}

#[test]
fn what_lies_ahead_makes_no_value_old() {
    let ahead = Window {
        to: at(36_000),
        follows: false,
        ..window()
    };
    let traces = vec![trace("CPU", &[(3_590, 0.5)])];
    let drawn = draw(plan(Shape::Lines), &ahead, traces, &[]);
    assert_eq!(drawn.now, "50 %");
    assert_eq!(drawn.until, Some(36_000));
}

#[test]
fn parts_lie_on_each_other_under_the_whole() {
    let traces = vec![
        trace("a", &[(0, 0.25), (10, 0.25)]),
        trace("b", &[(10, 0.5)]),
        trace("in all", &[(0, 0.5), (10, 0.9)]),
    ];
    let drawn = draw(plan(Shape::Stack), &window(), traces, &[]);
    let paths: Vec<&str> = drawn.lines.iter().map(|line| line.path.as_str()).collect();
    assert_eq!(paths[0], "M0.0 750.0L2.8 750.0L2.8 1000.0L0.0 1000.0Z");
    assert_eq!(paths[1], "M0.0 750.0L2.8 250.0L2.8 750.0L0.0 750.0Z");
    assert_eq!(
        drawn.lines.iter().map(|line| line.area).collect::<Vec<_>>(),
        [true, true, false]
    );
    assert_eq!(
        (drawn.lines[2].class, drawn.now.as_str()),
        ("total", "90 % (59 min old)")
    );
    assert_eq!(drawn.rows[1].values, ["25 %", "unknown", "50 %"]);
}

#[test]
fn words_of_marks_do_not_lie_on_each_other() {
    let marks: Vec<Mark> = (0..6).map(|n| mark(n * 10, None, "shut down")).collect();
    let drawn = draw(plan(Shape::Lines), &window(), Vec::new(), &marks);
    let rows: Vec<(usize, &str)> = drawn
        .marks
        .iter()
        .map(|mark| (mark.row, mark.label.as_str()))
        .collect();
    assert_eq!(
        rows[..3],
        [(0, "shut down"), (1, "shut down"), (2, "shut down")]
    );
    assert!(rows[3..].iter().all(|(_, label)| label.is_empty()));
    let quiet = Plan {
        labels: false,
        ..plan(Shape::Lines)
    };
    let quiet = draw(quiet, &window(), Vec::new(), &marks);
    assert!(quiet.marks.iter().all(|mark| mark.label.is_empty()));
    assert!(!quiet.labels);
}
