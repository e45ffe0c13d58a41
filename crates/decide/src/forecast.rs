//! Forecast: what a live migration will take, before it is begun.
//!
//! [`fit`] turns what was measured of a guest's writing into a few figures, [`precopy`] follows the rounds of a move with
//! them, and [`expect`] makes of that a forecast with its range, corrected by how earlier forecasts came out.

mod expect;
mod fit;
mod precopy;
mod score;
#[cfg(test)]
mod tests;

pub use expect::{Inputs, Pace, PaceFrom, Past, expect, pace};
pub use fit::{Sample, fit};
pub use precopy::{Copying, Guest, USUAL_PAUSE, Writes, goodput, precopy};
pub use score::{Accuracy, Scored, accuracy};
