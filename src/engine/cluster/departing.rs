//! The end of subscriptions to a channel that several nodes share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::super::{AppRuntime, Engine};
use crate::{
    channels::change::{Change, HeldMember},
    cluster::{names::MemberId, replica::input::MemberDeparture},
    domain::rate_limit::GcraParams,
    hub::record::{HeldReplica, LockedRecord, Record},
};

/// How long the departure of a member may be held.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct HoldTerms {
    pub(in crate::engine) returns: Option<GcraParams>,
    pub(in crate::engine) linger: Option<Duration>,
}

impl Engine {
    /// An answered subscriber leaves.
    pub(in crate::engine) fn leave(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        user_id: Option<&str>,
        hold: HoldTerms,
    ) {
        let now = Instant::now();
        let member = user_id.and_then(|user_id| self.member_id(locked, user_id));
        let leaver = user_id.zip(member).filter(|(_, member)| may_hold(locked, *member));
        let held = leaver.and_then(|(user_id, _)| {
            let HoldTerms { returns, linger } = hold;
            locked.apply(Change::HoldDeparture { user_id, returns, linger }, now).held
        });
        let departure = if held.is_some() { MemberDeparture::Held } else { MemberDeparture::Now };
        if let Some(HeldMember { user_id, until }) = held {
            runtime.hold_member(record, user_id, until);
        }
        let Some(HeldReplica { replica, .. }) = locked.followed() else { return };
        let is_last = replica.has_last_session();
        let mut effects = replica.leave(member, departure, now);
        if is_last {
            effects.extend(replica.end_all_holds(now));
        }
        self.carry_out_replica(runtime, record, locked, effects);
    }

    /// The time of a held departure has come. It may have been prolonged, or the user is back.
    pub(in crate::engine) fn end_member_hold(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        user_id: &Arc<str>,
    ) {
        let now = Instant::now();
        if let Some(until) = locked.members().held_until(user_id).filter(|until| *until > now) {
            return runtime.hold_member(record, user_id.clone(), until);
        }
        let Some(member) = self.member_id(locked, user_id) else { return };
        let Some(held) = locked.followed() else { return };
        let effects = held.replica.end_hold(member, now);
        self.carry_out_replica(runtime, record, locked, effects);
    }

    fn member_id(&self, locked: &mut LockedRecord<'_>, user_id: &str) -> Option<MemberId> {
        let names = self.cluster.node()?.names();
        let channel = locked.followed()?.channel.channel.location.id;
        Some(names.member(&channel, user_id))
    }
}

fn may_hold(locked: &mut LockedRecord<'_>, member: MemberId) -> bool {
    locked.followed().is_some_and(|held| held.replica.may_hold(member))
}
