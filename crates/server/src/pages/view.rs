//! What each page shows, as data, with the template that prints it. Nothing here reads anything: a page's own module
//! gathers, fills one of these in, and renders it. Every text is escaped by the templates; none is marked safe.

pub mod alerts;
pub mod assets;
pub mod badge;
pub mod chart;
pub mod doors;
pub mod fleet;
pub mod forecast;
pub mod form;
pub mod frame;
pub mod heat;
pub mod hosts;
pub mod images;
pub mod list;
pub mod machines;
pub mod migrate;
pub mod move_policies;
pub mod people;
pub mod places;
pub mod plans;
pub mod requests;
pub mod styleguide;
pub mod timeline;
pub mod words;

pub use badge::Badge;
pub use form::{Form, Held};
pub use frame::{Frame, Theme, Who};
pub use list::{List, ListQuery, ROWS};
pub use words::Reading;

#[cfg(test)]
mod samples;
