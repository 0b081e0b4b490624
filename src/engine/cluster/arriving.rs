//! Subscribers of a channel that several nodes share.
//!
//! A subscription *arrives* once it is authorized. It *enters* when the channel is open and all nodes
//! can know of its member, or after `OPENING_TIMEOUT`. Each that has arrived has to enter or to be
//! cancelled.

use std::{sync::Arc, time::Instant};

use super::{
    super::{AppRuntime, Engine, effects::tell_count, subscribe::SubscribeError},
    effects::saturated,
    holder::RecordHolder,
    logs::life,
};
use crate::{
    channels::{log::LogNumber, members::Member},
    cluster::{
        node::ClusterNode,
        replica::{
            ChannelReplica,
            effect::{Entered, Entrance},
            input::{ArrivingSubscriber, ChannelMemory, ClusterMember, WaitingId},
        },
    },
    domain::{channel::Channel, ids::SocketId},
    hub::{
        channel_opener::{Opened, WaitingSubscription},
        record::{HeldReplica, LockedRecord, Record},
    },
};

/// A subscription that has arrived, with its number among those of its connection.
#[derive(Clone, Copy)]
pub struct SessionArrival {
    pub socket: SocketId,
    pub attempt: u32,
}

impl SessionArrival {
    pub(in crate::engine) fn id(self) -> WaitingId {
        WaitingId { socket: self.socket, attempt: self.attempt }
    }
}

impl Engine {
    /// With `Opened::Now` the subscription enters in the same call. `from`: it begins at this number of
    /// the log.
    pub fn arrive(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        channel: &Channel,
        member: Option<&Member>,
        arrival: SessionArrival,
        from: Option<LogNumber>,
    ) -> Result<Opened, SubscribeError> {
        let Some(node) = self.cluster.node() else {
            return Ok(self.opener.open(|| waiting(channel, arrival)));
        };
        let limit = runtime.app().limits.presence_members;
        let entrance = runtime.directory.with(channel, |record, mut locked| {
            self.follow(node, runtime, record, &mut locked);
            let newcomer = newcomer(node, &mut locked, member, arrival, limit);
            let (entrance, effects) = match locked.followed() {
                Some(held) => held.replica.arrive(newcomer, Instant::now()),
                None => return Entrance::Later,
            };
            let waits = from.filter(|_| !matches!(entrance, Entrance::Full));
            if let Some(from) = waits {
                self.resume(node, runtime, &mut locked, arrival.id(), from);
            }
            self.carry_out_replica(runtime, record, &mut locked, effects);
            match entrance {
                Entrance::Now if !self.may_join(&mut locked, arrival.id()) => Entrance::Later,
                entrance => entrance,
            }
        });
        match entrance {
            Entrance::Now => Ok(Opened::Now),
            Entrance::Later => Ok(Opened::Later),
            Entrance::Full => Err(SubscribeError::ChannelFull { channel: channel.clone(), limit }),
        }
    }

    /// For a user's own channel, or that of the user's watchers. Without a cluster, they are always
    /// open.
    pub fn arrive_as_user(
        self: &Arc<Self>,
        runtime: &Arc<AppRuntime>,
        channel: &Channel,
        arrival: SessionArrival,
    ) -> Opened {
        match self.cluster.node() {
            None => Opened::Now,
            // Nobody is refused: a user's channel has no members.
            Some(_) => self.arrive(runtime, channel, None, arrival, None).unwrap_or(Opened::Later),
        }
    }

    /// The subscription is given up before it has entered.
    pub fn cancel_arrival(&self, runtime: &AppRuntime, channel: &Channel, arrival: SessionArrival) {
        if self.cluster.node().is_none() {
            return;
        }
        let record = runtime.directory.with_existing(channel.name(), |record, mut locked| {
            self.cancel_locked(runtime, record, &mut locked, arrival);
            record.clone()
        });
        if let Some(record) = record {
            runtime.directory.remove_if_unused(&record, Instant::now());
        }
    }

    pub(in crate::engine) fn cancel_locked(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        arrival: SessionArrival,
    ) {
        let Some(held) = locked.followed() else { return };
        if let Some(readers) = &mut held.log_readers {
            readers.remove(&arrival.id());
        }
        let effects = held.replica.cancel(arrival.id(), Instant::now());
        self.carry_out_replica(runtime, record, locked, effects);
    }

