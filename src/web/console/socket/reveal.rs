//! A watch of payloads: one channel pattern, for minutes, with a reason in the audit log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    frames,
    request::{RequestId, RevealWish},
};
use crate::{
    domain::{pattern::Pattern, refusal::RefusalCode, time::UnixSeconds},
    engine::{AppRuntime, Engine, facts::Fact, reveal::RevealGuard},
    observe::audit::{AuditFact, RevealScope},
    platform::clock::unix_now,
    web::{context::worker::Worker, http::error::ApiError, settings::console::RevealPolicy},
};

const MAX_MINUTES: u64 = 10;
const MAX_REASON_CHARACTERS: usize = 200;
const MAX_PATTERN_BYTES: usize = 200;

/// Its end is in the audit log, however it comes.
pub struct RevealWatch {
    pub id: RequestId,
    pub until: UnixSeconds,
    engine: Arc<Engine>,
    guard: RevealGuard,
    scope: RevealScope,
    end: &'static str,
}

impl RevealWatch {
    /// The fact is noted before the first event can arrive.
    pub fn begin(
        worker: &Worker,
        by: Arc<str>,
        id: RequestId,
        wish: &RevealWish,
    ) -> Result<Self, ApiError> {
        if worker.settings().console.reveal == RevealPolicy::Never {
            return Err(refused("Payloads are not shown: set console_reveal = \"ask\""));
        }
        let reason = checked_reason(wish)?;
        let engine = &worker.engine;
        let runtime = engine.runtimes().by_id(&wish.app).cloned();
        let runtime = runtime.ok_or_else(|| ApiError::unknown_app(&wish.app))?;
        refuse_blind(&runtime, &wish.channel)?;
        let length = Duration::from_secs(60 * wish.minutes);
        let until = unix_now() + length.as_secs();
        let channel: Arc<str> = wish.channel.as_str().into();
        let scope = RevealScope { by, app: runtime.id.clone(), channel };
        if !engine.note_first(AuditFact::RevealBegun { scope: scope.clone(), until, reason }) {
            return Err(refused("The audit log has no room for the reason now: try again"));
        }
        let channels = Pattern::new(wish.channel.as_str());
        let guard = engine.reveals.begin(runtime.id.clone(), channels, Instant::now() + length);
        let Some(guard) = guard else {
            engine.note(Fact::Audited(AuditFact::RevealEnded { scope, reason: "refused" }));
            return Err(refused("There are eight reveals already, which is the limit"));
        };
        Ok(Self { id, until, engine: engine.clone(), guard, scope, end: "left" })
    }

    /// The events since the last call.
    pub fn frame(&self) -> Option<String> {
        let events = self.guard.take();
        (!events.is_empty()).then(|| frames::revealed(self.id, &events))
    }

    /// The reason, if it has to end now.
    pub fn is_over(&self, worker: &Worker, now: Instant) -> Option<&'static str> {
        if worker.settings().console.reveal == RevealPolicy::Never {
            return Some("settings");
        }
        self.guard.is_over(now).then_some("time")
    }

    /// Returns the frame that says so.
    pub fn end(mut self, reason: &'static str) -> String {
        self.end = reason;
        frames::ended(self.id, reason)
    }
}

impl Drop for RevealWatch {
    fn drop(&mut self) {
        let scope = self.scope.clone();
        self.engine.note(Fact::Audited(AuditFact::RevealEnded { scope, reason: self.end }));
    }
}

fn checked_reason(wish: &RevealWish) -> Result<String, ApiError> {
    let invalid = |message| Err(ApiError::new(RefusalCode::InvalidReveal, message));
    let reason = wish.reason.trim();
    if !(1..=MAX_MINUTES).contains(&wish.minutes) {
        return invalid("minutes must be from 1 to 10");
    }
    if wish.channel.is_empty() || wish.channel.len() > MAX_PATTERN_BYTES {
        return invalid("channel must be the name of a channel, or a pattern with *");
    }
    let is_long = reason.chars().count() > MAX_REASON_CHARACTERS;
    if is_long || !reason.chars().any(char::is_alphanumeric) {
        return invalid("reason must say in words why payloads are shown, in 200 characters");
    }
    Ok(reason.to_owned())
}

/// A name without a star names one channel, and this server may have no key of it.
fn refuse_blind(runtime: &AppRuntime, channel: &str) -> Result<(), ApiError> {
    if channel.contains('*') {
        return Ok(());
    }
    let app = runtime.app();
    let channel = app.channel(channel)?;
    if channel.kind().is_encrypted() && app.ring(&channel).is_none() {
        let message = format!(
            "{channel} is encrypted by the app's own backend, and this server has no key of it: it cannot be shown"
        );
        return Err(ApiError::new(RefusalCode::RevealOnBlindChannel, message));
    }
    Ok(())
}

fn refused(message: &str) -> ApiError {
    ApiError::new(RefusalCode::RevealRefused, message)
}
