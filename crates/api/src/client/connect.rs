//! Where the server is and how it is reached.

use super::{Failure, Result};
use crate::Secret;
use reqwest::{Certificate, Url, redirect};
use std::{net::IpAddr, time::Duration};

/// An ordinary call may take this long; trying a host that does not answer is the slowest.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Connecting may take this long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client is made from.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The server's address: `https://cloud.example.org`, `http://127.0.0.1:8080`.
    pub server: String,
    /// API token or session secret.
    pub token: Option<Secret>,
    /// One more certificate authority to trust, PEM.
    pub authority: Option<Vec<u8>>,
}

/// A client of one server; a clone shares its connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) http: reqwest::Client,
    pub(super) base: Url,
    pub(super) token: Option<Secret>,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(settings: Settings) -> Result<Self> {
        let base = base(&settings.server)?;
        // Somebody else in the process may have installed one; that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT);
        builder = match settings.authority {
            // Loopback needs no authorities, and a bare machine may have none.
            None if base.scheme() == "http" => builder.tls_certs_only([]),
            None => builder,
            Some(pem) => builder.tls_certs_merge(authorities(&pem)?),
        };
        let http = builder.build().map_err(|e| {
            Failure::Settings(format!(
                "Can't set up TLS: {}. Is the package ca-certificates installed? The server's own authority can be named too.",
                super::failure::root_cause(&e)
            ))
        })?;
        Ok(Self {
            http,
            base,
            token: settings.token,
        })
    }

    /// The same client with another token.
    #[must_use]
    pub fn with_token(&self, token: Secret) -> Self {
        Self {
            token: Some(token),
            ..self.clone()
        }
    }

    /// The server's address.
    pub fn server_address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }
}

fn authorities(pem: &[u8]) -> Result<Vec<Certificate>> {
    match Certificate::from_pem_bundle(pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Failure::Settings(
            "The CA file holds no certificate in PEM form.".into(),
        )),
        Err(e) => Err(Failure::Settings(format!(
            "The CA file can't be read as PEM: {}",
            super::failure::root_cause(&e)
        ))),
    }
}

/// The base address, ending in `/`.
fn base(server: &str) -> Result<Url> {
    let shown = bellwether_model::text::shown(server);
    let wrong = |why: &str| {
        Failure::Settings(format!(
            "'{shown}' is no server address: {why}. Write it like https://cloud.example.org or http://127.0.0.1:8080."
        ))
    };
    let mut url = Url::parse(server).map_err(|e| wrong(&e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it must not hold a login"));
    }
    let Some(host) = url.host_str() else {
        return Err(wrong("it names no host"));
    };
    let host = host.trim_matches(['[', ']']);
    let loopback = host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => {
            return Err(wrong(
                "plain http is for this machine only, since it would show your token to the network; use https",
            ));
        }
        _ => return Err(wrong("it must begin with https:// or http://")),
    }
    url.set_query(None);
    url.set_fragment(None);
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (given, expect) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://localhost", "http://localhost/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            (
                "https://cloud.example.org/x",
                "https://cloud.example.org/x/",
            ),
        ] {
            assert_eq!(base(given).unwrap().as_str(), expect);
        }
        for (given, why) in [
            ("cloud.example.org", "no server address"),
            ("http://cloud.example.org", "use https"),
            ("http://10.0.0.1:8080", "use https"),
            ("ftp://127.0.0.1", "must begin with"),
            (
                "https://me:secret@cloud.example.org",
                "must not hold a login",
            ),
        ] {
            let said = base(given).unwrap_err().to_string();
            assert!(said.contains(why), "{given}: {said}");
        }
    }
}
