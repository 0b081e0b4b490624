//! Opening a ticket.

use actix_web::{HttpRequest, http::header::HeaderName};

use super::Client;
use crate::{
    auth::tickets::{OpenedTicket, ShownTicket, TicketError, TicketRefusal},
    domain::refusal::RefusalCode,
    web::http::{error::ApiError, headers::single},
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The `id` that a browser shows when it returns.
pub fn last_event_id(request: &HttpRequest) -> Result<Option<&str>, ApiError> {
    let headers = request.headers();
    if headers.get(LAST_EVENT_ID).is_some_and(|id| id.to_str().is_err()) {
        // No text, so an unknown position, and not the absence of one.
        return Ok(Some("?"));
    }
    Ok(single(headers, LAST_EVENT_ID)?.filter(|id| !id.is_empty()))
}

impl Client {
    /// Opens the ticket in the query. `None` if there is none. Its grants take the place of a
    /// decision.
    pub async fn open_ticket(
        &self,
        request: &HttpRequest,
    ) -> Result<Option<OpenedTicket>, ApiError> {
        let Some(ticket) = self.query_once("ticket")? else { return Ok(None) };
        let shown = ShownTicket::read(ticket, last_event_id(request)?)?;
        let page = self.page().origin();
        let opened = self.engine().open_ticket(&self.runtime, &shown, page.as_deref()).await?;
        Ok(Some(opened))
    }
}

impl From<TicketRefusal> for ApiError {
    fn from(refusal: TicketRefusal) -> Self {
        let code = match refusal {
            TicketRefusal::Unknown | TicketRefusal::NoAnswer => RefusalCode::TicketUnknown,
            TicketRefusal::Spent => RefusalCode::TicketSpent,
            TicketRefusal::Page => RefusalCode::TicketOrigin,
            TicketRefusal::Ended | TicketRefusal::Revoked => RefusalCode::TicketEnded,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<TicketError> for ApiError {
    fn from(error: TicketError) -> Self {
        let code = match error {
            TicketError::Full => RefusalCode::TooManyTickets,
            TicketError::NoRandomness => RefusalCode::NoRandomness,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_tickets_have_codes_that_ask_for_another() {
        for (refusal, code) in [
            (TicketRefusal::Unknown, "ticket_unknown"),
            (TicketRefusal::NoAnswer, "ticket_unknown"),
            (TicketRefusal::Spent, "ticket_spent"),
            (TicketRefusal::Page, "ticket_origin"),
            (TicketRefusal::Ended, "ticket_ended"),
            (TicketRefusal::Revoked, "ticket_ended"),
        ] {
            let error = ApiError::from(refusal);
            assert_eq!((error.code().name(), error.code().status()), (code, 401));
        }
        assert_eq!(ApiError::from(TicketError::Full).code().name(), "too_many_tickets");
    }
}
