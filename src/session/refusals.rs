//! Answers to refused subscriptions, and to those that the server ends.

use super::{Session, SessionContext};
use crate::{
    channels::members::LeaveMode,
    domain::refusal::RefusalCode,
    engine::{
        facts::Fact,
        refusal_message::{RefusalCause, RefusedRequest},
        subscribe::SubscribeError,
    },
    hub::authorization_cache::EndReason,
    observe::explain::Subject,
    protocol::{
        client::Subscribe,
        code::ErrorCode,
        message::{Message, SubscriptionError},
    },
};

impl Session {
    /// Sends two frames. pusher-js reports the first on the channel, by the name as sent; the
    /// second is the one the Pusher service sends (protocol.md 2.4). `request` explains a wrong
    /// signature.
    pub(super) fn refuse(
        &self,
        channel: &str,
        request: Option<&Subscribe>,
        refusal: &SubscribeError,
    ) {
        let SessionContext { engine, runtime, id, .. } = &self.context;
        let refused =
            RefusedRequest { code: refusal.code(), channel: Some(channel), socket: Some(*id) };
        let reply = engine.refuse(Some(&runtime.app()), &refused, || match refusal {
            SubscribeError::Auth(reason) => {
                let auth = request.and_then(|request| request.auth.as_deref()).unwrap_or_default();
                let data = request.and_then(|request| request.channel_data.as_deref());
                engine.signature_cause(
                    runtime,
                    reason,
                    auth,
                    *id,
                    &Subject::Channel { name: channel, data },
                )
            }
            _ => RefusalCause::of(refusal),
        });
        engine.note(Fact::SubscriptionRefused(runtime, refusal.code()));
        let message = reply.sentence();
        let error = SubscriptionError {
            r#type: refusal.kind(),
            error: &message,
            status: refusal.code().status(),
            code: reply.code.name(),
            fix: reply.fix,
            id: reply.id.map(|id| id.to_string()),
        };
        self.answer(&Message::subscription_error(channel, &error));
        self.error(ErrorCode::None, &message);
    }

    /// Ends the subscription and tells the client how to get another.
    pub(super) fn end(&mut self, channel: &str, why: EndReason) {
        if let Some(subscription) = self.subscriptions.remove(channel) {
            // An expired authorization is no departure: the client may renew it at once.
            let leaving = match why {
                EndReason::Expired => LeaveMode::MayReturn,
                EndReason::Removed | EndReason::TokenRevoked | EndReason::BecameAlias => {
                    LeaveMode::Final
                }
            };
            self.leave(&subscription, leaving);
            // Another reload may have turned the alias off again.
            let alias = self.context.runtime.app().channel(channel).err();
            let alias = alias.map(|error| error.to_string());
            let alias = alias.as_deref().unwrap_or(RefusalCode::SealingAlias.text());
            let (kind, code, message) = match why {
                EndReason::BecameAlias => ("InvalidChannel", RefusalCode::SealingAlias, alias),
                EndReason::Removed => {
                    ("Revoked", RefusalCode::Revoked, "You have been removed from this channel")
                }
                EndReason::Expired => (
                    "AuthExpired",
                    RefusalCode::AuthorizationExpired,
                    "The authorization has expired: subscribe again",
                ),
                EndReason::TokenRevoked => {
                    ("AuthRevoked", RefusalCode::TokenRevoked, "The access token has been revoked")
                }
            };
            let error = SubscriptionError {
                r#type: kind,
                error: message,
                status: code.status(),
                code: code.name(),
                fix: None,
                id: None,
            };
            self.answer(&Message::subscription_error(channel, &error));
            self.end_stream();
        }
    }
}
