//! Forecast: what a live migration will take, before it is begun.
//!
//! [`fit`] turns what was measured of a guest's writing into a few figures, [`steered`] follows the rounds of a move with
//! them, and [`expect`] makes of that a forecast with its range, corrected by how earlier forecasts came out.

mod expect;
mod fit;
mod precopy;
mod score;
mod steered;
#[cfg(test)]
mod tests;

pub use expect::{
    HANDING_OVER, Inputs, Outlook, Pace, PaceFrom, Past, convergence, expect, outlook, pace,
};
pub use fit::{Sample, fit};
pub use precopy::{Copying, Guest, USUAL_PAUSE, Writes, goodput};
pub use score::{Accuracy, Scored, accuracy, handing_over_ms, left_ms};
pub use steered::{PAUSES, STALLED, Way, steered};
