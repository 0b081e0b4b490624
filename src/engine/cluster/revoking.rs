//! Revocations that hold on all nodes: of access tokens, and terminations of users.
//!
//! A node takes a revocation itself, adds it to those that Redis keeps for the app, and tells all
//! nodes. It is answered when every node with a living entry has acknowledged it. A node that hears
//! nothing reads what Redis keeps on its next connection, and a new one before it is a member.
//!
//! A termination takes the same way as a token. A number in the user's channel would need another
//! script, and a node whose replica of that channel is not open would not see it; what is kept for
//! the app is read on every connection anyway. It closes what was opened before: a user who signs in
//! later, on a node that hears of it late, stays.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    auth::revoked::TokenRevocation,
    cluster::{
        content::RevocationContent, node::asking::Unacknowledged, redis::revocations::LIFETIME_MS,
    },
    domain::time::UnixSeconds,
    engine::{AppRuntime, Engine},
    platform::clock::{ClockReading, unix_micros},
};

/// The newest termination of each user that this node has carried out, by the clock of Redis.
#[derive(Default)]
pub struct Terminations(Mutex<KnownTerminations>);

#[derive(Default)]
struct KnownTerminations {
    users: HashMap<Arc<str>, u64>,
    /// With so many, the expired ones are forgotten.
    full_at: usize,
}

const FEW_TERMINATIONS: usize = 1000;

impl Terminations {
    /// The time of a termination that begins here. It is above the last one that is known: clocks of
    /// nodes differ, and others carry out no older one.
    fn begin_now(&self, user: &str, now_ms: u64) -> u64 {
        let known = self.0.lock().users.get(user).copied();
        let at_ms = known.map_or(now_ms, |known| now_ms.max(known.saturating_add(1)));
        self.begin(user, at_ms);
        at_ms
    }

    /// False if it was carried out already.
    fn begin(&self, user: &str, at_ms: u64) -> bool {
        let KnownTerminations { users, full_at } = &mut *self.0.lock();
        let is_new = users.get(user).is_none_or(|known| *known < at_ms);
        if is_new && users.len() >= *full_at {
            // Redis does not tell of them any more.
            users.retain(|_, known| known.saturating_add(LIFETIME_MS) >= at_ms);
            *full_at = FEW_TERMINATIONS.max(2 * users.len());
        }
        if is_new {
            users.insert(user.into(), at_ms);
        }
        is_new
    }
}

impl Engine {
    /// Returns once all living nodes have taken the revocation that holds here.
    pub async fn tell_token_revocation(
        &self,
        runtime: &AppRuntime,
        which: &TokenRevocation,
    ) -> Result<(), Unacknowledged> {
        let Some(node) = self.cluster.node() else { return Ok(()) };
        let app = runtime.app_snapshot();
        let at = app.access.revoked.at(which).unwrap_or_else(|| self.clock.now().latest);
        node.revoke(&runtime.id, content(which, at)).await
    }

    /// Closes every connection signed in as the user. Returns once all living nodes have done so.
    pub async fn terminate(&self, runtime: &AppRuntime, user: &str) -> Result<(), Unacknowledged> {
        let now = Instant::now();
        let Some(node) = self.cluster.node() else {
            self.terminate_here(runtime, user, now);
            return Ok(());
        };
        let now_ms = node.status().redis_ms().unwrap_or_else(|| unix_micros() / 1000);
        let at_ms = runtime.terminations.begin_now(user, now_ms);
        self.terminate_here(runtime, user, now);
        node.revoke(&runtime.id, RevocationContent::Connections { user, at_ms }).await
    }

    /// Another node tells it now. `None`: it cannot be carried out.
    pub(super) fn take_revocation(
        &self,
        runtime: &AppRuntime,
        revocation: &RevocationContent<'_>,
    ) -> Option<()> {
        self.carry_out_revocation(runtime, revocation, Some(Instant::now())).map(drop)
    }

