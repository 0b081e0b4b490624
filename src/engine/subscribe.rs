//! Joining and leaving channels. Nothing here waits: authorizers run at the HTTP auth endpoints,
//! and a socket only presents the signature from there.

mod error;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use error::SubscribeError;

use super::{
    AppRuntime, Engine,
    cached_reply::CachedReply,
    cluster::{HoldTerms, SessionArrival},
    history::recovery::{ReaderLimits, ReaderStart, Recovery, ReplayRoom, recover},
    users::SignedIn,
};
use crate::{
    app::App,
    channels::{
        change::{Change, Leaver, Newcomer, Transition},
        members::{LeaveMode, Member},
    },
    cluster::replica::effect::Entered,
    crypto::keytable::Version,
    domain::{channel::Channel, ids::SocketId},
    hub::{
        authorization_cache::CachedAuthorization,
        record::{LockedRecord, Record},
        rekey::gate::PendingRekey,
    },
    platform::clock::KnownAsOf,
    protocol::{client::Subscribe, escape::Escaped, signed::signed_for_channel},
};

/// The time for which the member of a cut event stream stays: more than the client's wait before
/// it returns, or each cut would be a departure and a return for everybody.
const STREAM_LINGER: Duration = Duration::from_secs(5);

/// The connection that subscribes.
pub struct Subscriber<'a> {
    pub socket_id: SocketId,
    pub worker: usize,
    pub user: Option<&'a SignedIn>,
    /// Time of the handshake: anything signed for the connection is newer.
    pub opened: KnownAsOf,
}

/// The state of a subscription that ends.
pub struct EndedSubscription<'a> {
    pub member: Option<&'a str>,
    /// Version of its secret, if the channel is sealed here.
    pub version: Option<Version>,
    pub leaving: LeaveMode,
    /// True if it was told positions.
    pub tells_positions: bool,
}

/// A subscription on a channel's record. The holder must end it with `unsubscribe`.
#[must_use]
pub struct JoinedChannel {
    pub record: Arc<Record>,
    pub member: Option<Arc<str>>,
    /// Sequence number of the channel state shown in the success frame.
    pub since: u64,
    /// Members for the success frame of a presence channel.
    pub roster: Option<Escaped>,
    pub cached: CachedReply,
    /// For sealed channels: the version of the client's secret, and the next one if it is behind.
    pub key: Option<(Version, Option<PendingRekey>)>,
    /// If the subscriber is told positions.
    pub recovery: Option<Recovery>,
}

/// A subscription that may join.
pub struct Admission<'a> {
    /// On presence channels.
    pub member: Option<Member>,
    /// The authorization of our auth endpoint, if it recorded one.
    pub granted: Option<&'a CachedAuthorization>,
    /// Where the subscriber begins, and the room for what it is given at once. `None`: it is not
    /// told positions.
    pub recover: Option<(ReaderStart, ReplayRoom)>,
    /// The number with which it has arrived.
    pub attempt: u32,
    /// It has waited for its channel long enough.
    pub is_overdue: bool,
}

/// Whether a subscription has joined.
#[must_use]
pub enum Joined {
    Now(Box<JoinedChannel>),
    /// The channel is not open any more: wait again.
    NotYet,
}

/// Checks the authorization; returns the member on presence channels.
pub fn authorize(
    app: &App,
    subscriber: &Subscriber<'_>,
    channel: &Channel,
    request: &Subscribe,
) -> Result<Option<Member>, SubscribeError> {
    let kind = channel.kind();
    if kind.is_public() {
        return Ok(None);
    }
    if !kind.needs_authorization() {
        let is_own = subscriber.user.is_some_and(|user| channel.user() == Some(&user.id));
        return if is_own { Ok(None) } else { Err(SubscribeError::NotThatUser(channel.clone())) };
    }
    let data = channel_data(request);
    if kind.has_members() {
        let member = member(app, subscriber, request)?;
        verify(app, subscriber, channel, request, data)?;
        return Ok(Some(member));
    }
    // Some custom authorizers sign channel_data on channels without members, some send it unsigned.
    let unsigned = |refusal| match data {
        Some(_) => verify(app, subscriber, channel, request, None).map_err(|_| refusal),
        None => Err(refusal),
    };
    verify(app, subscriber, channel, request, data).or_else(unsigned).map(|()| None)
}

fn channel_data(request: &Subscribe) -> Option<&str> {
    request.channel_data.as_deref().filter(|data| !data.is_empty())
}

