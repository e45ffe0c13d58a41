//! Crash tests stop the engine at an exact point: around every journal write, and before every other write of a job. In
//! production no probe is set.

use std::sync::{Arc, Mutex};

/// Where the runner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// About to write the journal.
    BeforeJournal,
    /// Has just written it.
    AfterJournal,
    /// About to write something else: what a step found out, or did.
    BeforeWrite,
}

/// Asked at every point, with the step's name; `true` means "the process dies here": the runner never goes on.
pub type Probe = Arc<dyn Fn(Point, &str) -> bool + Send + Sync>;

/// Holds the probe of an engine.
#[derive(Default)]
pub struct ProbeCell(Mutex<Option<Probe>>);

impl ProbeCell {
    fn get(&self) -> Option<Probe> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
    pub(crate) async fn hit(&self, point: Point, step: &str) {
        if let Some(probe) = self.get()
            && probe(point, step)
        {
            std::future::pending::<()>().await;
        }
    }
}

impl crate::Engine {
    /// Sets the probe that decides where this engine dies. For crash tests.
    pub fn set_probe(&self, probe: Probe) {
        *self
            .inner
            .probe
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(probe);
    }
}
