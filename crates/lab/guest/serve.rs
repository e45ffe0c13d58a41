//! Answering: echo, commands, heartbeat, power button.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::agent;
use crate::apply::Machine;
use crate::load::Load;
use crate::system;

/// Sends back what it gets.
const ECHO_PORT: u16 = 7;

/// Takes commands, one a line.
const COMMAND_PORT: u16 = 9;

/// Connections served at once; more are closed at once.
const CONNECTIONS_MAX: usize = 64;

/// One key event of the kernel's input layer on a 64-bit machine: two words of time, type, code, value.
const EVENT_BYTES: usize = 24;
const EVENT_KEY: u16 = 1;
const KEY_POWER: u16 = 116;

static LOAD: std::sync::LazyLock<Load> = std::sync::LazyLock::new(Load::default);

/// Starts everything that answers.
pub fn start() {
    listen(ECHO_PORT, echo);
    listen(COMMAND_PORT, |stream| {
        let Ok(writer) = stream.try_clone() else {
            return;
        };
        commands(BufReader::new(stream), writer);
    });
    std::thread::spawn(|| {
        if let (Ok(reader), Ok(writer)) = (
            File::open("/dev/ttyS0"),
            File::options().write(true).open("/dev/ttyS0"),
        ) {
            commands(BufReader::new(reader), writer);
        }
    });
    for name in system::names("/dev/input")
        .into_iter()
        .filter(|name| name.starts_with("event"))
    {
        std::thread::spawn(move || power_button(&format!("/dev/input/{name}")));
    }
}

/// A line a second on the serial console, for ever.
pub fn heartbeat(machine: &Machine) {
    let mut beat: u64 = 0;
    loop {
        beat += 1;
        let line = format!(
            "bellwether heartbeat={beat} host={} uptime={:.1} {}\r\n",
            machine.hostname(),
            system::uptime(),
            LOAD.describe()
        );
        if let Ok(mut console) = File::options().write(true).open("/dev/ttyS0") {
            let _ = console.write_all(line.as_bytes());
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn listen(port: u16, serve: fn(TcpStream)) {
    let listener = match TcpListener::bind(("0.0.0.0", port)) {
        Ok(listener) => listener,
        Err(error) => return system::say(&format!("cannot listen on port {port}: {error}")),
    };
    std::thread::spawn(move || {
        let open = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().flatten() {
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let open = open.clone();
            std::thread::spawn(move || {
                let _ = stream.set_nodelay(true);
                serve(stream);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// Carries out commands until the other side goes away.
fn commands(reader: impl BufRead, mut writer: impl Write) {
    for line in reader.lines().map_while(Result::ok) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if matches!(line, "poweroff" | "reboot") {
            let _ = writer.write_all(format!("ok {line}\r\n").as_bytes());
            return system::end(line);
        }
        let carried_out = match line.strip_prefix("agent ") {
            Some(word) => agent::command(word).map(str::to_owned),
            None => LOAD.command(line),
        };
        let answer = match carried_out {
            Ok(done) => format!("ok {done}\r\n"),
            Err(reason) => format!("error {reason}\r\n"),
        };
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Shuts down when the power button is pressed: what `virsh shutdown` does.
fn power_button(device: &str) {
    let Ok(mut events) = File::open(device) else {
        return;
    };
    let mut event = [0; EVENT_BYTES];
    while events.read_exact(&mut event).is_ok() {
        let word = |at: usize| u16::from_le_bytes([event[at], event[at + 1]]);
        let pressed = event[20..24] == 1_u32.to_le_bytes();
        if word(16) == EVENT_KEY && word(18) == KEY_POWER && pressed {
            system::end("poweroff");
        }
    }
}
