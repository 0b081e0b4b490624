//! The rates of a client's requests, once it is known who asks.

use std::net::IpAddr;

use super::Client;
use crate::{auth::Grant, web::http::error::ApiError};

/// A client without a user counts as its address.
pub(super) enum RateOwner<'a> {
    User(&'a str),
    Address(Option<IpAddr>),
}

impl Client {
    fn rate_owner<'a>(&self, grant: &'a Grant) -> RateOwner<'a> {
        match &grant.user_id {
            Some(user) => RateOwner::User(user),
            None => RateOwner::Address(self.address),
        }
    }

    /// The rate of one connection's client events.
    pub fn check_event_rate(&self, grant: &Grant) -> Result<(), ApiError> {
        let limits = &self.worker.client_rate_limits;
        let taken = match self.rate_owner(grant) {
            RateOwner::User(user) => limits.take_event(user, &self.app),
            RateOwner::Address(address) => limits.take_event(address, &self.app),
        };
        taken.inspect_err(|_| self.runtime.counts.limited.add("client_events_per_second"))
    }

    /// Refuses a reader who has been given more than its share of bytes.
    pub fn check_history_rate(&self, grant: &Grant) -> Result<(), ApiError> {
        let limits = &self.worker.client_rate_limits;
        let taken = match self.rate_owner(grant) {
            RateOwner::User(user) => limits.take_history(user, &self.app),
            RateOwner::Address(address) => limits.take_history(address, &self.app),
        };
        taken.inspect_err(|_| self.runtime.counts.limited.add("history_bytes_per_second"))
    }

    pub fn charge_history(&self, grant: &Grant, bytes: usize) {
        let limits = &self.worker.client_rate_limits;
        match self.rate_owner(grant) {
            RateOwner::User(user) => limits.charge_history(user, bytes, &self.app),
            RateOwner::Address(address) => limits.charge_history(address, bytes, &self.app),
        }
    }
}
