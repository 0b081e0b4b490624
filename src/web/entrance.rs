//! Rate limits for clients of the auth endpoints and for new connections, checked before any
//! decision.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use actix_web::{HttpRequest, http::header::HeaderMap};
use parking_lot::Mutex;

use super::{
    Settings,
    error::ApiError,
    forwarded::Proxies,
    rates::{Counted, Rates},
    remote::{Remote, remote},
    strays::Strays,
    turned_away::TurnedAway,
};
use crate::{app::App, ids::SocketId, limits::Limits, protocol::code::Close};

/// Shared by all workers.
pub struct Entrance {
    rates: Rates,
    crowd: Crowd,
    pub strays: Strays,
    pub turned_away: TurnedAway,
}

impl Default for Entrance {
    fn default() -> Self {
        Self {
            rates: Rates::new(Instant::now()),
            crowd: Crowd::default(),
            strays: Strays::default(),
            turned_away: TurnedAway::default(),
        }
    }
}

impl Entrance {
    /// Checked first, for every request.
    pub fn address(
        &self,
        request: &HttpRequest,
        settings: &Settings,
        app: &App,
    ) -> Result<(), ApiError> {
        let Some(client) = self.client(request, settings) else { return Ok(()) };
        let who = (&app.id, Counted::Address(network(client)));
        self.rates
            .take(who, app.limits.auth_per_ip, Instant::now())
            .map_err(|wait| ApiError::rate_limited("address", wait))
    }

    pub fn socket(&self, socket: SocketId, app: &App) -> Result<(), ApiError> {
        let who = (&app.id, Counted::Socket(socket));
        self.rates
            .take(who, app.limits.auth_per_socket, Instant::now())
            .map_err(|wait| ApiError::rate_limited("socket", wait))
    }

    /// Checked once the user is known.
    pub fn user(&self, user: &str, app: &App) -> Result<(), ApiError> {
        let who = (&app.id, Counted::User(user));
        self.rates
            .take(who, app.limits.auth_per_user, Instant::now())
            .map_err(|wait| ApiError::rate_limited("user", wait))
    }

    /// Counts a request with a wrong signature. Correct ones are not counted, so that a stranger
    /// cannot lock out a backend with the same address.
    pub fn wrong_signature(
        &self,
        request: &HttpRequest,
        settings: &Settings,
    ) -> Result<(), ApiError> {
        const PER_SECOND: u32 = 10;
        let Some(client) = self.client(request, settings) else { return Ok(()) };
        self.rates
            .take(Counted::Signatures(network(client)), PER_SECOND, Instant::now())
            .map_err(|wait| ApiError::rate_limited("address with wrong signatures", wait))
    }

    /// Counts one new connection, with the app and its limit, or for an unknown app. `remote` is
    /// called only if there is a limit.
    pub fn connect(
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
        let who = (app, Counted::Connects(network(client)));
        self.rates.take(who, limit, Instant::now()).map_err(|_| {
            let app = app.map_or("unknown", |id| id);
            tracing::debug!(app.id = app, client.network = %neighbourhood(client), "opens sockets too often");
            Close::ConnectsTooOften
        })
    }

    fn client(&self, request: &HttpRequest, settings: &Settings) -> Option<IpAddr> {
        self.client_of(remote(request)?, request.headers(), &settings.proxies)
    }

    fn client_of(&self, remote: Remote, headers: &HeaderMap, proxies: &Proxies) -> Option<IpAddr> {
        if let Remote::Address(peer) = remote {
            let forwarded = headers.contains_key(proxies.header.name());
            if forwarded && !proxies.trust(peer) {
                self.crowd.note(peer);
            }
        }
        proxies.client(remote, headers)
    }
}

/// The network part of an address, for the log.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() >> 8 << 8).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 80 << 80).into()),
    }
}

/// A client with one IPv6 address has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

/// Detects a proxy missing from `trusted_proxies`: nearly all forwarded requests come from one
/// address, and all users share one limit.
#[derive(Default)]
struct Crowd {
    warned: AtomicBool,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    address: IpAddr,
    requests: u32,
    same: u32,
}

impl Crowd {
    const REQUESTS: u32 = 100;
    const NEARLY_ALL: u32 = 90;

    fn note(&self, address: IpAddr) {
        if !self.warned.load(Ordering::Relaxed) && self.is_crowd(address) {
            self.warned.store(true, Ordering::Relaxed);
            tracing::warn!(
                proxy.address = %address,
                "nearly all requests come forwarded from one address, which is not in trusted_proxies: all their users share one rate limit. Add it there if it is your proxy"
            );
        }
    }

    /// Compares each hundred requests with the first of them.
    fn is_crowd(&self, address: IpAddr) -> bool {
        let mut seen = self.seen.lock();
        let now = seen.get_or_insert(Seen { address, requests: 0, same: 0 });
        now.requests += 1;
        now.same += u32::from(now.address == address);
        if now.requests < Self::REQUESTS {
            return false;
        }
        let crowd = now.same > Self::NEARLY_ALL;
        *seen = None;
        crowd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_behind_one_address_is_noticed() {
        let address = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
        let crowd = Crowd::default();
        let noticed = (0..100).filter(|n| crowd.is_crowd(address(n / 95))).count();
        assert_eq!(noticed, 1);
        assert!((0..1000).all(|n| !crowd.is_crowd(address(n % 5))));
    }

    fn opened(entrance: &Entrance, app: Option<(&Arc<str>, u32)>, from: &str) -> usize {
        let from = Remote::Address(from.parse().expect("an address"));
        let (headers, proxies) = (HeaderMap::new(), Proxies::default());
        let open = || entrance.connect(app, || Some(from), &headers, &proxies);
        (0..20_000).take_while(|_| open().is_ok()).count()
    }

    #[test]
    fn sockets_are_counted_by_app_and_network_and_those_of_no_app_together() {
        let (entrance, one, other) = (Entrance::default(), Arc::from("one"), Arc::from("other"));
        // Ten seconds' worth, and some more for the duration of the test.
        let is_about = |count: usize, wanted: usize| (wanted..wanted * 2).contains(&count);
        assert!(is_about(opened(&entrance, Some((&one, 5)), "203.0.113.7"), 50));
        assert!(is_about(opened(&entrance, Some((&other, 5)), "203.0.113.7"), 50));
        assert!(is_about(opened(&entrance, Some((&one, 5)), "203.0.113.8"), 50));
        assert!(is_about(opened(&entrance, Some((&one, 5)), "2001:db8::1"), 50));
        assert!(opened(&entrance, Some((&one, 5)), "2001:db8::2") < 50, "one network");
        assert!(is_about(opened(&entrance, None, "203.0.113.7"), 10_000));
        assert!(opened(&entrance, None, "203.0.113.7") < 10_000, "whatever they asked for");
        assert_eq!(opened(&entrance, Some((&one, 0)), "203.0.113.7"), 20_000);
    }

    #[test]
    fn a_log_tells_no_address() {
        let of = |text: &str| neighbourhood(text.parse().expect("an address")).to_string();
        assert_eq!(of("203.0.113.7"), "203.0.113.0");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        let of = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
    }
}
