//! The servers that measurements are pushed to: each an address, or a table that says more.

use anyhow::{Context, Result, ensure};
use bellwether_engine::export::{Credentials, KEEP, ToGraphite, ToRemoteWrite};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{
    collections::BTreeSet,
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
    time::Duration,
};

/// An address, or a table.
pub(super) trait OrTable: for<'de> Deserialize<'de> {
    fn at(address: &str) -> Self;
}

/// Reads either.
pub(super) fn either<'de, T: OrTable, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Either<T>(PhantomData<T>);
    impl<'de, T: OrTable> Visitor<'de> for Either<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address or a table")
        }
        fn visit_str<E: serde::de::Error>(self, address: &str) -> Result<T, E> {
            Ok(T::at(address))
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map_err(A::Error::custom)
        }
    }
    from.deserialize_any(Either(PhantomData))
}

/// A Graphite server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graphite(GraphiteTable);

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct GraphiteTable {
    address: String,
    #[serde(default = "usual_prefix")]
    prefix: String,
    #[serde(default)]
    tagged: bool,
    #[serde(default = "usual_keep")]
    keep_seconds: u64,
}

impl OrTable for GraphiteTable {
    fn at(address: &str) -> Self {
        Self {
            address: address.into(),
            prefix: usual_prefix(),
            tagged: false,
            keep_seconds: usual_keep(),
        }
    }
}

impl<'de> Deserialize<'de> for Graphite {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        either(from).map(Self)
    }
}

fn usual_prefix() -> String {
    "bellwether".into()
}

fn usual_keep() -> u64 {
    KEEP.as_secs()
}

impl Graphite {
    /// Refuses what can't be.
    pub fn check(&self) -> Result<()> {
        let GraphiteTable {
            address,
            prefix,
            keep_seconds,
            ..
        } = &self.0;
        let port = address
            .rsplit_once(':')
            .map(|(host, port)| (host, port.parse::<u16>()));
        ensure!(
            matches!(port, Some((host, Ok(port))) if !host.is_empty() && port > 0)
                && !address.contains(['/', ' ']),
            "graphite: address \"{address}\" must be host:port, like \"graphite.example.org:2003\""
        );
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let parts_are_there = prefix.split('.').all(|part| !part.is_empty());
        ensure!(
            parts_are_there && prefix.chars().all(fits),
            "graphite: prefix \"{prefix}\" must be letters, digits, - and _, in parts with dots between"
        );
        check_keep("graphite", *keep_seconds)
    }
    /// Its address.
    pub fn address(&self) -> &str {
        &self.0.address
    }
    /// As the engine takes it.
    pub fn to(&self) -> ToGraphite {
        ToGraphite {
            address: self.0.address.clone(),
            prefix: self.0.prefix.clone(),
            tagged: self.0.tagged,
            keep: Duration::from_secs(self.0.keep_seconds),
        }
    }
}

/// A server that speaks remote-write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteWrite(RemoteWriteTable);

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct RemoteWriteTable {
    url: String,
    token_file: Option<PathBuf>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    period_seconds: Option<u32>,
    #[serde(default = "usual_keep")]
    keep_seconds: u64,
}

impl OrTable for RemoteWriteTable {
    fn at(address: &str) -> Self {
        Self {
            url: address.into(),
            token_file: None,
            username: None,
            password_file: None,
            period_seconds: None,
            keep_seconds: usual_keep(),
        }
    }
}

impl<'de> Deserialize<'de> for RemoteWrite {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        either(from).map(Self)
    }
}

impl RemoteWrite {
    /// Refuses what can't be.
    pub fn check(&self) -> Result<()> {
        let table = &self.0;
        // Not the address itself: it may hold a password.
        let parts = table.url.split_once("://");
        ensure!(
            matches!(parts, Some(("http" | "https", rest)) if !rest.is_empty() && !rest.starts_with('/')),
            "remote_write: a url must begin with http:// or https:// and name a host"
        );
        let authority = parts.map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest));
        ensure!(
            !authority.is_some_and(|authority| authority.contains('@')),
            "remote_write: leave name and password out of the url; give username and password_file, or token_file"
        );
        ensure!(
            table.username.is_some() == table.password_file.is_some(),
            "remote_write: username and password_file go together"
        );
        ensure!(
            table.token_file.is_none() || table.username.is_none(),
            "remote_write: give token_file, or username and password_file, not both"
        );
        let period = table.period_seconds.unwrap_or(1);
        ensure!(
            (1..=3600).contains(&period),
            "remote_write: period_seconds = {period} must be 1 to 3600"
        );
        check_keep("remote_write", table.keep_seconds)
    }
    /// Its address without a query, which may be a secret.
    pub fn address(&self) -> &str {
        self.0.url.split('?').next().unwrap_or_default()
    }
    /// As the engine takes it; `usual` is the period where none is given.
    pub fn to(&self, usual: Duration) -> Result<ToRemoteWrite> {
        let table = &self.0;
        let credentials = match (&table.token_file, &table.username, &table.password_file) {
            (Some(file), ..) => Credentials::Bearer(secret("remote_write token_file", file)?),
            (None, Some(name), Some(file)) => {
                Credentials::Basic(name.clone(), secret("remote_write password_file", file)?)
            }
            _ => Credentials::None,
        };
        let every = table.period_seconds.map(u64::from).map(Duration::from_secs);
        Ok(ToRemoteWrite {
            url: table.url.clone(),
            credentials,
            every: every.unwrap_or(usual),
            keep: Duration::from_secs(table.keep_seconds),
        })
    }
}

/// Refuses a server that is given twice: it would have everything twice, and be told apart by nothing.
pub fn check_distinct<'a>(of: &str, addresses: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut known = BTreeSet::new();
    for address in addresses {
        ensure!(known.insert(address), "{of}: {address} is given twice");
    }
    Ok(())
}

fn check_keep(of: &str, seconds: u64) -> Result<()> {
    ensure!(
        (10..=86_400).contains(&seconds),
        "{of}: keep_seconds = {seconds} must be 10 to 86400"
    );
    Ok(())
}

/// A secret from a file of its own; `key` names it in errors.
pub(super) fn secret(key: &str, file: &Path) -> Result<SecretString> {
    let failed = || format!("can't read {key} {}", file.display());
    let text = std::fs::read_to_string(file).with_context(failed)?;
    let text = text.trim();
    ensure!(!text.is_empty(), "{key} {} is empty", file.display());
    Ok(text.into())
}
