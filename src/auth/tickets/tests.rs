use std::time::Duration;

use super::*;
use crate::{auth::Abilities, platform::clock::KnownAsOf};

fn content(page: Option<&str>) -> TicketContent {
    let channel = Channel::parse("private-a", 200).unwrap();
    let grant = Grant { expires: Some(100), user_id: Some("u1".into()), ..Grant::PUBLIC };
    assert_eq!((grant.abilities, grant.as_of), (Abilities::SUBSCRIBE, KnownAsOf::NEVER));
    TicketContent { channels: vec![(channel, grant)], page: page.map(str::to_owned) }
}

struct Issued {
    tickets: Arc<Tickets>,
    ticket: String,
    now: Instant,
}

impl Issued {
    fn new() -> Self {
        let (tickets, now) = (Arc::new(Tickets::default()), Instant::now());
        let ticket = tickets.issue("u1", content(None), now, |_| ()).unwrap().to_string();
        Self { tickets, ticket, now }
    }

    fn open(&self, ticket: &str, id: Option<&str>) -> Result<OpenedTicket, TicketRefusal> {
        self.tickets.open(&ShownTicket::read(ticket, id)?, self.now, |_| Ok(()))
    }
}

fn refusal(opened: Result<OpenedTicket, TicketRefusal>) -> Option<TicketRefusal> {
    opened.err()
}

#[test]
fn forged_and_altered_tickets_are_unknown() {
    let issued = Issued::new();
    assert_eq!(issued.ticket.len(), 43);
    let other = Issued::new();
    for ticket in [
        String::new(),
        "a".repeat(43),
        "a".repeat(100_000),
        format!("{}=", issued.ticket),
        format!("{} ", issued.ticket),
        issued.ticket[1..].to_owned(),
        issued.ticket.to_ascii_lowercase(),
        other.ticket,
    ] {
        assert_eq!(refusal(issued.open(&ticket, None)), Some(TicketRefusal::Unknown), "{ticket}");
    }
    assert!(issued.open(&issued.ticket, None).is_ok());
}

#[test]
fn ids_of_the_ticket_alone_reopen_it() {
    let (issued, other) = (Issued::new(), Issued::new());
    let opened = issued.open(&issued.ticket, None).unwrap();
    assert_eq!(opened.position, None);
    opened.stream.lived(issued.now);
    let own = opened.stream.id_of("AQ3x");
    let foreign = other.open(&other.ticket, None).unwrap().stream.id_of("AQ3x");
    for id in [None, Some("AQ3x"), Some(&*foreign), Some("AQ3y.AAAAAAAAAAA"), Some("")] {
        let opened = issued.open(&issued.ticket, id);
        assert_eq!(refusal(opened), Some(TicketRefusal::Spent), "{id:?}");
    }
    let again = issued.open(&issued.ticket, Some(&own)).unwrap();
    assert_eq!(again.position.as_deref(), Some("AQ3x"));
    let resumed = other.open(&other.ticket, Some(&own)).unwrap();
    assert_eq!(resumed.position.as_deref(), Some("AQ3x"), "an unspent one opens by itself");
}

#[test]
fn refused_ticket_leaves_its_streams_alone() {
    let issued = Issued::new();
    let opened = issued.open(&issued.ticket, None).unwrap();
    let socket = "5.6".parse().unwrap();
    assert_eq!(opened.stream.started(socket), Some(Started::Newest { former: None }));
    let shown = ShownTicket::read(&issued.ticket, None).unwrap();
    let refused = issued.tickets.open(&shown, issued.now, |content| {
        assert_eq!(content.expires(), Some(100));
        Err(TicketRefusal::Page)
    });
    assert_eq!(refusal(refused), Some(TicketRefusal::Page));
    let next = issued.open(&issued.ticket, None).unwrap();
    assert_eq!(
        next.stream.started("7.8".parse().unwrap()),
        Some(Started::Newest { former: Some(socket) })
    );
}

#[test]
fn dropped_streams_end_their_ticket_later() {
    let issued = Issued::new();
    drop(issued.open(&issued.ticket, None).unwrap());
    assert_eq!(issued.tickets.len(), 1);
    let later = Instant::now() + Duration::from_secs(601);
    issued.tickets.issue("u2", content(None), later, |_| ()).unwrap();
    assert_eq!(issued.tickets.len(), 1, "the other one's");
}
