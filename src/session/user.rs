//! Sign-in of a connection, and its watchlist.

use std::sync::Arc;

use super::{Session, SessionContext, watching::WatchedUser};
use crate::{
    engine::{
        facts::{ConnectionFact, Fact},
        refusal_message::{RefusalCause, RefusedRequest},
        users::{SignedIn, SigninError},
    },
    hub::record::Record,
    observe::explain::Subject,
    protocol::{client::Signin, code::ErrorCode, message::Message},
};

/// The signed-in user of a connection.
pub struct SessionUser {
    pub(super) identity: SignedIn,
    record: Arc<Record>,
    pub(super) watched: Vec<WatchedUser>,
}

impl Session {
    pub(super) fn sign_in(&mut self, request: &Signin) {
        let SessionContext { runtime, id, .. } = &self.context;
        let identity = match SignedIn::verify(&runtime.app(), *id, request) {
            Ok(identity) => identity,
            Err(error) => return self.refuse_user(request, &error),
        };
        let waiting = self.signing_in.as_ref().map(|opening| &opening.identity.id);
        let known = self.user.as_ref().map(|user| &user.identity.id).or(waiting);
        match known {
            Some(user) if *user != identity.id => {
                self.refuse_user(request, &SigninError::OtherUser);
            }
            Some(_) if self.user.is_none() => {}
            Some(_) => self.answer(&Message::signin_success(&request.user_data)),
            None => self.begin_sign_in(identity, &request.user_data),
        }
    }

    fn refuse_user(&self, request: &Signin, error: &SigninError) {
        let SessionContext { engine, runtime, id, .. } = &self.context;
        let refused = RefusedRequest { code: error.code(), channel: None, socket: Some(*id) };
        let reply = engine.refuse(Some(&runtime.app()), &refused, || match error {
            SigninError::Auth(reason) => {
                let subject = Subject::User { data: &request.user_data };
                engine.signature_cause(runtime, reason, &request.auth, *id, &subject)
            }
            _ => RefusalCause::of(error),
        });
        engine.note(Fact::SigninRefused(runtime, error.code()));
        self.error(ErrorCode::Unauthorized, &reply.sentence());
    }

    pub(super) fn become_user(
        &mut self,
        identity: SignedIn,
        user_data: &str,
        record: Arc<Record>,
        since: u64,
    ) {
        self.answer(&Message::signin_success(user_data));
        let SessionContext { runtime, shard, slot, .. } = &self.context;
        self.context.note(ConnectionFact::SignedIn { user: &identity.id });
        let _ = shard.subscribe(record.topic(), *slot, since);
        shard.set_user(*slot, Some(identity.id.clone()));
        let watches = runtime.app().watchlist;
        self.authorized = true;
        self.user = Some(Box::new(SessionUser { identity, record, watched: Vec::new() }));
        if watches {
            self.watch();
        }
    }

    pub(super) fn sign_out(&mut self) {
        let Some(user) = self.user.take() else { return };
        user.watched.iter().for_each(|watched| self.unwatch(watched));
        let SessionContext { engine, runtime, shard, slot, .. } = &self.context;
        shard.unsubscribe(user.record.topic(), *slot);
        shard.set_user(*slot, None);
        engine.sign_out(runtime, shard.worker(), &user.record);
    }
}
