//! Facts of the deployment, from one TOML file. Every key is optional; `deploy/bellwetherd.toml` shows each with its
//! default. What admins change while it runs (quotas, overcommit, leases) is policy and lives in the database.

pub mod push;
pub mod tell;

use anyhow::{Context, Result, bail, ensure};
use bellwether_engine::{Paces, alert::Tell, export::Push};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::net::AddressRange;

/// The environment variable that overrides where the database is; it may hold a password, so it is never shown.
pub const DATABASE_VARIABLE: &str = "BELLWETHER_DATABASE";

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Certificate and key; without them plain HTTP.
    pub tls: Option<Tls>,
    /// Proxies whose `X-Forwarded-*` headers are believed: addresses or `address/prefix`.
    pub trusted_proxy: Vec<AddressRange>,
    /// Folder for the database, the history of metrics and images.
    pub data_dir: PathBuf,
    /// URL of the database; none for a SQLite file in `data_dir`.
    pub database: Option<SecretString>,
    /// A file that holds that URL, for one with a password.
    pub database_file: Option<PathBuf>,
    /// Seconds between two samples of a host.
    pub sample_period_seconds: u32,
    /// Seconds between two looks at guests' memory; none for three samples.
    pub memory_period_seconds: Option<u32>,
    /// Seconds between two looks at disks; none for three samples.
    pub disk_period_seconds: Option<u32>,
    /// Seconds between two looks at pools and networks; none for thirty samples.
    pub places_period_seconds: Option<u32>,
    /// Seconds after which it is measured again what a VM writes; none for ten minutes.
    pub writes_period_seconds: Option<u32>,
    /// The site's time zone by its IANA name: leases end at its midnights. None for the machine's.
    pub time_zone: Option<String>,
    /// `sim://` hosts (a simulated fleet) and libvirt's `test:///default` may be added, for trying out and for tests.
    pub allow_simulated_hosts: bool,
    /// Addresses of hosts may name a command that ssh runs on this machine (`command=` of a libvirt URI): the
    /// administrators of the web pages may then run commands as bellwetherd's user.
    pub allow_ssh_commands: bool,
    /// Images may be fetched over plain http and from loopback and private addresses (a mirror inside the site).
    pub allow_local_image_urls: bool,
    /// Largest image that is taken, uploaded or fetched, GiB.
    pub largest_image_gib: u64,
    /// What monitoring systems read.
    pub metrics: MetricsPage,
    /// Graphite servers that measurements are pushed to.
    pub graphite: Vec<push::Graphite>,
    /// Servers that measurements are pushed to by remote-write.
    pub remote_write: Vec<push::RemoteWrite>,
    /// How mail is sent: alerts, to administrators and owners.
    pub mail: Option<tell::Mail>,
    /// Servers that are told of alerts.
    pub webhooks: Vec<tell::Webhook>,
    /// What the log looks like.
    pub log: Log,
    /// How much one client may ask.
    pub limits: Limits,
}

/// Built-in TLS.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file: the certificate, then the chain.
    pub certificate: PathBuf,
    /// PEM file: the private key.
    pub key: PathBuf,
}

/// Who may read `/metrics` but administrators.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsPage {
    /// A listener of its own, plain HTTP; none for only that of everything else.
    pub listen: Option<SocketAddr>,
    /// A file with a token that lets who shows it read `/metrics` and nothing else.
    pub token_file: Option<PathBuf>,
}

impl MetricsPage {
    /// The token.
    pub fn token(&self) -> Result<Option<SecretString>> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let failed = || format!("can't read metrics.token_file {}", path.display());
        let text = std::fs::read_to_string(path).with_context(failed)?;
        let token = text.trim();
        ensure!(
            token.len() >= 16,
            "metrics.token_file {} must hold a token of 16 characters or more",
            path.display()
        );
        Ok(Some(token.into()))
    }
}

