//! Who is told of alerts: by mail, and servers by a request.

use super::push::{OrTable, check_distinct, either, secret};
use anyhow::{Result, ensure};
use bellwether_engine::{
    alert::{MailTls, Tell, ToMail, ToWebhook, is_mail_address},
    export::Credentials,
};
use bellwether_model::text::shown;
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;

/// Addresses that are told of everything; a list for more belongs to the mail server.
const MOST_ADDRESSES: usize = 20;

/// How mail is sent, and to whom beside the owners of what it is about.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    server: String,
    port: Option<u16>,
    #[serde(default)]
    tls: Protection,
    ca_file: Option<PathBuf>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    from: String,
    #[serde(default)]
    to: Vec<String>,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Protection {
    None,
    #[default]
    StartTls,
    Tls,
}

impl Mail {
    fn check(&self) -> Result<()> {
        ensure!(
            !self.server.is_empty() && !self.server.contains(['/', ' ', ':', '@']),
            "mail: server = \"{}\" must be a name or an IPv4 address, like \"mail.example.org\"; the port has a key of its own",
            shown(&self.server)
        );
        ensure!(self.port != Some(0), "mail: port = 0 must be 1 to 65535");
        ensure!(
            self.username.is_some() == self.password_file.is_some(),
            "mail: username and password_file go together"
        );
        let here = matches!(self.server.as_str(), "localhost" | "127.0.0.1");
        ensure!(
            self.username.is_none() || self.tls != Protection::None || here,
            "mail: tls = \"none\" would send the password over the network in the clear: use \"starttls\" or \"tls\", or leave username out"
        );
        for address in self.to.iter().chain([&self.from]) {
            ensure!(
                is_mail_address(address),
                "mail: '{}' is no mail address, like \"admin@example.org\"",
                shown(address)
            );
        }
        ensure!(
            self.to.len() <= MOST_ADDRESSES,
            "mail: to has {} addresses, at most {MOST_ADDRESSES} are possible; give the address of a mailing list",
            self.to.len()
        );
        check_distinct("mail: to", self.to.iter().map(String::as_str))
    }

    fn to(&self) -> Result<ToMail> {
        let credentials = match (&self.username, &self.password_file) {
            (Some(name), Some(file)) => Some((name.clone(), secret("mail.password_file", file)?)),
            _ => None,
        };
        let (tls, usual) = match self.tls {
            Protection::None => (MailTls::None, 25),
            Protection::StartTls => (MailTls::StartTls, 587),
            Protection::Tls => (MailTls::Tls, 465),
        };
        Ok(ToMail {
            server: self.server.clone(),
            port: self.port.unwrap_or(usual),
            tls,
            ca_file: self.ca_file.clone(),
            credentials,
            from: self.from.clone(),
            to: self.to.clone(),
        })
    }
}

/// A server that takes alerts as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook(WebhookTable);

#[derive(Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
struct WebhookTable {
    name: Option<String>,
    url: Option<String>,
    url_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    signing_key_file: Option<PathBuf>,
}

/// Without what may be a secret.
impl std::fmt::Debug for WebhookTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookTable")
            .field("name", &self.shown())
            .finish_non_exhaustive()
    }
}

impl OrTable for WebhookTable {
    fn at(address: &str) -> Self {
        Self {
            url: Some(address.into()),
            ..Self::default()
        }
    }
}

impl<'de> Deserialize<'de> for Webhook {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        either(from).map(Self)
    }
}

impl WebhookTable {
    /// What it is called: its name, else scheme and host of its address. The rest of that is often all it takes to use it.
    fn shown(&self) -> String {
        match (&self.name, &self.url) {
            (Some(name), _) => name.clone(),
            (None, Some(url)) => origin(url).unwrap_or_default().to_owned(),
            (None, None) => String::new(),
        }
    }
}

/// Scheme, host and port of an address; none where it is not one without credentials.
fn origin(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let fits = matches!(scheme, "http" | "https")
        && !authority.is_empty()
        && !authority.contains(['@', ' ']);
    fits.then(|| &url[..scheme.len() + 3 + authority.len()])
}

impl Webhook {
    fn check(&self) -> Result<()> {
        let table = &self.0;
        ensure!(
            table.url.is_some() != table.url_file.is_some(),
            "webhooks: give each a url, or a url_file"
        );
        // Not the address itself: it may hold a secret.
        ensure!(
            table.url.as_deref().is_none_or(|url| origin(url).is_some()),
            "webhooks: a url must begin with http:// or https:// and name a host, without name and password"
        );
        ensure!(
            table.url_file.is_none() || table.name.is_some(),
            "webhooks: one with a url_file needs a name, by which it is shown"
        );
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
        let named = table.name.as_deref();
        ensure!(
            named.is_none_or(|name| (1..=60).contains(&name.len()) && name.chars().all(fits)),
            "webhooks: a name must be 1 to 60 letters, digits, blanks, -, _ and ."
        );
        Ok(())
    }

    fn to(&self) -> Result<ToWebhook> {
        let table = &self.0;
        let read = |key: &str, file: &Option<PathBuf>| {
            let file = file.as_deref();
            file.map(|file| secret(key, file)).transpose()
        };
        let url = match (&table.url, read("webhooks url_file", &table.url_file)?) {
            (Some(url), _) => url.as_str().into(),
            (None, Some(url)) => url,
            (None, None) => String::new().into(),
        };
        let token = read("webhooks token_file", &table.token_file)?;
        Ok(ToWebhook {
            name: table.shown(),
            url,
            credentials: token.map_or(Credentials::None, Credentials::Bearer),
            signing_key: read("webhooks signing_key_file", &table.signing_key_file)?,
        })
    }
}

/// Refuses what can't be.
pub fn check(mail: Option<&Mail>, webhooks: &[Webhook]) -> Result<()> {
    mail.map_or(Ok(()), Mail::check)?;
    webhooks.iter().try_for_each(Webhook::check)?;
    let names: Vec<String> = webhooks.iter().map(|hook| hook.0.shown()).collect();
    check_distinct(
        "webhooks (give them names)",
        names.iter().map(String::as_str),
    )
}

/// As the engine takes it, with the secrets.
pub fn tell(mail: Option<&Mail>, webhooks: &[Webhook]) -> Result<Tell> {
    Ok(Tell {
        mail: mail.map(Mail::to).transpose()?,
        webhooks: webhooks.iter().map(Webhook::to).collect::<Result<_>>()?,
    })
}
