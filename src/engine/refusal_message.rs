//! Refusals: the message to the client, and the cause for the log.

use std::cell::LazyCell;

use super::{
    AppRuntime, Engine,
    facts::{Fact, RefusedContext},
};
use crate::{
    app::App,
    domain::{ids::SocketId, refusal::RefusalCode},
    observe::explain::{
        AnswerReport, AppKnowledge, RefusalId, RefusalLine, Subject, Verdict, explain,
    },
    protocol::signed::AuthError,
};

/// Larger data is not searched for signing mistakes: each refusal hashes some twenty variants of
/// it. `sealcast auth explain` has no such limit.
const MAX_EXPLAINED_BYTES: usize = 4096;

/// The public facts of a refusal.
pub struct RefusedRequest<'a> {
    pub code: RefusalCode,
    pub channel: Option<&'a str>,
    pub socket: Option<SocketId>,
}

/// The cause of a refusal. It goes to the log; to the client only with `explain`.
pub struct RefusalCause {
    pub cause: String,
    /// A more precise fix than the code's own.
    pub fix: Option<&'static str>,
    /// The text to sign. Never logged: its data identifies a user.
    pub signed: Option<String>,
}

impl RefusalCause {
    pub fn of(cause: impl ToString) -> Self {
        Self { cause: cause.to_string(), fix: None, signed: None }
    }
}

/// The message to the refused client.
pub struct RefusalMessage {
    pub code: RefusalCode,
    pub message: String,
    pub fix: Option<&'static str>,
    pub id: Option<RefusalId>,
}

impl RefusalMessage {
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
        refused: &RefusedRequest<'_>,
        why: impl FnOnce() -> RefusalCause,
    ) -> RefusalMessage {
        let why = LazyCell::new(why);
        let line = RefusalLine {
            code: refused.code,
            app: app.map_or("", |app| &app.id),
            channel: refused.channel,
            socket: refused.socket,
        };
        let id = self.refusals.note(&line, || why.cause.clone());
        let context = RefusedContext {
            code: refused.code,
            app: app.map(|app| &*app.id),
            channel: refused.channel,
            socket: refused.socket,
        };
        self.note(Fact::Refused(context, id));
        let explains = match app {
            Some(app) => app.explains,
            None => self.runtimes().iter().all(|runtime| runtime.app().explains),
        };
        if !explains {
            let message = match refused.code.hides_cause() {
                true => refused.code.text().to_owned(),
                false => why.cause.clone(),
            };
            return RefusalMessage { code: refused.code.general(), message, fix: None, id };
        }
        let message = match &why.signed {
            Some(signed) => {
                format!(
                    "{}: expected the HMAC SHA256 hex digest of {}",
                    why.cause,
                    truncated(signed)
                )
            }
            None => why.cause.clone(),
        };
        let fix = why.fix.unwrap_or(refused.code.fix());
        RefusalMessage { code: refused.code, message, fix: Some(fix), id }
    }

    /// The cause of a refused signature.
    pub fn signature_cause(
        &self,
        runtime: &AppRuntime,
        reason: &AuthError,
        auth: &str,
        socket: SocketId,
        subject: &Subject<'_>,
    ) -> RefusalCause {
        if subject.data().is_some_and(|data| data.len() > MAX_EXPLAINED_BYTES) {
            return RefusalCause::of(reason);
        }
        let signed = subject.accepted(socket).into_iter().next();
        match self.explain(runtime, auth, socket, subject, &[]) {
            Verdict::Wrong(cause) => {
                RefusalCause { cause: format!("{reason}: {cause}"), fix: Some(cause.fix()), signed }
            }
            Verdict::Correct => RefusalCause { signed, ..RefusalCause::of(reason) },
        }
    }

    pub fn explain(
        &self,
        runtime: &AppRuntime,
        auth: &str,
        socket: SocketId,
        subject: &Subject<'_>,
        others: &[SocketId],
    ) -> Verdict {
        self.knowing(runtime, |known| explain(known, auth, socket, subject, others))
    }

    /// Judges the whole answer of an auth endpoint.
    pub fn explain_answer(
        &self,
        runtime: &AppRuntime,
        answer: &str,
        socket: SocketId,
        channel: &str,
    ) -> AnswerReport {
        self.knowing(runtime, |known| AnswerReport::new(known, answer, socket, channel))
    }

    fn knowing<T>(&self, runtime: &AppRuntime, judge: impl FnOnce(&AppKnowledge<'_>) -> T) -> T {
        let app = runtime.app();
        judge(&AppKnowledge {
            key: &app.key,
            secret: &app.secret,
            near: &app.near_secrets,
            is_other_app: &|key| self.runtimes().by_key(key).is_some(),
        })
    }
}

/// Client input is echoed, but bounded.
fn truncated(text: &str) -> String {
    const CHARS: usize = 1000;
    text.chars().take(CHARS).collect()
}
