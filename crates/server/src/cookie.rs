//! How a request shows who it is for: a bearer token, or the session cookie.

use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::extract::cookie::{Cookie, SameSite};
use secrecy::{ExposeSecret, SecretString};

/// The cookie's name over an encrypted way: the prefix makes browsers refuse it from anywhere but this very host.
const SECURE: &str = "__Host-bw_session";
/// The cookie's name over plain HTTP on loopback, where that prefix is not allowed.
const PLAIN: &str = "bw_session";

fn name(secure: bool) -> &'static str {
    if secure { SECURE } else { PLAIN }
}

/// The token of `Authorization: Bearer`, where one is given.
pub fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The secret of a session cookie, where one is given. The last of the name wins nothing: browsers send the one set
/// for the longest path first, and ours has the path `/` alone.
pub fn session_of(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let wanted = name(secure);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == wanted).then_some(value))
}

/// Whatever secret the request brings; a bearer token comes before a cookie.
pub fn secret_of(headers: &HeaderMap, secure: bool) -> Option<String> {
    bearer_of(headers)
        .or_else(|| session_of(headers, secure))
        .map(str::to_string)
}

/// The header that keeps a session in the browser until it is closed or the session ends at the server.
pub fn keep(secret: &SecretString, secure: bool) -> HeaderValue {
    set(secret.expose_secret(), secure, false)
}

/// The header that makes the browser forget its session.
pub fn forget(secure: bool) -> HeaderValue {
    set("", secure, true)
}

fn set(value: &str, secure: bool, remove: bool) -> HeaderValue {
    let mut cookie = Cookie::build((name(secure), value.to_string()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
        .build();
    if remove {
        cookie.make_removal();
    }
    // Sessions are hexadecimal, so this can't fail; an empty header would simply keep nobody logged in.
    let mut header =
        HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
    header.set_sensitive(true);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_say_what_they_must() {
        let secure = keep(&"ab12".into(), true);
        let text = secure.to_str().unwrap();
        for part in [
            "__Host-bw_session=ab12",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Path=/",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let plain = keep(&"ab12".into(), false);
        assert!(plain.to_str().unwrap().starts_with("bw_session=ab12"));
        assert!(!plain.to_str().unwrap().contains("Secure"));
        assert!(forget(true).to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn the_right_secret_is_found() {
        let headers = |pairs: &[(header::HeaderName, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.append(name, value.parse().unwrap());
            }
            map
        };
        let both = headers(&[
            (
                header::COOKIE,
                "a=b; bw_session=plain; __Host-bw_session=tls",
            ),
            (header::AUTHORIZATION, "bearer  token "),
        ]);
        assert_eq!(secret_of(&both, true).as_deref(), Some("token"));
        assert_eq!(session_of(&both, true), Some("tls"));
        assert_eq!(session_of(&both, false), Some("plain"));
        // Over an encrypted way the plain name, which a neighbour could have set, means nothing.
        let tossed = headers(&[(header::COOKIE, "bw_session=tossed")]);
        assert_eq!(secret_of(&tossed, true), None);
        let basic = headers(&[(header::AUTHORIZATION, "Basic abc")]);
        assert_eq!(secret_of(&basic, false), None);
    }
}
