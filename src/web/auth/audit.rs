//! The decisions of the auth endpoints, for the audit log.

use std::{collections::HashMap, sync::Arc};

use crate::{
    app::App,
    domain::refusal::RefusalCode,
    engine::{Engine, facts::Fact},
    observe::{
        audit::{AuditFact, AuthRequestFields},
        explain::RefusalId,
    },
    web::http::error::ApiError,
};

/// A response that grants an authorization.
pub trait AuthResponse: serde::Serialize {
    /// True for a channel, false for a sign-in.
    const FOR_CHANNEL: bool;

    /// The user of the authorization, if there is one.
    fn user(&self) -> Option<Arc<str>>;

    /// The pattern of the rule that decided.
    fn rule(&self) -> Option<Arc<str>> {
        None
    }
}

/// `fields`: the parameters sent by the client.
pub fn record_auth<G: AuthResponse>(
    engine: &Engine,
    app: &App,
    fields: &HashMap<String, String>,
    answer: &Result<G, ApiError>,
    refusal: Option<RefusalId>,
) {
    let channel = fields
        .get("channel_name")
        .filter(|_| G::FOR_CHANNEL)
        .and_then(|name| app.channel(name).ok());
    let asked = AuthRequestFields {
        channel,
        user: answer.as_ref().ok().and_then(AuthResponse::user),
        socket_id: fields.get("socket_id").and_then(|id| id.parse().ok()),
    };
    let (app, by) = (app.id.clone(), app.authorizer.name());
    engine.note(Fact::Audited(match answer {
        Ok(granted) => AuditFact::AuthGranted { app, asked, by, rule: granted.rule() },
        Err(error) => match error.code() {
            code @ RefusalCode::UnknownSocket => {
                AuditFact::AuthRefusedSocket { app, asked, reason: code.name(), refusal }
            }
            code => {
                let (status, code) = (code.status(), code.name());
                AuditFact::AuthDenied { app, asked, by, status, code, refusal }
            }
        },
    }));
}
