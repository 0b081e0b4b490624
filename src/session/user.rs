//! Sign-in of a connection, and its watchlist.

use std::sync::Arc;

use super::{Session, SessionContext};
use crate::{
    engine::{
        refusing::{Refused, Why},
        users::{SignedIn, SigninError},
    },
    explain::Subject,
    hub::directory::Record,
    protocol::{
        client::Signin,
        code::ErrorCode,
        server::{Frame, answer},
    },
};

/// The signed-in user of a connection.
pub struct User {
    pub(super) identity: SignedIn,
    record: Arc<Record>,
    pub(super) watched: Vec<Arc<Record>>,
}

impl Session {
    pub(super) fn sign_in(&mut self, request: &Signin) {
        let SessionContext { tenant, id, .. } = &self.context;
        let identity = match SignedIn::verify(&tenant.app(), *id, request) {
            Ok(identity) => identity,
            Err(error) => return self.refuse_user(request, &error),
        };
        match &self.user {
            Some(user) if user.identity.id != identity.id => {
                self.refuse_user(request, &SigninError::OtherUser);
            }
            Some(_) => self.say(answer::signin_success(self.dialect(), &request.user_data)),
            None => {
                self.say(answer::signin_success(self.dialect(), &request.user_data));
                self.become_user(identity);
            }
        }
    }

    fn refuse_user(&self, request: &Signin, error: &SigninError) {
        let SessionContext { engine, tenant, id, .. } = &self.context;
        let refused = Refused { code: error.code(), channel: None, socket: Some(*id) };
        let told = engine.refuse(Some(&tenant.app()), &refused, || match error {
            SigninError::Auth(reason) => {
                let subject = Subject::User { data: &request.user_data };
                engine.why_unsigned(tenant, reason, &request.auth, *id, &subject)
            }
            _ => Why::of(error),
        });
        tenant.counts.sign_ins_refused.add(error.code().name());
        self.error(ErrorCode::Unauthorized, &told.sentence());
    }

    fn become_user(&mut self, identity: SignedIn) {
        let SessionContext { engine, tenant, shard, slot, .. } = &self.context;
        let (record, since) = engine.sign_in(tenant, shard.worker(), &identity);
        self.context.show_signed_in(&identity.id);
        let _ = shard.subscribe(record.topic(), *slot, since);
        let watched = if tenant.app().watchlist { self.watch(&identity) } else { Vec::new() };
        self.authorized = true;
        self.user = Some(Box::new(User { identity, record, watched }));
    }

    /// Subscribes first and reads the state second, so that no change is missed.
    fn watch(&self, identity: &SignedIn) -> Vec<Arc<Record>> {
        let SessionContext { engine, tenant, shard, slot, .. } = &self.context;
        if identity.watchlist_cut {
            let limit = tenant.app().limits.watchlist_ids;
            let message =
                format!("The watchlist is longer than {limit} ids; the first {limit} are watched");
            self.error(ErrorCode::WatchlistLimit, &message);
        }
        let mut watched = Vec::with_capacity(identity.watchlist.len());
        for user in &identity.watchlist {
            let (record, since) = engine.watch(tenant, shard.worker(), user);
            let _ = shard.subscribe(record.topic(), *slot, since);
            watched.push(record);
        }
        let (online, offline): (Vec<&str>, Vec<&str>) =
            identity.watchlist.iter().map(|user| &**user).partition(|user| tenant.is_online(user));
        if !identity.watchlist.is_empty() {
            self.say(Frame::watchlist(&online, &offline).in_dialect(self.dialect()).clone());
        }
        watched
    }

    pub(super) fn sign_out(&mut self) {
        let SessionContext { engine, tenant, shard, slot, .. } = &self.context;
        let Some(user) = self.user.take() else { return };
        for record in user.watched {
            shard.unsubscribe(record.topic(), *slot);
            engine.unwatch(tenant, shard.worker(), &record);
        }
        shard.unsubscribe(user.record.topic(), *slot);
        engine.sign_out(tenant, shard.worker(), &user.record);
    }
}
