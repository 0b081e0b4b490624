//! Refusals: the message to the client, and the cause for the log.

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

/// Larger data is not searched for signing mistakes: each refusal hashes some twenty variants of
/// it. `sealcast auth explain` has no such limit.
const GUESSED_BYTES: usize = 4096;

/// The public facts of a refusal.
pub struct Refused<'a> {
    pub code: RefusalCode,
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
}

/// The cause of a refusal. It goes to the log; to the client only with `explain`.
pub struct Why {
    pub cause: String,
    /// A more precise fix than the code's own.
    pub fix: Option<&'static str>,
    /// The text to sign. Never logged: its data identifies a user.
    pub signed: Option<String>,
}

impl Why {
    pub fn of(cause: impl ToString) -> Self {
        Self { cause: cause.to_string(), fix: None, signed: None }
    }
}

/// The message to the refused client.
pub struct Told {
    pub code: RefusalCode,
    pub message: String,
    pub fix: Option<&'static str>,
    pub id: Option<RefusalId>,
}

impl Told {
    /// One sentence for clients without structured errors.
    pub fn sentence(&self) -> String {
        match self.id {
            Some(id) => format!("{} [{}, refusal {id}]", self.message, self.code.name()),
            None => format!("{} [{}]", self.message, self.code.name()),
        }
    }
}

impl Engine {
    /// `app` is `None` if unknown: then the cause is revealed only if every app allows it.
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

    /// The cause of a refused signature.
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

/// Client input is echoed, but bounded.
fn shown(text: &str) -> String {
    const CHARS: usize = 1000;
    text.chars().take(CHARS).collect()
}