/// What the log looks like.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` for people, `json` for a collector.
    pub format: LogFormat,
    /// What is logged: a level, or `target=level` pairs with commas. The variable `RUST_LOG` overrides it.
    pub filter: String,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much one client may ask; more is answered with 429 and a time to wait.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Requests a second of one session, token or address, on average; ten times that at once.
    pub requests_per_second: u32,
    /// Attempts a minute to log in to one account from one address; twice that at once.
    pub logins_per_minute: u32,
    /// Attempts a minute to log in from one address to any account; twice that at once.
    pub logins_per_minute_and_address: u32,
    /// Attempts a minute to log in to one account from all addresses it was not logged in from before; twice that at
    /// once.
    pub logins_per_minute_and_account: u32,
    /// New accounts an hour from one address, which may all come at once.
    pub registrations_per_hour: u32,
    /// Pages one person may have listening for live events.
    pub event_streams_per_person: u32,
    /// Connections open at once.
    pub connections: u32,
    /// Of those, from one address; a trusted proxy may have them all.
    pub connections_per_address: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tls: None,
            trusted_proxy: Vec::new(),
            data_dir: default_data_dir(|name| std::env::var_os(name).map(PathBuf::from)),
            database: None,
            database_file: None,
            sample_period_seconds: 10,
            memory_period_seconds: None,
            disk_period_seconds: None,
            places_period_seconds: None,
            writes_period_seconds: None,
            time_zone: None,
            allow_simulated_hosts: false,
            allow_ssh_commands: false,
            allow_local_image_urls: false,
            largest_image_gib: 64,
            metrics: MetricsPage::default(),
            graphite: Vec::new(),
            remote_write: Vec::new(),
            mail: None,
            webhooks: Vec::new(),
            log: Log::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".into(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second: 200,
            logins_per_minute: 10,
            logins_per_minute_and_address: 60,
            logins_per_minute_and_account: 60,
            registrations_per_hour: 60,
            event_streams_per_person: 32,
            connections: 2048,
            connections_per_address: 256,
        }
    }
}

impl Config {
    /// Reads `path`; without one, the defaults. The environment's [`DATABASE_VARIABLE`] wins over the file.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let mut config = match path {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("can't read the configuration {}", path.display()))?;
                Self::parse(&text)
                    .with_context(|| format!("the configuration {} is wrong", path.display()))?
            }
        };
        if let Ok(url) = std::env::var(DATABASE_VARIABLE) {
            config.database = Some(url.into());
            config.database_file = None;
        }
        Ok(config)
    }

    /// Reads the text of a file and checks what can be checked without touching the machine.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| wrong(text, &error))?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what could not work or would be unsafe, and says what to write instead.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.listen.ip().is_loopback() || self.tls.is_some() || !self.trusted_proxy.is_empty(),
            "listen = \"{}\" would send passwords over the network in the clear: give [tls] certificate and key, \
             name the proxy in trusted_proxy, or listen on 127.0.0.1 or [::1]",
            self.listen
        );
        ensure!(
            self.database.is_none() || self.database_file.is_none(),
            "database and database_file are both given: keep one"
        );
        ensure!(
            (1..=3600).contains(&self.sample_period_seconds),
            "sample_period_seconds = {} must be 1 to 3600",
            self.sample_period_seconds
        );
        for (key, seconds) in [
            ("memory_period_seconds", self.memory_period_seconds),
            ("disk_period_seconds", self.disk_period_seconds),
            ("places_period_seconds", self.places_period_seconds),
            ("writes_period_seconds", self.writes_period_seconds),
        ] {
            let least = self.sample_period_seconds;
            ensure!(
                seconds.is_none_or(|seconds| (least..=86_400).contains(&seconds)),
                "{key} = {} must be {least} (sample_period_seconds) to 86400",
                seconds.unwrap_or_default()
            );
        }
        self.graphite.iter().try_for_each(push::Graphite::check)?;
        self.remote_write
            .iter()
            .try_for_each(push::RemoteWrite::check)?;
        push::check_distinct("graphite", self.graphite.iter().map(|one| one.address()))?;
        push::check_distinct(
            "remote_write",
            self.remote_write.iter().map(|one| one.address()),
        )?;
        tell::check(self.mail.as_ref(), &self.webhooks)?;
        if let Some(listen) = self.metrics.listen {
            ensure!(
                listen.ip().is_loopback() || self.metrics.token_file.is_some(),
                "metrics.listen = \"{listen}\" would show everybody there whose VMs there are: give metrics.token_file, or \
                 listen on 127.0.0.1 or [::1]"
            );
        }
        ensure!(
            (1..=1 << 20).contains(&self.largest_image_gib),
            "largest_image_gib = {} must be 1 to 1048576",
            self.largest_image_gib
        );
        let Limits {
            requests_per_second,
            logins_per_minute,
            logins_per_minute_and_address,
            logins_per_minute_and_account,
            registrations_per_hour,
            event_streams_per_person,
            connections,
            connections_per_address,
        } = self.limits;
        for (key, value) in [
            ("requests_per_second", requests_per_second),
            ("logins_per_minute", logins_per_minute),
            (
                "logins_per_minute_and_address",
                logins_per_minute_and_address,
            ),
            (
                "logins_per_minute_and_account",
                logins_per_minute_and_account,
            ),
            ("registrations_per_hour", registrations_per_hour),
            ("event_streams_per_person", event_streams_per_person),
            ("connections", connections),
            ("connections_per_address", connections_per_address),
        ] {
            ensure!(
                (1..=1_000_000).contains(&value),
                "limits.{key} = {value} must be 1 to 1000000"
            );
        }
        self.zone()?;
        Ok(())
    }

    /// The site's time zone.
    pub fn zone(&self) -> Result<jiff::tz::TimeZone> {
        match &self.time_zone {
            None => Ok(jiff::tz::TimeZone::system()),
            Some(name) => jiff::tz::TimeZone::get(name).map_err(|_| {
                anyhow::anyhow!(
                    "time_zone = \"{name}\" is not known here; names look like \"Europe/Berlin\" or \"UTC\""
                )
            }),
        }
    }

    /// Time between two samples of a host.
    pub fn sample_period(&self) -> Duration {
        Duration::from_secs(self.sample_period_seconds.into())
    }

    /// How often what costs hosts more is looked at.
    pub fn paces(&self) -> Paces {
        let usual = Paces::of(self.sample_period());
        let given = |seconds: Option<u32>, usual| {
            seconds.map_or(usual, |seconds| Duration::from_secs(seconds.into()))
        };
        Paces {
            memory: given(self.memory_period_seconds, usual.memory),
            disks: given(self.disk_period_seconds, usual.disks),
            places: given(self.places_period_seconds, usual.places),
            writes: given(self.writes_period_seconds, usual.writes),
        }
    }

    /// The servers that measurements are pushed to, with their secrets.
    pub fn push(&self) -> Result<Push> {
        let remote_write = self.remote_write.iter();
        Ok(Push {
            graphite: self.graphite.iter().map(push::Graphite::to).collect(),
            remote_write: remote_write
                .map(|one| one.to(self.sample_period()))
                .collect::<Result<_>>()?,
        })
    }

    /// Who is told of alerts, with their secrets.
    pub fn tell(&self) -> Result<Tell> {
        tell::tell(self.mail.as_ref(), &self.webhooks)
    }

    /// URL of the database.
    pub fn database_url(&self) -> Result<SecretString> {
        if let Some(url) = &self.database {
            return Ok(url.clone());
        }
        if let Some(path) = &self.database_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("can't read database_file {}", path.display()))?;
            let url = text.trim();
            if url.is_empty() {
                bail!("database_file {} is empty", path.display());
            }
            return Ok(url.into());
        }
        let file = std::path::absolute(self.data_dir.join("bellwether.db"))?;
        let Some(file) = file.to_str() else {
            bail!(
                "data_dir {} is not valid UTF-8: set database yourself",
                self.data_dir.display()
            );
        };
        Ok(format!("sqlite://{file}").into())
    }

    /// Where the database is, fit for a log: without user, password or options.
    pub fn database_shown(&self) -> String {
        match self.database_url() {
            Ok(url) => {
                let url = url.expose_secret();
                let url = url.split(['?', '#']).next().unwrap_or_default();
                match url.split_once("://") {
                    Some((scheme, rest)) => format!(
                        "{scheme}://{}",
                        rest.rsplit_once('@').map_or(rest, |(_, place)| place)
                    ),
                    None => "not a URL".into(),
                }
            }
            Err(error) => error.to_string(),
        }
    }

    /// Whether `peer` may speak plain HTTP to us: from this machine, or a named proxy.
    pub fn may_speak_plain(&self, peer: IpAddr) -> bool {
        peer.to_canonical().is_loopback() || self.trusts(peer)
    }

    /// Whether `peer` is a named proxy.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxy.iter().any(|range| range.contains(peer))
    }
}