    /// `Entered::Unknown` is a refusal that the session has not read yet: the replica has forgotten
    /// the arrival, and counts nobody for it. Before an answer is built, all that follows from the
    /// entrance has been posted to the others.
    pub(in crate::engine) fn enter(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        arrival: SessionArrival,
        is_overdue: bool,
    ) -> Entered {
        if self.cluster.node().is_none() {
            return Entered::Answered;
        }
        // A refused subscription may have been the last that kept the record.
        let Some(held) = locked.followed() else { return Entered::Unknown };
        let reached = held.replica.log_reached().map(LogNumber);
        let readers = held.log_readers.as_mut();
        if !is_overdue && readers.is_some_and(|it| !it.may_join(&arrival.id(), reached)) {
            return Entered::NotYet;
        }
        let (entered, effects) = held.replica.enter(arrival.id(), is_overdue, Instant::now());
        self.carry_out_replica(runtime, record, locked, effects);
        entered
    }

    /// The total may have come before. The first subscriber is told at once, others if no total follows.
    pub(in crate::engine) fn greet(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
    ) {
        if !runtime.tells_count(locked.channel()) {
            return;
        }
        let is_first = locked.subscription_count() <= 1;
        let Some(held) = locked.followed() else { return };
        if is_first && let Some(total) = held.replica.total() {
            return tell_count(&self.hub, locked, saturated(total));
        }
        let effects = held.replica.greet(Instant::now());
        self.carry_out_replica(runtime, record, locked, effects);
    }

    /// Redis has something of this node on a channel without a subscriber here.
    pub(super) fn look_after(self: &Arc<Self>, runtime: &Arc<AppRuntime>, channel: &Channel) {
        let Some(node) = self.cluster.node() else { return };
        runtime.directory.with(channel, |record, mut locked| {
            if locked.followed().is_some() {
                return;
            }
            self.follow(node, runtime, record, &mut locked);
            let Some(held) = locked.followed() else { return };
            let effects = held.replica.look_after(Instant::now());
            self.carry_out_replica(runtime, record, &mut locked, effects);
        });
    }

    fn follow(
        self: &Arc<Self>,
        node: &ClusterNode,
        runtime: &Arc<AppRuntime>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
    ) {
        if locked.followed().is_some() {
            return;
        }
        let holder = Arc::new(RecordHolder {
            engine: Arc::downgrade(self),
            runtime: Arc::downgrade(runtime),
            record: Arc::downgrade(record),
        });
        let history = runtime.app().channel_settings(record.channel()).history;
        let log = history.as_deref().map(life);
        let channel = node.followed(node.channel(&runtime.id, record.channel()), log, holder);
        // Whether there is a connection, the thread of the node tells when it follows.
        let memory = memory(record.channel(), log.is_some());
        let replica = ChannelReplica::new(memory, false, node.lease());
        let log_readers = None;
        let held = HeldReplica { replica, channel, wake_at: None, log_readers, is_online: None };
        locked.follow(held);
    }
}

fn memory(channel: &Channel, has_log: bool) -> ChannelMemory {
    let kind = channel.kind();
    if channel.subject().is_some() && channel.user().is_none() {
        return ChannelMemory::Mirror;
    }
    if kind.has_members() || kind.is_cached() || has_log {
        ChannelMemory::State
    } else {
        ChannelMemory::CountAlone
    }
}

fn newcomer(
    node: &ClusterNode,
    locked: &mut LockedRecord<'_>,
    member: Option<&Member>,
    arrival: SessionArrival,
    limit: usize,
) -> ArrivingSubscriber {
    let place = locked.followed().map(|held| held.channel.channel.location.id);
    let member = member.zip(place).map(|(member, channel)| {
        let id = node.names().member(&channel, &member.user_id);
        let tag = node.names().info_tag(&id, member.info.as_deref());
        ClusterMember { id, tag, member: member.clone() }
    });
    let member_limit = u32::try_from(limit).unwrap_or(u32::MAX);
    ArrivingSubscriber { id: arrival.id(), member, member_limit }
}

fn waiting(channel: &Channel, arrival: SessionArrival) -> WaitingSubscription {
    let SessionArrival { socket, attempt } = arrival;
    WaitingSubscription { socket, channel: channel.name().clone(), attempt }
}