    /// True if it was not in force yet. No connection was opened before `None`.
    fn carry_out_revocation(
        &self,
        runtime: &AppRuntime,
        revocation: &RevocationContent<'_>,
        opened_before: Option<Instant>,
    ) -> Option<bool> {
        let (which, at) = match *revocation {
            RevocationContent::Token { jti, at } => (TokenRevocation::Token(jti.into()), at),
            RevocationContent::UserTokens { user, at } => (TokenRevocation::User(user.into()), at),
            RevocationContent::Connections { user, at_ms } => {
                let is_new = runtime.terminations.begin(user, at_ms);
                if let Some(opened_before) = opened_before.filter(|_| is_new) {
                    self.terminate_here(runtime, user, opened_before);
                }
                return Some(false);
            }
        };
        // No revocation is later than this node's clock: see `ServerClock`.
        self.clock.advance_to(at);
        let taken = self.revoke_tokens_at(runtime, which, at);
        taken.inspect_err(|error| tracing::error!(%error, "a token is not revoked")).ok()
    }

    /// Takes what Redis has, which this node may have missed. Returns what Redis lacks.
    pub(super) fn take_stored(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        stored: &[RevocationContent<'_>],
    ) -> Vec<Bytes> {
        let mut is_new = false;
        for revocation in stored {
            let opened_before = self.moment(revocation.at_ms());
            let taken = self.carry_out_revocation(runtime, revocation, opened_before);
            is_new |= taken.unwrap_or_default();
        }
        if is_new {
            let (engine, runtime) = (self.clone(), runtime.clone());
            tokio::task::spawn_blocking(move || drop(engine.write_tokens(&runtime)));
        }
        missing(runtime, stored, self.clock.now())
    }

    /// That time of Redis on this node's clock. `None`: before the machine was started.
    fn moment(&self, redis_ms: u64) -> Option<Instant> {
        let age = self.cluster.node().map_or(0, |node| node.status().age_ms(redis_ms));
        Instant::now().checked_sub(Duration::from_millis(age))
    }
}

fn missing(
    runtime: &AppRuntime,
    stored: &[RevocationContent<'_>],
    now: ClockReading,
) -> Vec<Bytes> {
    let known: BTreeMap<_, _> =
        stored.iter().map(|it| ((it.kind(), it.name()), it.at_ms())).collect();
    let all = runtime.app_snapshot().access.revoked.all(now);
    let lacks = all.iter().map(|(which, at)| content(which, *at)).filter(|it| {
        let known = known.get(&(it.kind(), it.name()));
        known.is_none_or(|known| *known < it.at_ms())
    });
    lacks.map(|it| it.to_bytes().into()).collect()
}

fn content(which: &TokenRevocation, at: UnixSeconds) -> RevocationContent<'_> {
    match which {
        TokenRevocation::Token(jti) => RevocationContent::Token { jti, at },
        TokenRevocation::User(user) => RevocationContent::UserTokens { user, at },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn termination_is_carried_out_once_and_a_later_one_again() {
        let terminations = Terminations::default();
        for (user, at_ms, is_new) in
            [("u", 5, true), ("u", 5, false), ("u", 4, false), ("v", 4, true), ("u", 6, true)]
        {
            assert_eq!(terminations.begin(user, at_ms), is_new, "{user} {at_ms}");
        }
        assert!(!terminations.begin("u", 6));
    }

    /// The clock of the node before it was ahead.
    #[test]
    fn termination_is_later_than_all_that_are_known() {
        let terminations = Terminations::default();
        assert_eq!(terminations.begin_now("u", 5), 5);
        assert!(terminations.begin("u", 9));
        assert_eq!([7, 7, 20].map(|now_ms| terminations.begin_now("u", now_ms)), [10, 11, 20]);
        assert_eq!(terminations.begin_now("v", 7), 7);
    }

    #[test]
    fn expired_terminations_are_forgotten() {
        let terminations = Terminations::default();
        let half = 3 * FEW_TERMINATIONS;
        for number in 0..2 * half {
            let at_ms = if number < half { 1 } else { 2 + LIFETIME_MS };
            assert!(terminations.begin(&format!("u{number}"), at_ms));
        }
        assert_eq!(terminations.0.lock().users.len(), half);
        assert!(!terminations.begin(&format!("u{half}"), 2 + LIFETIME_MS));
    }
}
