//! Held departures: of users, for their watchers, and of members that leave and return very often,
//! for their presence channel.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{AppRuntime, Engine, departing::Departing};
use crate::{channels::change::Change, domain::channel::Channel, hub::record::Record};

/// Navigation between pages makes a user leave and return within this time.
const OFFLINE_DELAY: Duration = Duration::from_secs(3);

impl AppRuntime {
    /// Must be called under the record's lock.
    pub(super) fn hold_member(&self, record: &Arc<Record>, user_id: Arc<str>, until: Instant) {
        let who = Departing::Member(record.topic(), user_id);
        let _ = self.departures.lock().hold(who, until, Some(record.clone()));
    }

    /// Must be called under the lock of the user's record.
    pub(super) fn hold_user(&self, user: Arc<str>, now: Instant) {
        let user = Departing::User(user);
        let _ = self.departures.lock().hold(user, now + OFFLINE_DELAY, None);
    }

    /// True if the user went offline a moment ago, and watchers have not been told.
    pub(super) fn is_leaving(&self, user: &Arc<str>) -> bool {
        self.departures.lock().is_held(&Departing::User(user.clone()))
    }

    /// The user is back; true if watchers have not been told of the departure.
    pub(super) fn cancel_departure(&self, user: &Arc<str>) -> bool {
        self.departures.lock().cancel(&Departing::User(user.clone())).is_some()
    }
}

impl Engine {
    pub(super) fn announce_departures(&self, runtime: &AppRuntime, now: Instant) {
        // The lock is released for each departure: never wait for a record's lock while holding it.
        while let Some((who, record)) = { runtime.departures.lock().next(now) } {
            match who {
                Departing::User(user) if self.cluster.node().is_some() => {
                    self.announce_offline_in_cluster(runtime, &user);
                }
                Departing::User(user) => self.announce_offline(runtime, &user, now),
                Departing::Member(_, user_id) => {
                    let Some(record) = record else { continue };
                    let Some(mut locked) = record.enter() else { continue };
                    if locked.followed().is_some() {
                        self.end_member_hold(runtime, &record, &mut locked, &user_id);
                        continue;
                    }
                    let effects = locked.apply(Change::EndHold { user_id: &user_id }, now);
                    self.carry_out(runtime, &record, &mut locked, effects);
                }
            }
        }
    }

    fn announce_offline(&self, runtime: &AppRuntime, user: &str, now: Instant) {
        let record = runtime.directory.with(&Channel::of_user(user), |record, locked| {
            // The user may have signed in again meanwhile.
            if !locked.is_occupied() {
                runtime.notify_watchers(&self.hub, user, false);
            }
            record.clone()
        });
        runtime.directory.remove_if_unused(&record, now);
    }
}
