//! Wrong codes and tokens, by address.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::domain::rate_limit::{GcraParams, LocalRateLimiter};

const ALLOWED: GcraParams = GcraParams::new(Duration::from_secs(60), 10);
/// Beyond it, addresses share one limiter.
const MAX_ADDRESSES: usize = 4096;

/// `None`: a peer on a Unix socket, and all addresses without an entry of their own.
#[derive(Default)]
pub struct Attempts(HashMap<Option<IpAddr>, LocalRateLimiter>);

impl Attempts {
    /// Before a comparison. The error is the time to wait.
    pub fn begin(&mut self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        self.limiter(address, now).take(ALLOWED, now)
    }

    /// After a comparison: the right answer costs nothing.
    pub fn succeeded(&mut self, address: Option<IpAddr>, now: Instant) {
        self.limiter(address, now).put_back(ALLOWED);
    }

    fn limiter(&mut self, address: Option<IpAddr>, now: Instant) -> &mut LocalRateLimiter {
        let is_new = !self.0.contains_key(&address);
        if is_new && self.0.len() >= MAX_ADDRESSES {
            self.0.retain(|_, limiter| limiter.is_ahead(now));
        }
        let address = if is_new && self.0.len() >= MAX_ADDRESSES { None } else { address };
        self.0.entry(address).or_insert_with(|| LocalRateLimiter::new(now))
    }
}
