//! Users: sign-in, watchlists and termination (protocol.md 5).

use std::{sync::Arc, time::Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    AppRuntime, Engine,
    cluster::{HoldTerms, SessionArrival},
};
use crate::{
    app::App,
    channels::{
        change::{Leaver, Newcomer, Transition},
        members::{InvalidMember, Member, MemberLimits},
    },
    cluster::replica::effect::Entered,
    domain::{
        channel::{Channel, InvalidName, check_characters},
        ids::SocketId,
        limits::Limits,
        refusal::RefusalCode,
    },
    hub::{Hub, mailbox::Audience, record::Record},
    protocol::{
        client::{InvalidField, Signin},
        json::object_in,
        message::Message,
        signed::{AuthError, signed_for_user},
        well_formed::WellFormed,
    },
};

/// The user a connection has signed in as.
pub struct SignedIn {
    pub id: Arc<str>,
    /// JSON text.
    info: Option<Arc<str>>,
    pub watchlist: Vec<Arc<str>>,
    /// True if the watchlist exceeded the limit and was cut.
    pub watchlist_cut: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SigninError {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("user_data must be JSON with a non-empty string id ({0})")]
    SigninUserData(String),
    #[error("the user id cannot be used: it {0}")]
    UserId(#[from] InvalidName),
    #[error(transparent)]
    InvalidField(#[from] InvalidField),
    #[error("the connection is signed in as another user already")]
    OtherUser,
}

impl SigninError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Auth(AuthError::Malformed) => RefusalCode::SigninAuthMalformed,
            Self::Auth(AuthError::ForeignKey) => RefusalCode::SigninAuthForeignKey,
            Self::Auth(AuthError::Signature) => RefusalCode::SigninAuthSignature,
            Self::InvalidField(invalid_field) => invalid_field.code(),
            Self::SigninUserData(_) => RefusalCode::InvalidUserData,
            Self::UserId(_) => RefusalCode::InvalidUserId,
            Self::OtherUser => RefusalCode::OtherUser,
        }
    }
}

#[derive(Deserialize)]
struct SigninUserData<'a> {
    id: String,
    #[serde(borrow, default)]
    user_info: Option<&'a RawValue>,
    #[serde(default)]
    watchlist: Option<Vec<String>>,
}

impl SignedIn {
    /// Checks the signature, then reads what it signs.
    pub fn verify(app: &App, socket_id: SocketId, request: &Signin) -> Result<Self, SigninError> {
        if let Some(invalid_field) = request.invalid_field {
            return Err(invalid_field.into());
        }
        let signed = signed_for_user(socket_id, &request.user_data);
        app.verify_auth(&request.auth, &signed)?;
        Self::parse(&app.limits, &request.user_data)
    }

    fn parse(limits: &Limits, user_data: &str) -> Result<Self, SigninError> {
        let text = WellFormed::new(user_data);
        let data: SigninUserData<'_> =
            object_in(text.as_str()).map_err(|e| SigninError::SigninUserData(e.to_string()))?;
        check_user_id(&data.id, limits.user_id_chars)?;
        let limit = limits.watchlist_ids;
        let mut watchlist: Vec<Arc<str>> = Vec::new();
        let named = data.watchlist.unwrap_or_default();
        for id in named.iter().take(limit) {
            if !watchlist.iter().any(|other| **other == **id) {
                watchlist.push(id.as_str().into());
            }
        }
        Ok(Self {
            id: data.id.into(),
            info: data.user_info.filter(|raw| raw.get() != "null").map(|raw| raw.get().into()),
            watchlist_cut: named.len() > limit,
            watchlist,
        })
    }

    /// Size of its texts in bytes.
    pub fn text_bytes(&self) -> usize {
        let info = self.info.as_ref().map_or(0, |info| info.len());
        self.id.len() + info + self.watchlist.iter().map(|id| id.len()).sum::<usize>()
    }

    /// The presence member for a subscription without channel_data.
    pub fn member(&self, limits: MemberLimits) -> Result<Member, InvalidMember> {
        let size = self.info.as_ref().map_or(0, |info| info.len());
        if size > limits.bytes {
            return Err(InvalidMember::TooLarge { size, limit: limits.bytes });
        }
        Ok(Member { user_id: self.id.clone(), info: self.info.clone() })
    }
}

