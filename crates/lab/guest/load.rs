//! Load made on purpose: memory written at a known rate, a known share of a core, memory merely held.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PAGE: usize = 4096;
const MIB: usize = 1 << 20;

/// How often work is dealt out: short, so that the rate is even over any second.
const SLICE: Duration = Duration::from_millis(20);

/// The loads that run now.
#[derive(Debug, Default)]
pub struct Load {
    running: Mutex<Running>,
}

#[derive(Debug, Default)]
struct Running {
    stop: Arc<AtomicBool>,
    dirty: Option<(usize, usize)>,
    cpu: Option<(u32, usize)>,
    held: usize,
}

impl Load {
    /// Carries out one command and gives the answer to show.
    pub fn command(&self, line: &str) -> Result<String, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize, usual: usize, most: usize| match words.get(at) {
            None => Ok(usual),
            Some(text) => text
                .parse()
                .ok()
                .filter(|value| *value <= most)
                .ok_or(format!("{text:?}: must be a number, at most {most}")),
        };
        match words.first().copied() {
            Some("dirty") => self.dirty(number(1, 10, 100_000)?, number(2, 32, 1 << 20)?),
            Some("cpu") => self.cpu(u32::try_from(number(1, 50, 100)?).unwrap_or(100), number(2, 1, 64)?),
            Some("memory") => self.hold(number(1, 0, 1 << 20)?),
            Some("stop") => self.stop(),
            Some("status") => {}
            _ => return Err("commands: dirty MIB_PER_S [WORKING_SET_MIB], cpu PERCENT [CORES], memory MIB, stop, status, agent on|off, poweroff, reboot".into()),
        }
        Ok(self.describe())
    }

    /// The loads as text.
    pub fn describe(&self) -> String {
        let running = self.lock();
        let (rate, set) = running.dirty.unwrap_or_default();
        let (percent, cores) = running.cpu.unwrap_or_default();
        format!(
            "dirty={rate}MiB/s working-set={set}MiB cpu={percent}%x{cores} held={}MiB",
            running.held
        )
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Writes `rate` MiB of pages a second, round and round over `set` MiB of random content.
    fn dirty(&self, rate: usize, set: usize) {
        self.change(|running| running.dirty = (rate > 0 && set > 0).then_some((rate, set)));
    }

    /// Keeps `cores` threads busy `percent` of the time each.
    fn cpu(&self, percent: u32, cores: usize) {
        self.change(|running| running.cpu = (percent > 0 && cores > 0).then_some((percent, cores)));
    }

    /// Holds `mib` MiB that are not written again.
    fn hold(&self, mib: usize) {
        self.change(|running| running.held = mib);
    }

    fn stop(&self) {
        self.change(|running| (running.dirty, running.cpu, running.held) = (None, None, 0));
    }

    /// Ends what runs and starts anew as changed.
    fn change(&self, change: impl FnOnce(&mut Running)) {
        let mut running = self.lock();
        running.stop.store(true, Ordering::Relaxed);
        running.stop = Arc::new(AtomicBool::new(false));
        change(&mut running);
        if let Some((rate, set)) = running.dirty {
            let stop = running.stop.clone();
            std::thread::spawn(move || write_pages(rate, set, &stop));
        }
        if let Some((percent, cores)) = running.cpu {
            for _ in 0..cores {
                let stop = running.stop.clone();
                std::thread::spawn(move || spin(percent, &stop));
            }
        }
        if running.held > 0 {
            let (held, stop) = (running.held, running.stop.clone());
            std::thread::spawn(move || {
                let memory = random_pages(held);
                while !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(100));
                }
                drop(memory);
            });
        }
    }
}

/// Memory with content that does not compress, as migration would otherwise send less than it should.
fn random_pages(mib: usize) -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut memory = vec![0; mib * MIB / 8];
    for word in &mut memory {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *word = state;
    }
    memory
}

fn write_pages(rate: usize, set: usize, stop: &AtomicBool) {
    let mut memory = random_pages(set);
    let pages = set * MIB / PAGE;
    let begin = Instant::now();
    let (mut written, mut page) = (0, 0);
    while !stop.load(Ordering::Relaxed) {
        let due = (begin.elapsed().as_secs_f64() * (rate * MIB / PAGE) as f64) as usize;
        // After a pause (a migration's downtime) it goes on at its rate; it does not catch up in a burst.
        let slice = (rate * MIB / PAGE).div_ceil(50);
        if due > written + 2 * slice {
            written = due - 2 * slice;
        }
        while written < due {
            let word = page * PAGE / 8;
            memory[word] = memory[word].wrapping_add(1);
            page = (page + 1) % pages;
            written += 1;
        }
        std::thread::sleep(SLICE);
    }
    std::hint::black_box(&memory);
}

fn spin(percent: u32, stop: &AtomicBool) {
    let busy = SLICE * percent / 20;
    let idle = SLICE * 5 - busy.min(SLICE * 5);
    let mut value = 1_u64;
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        while begin.elapsed() < busy {
            for _ in 0..1000 {
                value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005));
            }
        }
        std::thread::sleep(idle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_start_and_stop_and_bad_ones_say_what_there_is() {
        let load = Load::default();
        assert!(
            load.command("dirty 8 4")
                .unwrap()
                .contains("dirty=8MiB/s working-set=4MiB")
        );
        assert!(load.command("cpu 5").unwrap().contains("cpu=5%x1"));
        assert!(
            load.command("status").unwrap().contains("dirty=8MiB/s"),
            "one load does not end the other"
        );
        assert!(load.command("stop").unwrap().contains("dirty=0MiB/s"));
        assert!(load.command("cpu 200").unwrap_err().contains("at most 100"));
        assert!(load.command("dance").unwrap_err().contains("commands:"));
    }
}
