//! The program against a server that says what a test wants, over real HTTP.

#![allow(clippy::unwrap_used)] // a helper that can not go on has failed its test

mod acts;
mod answers;
mod common;
mod login;
mod plan;
mod top;
mod whole;
