//! Where images are fetched from: a client that asks only addresses it may, and says in plain words why an answer does
//! not come.

use crate::Engine;
use bellwether_decide::fetch::{Answer, Version, is_public, may_ask, may_follow, not_public};
use bellwether_model::{Error, Result};
use reqwest::{
    Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
    redirect::{Attempt, Policy},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// How large images may be, and how patiently they are fetched.
#[derive(Clone, Debug)]
pub struct Fetching {
    /// The largest file that is taken, bytes.
    pub most: u64,
    /// A source that sends less than `least` in this time is given up, and asked again.
    pub stall: Duration,
    /// Bytes that count as going on.
    pub least: u64,
    /// How often it is asked again without getting on.
    pub tries: u32,
    /// How long it rests before it is asked again; doubles with each try.
    pub pause: Duration,
}

impl Default for Fetching {
    fn default() -> Self {
        Self {
            most: 64 << 30,
            stall: Duration::from_secs(30),
            least: 64 << 10,
            tries: 6,
            pause: Duration::from_millis(500),
        }
    }
}

/// Why no answer came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Asking again may help; the end of a sentence.
    Passing(String),
    /// It won't; the end of a sentence.
    Lasting(String),
}

/// Why an address was not asked.
#[derive(Debug, thiserror::Error)]
enum Unasked {
    #[error("{0}")]
    Refused(String),
    #[error("the name '{0}' is not known here")]
    Unknown(String),
}

/// Whether `url` may be asked at all; why not, as the end of a sentence.
pub(super) fn may_fetch(url: &str, local: bool) -> Result<(), String> {
    let url = Url::parse(url).map_err(|_| "it is no URL".to_owned())?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err("leave name and password out of it".into());
    }
    may_ask(url.scheme(), url.host_str().unwrap_or_default(), local)
}

/// Asks sources.
pub(super) struct Source {
    client: reqwest::Client,
    stall: Duration,
}

impl Source {
    pub(super) fn new(engine: &Engine) -> Result<Self> {
        // Answers an error where somebody installed one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = engine.settings();
        let local = settings.allow_local_image_urls;
        let client = reqwest::Client::builder()
            .user_agent(concat!("bellwether/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(settings.fetching.stall)
            // An address may hold a key that is no business of where it sends us.
            .referer(false)
            .redirect(Policy::custom(move |attempt| follow(attempt, local)))
            .dns_resolver(Arc::new(Resolver {
                local,
                proxies: proxies(),
            }))
            .build()
            .map_err(Error::internal)?;
        Ok(Self {
            client,
            stall: settings.fetching.stall,
        })
    }

    /// Asks for the file, or for what follows the first `held` bytes of it.
    pub(super) async fn get(&self, url: &str, held: u64) -> Result<Response, Trouble> {
        let mut request = self.client.get(url);
        if held > 0 {
            request = request.header(header::RANGE, format!("bytes={held}-"));
        }
        match tokio::time::timeout(self.stall, request.send()).await {
            Ok(answer) => answer.map_err(|error| trouble(&error)),
            Err(_) => Err(Trouble::Passing(format!(
                "the source did not answer within {} s",
                self.stall.as_secs()
            ))),
        }
    }
}

fn follow(attempt: Attempt<'_>, local: bool) -> reqwest::redirect::Action {
    let already = attempt.previous().len();
    let from = attempt.previous().last().map_or("", |from| from.scheme());
    let to = attempt.url();
    match may_follow(
        already,
        from,
        to.scheme(),
        to.host_str().unwrap_or_default(),
        local,
    ) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(Unasked::Refused(why)),
    }
}

/// Looks up names, and keeps of what a name leads to only what may be asked: a name proves nothing about where it leads.
struct Resolver {
    local: bool,
    /// What stands between here and the Internet may have a private address.
    proxies: Vec<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let all = self.local || self.proxies.iter().any(|proxy| proxy == name.as_str());
        Box::pin(async move {
            let name = name.as_str();
            let found = tokio::net::lookup_host((name, 0))
                .await
                .map_err(|_| Unasked::Unknown(name.into()))?;
            let may: Vec<SocketAddr> = found
                .filter(|address| all || is_public(address.ip()))
                .collect();
            if may.is_empty() {
                return Err(Unasked::Refused(not_public(name)).into());
            }
            Ok(Box::new(may.into_iter()) as Addrs)
        })
    }
}

/// The machines that the environment names as proxies.
fn proxies() -> Vec<String> {
    ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"]
        .into_iter()
        .flat_map(|name| [name.to_owned(), name.to_ascii_lowercase()])
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|text| {
            let text = if text.contains("://") {
                text
            } else {
                format!("http://{text}")
            };
            Url::parse(&text).ok()?.host_str().map(str::to_owned)
        })
        .collect()
}

/// Everything an error was caused by, itself first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        // What an error of input and output wraps is not among its sources.
        match error.downcast_ref::<std::io::Error>() {
            Some(io) => io
                .get_ref()
                .map(|inner| inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        }
    })
    .take(32)
}

/// What an error means. The address is not repeated: the admin knows it, and a query in it may hold a key.
pub(super) fn trouble(error: &reqwest::Error) -> Trouble {
    for cause in causes(error) {
        match cause.downcast_ref::<Unasked>() {
            Some(refused @ Unasked::Refused(_)) => return Trouble::Lasting(refused.to_string()),
            Some(unknown @ Unasked::Unknown(_)) => return Trouble::Passing(unknown.to_string()),
            None => {}
        }
        if let Some(rustls::Error::InvalidCertificate(why)) = cause.downcast_ref() {
            return Trouble::Lasting(format!("the source's certificate can't be trusted ({why})"));
        }
    }
    if error.is_builder() {
        return Trouble::Lasting("this is no address that can be fetched".into());
    }
    if error.is_redirect() {
        return Trouble::Lasting("the source sends us to an address that can't be asked".into());
    }
    let refused = causes(error).any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused)
    });
    Trouble::Passing(
        match (refused, error.is_connect()) {
            (true, _) => "nothing listens at the source's address",
            (_, true) => "the source can't be reached",
            _ => "the connection broke off",
        }
        .into(),
    )
}

/// What the head of an answer says about the file.
pub(super) fn head(answer: &Response) -> Answer {
    let text = |name| {
        let value = answer.headers().get(name)?.to_str().ok()?;
        Some(value.trim().to_owned())
    };
    let range = text(header::CONTENT_RANGE);
    let range = range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes "));
    let (from, whole) = match range.and_then(|range| range.split_once('/')) {
        Some((part, whole)) => (
            part.split_once('-').and_then(|(from, _)| from.parse().ok()),
            whole.parse().ok(),
        ),
        None => (None, None),
    };
    let length = match answer.status().as_u16() {
        200 => answer.content_length(),
        _ => whole,
    };
    let url = answer.url();
    Answer {
        status: answer.status().as_u16(),
        from,
        version: Version {
            served_by: format!(
                "{}:{}",
                url.host_str().unwrap_or_default(),
                url.port_or_known_default().unwrap_or_default()
            ),
            tag: text(header::ETAG).filter(|tag| !tag.starts_with("W/")),
            modified: text(header::LAST_MODIFIED),
            length,
        },
    }
}
