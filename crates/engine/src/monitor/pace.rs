//! When a host is looked at: at once, a second time soon (rates need two samples), then on its place in the period, and
//! earlier where something happened on it. What comes early puts nothing off.

use bellwether_hypervisor::HostEvent;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, broadcast},
    time::{Instant, sleep_until},
};

/// The second look follows the first after this long, or a period if that is shorter.
const SECOND: Duration = Duration::from_secs(2);
/// A look that was asked for waits this long, for what was asked before to have its effect.
const AFTER_WAKE: Duration = Duration::from_millis(100);
/// Events come in bursts: a look follows the first of them after this long.
const AFTER_EVENT: Duration = Duration::from_secs(1);

/// The regular looks at a host.
pub struct Pace {
    period: Duration,
    /// Looks fall on whole periods from here.
    place: Instant,
    /// When the second look is due, until it was made.
    second: Option<Instant>,
}

impl Pace {
    /// Looks that begin now and keep `offset` into the period, so that not all hosts are asked in the same instant.
    pub fn new(period: Duration, offset: Duration) -> Self {
        let now = Instant::now();
        Self {
            period,
            place: now + offset,
            second: Some(now + SECOND.min(period)),
        }
    }

    /// When the next look is due at the latest: never further away than a period.
    fn due(&mut self) -> Instant {
        let now = Instant::now();
        let late = now.saturating_duration_since(self.place).as_secs_f64();
        let passed = (late / self.period.as_secs_f64()) as u32;
        let mut due = self.place + self.period * passed;
        if due <= now {
            due += self.period;
        }
        self.second = self.second.filter(|second| *second > now);
        self.second.map_or(due, |second| due.min(second))
    }

    /// Waits until it is time to look again.
    pub async fn rest(&mut self, hints: &mut Hints) {
        let due = self.due();
        let early = async {
            let after = tokio::select! {
                () = hints.waker.notified() => AFTER_WAKE,
                () = something_happened(&mut hints.events) => AFTER_EVENT,
            };
            sleep_until(Instant::now() + after).await;
        };
        tokio::select! {
            () = sleep_until(due) => {}
            () = early => {}
        }
        // One look answers all that happened until now.
        while let Some(receiver) = hints.events.as_mut() {
            match receiver.try_recv() {
                Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty) => break,
                Err(broadcast::error::TryRecvError::Closed) => hints.events = None,
            }
        }
    }
}

/// The turn of something that is not looked at every time.
pub struct Turn {
    every: Duration,
    /// A look this much before the turn takes it: the next one would come as much too late.
    slack: Duration,
    last: Option<Instant>,
    /// How many of the next looks take it whenever they come.
    soon: u8,
}

impl Turn {
    /// A turn every so often, of looks that come once in `period`; the first two come at once, since rates need both.
    pub fn new(every: Duration, period: Duration) -> Self {
        Self {
            every,
            slack: period / 2,
            last: None,
            soon: 2,
        }
    }
    /// Whether a look now is to take it.
    pub fn is_due(&self, now: Instant) -> bool {
        self.soon > 0
            || self
                .last
                .is_none_or(|last| now + self.slack >= last + self.every)
    }
    /// It was taken.
    pub fn taken(&mut self, now: Instant) {
        self.last = Some(now);
        self.soon = self.soon.saturating_sub(1);
    }
    /// Has something new taken twice soon, this look included if it took it.
    pub fn soon(&mut self, taken: bool) {
        self.soon = self.soon.max(if taken { 1 } else { 2 });
    }
}

/// What brings a look forward.
pub struct Hints {
    /// Something on the host was just changed, or an act needs to know how it is.
    pub waker: Arc<Notify>,
    /// What the host tells by itself, while there is a connection.
    pub events: Option<broadcast::Receiver<HostEvent>>,
}

async fn something_happened(events: &mut Option<broadcast::Receiver<HostEvent>>) {
    let Some(receiver) = events.as_mut() else {
        return std::future::pending().await;
    };
    loop {
        match receiver.recv().await {
            Ok(
                HostEvent::Lifecycle(_)
                | HostEvent::JobCompleted(_)
                | HostEvent::Reconnected
                | HostEvent::Disconnected,
            ) => return,
            Ok(_) => {}
            // Missed some: look.
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => {
                *events = None;
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    /// The moments of the next `looks`, each in seconds since the first, while `during` happens.
    async fn looks(offset: Duration, hints: &mut Hints, looks: usize) -> Vec<f64> {
        let began = Instant::now();
        let mut pace = Pace::new(PERIOD, offset);
        let mut at = vec![0.0];
        for _ in 0..looks {
            pace.rest(hints).await;
            at.push(began.elapsed().as_secs_f64());
        }
        at
    }

    fn hints() -> (broadcast::Sender<HostEvent>, Hints) {
        let (sender, receiver) = broadcast::channel(64);
        let hints = Hints {
            waker: Arc::default(),
            events: Some(receiver),
        };
        (sender, hints)
    }

    fn longest_gap(at: &[f64]) -> f64 {
        at.windows(2)
            .map(|pair| pair[1] - pair[0])
            .fold(0.0, f64::max)
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_is_seen_twice_soon_and_keeps_its_place_in_the_period() {
        let (_sender, mut hints) = hints();
        let at = looks(Duration::from_secs(7), &mut hints, 4).await;
        assert_eq!(
            at.iter().map(|at| at.round()).collect::<Vec<_>>(),
            [0.0, 2.0, 7.0, 17.0, 27.0]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_dear_is_looked_at_twice_at_once_and_then_seldom() {
        let (_sender, mut hints) = hints();
        let began = Instant::now();
        let mut pace = Pace::new(PERIOD, Duration::from_secs(7));
        let mut turn = Turn::new(Duration::from_secs(30), PERIOD);
        let mut taken = Vec::new();
        while began.elapsed() < Duration::from_secs(100) {
            let now = Instant::now();
            if turn.is_due(now) {
                turn.taken(now);
                taken.push(began.elapsed().as_secs());
            }
            if began.elapsed().as_secs() == 67 {
                turn.soon(false);
            }
            pace.rest(&mut hints).await;
        }
        assert_eq!(taken, [0, 2, 27, 57, 77, 87]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_events_bring_looks_forward_and_put_none_off() {
        let (sender, mut hints) = hints();
        for _ in 0..20 {
            sender
                .send(HostEvent::Lifecycle(uuid::Uuid::nil()))
                .unwrap();
        }
        let at = looks(Duration::ZERO, &mut hints, 6).await;
        assert!(longest_gap(&at) <= 10.01, "{at:?}");
        // The burst is one look, not twenty.
        assert_eq!(at.iter().filter(|at| **at < 9.0).count(), 3, "{at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn events_without_end_neither_starve_the_period_nor_fill_it() {
        let (sender, mut hints) = hints();
        let noise = tokio::spawn(async move {
            loop {
                let _ = sender.send(HostEvent::Lifecycle(uuid::Uuid::nil()));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let at = looks(Duration::ZERO, &mut hints, 40).await;
        noise.abort();
        assert!(longest_gap(&at) <= 10.01, "{at:?}");
        assert!(at[40] > 30.0, "more than one look a second: {at:?}");
    }
}
