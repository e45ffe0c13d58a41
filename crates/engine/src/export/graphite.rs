//! To a Graphite server, by its plaintext protocol over TCP. Nothing says what has arrived: what was written shortly before a
//! connection broke is written again, which carbon takes as the same.

use super::pause::Pause;
use super::{
    Backlog, Batch, Health, MOST_BYTES, OutletStatus, Point, ToGraphite, backlog::Outcome, lines,
    totals::Total,
};
use std::{collections::VecDeque, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, tcp::OwnedReadHalf},
    time::{Instant, timeout},
};

/// A server that does not answer a connection, or takes nothing, for this long is away.
const PATIENCE: Duration = Duration::from_secs(30);
/// What was written this long before a connection broke may not have arrived.
const IN_FLIGHT: Duration = Duration::from_secs(60);

/// A connection that lives this long leads to a server.
const SETTLED: Duration = Duration::from_secs(1);

/// One server, with what waits for it.
#[derive(Debug)]
pub(super) struct Outlet {
    to: ToGraphite,
    backlog: Backlog<Arc<Batch>>,
    health: Health,
}

impl Outlet {
    pub fn new(to: ToGraphite) -> Self {
        Self {
            backlog: Backlog::new(to.keep, MOST_BYTES),
            health: Health::default(),
            to,
        }
    }

    pub fn take(&self, batch: Arc<Batch>) {
        let samples = batch.points.len() + batch.totals.len();
        // With a part of the labels that the points of one thing share, and the names in each total.
        let bytes = batch.points.len() * (size_of::<Point>() + 16)
            + batch.totals.len() * (size_of::<Total>() + 48);
        self.backlog.push(batch, samples as u64, bytes);
    }

    pub fn status(&self) -> OutletStatus {
        let counts = self.backlog.counts();
        OutletStatus {
            kind: "graphite",
            to: self.to.address.clone(),
            trouble: self.health.lock().clone(),
            sent: counts.sent,
            refused: counts.refused,
            dropped: counts.dropped,
            waiting: counts.waiting,
        }
    }

    /// Sends for ever.
    pub async fn send_all(&self) {
        let mut again = Pause::default();
        let mut recent = VecDeque::new();
        loop {
            // Nothing to say is no reason to connect.
            self.backlog.oldest().await;
            let why = match self.connected(&mut recent, &mut again).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            let trouble = format!("{} is away: {why}", self.to.address);
            self.health.trouble("graphite", &self.to.address, trouble);
            again.rest().await;
        }
    }

    /// Connects, and sends until that breaks.
    async fn connected(
        &self,
        recent: &mut VecDeque<(Instant, Arc<Batch>)>,
        again: &mut Pause,
    ) -> io::Result<std::convert::Infallible> {
        let stream = within(TcpStream::connect(&self.to.address)).await?;
        let (mut reading, mut writing) = stream.into_split();
        // What stands in front of a server that is away may accept, and close at once.
        tokio::select! {
            gone = gone(&mut reading) => return Err(gone),
            () = tokio::time::sleep(SETTLED) => {}
        }
        let mut text = String::new();
        // All of it was written within the last moments of the connection before, however long ago that was.
        for (written, batch) in recent.iter_mut() {
            text.clear();
            lines::write(&mut text, batch, &self.to.prefix, self.to.tagged);
            within(writing.write_all(text.as_bytes())).await?;
            *written = Instant::now();
        }
        loop {
            let (number, batch) = tokio::select! {
                next = self.backlog.oldest() => next,
                gone = gone(&mut reading) => return Err(gone),
            };
            text.clear();
            lines::write(&mut text, &batch, &self.to.prefix, self.to.tagged);
            tokio::select! {
                written = within(writing.write_all(text.as_bytes())) => written?,
                gone = gone(&mut reading) => return Err(gone),
            }
            self.backlog.done(number, Outcome::Sent);
            let measured = batch.at;
            recent.push_back((Instant::now(), batch));
            // While much is caught up with, what was measured long before this arrived long ago.
            let old = |(written, batch): &(Instant, Arc<Batch>)| {
                written.elapsed() > IN_FLIGHT || measured.since(batch.at) > IN_FLIGHT
            };
            while recent.front().is_some_and(old) {
                recent.pop_front();
            }
            again.reset();
            self.health.well("graphite", &self.to.address);
        }
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| {
        let text = format!("nothing went through for {} s", PATIENCE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

/// Returns when the server closed the connection; what it says is of no interest.
async fn gone(reading: &mut OwnedReadHalf) -> io::Error {
    let mut said = [0; 256];
    loop {
        match reading.read(&mut said).await {
            Ok(0) => {
                return io::Error::new(io::ErrorKind::ConnectionReset, "it closed the connection");
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}
