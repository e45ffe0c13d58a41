//! One method an endpoint, as `docs/api-design.md` orders them. Lists take the most items wanted and page by themselves.

mod alerts;
mod hosts;
mod jobs;
mod people;
mod places;
mod policy;
mod requests;
mod server;
mod vms;