/// User ids become part of a channel name (protocol.md 5.2).
pub fn check_user_id(id: &str, limit: usize) -> Result<(), InvalidName> {
    check_characters(id, limit)
}

impl Engine {
    /// Counts a connection as the user's. It receives the user's events from now on, with or
    /// without a subscription to the user channel. `None` if the channel is not open any more.
    pub fn sign_in(
        &self,
        runtime: &AppRuntime,
        worker: usize,
        user: &SignedIn,
        arrival: SessionArrival,
        is_overdue: bool,
    ) -> Option<(Arc<Record>, u64)> {
        let now = Instant::now();
        // Watchers are told under the record's lock, so that they see changes in order.
        runtime.directory.with(&Channel::of_user(&user.id), |record, mut locked| {
            let entered = self.enter(runtime, record, &mut locked, arrival, is_overdue);
            if entered != Entered::Answered {
                return None;
            }
            let since = locked.sequence();
            let effects = locked.subscribe(worker, Newcomer::default(), now);
            let returned = self.cluster.node().is_none() && runtime.cancel_departure(&user.id);
            let is_first = effects.transition == Transition::Occupied && !returned;
            if is_first && self.cluster.node().is_none() {
                runtime.notify_watchers(&self.hub, &user.id, true);
            }
            Some((record.clone(), since))
        })
    }

    pub fn sign_out(&self, runtime: &AppRuntime, worker: usize, record: &Arc<Record>) {
        let now = Instant::now();
        if let Some(mut locked) = record.enter() {
            let effects = locked.unsubscribe(worker, None, Leaver::default(), now);
            let hold = HoldTerms::default();
            self.leave(runtime, record, &mut locked, None, hold);
            let gone = effects.transition == Transition::Vacated;
            if let Some(user) = record.channel().user().filter(|_| gone)
                && self.cluster.node().is_none()
                && runtime.app().watchlist
            {
                runtime.hold_user(user.into(), now);
            }
        }
        runtime.directory.remove_if_unused(record, now);
    }

    /// Subscribes to notices about `user` coming online and going offline. `None` if the channel is
    /// not open any more.
    pub fn watch(
        &self,
        runtime: &AppRuntime,
        worker: usize,
        user: &str,
        arrival: SessionArrival,
        is_overdue: bool,
    ) -> Option<(Arc<Record>, u64)> {
        let now = Instant::now();
        runtime.directory.with(&Channel::of_watchers(user), |record, mut locked| {
            let entered = self.enter(runtime, record, &mut locked, arrival, is_overdue);
            if entered != Entered::Answered {
                return None;
            }
            let since = locked.sequence();
            let _no_effects = locked.subscribe(worker, Newcomer::default(), now);
            Some((record.clone(), since))
        })
    }

    pub fn unwatch(&self, runtime: &AppRuntime, worker: usize, record: &Arc<Record>) {
        let now = Instant::now();
        if let Some(mut locked) = record.enter() {
            let _no_effects = locked.unsubscribe(worker, None, Leaver::default(), now);
            self.leave(runtime, record, &mut locked, None, HoldTerms::default());
        }
        runtime.directory.remove_if_unused(record, now);
    }

    /// Closes the connections to this node that were opened before and are signed in as the user.
    pub fn terminate_here(&self, runtime: &AppRuntime, user: &str, opened_before: Instant) {
        let channel = Channel::of_user(user);
        let _ = runtime.directory.with_existing(channel.name(), |_, locked| {
            locked.close_topic(&self.hub, opened_before);
        });
    }
}

impl AppRuntime {
    /// True if the user has a connection, or had one a moment ago.
    pub fn is_online(&self, user: &Arc<str>) -> bool {
        self.is_seen(user).unwrap_or_else(|| self.is_connected(user)) || self.is_leaving(user)
    }

    fn is_connected(&self, user: &str) -> bool {
        let record = self.directory.find(Channel::of_user(user).name());
        record.is_some_and(|record| record.subscription_count() > 0)
    }

    pub(super) fn notify_watchers(&self, hub: &Hub, user: &str, online: bool) {
        let channel = Channel::of_watchers(user);
        let _ = self.directory.with_existing(channel.name(), |_, mut locked| {
            let message = if online {
                Message::watchlist(&[user], &[])
            } else {
                Message::watchlist(&[], &[user])
            };
            locked.post_message(hub, &message, Audience::All);
        });
    }
}
