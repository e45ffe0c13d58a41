//! Who is at the other end: the address and whether the way is encrypted, behind named proxies too.

use crate::{
    config::Config,
    error::{Failure, Result},
    state::AppState,
};
use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use bellwether_model::Error;
use std::net::{IpAddr, SocketAddr};

/// The connection a request came on, put there by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Where it comes from.
    pub address: SocketAddr,
    /// It is our own TLS.
    pub tls: bool,
}

impl axum::extract::connect_info::Connected<Peer> for Peer {
    fn connect_info(peer: Peer) -> Self {
        peer
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Their address: the peer's, or what a trusted proxy says.
    pub address: IpAddr,
    /// Whether the way to the client is encrypted.
    pub secure: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts
            .extensions
            .get::<Self>()
            .copied()
            .ok_or_else(|| Error::internal("the client layer is missing").into())
    }
}

/// Finds out who asks, turns away plain HTTP from the network (also where it ends at a proxy), and puts the host name a trusted proxy was asked for
/// where the cross-site check looks for it.
pub async fn identify(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<Peer>>().copied() else {
        return Failure::from(Error::internal("a request without a connection")).into_response();
    };
    if !peer.tls && !state.config.may_speak_plain(peer.address.ip()) {
        return Failure::from(Error::forbidden(
            "This server takes unencrypted connections from its proxy only; use the proxy's address.",
        ))
        .into_response();
    }
    let client = client(&state.config, peer, request.headers());
    tracing::Span::current().record("client", tracing::field::display(client.address));
    request.extensions_mut().insert(client);
    let proxied = state.config.trusts(peer.address.ip());
    if proxied && !client.secure && !client.address.is_loopback() && !is_probe(&request) {
        return unencrypted(&request);
    }
    if proxied
        && let Some(host) = request.headers().get(X_FORWARDED_HOST).cloned()
        && host.to_str().is_ok_and(|host| host.parse::<Uri>().is_ok())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    let mut response = next.run(request).await;
    if client.secure {
        // Once reached by TLS, always by TLS.
        response.headers_mut().insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    response
}

/// A proxy asks on its own behalf whether we are there.
fn is_probe(request: &Request) -> bool {
    matches!(request.uri().path(), "/healthz" | "/readyz")
}

/// What is answered to who reached the proxy without encryption: a browser that only looks is sent to where there is,
/// if the proxy would know; others are told, since what they sent has been seen already.
fn unencrypted(request: &Request) -> Response {
    let headers = request.headers();
    let Some(proto) = headers.get(X_FORWARDED_PROTO) else {
        return Failure::from(Error::forbidden(
            "The proxy in front of this server does not say whether it was reached by https: have it set the header \
             X-Forwarded-Proto.",
        ))
        .into_response();
    };
    let host = headers
        .get(X_FORWARDED_HOST)
        .or_else(|| headers.get(header::HOST))
        .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let looks = request.method().is_safe() && !request.uri().path().starts_with("/api/");
    match host.filter(|_| looks && proto.as_bytes().eq_ignore_ascii_case(b"http")) {
        Some(host) => {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            Redirect::permanent(&format!("https://{}{path}", host.host())).into_response()
        }
        None => Failure::from(Error::forbidden(
            "This way is not encrypted: use the https address of this server. Change a password that was sent here.",
        ))
        .into_response(),
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Who the peer is or, where it is a trusted proxy, whom it speaks for: the last address of `X-Forwarded-For` that is
/// not itself a trusted proxy. What stands before that may have been invented by the client.
fn client(config: &Config, peer: Peer, headers: &HeaderMap) -> Client {
    let direct = Client {
        address: peer.address.ip().to_canonical(),
        secure: peer.tls,
    };
    if !config.trusts(direct.address) {
        return direct;
    }
    let mut address = direct.address;
    let hops = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect::<Vec<_>>();
    for hop in hops.iter().rev() {
        let Some(hop) = hop_address(hop.trim()) else {
            break;
        };
        address = hop.to_canonical();
        if !config.trusts(address) {
            break;
        }
    }
    let secure = peer.tls
        || headers
            .get(X_FORWARDED_PROTO)
            .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    Client { address, secure }
}

/// An address, or an address with a port as some proxies write it.
fn hop_address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| {
            text.strip_prefix('[')?
                .strip_suffix(']')?
                .parse::<IpAddr>()
                .ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_proxies_are_believed() {
        let config =
            Config::parse("trusted_proxy = [\"10.0.0.1\", \"10.0.0.2\", \"127.0.0.1\"]").unwrap();
        for (peer, forwarded, proto, address, secure) in [
            // Not a proxy: headers are the client's inventions.
            ("203.0.113.7", "198.51.100.1", "https", "203.0.113.7", false),
            ("10.0.0.1", "198.51.100.1", "https", "198.51.100.1", true),
            // The client wrote the first one itself.
            (
                "10.0.0.1",
                "192.0.2.66, 198.51.100.1",
                "http",
                "198.51.100.1",
                false,
            ),
            // Two proxies in a row.
            (
                "10.0.0.1",
                "198.51.100.1, 10.0.0.2",
                "https",
                "198.51.100.1",
                true,
            ),
            (
                "10.0.0.1",
                "198.51.100.1:4711",
                "HTTPS",
                "198.51.100.1",
                true,
            ),
            ("10.0.0.1", "[2001:db8::1]", "https", "2001:db8::1", true),
            ("10.0.0.1", "nonsense", "https", "10.0.0.1", true),
            ("10.0.0.1", "", "", "10.0.0.1", false),
            (
                "::ffff:127.0.0.1",
                "198.51.100.1",
                "https",
                "198.51.100.1",
                true,
            ),
        ] {
            let peer = Peer {
                address: SocketAddr::new(peer.parse().unwrap(), 1),
                tls: false,
            };
            let mut headers = HeaderMap::new();
            headers.insert(X_FORWARDED_FOR, forwarded.parse().unwrap());
            headers.insert(X_FORWARDED_PROTO, proto.parse().unwrap());
            let expect = Client {
                address: address.parse().unwrap(),
                secure,
            };
            assert_eq!(
                client(&config, peer, &headers),
                expect,
                "{peer:?} {forwarded}"
            );
        }
    }
}
