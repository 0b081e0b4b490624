//! Answers what other nodes ask.

use std::{sync::Weak, time::Instant};

use bytes::Bytes;

use super::{granting, ticket_contents};
use crate::{
    cluster::content::{NodeRequest, ReplyContent, RequestContent, RequestRefusal},
    domain::{channel::Channel, ids::SocketId},
    engine::{AppRuntime, Engine, grants::GrantError, keys::key_counts::KeyCounts},
    hub::mailbox::{FoundReader, KeyRequestError, WorkerCommand},
};

/// `None` if the request is for another node, or cannot be carried out.
pub(super) async fn answer(engine: Weak<Engine>, request: Bytes) -> Option<Bytes> {
    let body = request.clone();
    let RequestContent { app, request } = RequestContent::parse(&request).ok()?;
    let engine = engine.upgrade()?;
    match request {
        NodeRequest::DescribeNode => {
            return Some(engine.description());
        }
        NodeRequest::DrainNode => {
            engine.drain_for_node();
            return Some(reply(ReplyContent::Done));
        }
        _ => {}
    }
    let runtime = engine.runtimes().by_id(app).cloned();
    let Some(runtime) = runtime else {
        // There is nothing that could be revoked here, and no key.
        return matches!(request, NodeRequest::Revoke(_) | NodeRequest::TakeTable(_))
            .then(|| reply(ReplyContent::Done));
    };
    match request {
        NodeRequest::FindSocket { socket } => {
            let found = engine.check_connection_here(&runtime, socket).await;
            answered(found, |()| reply(ReplyContent::Done))
        }
        NodeRequest::Grant(grant) => {
            let channel = channel(&runtime, grant.channel)?;
            let asked = granting::asked(&channel, &grant.terms);
            let granted = engine.resolve_here(&runtime, grant.socket, &asked).await;
            answered(granted, |granted| {
                let (user, is_held) = (granted.user.as_deref(), granted.held_topic.is_some());
                reply(ReplyContent::Granted { version: granted.version, is_held, user })
            })
        }
        NodeRequest::FindReader { socket, channel: name } => {
            let channel = channel(&runtime, name)?;
            let found = engine.find_reader_here(&runtime, socket, &channel).await;
            answered(found, |FoundReader { version, user }| {
                reply(ReplyContent::Reader { version, user: user.as_deref() })
            })
        }
        NodeRequest::AuthAnswered { socket, channel } => {
            engine.auth_answered(&runtime, socket, channel);
            None
        }
        NodeRequest::Revoke(revocation) => {
            engine.take_revocation(&runtime, &revocation)?;
            let write = move || engine.write_tokens(&runtime);
            let written = tokio::task::spawn_blocking(write).await;
            // Until it is written, it holds until a restart.
            matches!(written, Ok(Ok(()))).then(|| reply(ReplyContent::Done))
        }
        NodeRequest::TakeTable(_) => {
            let take = move || take_table(&engine, &runtime, &body);
            let taken = tokio::task::spawn_blocking(take).await;
            matches!(taken, Ok(Some(()))).then(|| reply(ReplyContent::Done))
        }
        // The thread of the node reads it. What names no app is answered above.
        NodeRequest::ReadTable | NodeRequest::DescribeNode | NodeRequest::DrainNode => None,
        NodeRequest::CountKeys => {
            let counted = tokio::task::spawn_blocking(move || runtime.key_counts()).await;
            let KeyCounts { behind, by_key, moves } = counted.ok()?;
            let (counts, moves) = (by_key.into_iter().collect(), moves.to_array());
            Some(reply(ReplyContent::KeyCounts { behind, moves, counts }))
        }
        NodeRequest::OpenTicket(opening) => engine.open_ticket_for_node(&runtime, &opening),
        NodeRequest::TicketStarted { stream, socket } => {
            engine.ticket_started(&runtime, stream, socket)
        }
        NodeRequest::TicketLived(stream) => {
            runtime.tickets.lived(&stream.ticket, Instant::now());
            None
        }
        NodeRequest::TicketClosed(stream) => {
            runtime.tickets.closed(ticket_contents::stream_id(stream), Instant::now());
            None
        }
        NodeRequest::ReplaceStream { socket } => {
            engine.hub.post_to(socket, WorkerCommand::ReplaceStream { socket });
            None
        }
    }
}

/// The change is parsed again, on a thread that may wait.
fn take_table(engine: &Engine, runtime: &AppRuntime, request: &[u8]) -> Option<()> {
    match RequestContent::parse(request).ok()?.request {
        NodeRequest::TakeTable(change) => engine.take_changed_table(runtime, &change),
        _ => None,
    }
}

fn channel(runtime: &AppRuntime, name: &str) -> Option<Channel> {
    runtime.app().channel(name).ok()
}

fn reply(content: ReplyContent<'_>) -> Bytes {
    content.to_bytes().into()
}

/// A connection that is not here may be that of another node with the same slot.
fn answered<T>(result: Result<T, GrantError>, reply_of: impl FnOnce(T) -> Bytes) -> Option<Bytes> {
    let refused = match result {
        Ok(value) => return Some(reply_of(value)),
        Err(GrantError::Connection(KeyRequestError::UnknownSocket)) => return None,
        Err(GrantError::Connection(KeyRequestError::TooMany)) => RequestRefusal::TooMany,
        Err(GrantError::Connection(KeyRequestError::TokenRevoked)) => RequestRefusal::TokenRevoked,
        Err(GrantError::Connection(KeyRequestError::Revoked)) => RequestRefusal::Revoked,
        Err(GrantError::Replaced | GrantError::Busy | GrantError::CutOff) => RequestRefusal::Busy,
    };
    Some(reply(ReplyContent::Refused(refused)))
}

impl Engine {
    /// The answer to an authorization on another node has been built.
    fn auth_answered(&self, runtime: &AppRuntime, socket: SocketId, channel: &str) {
        if let Some(record) = runtime.directory.find(channel) {
            let topic = record.topic();
            self.hub.post_to(socket, WorkerCommand::AuthAnswered { socket, topic });
        }
    }
}
