//! Access to the live feed, after authentication.

use crate::{
    domain::refusal::RefusalCode,
    web::{
        http::{error::ApiError, remote::Remote},
        ops::admin::auth::AdminAuth,
        settings::live_feed_access::LiveFeedAccess,
    },
};

pub fn check_remote(
    allowed: LiveFeedAccess,
    auth: &AdminAuth,
    from: Option<Remote>,
) -> Result<(), ApiError> {
    let here = match from {
        Some(Remote::Address(peer)) => peer.is_loopback(),
        Some(Remote::Local) => true,
        Some(Remote::Balancer(_)) | None => false,
    };
    let refusal = match (allowed, auth) {
        (LiveFeedAccess::Off, _) => {
            "The live feed is off: set live_feed = \"loopback\" to watch it"
        }
        (LiveFeedAccess::Anywhere, _) | (LiveFeedAccess::Loopback, AdminAuth::Socket) => {
            return Ok(());
        }
        (LiveFeedAccess::Loopback, AdminAuth::Token | AdminAuth::Session) if here => return Ok(()),
        (LiveFeedAccess::Loopback, AdminAuth::Token | AdminAuth::Session) => {
            "The live feed is shown to this machine alone: come through a tunnel (ssh -L), or set live_feed = \"anywhere\""
        }
    };
    Err(ApiError::new(RefusalCode::LiveFeedRefused, refusal))
}

/// Pages of other origins are refused. Browsers always send the origin.
pub fn check_origin(origin: Option<&str>, host: Option<&str>) -> Result<(), ApiError> {
    let Some(origin) = origin else { return Ok(()) };
    let own = origin.split_once("://").map(|(_, authority)| authority);
    match (own, host) {
        (Some(own), Some(host)) if own.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(ApiError::new(
            RefusalCode::LiveFeedOrigin,
            "The live feed is not for pages of another origin: use `sealcast tail`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_only_by_default() {
        let token = AdminAuth::Token;
        let rows = [
            (LiveFeedAccess::Loopback, "127.0.0.1", true),
            (LiveFeedAccess::Loopback, "127.3.2.1", true),
            (LiveFeedAccess::Loopback, "::1", true),
            (LiveFeedAccess::Loopback, "10.0.0.1", false),
            (LiveFeedAccess::Loopback, "2001:db8::1", false),
            (LiveFeedAccess::Anywhere, "10.0.0.1", true),
            (LiveFeedAccess::Off, "127.0.0.1", false),
        ];
        for (allowed, peer, wanted) in rows {
            let peer = Some(Remote::Address(peer.parse().unwrap()));
            assert_eq!(check_remote(allowed, &token, peer).is_ok(), wanted, "{allowed:?} {peer:?}");
        }
        assert!(check_remote(LiveFeedAccess::Loopback, &token, Some(Remote::Local)).is_ok());
        assert!(
            check_remote(LiveFeedAccess::Loopback, &token, None).is_err(),
            "nobody knows from where"
        );
        assert!(check_remote(LiveFeedAccess::Loopback, &AdminAuth::Socket, None).is_ok());
        assert!(check_remote(LiveFeedAccess::Off, &AdminAuth::Socket, None).is_err());
    }

    #[test]
    fn only_pages_of_this_host_may_watch() {
        for (origin, wanted) in [
            (None, true),
            (Some("http://localhost:9000"), true),
            (Some("https://LOCALHOST:9000"), true),
            (Some("http://localhost"), false),
            (Some("http://evil.example"), false),
            (Some("null"), false),
            (Some(""), false),
        ] {
            assert_eq!(check_origin(origin, Some("localhost:9000")).is_ok(), wanted, "{origin:?}");
        }
        assert!(check_origin(Some("http://a"), None).is_err());
    }
}
