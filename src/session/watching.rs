//! The users that a connection watches.
//!
//! All of them are watched before the first answer is given, so that no change is missed. In a
//! cluster a channel may have to open first.

use std::{sync::Arc, time::Instant};

use super::{Session, SessionContext, user::SessionUser};
use crate::{
    domain::channel::Channel,
    hub::{
        channel_opener::{OPENING_TIMEOUT, Opened},
        record::Record,
    },
    protocol::{code::ErrorCode, message::Message},
};

pub(super) enum WatchedUser {
    Opening {
        user: Arc<str>,
        attempt: u32,
        /// When the user is watched all the same.
        by: Instant,
    },
    Joined(Arc<Record>),
}

impl WatchedUser {
    fn is_opening(&self) -> bool {
        matches!(self, Self::Opening { .. })
    }
}

impl Session {
    /// Watches all users of the list, and answers once all are watched.
    pub(super) fn watch(&mut self) {
        let Some(SessionUser { identity, .. }) = self.user.as_deref() else { return };
        let (users, is_cut) = (identity.watchlist.clone(), identity.watchlist_cut);
        if is_cut {
            let limit = self.context.runtime.app().limits.watchlist_ids;
            let message =
                format!("The watchlist is longer than {limit} ids; the first {limit} are watched");
            self.error(ErrorCode::WatchlistLimit, &message);
        }
        let watched = users.into_iter().map(|user| self.begin_watching(user)).collect();
        if let Some(user) = self.user.as_deref_mut() {
            user.watched = watched;
        }
        self.answer_watchlist();
    }

    fn begin_watching(&mut self, user: Arc<str>) -> WatchedUser {
        let arrival = self.next_arrival();
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        let by = Instant::now() + OPENING_TIMEOUT;
        let channel = Channel::of_watchers(&user);
        let opening = WatchedUser::Opening { user, attempt: arrival.attempt, by };
        match engine.arrive_as_user(runtime, &channel, arrival) {
            Opened::Now => self.join_watched(opening, false),
            Opened::Later => {
                shard.await_opening(*slot, by);
                opening
            }
        }
    }

    /// It stays as it is if its channel is not open any more.
    fn join_watched(&self, watched: WatchedUser, is_overdue: bool) -> WatchedUser {
        let WatchedUser::Opening { user, attempt, .. } = &watched else { return watched };
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        let arrival = self.arrival(*attempt);
        match engine.watch(runtime, shard.worker(), user, arrival, is_overdue) {
            Some((record, since)) => {
                let _ = shard.subscribe(record.topic(), *slot, since);
                WatchedUser::Joined(record)
            }
            None => watched,
        }
    }

    /// True if it was the channel of a watched user.
    pub(super) fn watched_opened(&mut self, channel: &str, attempt: u32) -> bool {
        let is_its = |watched: &WatchedUser| match watched {
            WatchedUser::Opening { user, attempt: own, .. } => {
                *own == attempt && **Channel::of_watchers(user).name() == *channel
            }
            WatchedUser::Joined(_) => false,
        };
        self.join_those(is_its, false)
    }

    pub(super) fn end_overdue_watching(&mut self, at: Instant) {
        let is_due =
            |watched: &WatchedUser| matches!(watched, WatchedUser::Opening { by, .. } if *by <= at);
        let _any = self.join_those(is_due, true);
    }

    fn join_those(&mut self, which: impl Fn(&WatchedUser) -> bool, is_overdue: bool) -> bool {
        let Some(user) = self.user.as_deref_mut() else { return false };
        if !user.watched.iter().any(&which) {
            return false;
        }
        let before = std::mem::take(&mut user.watched);
        let watched = before.into_iter().map(|watched| match which(&watched) {
            true => self.join_watched(watched, is_overdue),
            false => watched,
        });
        let watched = watched.collect();
        if let Some(user) = self.user.as_deref_mut() {
            user.watched = watched;
        }
        self.answer_watchlist();
        true
    }

    pub(super) fn watching_due(&self) -> Option<Instant> {
        let watched = self.user.iter().flat_map(|user| &user.watched);
        let due = |watched: &WatchedUser| match watched {
            WatchedUser::Opening { by, .. } => Some(*by),
            WatchedUser::Joined(_) => None,
        };
        watched.filter_map(due).min()
    }

    /// Once, when the last of them is watched.
    fn answer_watchlist(&self) {
        let Some(SessionUser { identity, watched, .. }) = self.user.as_deref() else { return };
        if identity.watchlist.is_empty() || watched.iter().any(WatchedUser::is_opening) {
            return;
        }
        let runtime = &self.context.runtime;
        let (online, offline): (Vec<&Arc<str>>, Vec<&Arc<str>>) =
            identity.watchlist.iter().partition(|user| runtime.is_online(user));
        self.answer(&Message::watchlist(&online, &offline));
    }

    pub(super) fn unwatch(&self, watched: &WatchedUser) {
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        match watched {
            WatchedUser::Joined(record) => {
                shard.unsubscribe(record.topic(), *slot);
                engine.unwatch(runtime, shard.worker(), record);
            }
            WatchedUser::Opening { user, attempt, .. } => {
                let channel = Channel::of_watchers(user);
                engine.cancel_arrival(runtime, &channel, self.arrival(*attempt));
            }
        }
    }
}
