//! What the authorization endpoints decided, for the audit log.

use std::{collections::HashMap, sync::Arc};

use super::error::ApiError;
use crate::{
    app::App,
    audit::{Asked, Audit, Fact},
    explain::RefusalId,
    refusal::RefusalCode,
};

/// An answer that lets somebody in.
pub trait Answer: serde::Serialize {
    /// To a channel, or to be a user.
    const FOR_CHANNEL: bool;

    /// As whom, where that was asked.
    fn user(&self) -> Option<Arc<str>>;

    /// The rule that decided, as it is written.
    fn rule(&self) -> Option<Arc<str>> {
        None
    }
}

/// `fields`: what the client sent.
pub fn note_answer<G: Answer>(
    audit: &Audit,
    app: &App,
    fields: &HashMap<String, String>,
    answer: &Result<G, ApiError>,
    refusal: Option<RefusalId>,
) {
    if !audit.is_on() {
        return;
    }
    let channel = fields
        .get("channel_name")
        .filter(|_| G::FOR_CHANNEL)
        .and_then(|name| app.channel(name).ok());
    let asked = Asked {
        channel,
        user: answer.as_ref().ok().and_then(Answer::user),
        socket_id: fields.get("socket_id").and_then(|id| id.parse().ok()),
    };
    let (app, by) = (app.id.clone(), app.authorizer.name());
    audit.note(match answer {
        Ok(granted) => Fact::AuthGranted { app, asked, by, rule: granted.rule() },
        Err(error) => match error.code() {
            code @ RefusalCode::UnknownSocket => {
                Fact::AuthRefusedSocket { app, asked, reason: code.name(), refusal }
            }
            code => {
                let (status, code) = (code.status(), code.name());
                Fact::AuthDenied { app, asked, by, status, code, refusal }
            }
        },
    });
}
