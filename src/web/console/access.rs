//! Who may ask: the setting, the machine, the page, the session.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap, HeaderName},
};

use std::net::{IpAddr, Ipv4Addr};

use super::{Console, session::SessionView};
use crate::{
    domain::refusal::RefusalCode,
    web::{
        context::worker::worker,
        http::{
            error::ApiError,
            headers::single,
            remote::{Remote, network, remote},
        },
        settings::console::ConsoleAccess,
    },
};

pub const COOKIE: &str = "sealcast_console";
/// The key of a session in requests.
const KEY: HeaderName = HeaderName::from_static("sealcast-console-key");
/// The protocol of the WebSocket. With it, a page offers another that is `key.` and its key: it
/// cannot add a header.
pub const PROTOCOL: &str = "sealcast-console";
const KEY_PROTOCOL: &str = "key.";

/// Headers of proxies. With `console = "local"`, a request that came through one is from elsewhere.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "x-real-ip"];

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// For files: the setting and the machine.
pub fn check_peer(request: &HttpRequest) -> Result<(), ApiError> {
    let access = worker(request).settings().console.access;
    let is_here = || {
        let named = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
        !named && is_this_machine(remote(request))
    };
    match access {
        ConsoleAccess::Off => Err(ApiError::path_not_found(request)),
        ConsoleAccess::Anywhere => Ok(()),
        ConsoleAccess::Local if is_here() => Ok(()),
        ConsoleAccess::Local => Err(ApiError::new(
            RefusalCode::ConsoleRefused,
            "The console is shown to this machine alone: come through a tunnel (ssh -L), or set console = \"anywhere\" behind a proxy with TLS",
        )),
    }
}

fn is_this_machine(remote: Option<Remote>) -> bool {
    match remote {
        Some(Remote::Address(peer)) => peer.is_loopback(),
        Some(Remote::Local) => true,
        Some(Remote::Balancer(_)) | None => false,
    }
}

/// For all but files: the page as well.
pub fn check_page(request: &HttpRequest) -> Result<(), ApiError> {
    check_peer(request)?;
    check_origin(request.headers())
}

/// Browsers send the origin with each request that changes something, and with each WebSocket.
fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let origin = single(headers, header::ORIGIN)?;
    let own = single(headers, header::HOST)?;
    let authority = origin.map(|origin| origin.split_once("://").map(|(_, host)| host));
    let is_own = match (authority, own) {
        (None, _) => true,
        (Some(Some(authority)), Some(own)) => authority.eq_ignore_ascii_case(own),
        (Some(_), _) => false,
    };
    let site = single(headers, FETCH_SITE)?;
    if is_own && site.is_none_or(|site| site == "same-origin") {
        return Ok(());
    }
    Err(ApiError::new(
        RefusalCode::ConsoleOrigin,
        "The console answers its own pages alone: open it at its own address (a proxy in front has to pass on the header Host)",
    ))
}

/// For all that needs a session.
pub fn session(request: &HttpRequest, console: &Console) -> Result<SessionView, ApiError> {
    check_page(request)?;
    console.find_session(request).ok_or_else(|| {
        ApiError::new(
            RefusalCode::ConsoleSignedOut,
            "You are not signed in, or no longer: sign in again",
        )
    })
}

/// The values of all cookies with the name: pages on other ports of this host may have set others.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers.get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| name.trim() == COOKIE).map(|(_, value)| value.trim())
}

/// The key of the session, as a header or as a protocol of a WebSocket.
pub fn key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    text(KEY).or_else(|| {
        let mut protocols = text(header::SEC_WEBSOCKET_PROTOCOL)?.split(',');
        protocols.find_map(|protocol| protocol.trim().strip_prefix(KEY_PROTOCOL))
    })
}

/// The subject of the limit of sign-ins. A user of this machine has many addresses.
pub fn address(request: &HttpRequest) -> Option<IpAddr> {
    let remote = remote(request)?;
    let client = worker(request).settings().proxies.client(remote, request.headers())?;
    Some(if client.is_loopback() { Ipv4Addr::LOCALHOST.into() } else { network(client) })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let host = ("host", "127.0.0.1:6002");
        for (list, wanted) in [
            (vec![host], true),
            (vec![host, ("origin", "http://127.0.0.1:6002")], true),
            (
                vec![host, ("origin", "http://127.0.0.1:6002"), ("sec-fetch-site", "same-origin")],
                true,
            ),
            (vec![host, ("origin", "http://127.0.0.1:6001")], false),
            (vec![host, ("origin", "http://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (vec![host, ("origin", "")], false),
            (vec![("origin", "http://a")], false),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("sec-fetch-site", "none")], false),
            (vec![host, host], false),
        ] {
            assert_eq!(check_origin(&headers(&list)).is_ok(), wanted, "{list:?}");
        }
    }

    #[test]
    fn cookie_is_found_among_others() {
        let headers =
            headers(&[("cookie", "a=1; sealcast_console=x"), ("cookie", "sealcast_console=y;b")]);
        assert_eq!(cookies(&headers).collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn key_is_a_header_or_a_protocol() {
        let protocols = ("sec-websocket-protocol", "sealcast-console, key.x_-1");
        assert_eq!(key(&headers(&[protocols])), Some("x_-1"));
        assert_eq!(key(&headers(&[protocols, ("sealcast-console-key", "y")])), Some("y"));
        assert_eq!(key(&headers(&[("sec-websocket-protocol", "sealcast-console")])), None);
    }

    #[test]
    fn only_loopback_and_unix_sockets_are_this_machine() {
        let address = |text: &str| Some(Remote::Address(text.parse().expect("an address")));
        assert!(is_this_machine(address("127.0.0.1")) && is_this_machine(address("::1")));
        assert!(is_this_machine(Some(Remote::Local)));
        assert!(!is_this_machine(address("10.0.0.1")) && !is_this_machine(None));
        assert!(!is_this_machine(Some(Remote::Balancer(None))));
    }
}
