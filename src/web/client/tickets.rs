//! Opening a ticket: what it was made for has to hold still.

use std::time::Instant;

use actix_web::{HttpRequest, http::header::HeaderName};

use super::Client;
use crate::{
    auth::tickets::{OpenedTicket, TicketContent, TicketError, TicketRefusal},
    domain::refusal::RefusalCode,
    platform::clock::unix_now,
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
    pub fn open_ticket(&self, request: &HttpRequest) -> Result<Option<OpenedTicket>, ApiError> {
        let Some(ticket) = self.query_once("ticket")? else { return Ok(None) };
        let last_event_id = last_event_id(request)?;
        let check = |content: &TicketContent| self.check_ticket(content);
        let opened = self.runtime.tickets.open(ticket, last_event_id, Instant::now(), check)?;
        Ok(Some(opened))
    }

    fn check_ticket(&self, content: &TicketContent) -> Result<(), TicketRefusal> {
        let page = self.page().origin();
        let is_its_page = match (&content.page, &page) {
            (None, None) => true,
            (Some(made_for), Some(page)) => made_for.eq_ignore_ascii_case(page),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_its_page {
            return Err(TicketRefusal::Page);
        }
        if content.expires().is_some_and(|expires| expires <= unix_now()) {
            return Err(TicketRefusal::Ended);
        }
        let holds = |(channel, grant)| self.refuse_revoked(channel, grant).is_ok();
        let all_hold = content.channels.iter().all(|(channel, grant)| holds((channel, grant)));
        if all_hold { Ok(()) } else { Err(TicketRefusal::Revoked) }
    }
}

impl From<TicketRefusal> for ApiError {
    fn from(refusal: TicketRefusal) -> Self {
        let code = match refusal {
            TicketRefusal::Unknown => RefusalCode::TicketUnknown,
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
