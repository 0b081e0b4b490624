//! Rate limits for clients of the auth endpoints and for new connections, checked before any
//! decision.

use std::{
    hash::{Hash, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, http::header::HeaderMap};
use parking_lot::Mutex;

use crate::{
    app::App,
    domain::{
        ids::SocketId,
        limits::Limits,
        rate_limit::{RateQuota, RateTable},
    },
    protocol::code::Close,
    web::{
        http::{
            error::ApiError,
            remote::{Remote, anonymize, network, remote},
        },
        settings::forwarded::Proxies,
    },
};

/// The subject of a limit; each app counts for itself.
#[derive(Clone, Copy, Hash, PartialEq, Eq, Debug)]
pub enum RateKey<T> {
    Address(T),
    Socket(T),
    User(T),
    /// Wrong signatures of API requests, by address.
    Signatures(T),
    /// New connections, by address.
    Connects(T),
    /// Refused event streams that come back, by address.
    RefusedStreams(T),
    /// Events of the client API, by user or address.
    Events(T),
    /// Kibibytes of history, by user or address.
    History(T),
}

/// Shared by all workers.
pub struct ClientRateLimits {
    table: RateTable,
    untrusted_proxies: UntrustedProxyDetector,
}

impl Default for ClientRateLimits {
    fn default() -> Self {
        Self {
            table: RateTable::new(RandomState::new(), Instant::now()),
            untrusted_proxies: UntrustedProxyDetector::default(),
        }
    }
}

impl ClientRateLimits {
    /// Checked first, for every request.
    pub fn check_address(
        &self,
        request: &HttpRequest,
        proxies: &Proxies,
        app: &App,
    ) -> Result<(), ApiError> {
        let Some(client) = self.client(request, proxies) else { return Ok(()) };
        let key = (&app.id, RateKey::Address(network(client)));
        self.table
            .take(key, allowed(app.limits.auth_per_ip), Instant::now())
            .map_err(|wait| ApiError::rate_limited("address", wait))
    }

    pub fn check_socket(&self, socket: SocketId, app: &App) -> Result<(), ApiError> {
        let key = (&app.id, RateKey::Socket(socket));
        self.table
            .take(key, allowed(app.limits.auth_per_socket), Instant::now())
            .map_err(|wait| ApiError::rate_limited("socket", wait))
    }

    /// Checked once the user is known.
    pub fn check_user(&self, user: &str, app: &App) -> Result<(), ApiError> {
        let key = (&app.id, RateKey::User(user));
        self.table
            .take(key, allowed(app.limits.auth_per_user), Instant::now())
            .map_err(|wait| ApiError::rate_limited("user", wait))
    }

    /// Counts an event of the client API. 0 means none, as for client events.
    pub fn take_event(&self, owner: impl Hash, app: &App) -> Result<(), ApiError> {
        let per_second = app.limits.client_events_per_second;
        if per_second == 0 {
            return Err(ApiError::rate_limited("user", NEVER));
        }
        let allowed = RateQuota { per_second, burst: 0 };
        self.table
            .take((&app.id, RateKey::Events(owner)), allowed, Instant::now())
            .map_err(|wait| ApiError::rate_limited("user", wait))
    }

    /// To be asked before a page of history is read: its size is not known yet.
    pub fn take_history(&self, owner: impl Hash, app: &App) -> Result<(), ApiError> {
        self.table
            .take((&app.id, RateKey::History(owner)), history_quota(app), Instant::now())
            .map_err(|wait| ApiError::rate_limited("user", wait))
    }

    /// Charges a page, even beyond the burst.
    pub fn charge_history(&self, owner: impl Hash, bytes: usize, app: &App) {
        let kibibytes = bytes as u64 / KIBIBYTE;
        let key = (&app.id, RateKey::History(owner));
        self.table.charge(key, kibibytes, history_quota(app), Instant::now());
    }

    /// The client's address, or its network.
    pub fn network_of(&self, request: &HttpRequest, proxies: &Proxies) -> Option<IpAddr> {
        self.client(request, proxies).map(network)
    }

    /// Counts a request with a wrong signature. Correct ones are not counted, so that a stranger
    /// cannot lock out a backend with the same address.
    pub fn check_wrong_signatures(
        &self,
        request: &HttpRequest,
        proxies: &Proxies,
    ) -> Result<(), ApiError> {
        const PER_SECOND: u32 = 10;
        let Some(client) = self.client(request, proxies) else { return Ok(()) };
        self.table
            .take(RateKey::Signatures(network(client)), allowed(PER_SECOND), Instant::now())
            .map_err(|wait| ApiError::rate_limited("address with wrong signatures", wait))
    }

    /// Counts a refusal of an event stream after which the browser comes back. False if the address
    /// has so many of them that it deserves no answer.
    pub fn answers_refused_stream(&self, request: &HttpRequest, proxies: &Proxies) -> bool {
        const PER_SECOND: u32 = 10;
        let Some(client) = self.client(request, proxies) else { return true };
        let key = RateKey::RefusedStreams(network(client));
        self.table.take(key, allowed(PER_SECOND), Instant::now()).is_ok()
    }

    /// Counts one new connection, with the app and its limit, or for an unknown app. `remote` is
    /// called only if there is a limit.
    pub fn check_connect(
        &self,
        app: Option<(&Arc<str>, u32)>,
        remote: impl FnOnce() -> Option<Remote>,
        headers: &HeaderMap,
        proxies: &Proxies,
    ) -> Result<(), Close> {
        // Connections for unknown apps have the default limit.
        let limit = app.map_or_else(|| Limits::default().connects_per_ip, |(_, limit)| limit);
        if limit == 0 {
            return Ok(());
        }
        let client = remote().and_then(|remote| self.client_of(remote, headers, proxies));
        let Some(client) = client else { return Ok(()) };
        let app = app.map(|(id, _)| id);
        let key = (app, RateKey::Connects(network(client)));
        self.table.take(key, allowed(limit), Instant::now()).map_err(|_| {
            let app = app.map_or("unknown", |id| id);
            tracing::debug!(app.id = app, client.network = %anonymize(client), "opens sockets too often");
            Close::ConnectsTooOften
        })
    }

    fn client(&self, request: &HttpRequest, proxies: &Proxies) -> Option<IpAddr> {
        self.client_of(remote(request)?, request.headers(), proxies)
    }

    fn client_of(&self, remote: Remote, headers: &HeaderMap, proxies: &Proxies) -> Option<IpAddr> {
        if let Remote::Address(peer) = remote {
            let forwarded = headers.contains_key(proxies.header.name());
            if forwarded && !proxies.trust(peer) {
                self.untrusted_proxies.note(peer);
            }
        }
        proxies.client(remote, headers)
    }
}

/// The burst after a pause, in seconds of the rate: a page that joins all its channels, an office
/// that reconnects after a restart.
const BURST_SECONDS: u32 = 10;

const KIBIBYTE: u64 = 1024;
/// The wait that is told where nothing is allowed.
const NEVER: Duration = Duration::from_secs(60 * 60);

/// In kibibytes: the arithmetic is made for counts.
fn history_quota(app: &App) -> RateQuota {
    let bytes = app.limits.history_bytes_per_second;
    allowed(bytes.div_ceil(KIBIBYTE as u32))
}

/// `per_second` 0 means no limit.
fn allowed(per_second: u32) -> RateQuota {
    RateQuota::with_burst_of(BURST_SECONDS, per_second)
}

/// Detects a proxy missing from `trusted_proxies`: nearly all forwarded requests come from one
/// address, and all users share one limit.
#[derive(Default)]
struct UntrustedProxyDetector {
    warned: AtomicBool,
    seen: Mutex<Option<ForwardedSample>>,
}

struct ForwardedSample {
    address: IpAddr,
    requests: u32,
    same: u32,
}

impl UntrustedProxyDetector {
    const REQUESTS: u32 = 100;
    const NEARLY_ALL: u32 = 90;

    fn note(&self, address: IpAddr) {
        if !self.warned.load(Ordering::Relaxed) && self.is_one_proxy(address) {
            self.warned.store(true, Ordering::Relaxed);
            tracing::warn!(
                proxy.address = %address,
                "nearly all requests come forwarded from one address, which is not in trusted_proxies: all their users share one rate limit. Add it there if it is your proxy"
            );
        }
    }

    /// Compares each hundred requests with the first of them.
    fn is_one_proxy(&self, address: IpAddr) -> bool {
        let mut seen = self.seen.lock();
        let now = seen.get_or_insert(ForwardedSample { address, requests: 0, same: 0 });
        now.requests += 1;
        now.same += u32::from(now.address == address);
        if now.requests < Self::REQUESTS {
            return false;
        }
        let untrusted_proxies = now.same > Self::NEARLY_ALL;
        *seen = None;
        untrusted_proxies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untrusted_proxy_is_detected() {
        let address = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
        let untrusted_proxies = UntrustedProxyDetector::default();
        let noticed = (0..100).filter(|n| untrusted_proxies.is_one_proxy(address(n / 95))).count();
        assert_eq!(noticed, 1);
        assert!((0..1000).all(|n| !untrusted_proxies.is_one_proxy(address(n % 5))));
    }

    fn opened(
        client_rate_limits: &ClientRateLimits,
        app: Option<(&Arc<str>, u32)>,
        from: &str,
    ) -> usize {
        let from = Remote::Address(from.parse().expect("an address"));
        let (headers, proxies) = (HeaderMap::new(), Proxies::default());
        let open = || client_rate_limits.check_connect(app, || Some(from), &headers, &proxies);
        (0..20_000).take_while(|_| open().is_ok()).count()
    }

    #[test]
    fn connections_are_counted_by_app_and_network() {
        let (client_rate_limits, one, other) =
            (ClientRateLimits::default(), Arc::from("one"), Arc::from("other"));
        // Ten seconds' worth, and some more for the duration of the test.
        let is_about = |count: usize, wanted: usize| (wanted..wanted * 2).contains(&count);
        assert!(is_about(opened(&client_rate_limits, Some((&one, 5)), "203.0.113.7"), 50));
        assert!(is_about(opened(&client_rate_limits, Some((&other, 5)), "203.0.113.7"), 50));
        assert!(is_about(opened(&client_rate_limits, Some((&one, 5)), "203.0.113.8"), 50));
        assert!(is_about(opened(&client_rate_limits, Some((&one, 5)), "2001:db8::1"), 50));
        assert!(opened(&client_rate_limits, Some((&one, 5)), "2001:db8::2") < 50, "one network");
        assert!(is_about(opened(&client_rate_limits, None, "203.0.113.7"), 10_000));
        assert!(
            opened(&client_rate_limits, None, "203.0.113.7") < 10_000,
            "whatever they asked for"
        );
        assert_eq!(opened(&client_rate_limits, Some((&one, 0)), "203.0.113.7"), 20_000);
    }

    #[test]
    fn kinds_are_counted_separately() {
        let now = Instant::now();
        let table = RateTable::new(RandomState::new(), now);
        let taken = |key: RateKey<u32>| {
            (0..100).filter(|_| table.take(key, allowed(1), now).is_ok()).count()
        };
        assert_eq!(taken(RateKey::Address(1)), 10);
        assert_eq!(taken(RateKey::Socket(1)), 10);
        assert_eq!(taken(RateKey::User(1)), 10);
    }
}
