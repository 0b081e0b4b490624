//! Event streams in the OpenAPI document.

use crate::{
    domain::refusal::RefusalCode::*,
    web::openapi::{ApiGroup, ApiOperation, Document, text},
};

pub fn describe(document: &mut Document) {
    let path = ("get", "/app/{key}/sse");
    document.add(
        ApiOperation::new(ApiGroup::Client, path, "client_stream", "Open an event stream")
            .query("channels", "Names, joined by commas; or a ticket.", text())
            .query("ticket", "A ticket of POST /app/{key}/tickets.", text())
            .query("last_event_id", "Where an earlier stream ended.", text())
            .header("Last-Event-ID", "As the browser sends it.")
            .other_answer(200, "The stream, for as long as it lives.", Some("text/event-stream"))
            .refuses(&[InvalidChannel, InvalidChannels, SealingAlias, ReservedChannel])
            .refuses(&[TicketUnknown, TicketSpent, TicketOrigin, TicketEnded])
            .refuses(&[TooManyRecoverable, TooManyChannels, ChannelFull, UpgradeRequired])
            .refuses(&[ShuttingDown, InvalidMember]),
    );
}
