//! What every handler can reach.

use crate::{
    config::Config,
    graphed::heat::{self, HostHeat},
    limit::Limits,
    memo::{Memo, Same},
    pages::{
        picture::DrawnPieces,
        view::{List, ListQuery, fleet::SeenRow},
    },
};
use bellwether_engine::{Engine, Look};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A look, and the second it is shown in: ages are in seconds.
pub type LookNow = (Same<Look>, i64);

/// What is large and the same for everybody.
#[derive(Default)]
pub struct Drawn {
    /// `GET /api/v1/fleet`, as JSON.
    pub fleet: Memo<LookNow, bytes::Bytes>,
    /// The picture of the fleet's page, as HTML.
    pub picture: Memo<LookNow, String>,
    /// The parts of that picture.
    pub pieces: DrawnPieces,
    /// The table under it, as whoever looked last wanted it: most look at it as it is at first.
    pub table: Memo<(LookNow, ListQuery), (List, Vec<SeenRow>)>,
    /// How hot every host was, over each stretch that is shown, as of a period.
    pub heat: [Memo<i64, Vec<HostHeat>>; heat::RANGES.len()],
}

/// A cheap clone of what the handlers share.
#[derive(Clone)]
pub struct AppState {
    /// The engine; reads go to its store and to what was last observed, never to a host.
    pub engine: Engine,
    /// Facts of the deployment.
    pub config: Arc<Config>,
    /// Largest image that may be uploaded, bytes.
    pub largest_upload: u64,
    /// How much clients may ask.
    pub limits: Arc<Limits>,
    /// The fleet in REST and as a picture, each as of a look and a second.
    pub drawn: Arc<Drawn>,
    /// Places for scrapes: each goes through the whole fleet.
    pub scrapes: Arc<Semaphore>,
    /// The token that lets a monitoring system read `/metrics`.
    pub scrape_token: Option<Arc<ScrapeToken>>,
    /// Cancelled when the server is about to end; what streams must end then.
    pub stopping: CancellationToken,
}

/// Scrapes at the same time; a third waits.
const SCRAPES_AT_ONCE: usize = 2;

/// A token as it is kept: by its hash, which is compared in a time that tells nothing of it.
#[derive(Debug)]
pub struct ScrapeToken([u8; 32]);

impl ScrapeToken {
    /// The token.
    pub fn new(token: &SecretString) -> Self {
        Self(Sha256::digest(token.expose_secret()).into())
    }
    /// Whether this is it.
    pub fn is(&self, shown: &str) -> bool {
        self.0 == <[u8; 32]>::from(Sha256::digest(shown))
    }
}

impl AppState {
    /// The state of a server on this engine.
    pub fn new(engine: Engine, config: Config) -> Self {
        Self {
            engine,
            largest_upload: config.largest_image_gib << 30,
            limits: Arc::new(Limits::new(&config.limits)),
            config: Arc::new(config),
            drawn: Arc::default(),
            scrapes: Arc::new(Semaphore::new(SCRAPES_AT_ONCE)),
            scrape_token: None,
            stopping: CancellationToken::new(),
        }
    }
}
