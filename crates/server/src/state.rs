//! What every handler can reach.

use crate::{
    config::Config,
    limit::Limits,
    memo::{Memo, Same},
    pages::{
        picture::DrawnPieces,
        view::{List, ListQuery, fleet::SeenRow},
    },
};
use bellwether_engine::{Engine, Look};
use std::sync::Arc;
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
    /// Cancelled when the server is about to end; what streams must end then.
    pub stopping: CancellationToken,
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
            stopping: CancellationToken::new(),
        }
    }
}