fn verify(
    app: &App,
    subscriber: &Subscriber<'_>,
    channel: &Channel,
    request: &Subscribe,
    channel_data: Option<&str>,
) -> Result<(), SubscribeError> {
    let auth = request.auth.as_deref().filter(|auth| !auth.is_empty());
    let auth = auth.ok_or_else(|| SubscribeError::AuthMissing(channel.clone()))?;
    let signed = signed_for_channel(subscriber.socket_id, channel, channel_data);
    Ok(app.verify_auth(auth, &signed)?)
}

fn member(
    app: &App,
    subscriber: &Subscriber<'_>,
    request: &Subscribe,
) -> Result<Member, SubscribeError> {
    match (channel_data(request), subscriber.user) {
        (Some(data), _) => Ok(Member::parse(data, app.member_limits())?),
        (None, Some(user)) => user.member(app.member_limits()).map_err(SubscribeError::Member),
        (None, None) => Err(SubscribeError::MemberMissing),
    }
}

/// True if the user of the authorization, or the signed-in user, was removed from the channel
/// since. For authorizations signed by the backend, only the age of the connection is known.
fn is_revoked(
    app: &App,
    subscriber: &Subscriber<'_>,
    channel: &Channel,
    granted: Option<&CachedAuthorization>,
) -> bool {
    let grantee = granted.and_then(|granted| granted.grantee.user.as_deref());
    let as_of = granted.map_or(subscriber.opened, |granted| granted.grantee.as_of);
    let signed_in = subscriber.user.map(|user| &*user.id);
    grantee.into_iter().chain(signed_in).any(|user| app.is_revoked(channel, user, as_of))
}

/// A subscriber that joins with the settings of one moment.
struct Joining<'a> {
    runtime: &'a AppRuntime,
    app: &'a App,
    subscriber: &'a Subscriber<'a>,
    granted: Option<&'a CachedAuthorization>,
    recover: Option<(ReaderStart, ReplayRoom)>,
    arrival: SessionArrival,
    now: Instant,
}

impl Joining<'_> {
    /// Called under the record's lock, like revocations: one that is not in the table yet will find
    /// this subscriber. A reload may have made the name an alias since the session looked.
    fn refuse_outdated(&self, channel: &Channel) -> Result<(), SubscribeError> {
        if is_revoked(self.app, self.subscriber, channel, self.granted) {
            return Err(SubscribeError::Revoked(channel.clone()));
        }
        Ok(self.runtime.app().refuse_alias(channel.name())?)
    }

    /// The beginning of a subscriber that is told positions, on a channel with a log.
    fn recovery(&self, engine: &Engine, locked: &mut LockedRecord<'_>) -> Option<Recovery> {
        let (start, room) = self.recover?;
        let not_before = self.not_before(locked.channel());
        let limits = ReaderLimits { room, not_before };
        let recovery = match engine.cluster.node() {
            None => recover(locked.log()?, start, limits, self.now),
            Some(_) => engine.recover_in_cluster(locked, self.arrival.id(), start, limits),
        };
        locked.join_position_readers();
        self.runtime.counts.history.note(&recovery.missed);
        Some(recovery)
    }

    /// True if the last event is from before the time at which the subscriber was let in again.
    fn is_hidden(&self, locked: &LockedRecord<'_>) -> bool {
        let number = locked.last_event(self.now).and_then(|last| last.content.number());
        number.is_some_and(|number| number < self.not_before(locked.channel()))
    }

    fn not_before(&self, channel: &Channel) -> u64 {
        let grantee = self.granted.map(|granted| &granted.grantee);
        let user = grantee.and_then(|grantee| grantee.user.as_deref());
        let signed_in = self.subscriber.user.map(|user| &*user.id);
        let as_of = grantee.map_or(self.subscriber.opened, |grantee| grantee.as_of);
        self.app.readable_from(channel, user.into_iter().chain(signed_in), as_of)
    }
}

impl Engine {
    /// Takes one short lock on the channel's record: the member joins, the others are told, the
    /// subscriber is counted, and its answer shows the state of that moment.
    pub fn subscribe(
        &self,
        runtime: &AppRuntime,
        subscriber: &Subscriber<'_>,
        channel: &Channel,
        admission: Admission<'_>,
    ) -> Result<Joined, SubscribeError> {
        let (app, now) = (&*runtime.app(), Instant::now());
        let Admission { member, granted, recover, attempt, is_overdue } = admission;
        let arrival = SessionArrival { socket: subscriber.socket_id, attempt };
        let joining = Joining { runtime, app, subscriber, granted, recover, arrival, now };
        let joined = runtime.directory.with(channel, |record, mut locked| {
            let allowed = joining.refuse_outdated(channel);
            if allowed.is_err() {
                self.cancel_locked(runtime, record, &mut locked, arrival);
            }
            allowed?;
            match self.enter(runtime, record, &mut locked, arrival, is_overdue) {
                Entered::Answered => {}
                Entered::NotYet => return Ok(Joined::NotYet),
                Entered::Unknown => {
                    let (channel, limit) = (channel.clone(), app.limits.presence_members);
                    return Err(SubscribeError::ChannelFull { channel, limit });
                }
            }
            let user_id = member.as_ref().map(|member| member.user_id.clone());
            let since = self.enter_channel(&joining, record, &mut locked, member)?;
            let joined = self.answer_joined(&joining, record, locked, user_id, since);
            Ok(Joined::Now(Box::new(joined)))
        });
        if joined.is_err()
            && let Some(record) = runtime.directory.find(channel.name())
        {
            runtime.directory.remove_if_unused(&record, now);
        }
        joined
    }

