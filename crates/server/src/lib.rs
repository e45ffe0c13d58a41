//! bellwetherd: REST, pages, live events. Wiring only: what is decided and done is in the engine.
//!
//! In the order a request meets them: [`serve`] (listener, [`tls`]), [`layers`], [`router`], [`auth`], the handlers in
//! [`rest`] and [`pages`], and [`error`] on the way back. [`config`] holds the facts of the deployment, [`cli`] the
//! commands.

pub mod admin;
pub mod alarms;
pub mod auth;
pub mod cli;
pub mod client;
pub mod config;
pub mod connector;
pub mod cookie;
pub mod error;
pub mod extract;
pub mod graphed;
pub mod holder;
pub mod layers;
pub mod limit;
pub mod logging;
pub mod memo;
pub mod names;
pub mod net;
pub mod openapi;
pub mod pages;
pub mod patience;
pub mod rest;
pub mod room;
pub mod router;
pub mod run;
pub mod serve;
pub mod state;
pub mod tls;
pub mod told;
pub mod upload;
