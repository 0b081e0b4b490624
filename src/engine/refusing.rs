//! What somebody who is refused is told, and what the log keeps.

use std::cell::LazyCell;

use super::{Engine, Tenant};
use crate::{
    app::App,
    explain::{Knowledge, Line, RefusalId, Subject, Verdict, explain},
    ids::SocketId,
    live::{Entry, Type, What},
    protocol::signed::AuthError,
    refusal::RefusalCode,
};

/// The usual mistakes are made with so much data: some twenty texts of it are hashed for each refusal.
/// Whoever has more asks `sealcast auth explain`.
const GUESSED_BYTES: usize = 4096;

/// One refusal, as far as anybody may know of it.
pub struct Refused<'a> {
    pub code: RefusalCode,
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
}

/// What the log says; with `explain`, everybody.
pub struct Why {
    pub cause: String,
    /// Where there is a better one than that of the code.
    pub fix: Option<&'static str>,
    /// What was to be signed. Never in the log: the data says who somebody is.
    pub signed: Option<String>,
}

impl Why {
    pub fn of(cause: impl ToString) -> Self {
        Self { cause: cause.to_string(), fix: None, signed: None }
    }
}

/// What whoever was refused is told.
pub struct Told {
    pub code: RefusalCode,
    pub message: String,
    pub fix: Option<&'static str>,
    pub id: Option<RefusalId>,
}

impl Told {
    /// For those who see the sentence alone.
    pub fn sentence(&self) -> String {
        match self.id {
            Some(id) => format!("{} [{}, refusal {id}]", self.message, self.code.name()),
            None => format!("{} [{}]", self.message, self.code.name()),
        }
    }
}

impl Engine {
    /// `app`: where it is known; else what all of them allow is told.
    pub fn refuse(
        &self,
        app: Option<&App>,
        refused: &Refused<'_>,
        why: impl FnOnce() -> Why,
    ) -> Told {
        let why = LazyCell::new(why);
        let line = Line {
            code: refused.code,
            app: app.map_or("", |app| &app.id),
            channel: refused.channel,
            socket: refused.socket,
        };
        let id = self.refusals.note(&line, || why.cause.clone());
        self.live.note(|| Entry {
            app: app.map(|app| &*app.id),
            channel: refused.channel,
            socket_id: refused.socket,
            what: What::Refused { code: refused.code, id },
            ..Entry::new(Type::Refused)
        });
        let explains = match app {
            Some(app) => app.explains,
            None => self.tenants().iter().all(|tenant| tenant.app().explains),
        };
        if !explains {
            let message = match refused.code.hides_cause() {
                true => refused.code.text().to_owned(),
                false => why.cause.clone(),
            };
            return Told { code: refused.code.general(), message, fix: None, id };
        }
        let message = match &why.signed {
            Some(signed) => {
                format!("{}: expected the HMAC SHA256 hex digest of {}", why.cause, shown(signed))
            }
            None => why.cause.clone(),
        };
        let fix = why.fix.unwrap_or(refused.code.fix());
        Told { code: refused.code, message, fix: Some(fix), id }
    }

    /// Why the signature was refused.
    pub fn why_unsigned(
        &self,
        tenant: &Tenant,
        reason: &AuthError,
        auth: &str,
        socket: SocketId,
        subject: &Subject<'_>,
    ) -> Why {
        if subject.data().is_some_and(|data| data.len() > GUESSED_BYTES) {
            return Why::of(reason);
        }
        let signed = subject.accepted(socket).into_iter().next();
        match self.explain(tenant, auth, socket, subject, &[]) {
            Verdict::Wrong(cause) => {
                Why { cause: format!("{reason}: {cause}"), fix: Some(cause.fix()), signed }
            }
            Verdict::Correct => Why { signed, ..Why::of(reason) },
        }
    }

    pub fn explain(
        &self,
        tenant: &Tenant,
        auth: &str,
        socket: SocketId,
        subject: &Subject<'_>,
        others: &[SocketId],
    ) -> Verdict {
        let app = tenant.app();
        let known = Knowledge {
            key: &app.key,
            secret: &app.secret,
            near: &app.near_secrets,
            is_other_app: &|key| self.tenants().by_key(key).is_some(),
        };
        explain(&known, auth, socket, subject, others)
    }
}

/// What a client sent is repeated to it, but not at length.
fn shown(text: &str) -> String {
    const CHARS: usize = 1000;
    text.chars().take(CHARS).collect()
}