    /// Returns the sequence number of the state that the newcomer is answered with.
    fn enter_channel(
        &self,
        joining: &Joining<'_>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        member: Option<Member>,
    ) -> Result<u64, SubscribeError> {
        let &Joining { runtime, app, subscriber, now, .. } = joining;
        let (channel, member_limit) = (record.channel(), app.limits.presence_members);
        let newcomer = match self.cluster.node() {
            None => Newcomer { member, member_limit, tell_count: runtime.tells_count(channel) },
            // The member is in the replica already, and Redis tells the total.
            Some(_) => Newcomer::default(),
        };
        if locked.log().is_some_and(|log| log.has_run_out(now)) {
            // The newcomer must not bring it back.
            runtime.directory.expire(record, locked, now);
        }
        let mut effects = locked.subscribe(subscriber.worker, newcomer, now);
        let is_full = effects.transition == Transition::Full;
        self.post_messages(locked, std::mem::take(&mut effects.messages));
        let since = locked.sequence();
        match self.cluster.node() {
            None => self.settle(runtime, record, locked, effects),
            Some(_) => self.greet(runtime, record, locked),
        }
        if is_full {
            let channel = channel.clone();
            return Err(SubscribeError::ChannelFull { channel, limit: member_limit });
        }
        Ok(since)
    }

    fn answer_joined(
        &self,
        joining: &Joining<'_>,
        record: &Arc<Record>,
        mut locked: LockedRecord<'_>,
        member: Option<Arc<str>>,
        since: u64,
    ) -> JoinedChannel {
        let &Joining { runtime, app, granted, now, .. } = joining;
        let key = app.ring(record.channel()).map(|ring| {
            runtime.join_key(ring, &mut locked, granted.and_then(|granted| granted.version))
        });
        let version = key.as_ref().map_or(Version::BLIND, |(version, _)| *version);
        let recovery = joining.recovery(self, &mut locked);
        // Who has recovered knows the last event.
        let recovered = recovery.as_ref().is_some_and(|recovery| recovery.missed.is_recovered());
        let hidden = joining.is_hidden(&locked);
        let cached = match recovered {
            true => CachedReply::No,
            false if hidden => CachedReply::Miss,
            false => AppRuntime::cached(app, &locked, version, now, &self.hub),
        };
        if !hidden && matches!(cached, CachedReply::Miss) {
            let effects = locked.apply(Change::ReportMiss, now);
            self.carry_out(runtime, record, &mut locked, effects);
        }
        let roster = member.is_some().then(|| locked.members().roster());
        JoinedChannel { record: record.clone(), member, since, roster, cached, key, recovery }
    }

    pub fn unsubscribe(
        &self,
        runtime: &AppRuntime,
        worker: usize,
        record: &Arc<Record>,
        ended: &EndedSubscription<'_>,
    ) {
        let now = Instant::now();
        if let Some(mut locked) = record.enter() {
            let (returns, linger) = match ended.leaving {
                LeaveMode::MayReturn => (runtime.app().limits.member_returns(), None),
                LeaveMode::Resumes => (runtime.app().limits.member_returns(), Some(STREAM_LINGER)),
                LeaveMode::Final => (None, None),
            };
            if ended.tells_positions {
                locked.leave_position_readers();
            }
            let tell_count = runtime.tells_count(record.channel());
            let leaver = match self.cluster.node() {
                None => Leaver { user_id: ended.member, returns, linger, tell_count },
                Some(_) => Leaver::default(),
            };
            let effects = locked.unsubscribe(worker, ended.version, leaver, now);
            match self.cluster.node() {
                None => self.carry_out(runtime, record, &mut locked, effects),
                // Redis tells what follows, once for all nodes.
                Some(_) => {
                    let hold = HoldTerms { returns, linger };
                    self.leave(runtime, record, &mut locked, ended.member, hold);
                }
            }
            runtime.directory.logs().recharge(record, &locked, now);
        }
        runtime.directory.remove_if_unused(record, now);
    }
}
