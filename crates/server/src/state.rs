//! What every handler can reach.

use crate::{config::Config, limit::Limits};
use bellwether_engine::Engine;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

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
            stopping: CancellationToken::new(),
        }
    }
}
