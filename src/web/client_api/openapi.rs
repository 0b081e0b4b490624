//! The client API in the OpenAPI document.

use serde_json::json;

use super::{
    encryption_settings::EncryptionSettings,
    events::{EventRequest, EventResponse},
    tickets::{TicketRequest, TicketResponse},
};
use crate::{
    domain::refusal::RefusalCode::*,
    web::{
        channel_log::page::{EventAnswer, HistoryAnswer},
        openapi::{ApiGroup, ApiOperation, Document, history_parameters},
    },
};

fn operation(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
) -> ApiOperation {
    let operation = ApiOperation::new(ApiGroup::Client, (method, path), id, summary);
    operation.refuses(&[InvalidChannel, SealingAlias])
}

pub fn describe(document: &mut Document) {
    let path = "/app/{key}/channels/{channel}/history";
    let event = json!({"name": "e", "data": "1", "position": "AAAA", "time": 1796071109000_u64});
    document.add(
        history_parameters(operation(
            "get",
            path,
            "client_read_history",
            "Read a page of a channel's history",
        ))
        .answer::<HistoryAnswer>(
            200,
            "A page.",
            json!({"events": [event], "more": false, "gap": null, "position": "AAAA"}),
        )
        .refuses(&[NoHistory, InvalidPage, HistoryUnavailable]),
    );
    document.add(
        operation("delete", path, "client_clear_history", "Forget all events of a channel")
            .other_answer(204, "The history is empty.", None)
            .refuses(&[NoHistory, HistoryUnavailable, ClusterBacklog]),
    );
    document.add(
        operation(
            "get",
            "/app/{key}/channels/{channel}/last",
            "client_read_last",
            "Read the last event of a channel",
        )
        .header("If-None-Match", "The entity tag of an earlier answer.")
        .answer::<EventAnswer<'_>>(200, "The event. ETag has its position.", event)
        .other_answer(204, "There is no event.", None)
        .other_answer(304, "It is the event of the entity tag.", None)
        .refuses(&[NoHistory, HistoryUnavailable, DuplicateHeader]),
    );
    document.add(
        operation(
            "get",
            "/app/{key}/channels/{channel}/encryption-settings",
            "client_encryption_settings",
            "Read the parameters to make a key from a passphrase",
        )
        .answer::<EncryptionSettings>(
            200,
            "The parameters.",
            json!({"salt": "mQ0k...", "kdf": "PBKDF2", "hash": "SHA-256", "iterations": 600000, "version": 1}),
        ),
    );
    document.add(
        operation("post", "/app/{key}/events", "client_publish", "Publish an event as a page")
            .body::<EventRequest<'_>>(
                json!({"name": "client-moved", "channel": "private-room-7", "data": "{}"}),
            )
            .header("If-Match", "The position of the channel's newest event.")
            .header("If-None-Match", "*: only if the channel has no event.")
            .answer::<EventResponse>(200, "Published.", json!({"position": null}))
            .refuses(&[UnsupportedMediaType, InvalidEventName, InvalidData, InvalidSocketId])
            .refuses(&[UnknownSocket, EventTooLarge, PlaintextRefused, EnvelopeDoesNotOpen])
            .refuses(&[PlaintextOnEncryptedChannel, ReservedChannel, InvalidCondition])
            .refuses(&[PositionChanged, NotLogged, HistoryUnavailable, ClusterBacklog])
            .refuses(&[TooManyEvents, NoRandomness]),
    );
    document.add(
        operation(
            "post",
            "/app/{key}/tickets",
            "client_ticket",
            "Get a ticket for an event stream",
        )
        .body::<TicketRequest>(json!({"channels": ["private-room-7"]}))
        .answer::<TicketResponse<'_>>(
            200,
            "A ticket.",
            json!({"ticket": "8Yw2...", "expires": 1796071169}),
        )
        .refuses(&[UnsupportedMediaType, InvalidChannels, ReservedChannel])
        .refuses(&[TooManyRecoverable, TooManyTickets, NoRandomness, TicketEnded]),
    );
}
