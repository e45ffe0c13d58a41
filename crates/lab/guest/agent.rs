//! The channel of a guest agent, held open as an agent would, without being one: whoever is connected to it is told by
//! libvirt that somebody is there. Never left open by itself: libvirt would ask the agent to shut down, and wait.

use std::fs::{self, File};
use std::sync::Mutex;
use std::time::Duration;

use crate::system;

const CHANNEL: &str = "org.qemu.guest_agent.0";

/// A port shows a moment after its driver is there.
const PORT_TRIES: u32 = 40;
const PORT_PAUSE: Duration = Duration::from_millis(50);

static HELD: Mutex<Option<File>> = Mutex::new(None);

/// Carries out `on` or `off` and says which holds.
pub fn command(word: &str) -> Result<&'static str, String> {
    let mut held = HELD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match word {
        "on" => {
            if held.is_none() {
                *held = Some(open()?);
            }
            Ok("agent on")
        }
        "off" => {
            *held = None;
            Ok("agent off")
        }
        _ => Err("agent: must be on or off".into()),
    }
}

fn open() -> Result<File, String> {
    system::load_modules("agent");
    let port = (0..PORT_TRIES)
        .find_map(|_| {
            std::thread::sleep(PORT_PAUSE);
            port()
        })
        .ok_or(format!("this machine has no channel {CHANNEL}"))?;
    let device = format!("/dev/{port}");
    let opened = File::options().read(true).write(true).open(&device);
    opened.map_err(|error| format!("{device}: {error}"))
}

fn port() -> Option<String> {
    const PORTS: &str = "/sys/class/virtio-ports";
    let named = |port: &String| {
        let name = fs::read_to_string(format!("{PORTS}/{port}/name"));
        name.is_ok_and(|name| name.trim() == CHANNEL)
    };
    system::names(PORTS).into_iter().find(named)
}
