//! A TCP connection held open to a guest, with an echo asked for every 10 ms: what a migration feels like from outside.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;

/// Where the test image answers with what it gets.
const ECHO_PORT: u16 = 7;

/// How often an echo is asked for.
const PERIOD: Duration = Duration::from_millis(10);

/// How long the last echoes may be on their way after the last question.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the connection felt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Felt {
    /// Whether it lived, and every echo came back in order.
    pub alive: bool,
    /// Echoes that came back.
    pub echoes: u64,
    /// Longest time between two of them.
    pub longest_gap: Duration,
}

/// A connection with both its threads.
pub(super) struct Echo {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<bool>,
    receiver: JoinHandle<Felt>,
}

/// Whether the guest answers an echo now.
pub(super) fn answers(address: IpAddr) -> bool {
    let once = || -> std::io::Result<()> {
        let mut stream = connect(address, Duration::from_millis(500))?;
        stream.write_all(b"hello")?;
        stream.read_exact(&mut [0; 5])
    };
    once().is_ok()
}

impl Echo {
    /// Opens the connection and begins asking.
    pub fn open(address: IpAddr) -> anyhow::Result<Self> {
        let stream = connect(address, Duration::from_secs(5)).with_context(|| {
            format!("the guest at {address} does not answer on port {ECHO_PORT}")
        })?;
        Ok(Self::over(stream.try_clone()?, stream))
    }

    fn over(writer: TcpStream, reader: TcpStream) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicU64::new(0));
        let sender = {
            let (stop, asked) = (stop.clone(), asked.clone());
            std::thread::spawn(move || ask(writer, &stop, &asked))
        };
        let receiver = {
            let stop = stop.clone();
            std::thread::spawn(move || listen(reader, &stop, &asked))
        };
        Self {
            stop,
            sender,
            receiver,
        }
    }

    /// Ends it and says what it felt.
    pub fn close(self) -> Felt {
        self.stop.store(true, Ordering::SeqCst);
        let sent = self.sender.join().unwrap_or(false);
        let felt = self.receiver.join().unwrap_or(Felt {
            alive: false,
            echoes: 0,
            longest_gap: Duration::ZERO,
        });
        Felt {
            alive: felt.alive && sent,
            ..felt
        }
    }
}

fn connect(address: IpAddr, limit: Duration) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::new(address, ECHO_PORT), limit)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    Ok(stream)
}

/// Sends a number every period; a late one is made up for at once. Whether the connection took them all.
fn ask(mut stream: TcpStream, stop: &AtomicBool, asked: &AtomicU64) -> bool {
    let start = Instant::now();
    for number in 0_u64.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        if stream.write_all(&number.to_be_bytes()).is_err() {
            return false;
        }
        asked.store(number + 1, Ordering::SeqCst);
        let next = start + PERIOD * u32::try_from(number + 1).unwrap_or(u32::MAX);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    true
}

/// Takes the numbers back, until all that were asked for are there.
fn listen(mut stream: TcpStream, stop: &AtomicBool, asked: &AtomicU64) -> Felt {
    let mut felt = Felt {
        alive: true,
        echoes: 0,
        longest_gap: Duration::ZERO,
    };
    let mut last = Instant::now();
    let mut word = [0; 8];
    let mut filled = 0;
    loop {
        let all_there = felt.echoes == asked.load(Ordering::SeqCst);
        if stop.load(Ordering::SeqCst) && all_there {
            return felt;
        }
        if stop.load(Ordering::SeqCst) && last.elapsed() > LAST_WORDS {
            felt.alive = false;
            felt.longest_gap = felt.longest_gap.max(last.elapsed());
            return felt;
        }
        match stream.read(&mut word[filled..]) {
            Ok(0) => felt.alive = false,
            Ok(count) => {
                filled += count;
                if filled < word.len() {
                    continue;
                }
                filled = 0;
                felt.alive &= u64::from_be_bytes(word) == felt.echoes;
                felt.echoes += 1;
                felt.longest_gap = felt.longest_gap.max(last.elapsed());
                last = Instant::now();
            }
            Err(error) if is_pause(error.kind()) => {}
            Err(_) => felt.alive = false,
        }
        if !felt.alive {
            return felt;
        }
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A connection to a peer that does what `serve` says.
    fn echo_to(serve: impl FnOnce(TcpStream) + Send + 'static) -> Echo {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || serve(listener.accept().unwrap().0));
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        Echo::over(stream.try_clone().unwrap(), stream)
    }

    fn copy(mut stream: TcpStream, pause_at: usize, pause: Duration) {
        let mut word = [0; 8];
        for count in 0.. {
            if stream.read_exact(&mut word).is_err() || stream.write_all(&word).is_err() {
                return;
            }
            if count == pause_at {
                std::thread::sleep(pause);
            }
        }
    }

    #[test]
    fn a_guest_that_stands_still_shows_as_a_gap_and_nothing_is_lost() {
        let echo = echo_to(|stream| copy(stream, 10, Duration::from_millis(300)));
        std::thread::sleep(Duration::from_millis(800));
        let felt = echo.close();
        assert!(felt.alive, "{felt:?}");
        assert!(felt.longest_gap >= Duration::from_millis(250), "{felt:?}");
        assert!(felt.echoes > 20, "{felt:?}");
    }

    #[test]
    fn a_connection_that_breaks_is_not_alive() {
        let echo = echo_to(|mut stream| {
            let mut word = [0; 8];
            let _ = stream.read_exact(&mut word);
        });
        std::thread::sleep(Duration::from_millis(300));
        assert!(!echo.close().alive);
    }
}
