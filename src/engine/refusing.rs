//! What somebody who is refused is told, and what the log keeps.

use std::cell::LazyCell;

use super::{Engine, Tenant};
use crate::{
    app::App,
    explain::{Knowledge, Line, RefusalId, Subject, Verdict, code, explain},
    ids::SocketId,
    live::{Entry, Type, What},
    protocol::signed::AuthError,
};

/// Of a cause that is kept from everybody and has no sentence of its own.
const UNSAID: &str = "This is not allowed";

/// One refusal, as far as anybody may know of it.
pub struct Refused<'a> {
    pub code: &'static str,
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
    /// Whether the cause says something of the application, and not only of the request.
    pub hides_cause: bool,
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
    pub code: &'static str,
    pub message: String,
    pub fix: Option<&'static str>,
    pub id: Option<RefusalId>,
}

impl Told {
    /// For those who see the sentence alone.
    pub fn sentence(&self) -> String {
        match self.id {
            Some(id) => format!("{} [{}, refusal {id}]", self.message, self.code),
            None => format!("{} [{}]", self.message, self.code),
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
        let known = code(refused.code);
        let message = match (explains, known) {
            (true, _) => match &why.signed {
                Some(signed) => format!(
                    "{}: expected the HMAC SHA256 hex digest of {}",
                    why.cause,
                    shown(signed)
                ),
                None => why.cause.clone(),
            },
            (false, _) if !refused.hides_cause => why.cause.clone(),
            (false, Some(known)) => known.says.to_owned(),
            (false, None) => UNSAID.to_owned(),
        };
        let fix = explains.then(|| why.fix.or(known.map(|known| known.fix))).flatten();
        let code = match known {
            Some(known) if refused.hides_cause && !explains => known.general,
            _ => refused.code,
        };
        Told { code, message, fix, id }
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
