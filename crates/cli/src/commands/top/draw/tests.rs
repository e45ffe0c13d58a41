use super::{
    super::{frame::Frame, state::Wish},
    *,
};
use bellwether_api::vm::PowerState;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent},
};
use uuid::Uuid;

fn vm(number: u128, name: &str, host: &str, cpu: Option<f64>) -> VmRow {
    VmRow {
        uuid: Uuid::from_u128(number),
        name: name.into(),
        owner: Some("ada".into()),
        host: host.into(),
        power: PowerState::Running,
        migrating: false,
        vcpus: 2,
        memory_mib: 2_048,
        used_vcpus: cpu.map(|share| share * 2.0),
        cpu_share: cpu,
        wait_share: Some(0.03),
        used_memory_mib: Some(512),
        memory_share: Some(0.25),
        disk_read_bytes_per_second: Some(0.0),
        disk_written_bytes_per_second: Some(1_536.0),
        received_bytes_per_second: Some(12e6),
        sent_bytes_per_second: None,
        cpu_seconds: Some(3_723.0),
        lease_until: Some("2026-12-24".into()),
    }
}

fn host(name: &str, health: &str) -> HostRow {
    HostRow {
        name: name.into(),
        health: health.into(),
        age_seconds: Some(4),
        running_vms: 2,
        cores: 8,
        used_cores: Some(2.0),
        cpu_share: Some(0.25),
        io_wait_cores: Some(0.4),
        wait_share: Some(0.01),
        memory_mib: 16_384,
        used_memory_mib: Some(4_096),
        memory_share: Some(0.25),
        committed_vcpus: 6,
        committed_memory_mib: 6_144,
    }
}

fn frame() -> Frame {
    let off = VmRow {
        power: PowerState::ShutOff,
        ..vm(3, "old", "host2", None)
    };
    Frame {
        at: "2026-11-24T12:00:00Z".into(),
        hosts: vec![host("host1", "ready"), host("host2", "unreachable")],
        vms: vec![
            vm(1, "web", "host1", Some(0.25)),
            vm(2, "d\u{1b}[2Jb", "host2", Some(0.95)),
            off,
            vm(4, "quiet", "host1", None),
        ],
        migrations: vec![MoveRow {
            vm: "web".into(),
            to: Some("host2".into()),
            doing: "moving".into(),
            share: Some(0.45),
            remaining_bytes: Some(300 << 20),
            bytes_per_second: Some(12 << 20),
            left_ms: Some(25_000),
        }],
    }
}

fn state() -> State {
    let mut state = State::new(None, Column::Cpu, String::new());
    state.take(frame());
    state
}

/// What the screen shows, of that size.
fn shown(state: &mut State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|canvas| draw(canvas, state, true)).unwrap();
    let drawn = terminal.backend().to_string();
    let lines = drawn.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n")
}

fn press(state: &mut State, keys: &[KeyCode]) {
    for key in keys {
        state.key(KeyEvent::from(*key));
    }
}

#[test]
fn the_screen_wide_and_narrow() {
    let mut state = state();
    insta::assert_snapshot!("wide", shown(&mut state, 150, 10));
    insta::assert_snapshot!("narrow", shown(&mut state, 60, 10));
    press(&mut state, &[KeyCode::Char('H')]);
    insta::assert_snapshot!("hosts", shown(&mut state, 120, 7));
    press(&mut state, &[KeyCode::Char('V'), KeyCode::Enter]);
    insta::assert_snapshot!("one", shown(&mut state, 80, 24));
    press(&mut state, &[KeyCode::Char('?')]);
    insta::assert_snapshot!("help", shown(&mut state, 90, 26));
    // Too small for anything is no reason to fall over.
    shown(&mut state, 3, 2);
    press(&mut state, &[KeyCode::Esc]);
    shown(&mut state, 1, 1);
}

fn names(state: &State) -> Vec<&str> {
    state.vms().iter().map(|vm| vm.name.as_str()).collect()
}

#[test]
fn keys_sort_filter_and_keep_what_was_chosen() {
    let mut state = state();
    assert_eq!(
        names(&state),
        ["d\u{1b}[2Jb", "web", "old", "quiet"],
        "unknown last"
    );
    press(&mut state, &[KeyCode::Down]);
    assert_eq!(state.chosen, Some((Uuid::from_u128(1), "host1".into())));
    press(&mut state, &[KeyCode::Char('a')]);
    assert_eq!(names(&state), ["d\u{1b}[2Jb", "old", "quiet", "web"]);
    assert_eq!(state.place(), 3, "the chosen one, wherever it stands");
    press(&mut state, &[KeyCode::Char('r')]);
    assert_eq!(names(&state)[0], "web");
    press(
        &mut state,
        &[
            KeyCode::Char('/'),
            KeyCode::Char('Q'),
            KeyCode::Char('u'),
            KeyCode::Enter,
        ],
    );
    assert_eq!(names(&state), ["quiet"]);
    press(
        &mut state,
        &[
            KeyCode::Esc,
            KeyCode::Char('H'),
            KeyCode::Down,
            KeyCode::Enter,
        ],
    );
    assert_eq!(state.host.as_deref(), Some("host2"));
    assert_eq!(state.vms().len(), 2);
    press(&mut state, &[KeyCode::Esc]);
    assert_eq!((state.view, state.host.as_deref()), (View::Hosts, None));
    assert_eq!(state.key(KeyEvent::from(KeyCode::Char('q'))), Wish::Quit);
}

#[test]
fn a_vm_that_shows_on_two_hosts_is_two_rows() {
    let mut state = state();
    let mut twice = frame();
    let again = VmRow {
        host: "host2".into(),
        ..twice.vms[0].clone()
    };
    twice.vms.push(again);
    state.take(twice);
    press(&mut state, &[KeyCode::Char('a'), KeyCode::End]);
    assert_eq!(state.place(), 4);
    press(&mut state, &[KeyCode::Up]);
    assert_eq!(state.place(), 3, "the same VM on the other host");
    press(&mut state, &[KeyCode::Up]);
    assert_eq!(state.place(), 2);
    assert_eq!(state.course(Uuid::from_u128(1)).count(), 2);
}

#[test]
fn a_vm_that_went_away_leaves_the_screen_usable() {
    let mut state = state();
    press(&mut state, &[KeyCode::Enter]);
    state.take(Frame::default());
    assert!(shown(&mut state, 80, 6).contains("on no host any more"));
    press(
        &mut state,
        &[KeyCode::Esc, KeyCode::Down, KeyCode::End, KeyCode::PageUp],
    );
    assert!(shown(&mut state, 80, 6).contains("There are no VMs"));
}

#[test]
fn the_last_looks_are_drawn_and_what_fails_is_said() {
    let mut state = state();
    for share in [0.0, 0.5, 1.0] {
        let mut next = frame();
        next.vms[0].cpu_share = Some(share);
        state.take(next);
    }
    assert_eq!(course(&state, &state.frame.vms[0], 12), "▃▁▅█");
    for _ in 0..200 {
        state.take(frame());
    }
    assert_eq!(state.course(Uuid::from_u128(1)).count(), REMEMBERED);
    state.trouble = Some("The server can't be reached.".into());
    assert!(shown(&mut state, 80, 10).contains("can't be reached"));
}