/// What is wrong, and where. Of the line only its key is shown, and no text found in place of something else: either may
/// hold a password.
fn wrong(text: &str, error: &toml::de::Error) -> anyhow::Error {
    let before = error.span().and_then(|span| text.get(..span.start));
    let place = before.map_or(String::new(), |before| {
        let number = before.matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default();
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match key.chars().all(plain) && !key.is_empty() {
            true => format!("line {}, {key}: ", number + 1),
            false => format!("line {}: ", number + 1),
        }
    });
    let said = error.message();
    let said = match said.split_once("string \"") {
        Some((said, rest)) => {
            let rest = rest.rsplit_once("\", ").map_or("", |(_, rest)| rest);
            format!("{said}a text, {rest}")
        }
        None => said.to_string(),
    };
    anyhow::anyhow!("{place}{said}")
}

/// systemd's `$STATE_DIRECTORY`; `/var/lib/bellwether` for root; else the person's own state folder (XDG).
fn default_data_dir(variable: impl Fn(&str) -> Option<PathBuf>) -> PathBuf {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    if let Some(state) = absolute("STATE_DIRECTORY") {
        return state;
    }
    let home = absolute("HOME").filter(|home| home != Path::new("/root"));
    match (absolute("XDG_STATE_HOME"), home) {
        (Some(state), _) => state.join("bellwether"),
        (None, Some(home)) => home.join(".local/state/bellwether"),
        (None, None) => PathBuf::from("/var/lib/bellwether"),
    }
}

#[cfg(test)]
mod tests;
