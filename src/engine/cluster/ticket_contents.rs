//! Tickets on their way to the node of the stream.

use super::granting::{token, written_token};
use crate::{
    app::App,
    auth::{
        Abilities, Grant, UserIdentity,
        tickets::{TicketContent, TicketRefusal, TicketStreamId},
    },
    cluster::content::{
        GrantTerms, ReplyContent, TicketChannel, TicketMember, TicketRejection, TicketReply,
        TicketStreamContent,
    },
    domain::channel::Channel,
};

pub(super) fn stream(TicketStreamId { ticket, number }: TicketStreamId) -> TicketStreamContent {
    TicketStreamContent { ticket, number }
}

pub(super) fn stream_id(
    TicketStreamContent { ticket, number }: TicketStreamContent,
) -> TicketStreamId {
    TicketStreamId { ticket, number }
}

pub(super) fn reply(number: u64, content: &TicketContent) -> Vec<u8> {
    let info = |(_, grant): &(Channel, Grant)| {
        let info = grant.member.as_ref().and_then(|member| member.user_info.as_ref());
        info.map(ToString::to_string)
    };
    let infos: Vec<_> = content.channels.iter().map(info).collect();
    let channels = content.channels.iter().zip(&infos);
    let channels =
        channels.map(|((channel, grant), info)| written(channel, grant, info.as_deref()));
    let page = content.page.as_deref();
    ReplyContent::Ticket(TicketReply { number, page, channels: channels.collect() }).to_bytes()
}

fn written<'a>(channel: &'a Channel, grant: &'a Grant, info: Option<&'a str>) -> TicketChannel<'a> {
    let terms = GrantTerms {
        user: grant.user_id.as_deref(),
        as_of: grant.as_of,
        expires: grant.expires,
        abilities: grant.abilities.bits(),
        token: grant.token.as_ref().map(written_token),
    };
    let member = grant.member.as_ref();
    let member = member.map(|member| TicketMember { user: &member.user_id, info });
    TicketChannel { channel: channel.name(), member, terms }
}

/// `None` if this node's settings do not know one of its channels, or nobody can have written it.
pub(super) fn content(app: &App, reply: &TicketReply<'_>) -> Option<TicketContent> {
    let channels = reply.channels.iter().map(|written| {
        let channel = app.channel(written.channel).ok()?;
        grant(written).map(|grant| (channel, grant))
    });
    let channels = channels.collect::<Option<_>>()?;
    Some(TicketContent { channels, page: reply.page.map(str::to_owned) })
}

fn grant(written: &TicketChannel<'_>) -> Option<Grant> {
    let member = match &written.member {
        None => None,
        Some(TicketMember { user, info }) => Some(UserIdentity {
            user_id: (*user).to_owned(),
            user_info: info.map(serde_json::from_str).transpose().ok()?,
            watchlist: Vec::new(),
        }),
    };
    let GrantTerms { user, as_of, expires, abilities, token: from } = &written.terms;
    Some(Grant {
        member,
        user_id: user.map(str::to_owned),
        as_of: *as_of,
        expires: *expires,
        abilities: Abilities::from_bits(*abilities),
        token: from.as_ref().map(token),
        rule: None,
    })
}

/// `None`: another node may have made the ticket.
pub(super) fn rejection(refusal: TicketRefusal) -> Option<TicketRejection> {
    match refusal {
        TicketRefusal::Unknown | TicketRefusal::NoAnswer => None,
        TicketRefusal::Spent => Some(TicketRejection::Spent),
        TicketRefusal::Page => Some(TicketRejection::Page),
        TicketRefusal::Ended => Some(TicketRejection::Ended),
        TicketRefusal::Revoked => Some(TicketRejection::Revoked),
    }
}

pub(super) fn refusal(rejection: TicketRejection) -> TicketRefusal {
    match rejection {
        TicketRejection::Spent => TicketRefusal::Spent,
        TicketRejection::Page => TicketRefusal::Page,
        TicketRejection::Ended => TicketRefusal::Ended,
        TicketRejection::Revoked => TicketRefusal::Revoked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::access::TokenId, platform::clock::KnownAsOf};

    #[test]
    fn tickets_are_read_as_they_were_written() {
        let member = UserIdentity {
            user_id: "u1".into(),
            user_info: Some(serde_json::json!({"name": "Ann"})),
            watchlist: Vec::new(),
        };
        let token =
            TokenId { jti: "j".into(), user: "u1".into(), issued: KnownAsOf::at_seconds(6) };
        let full = Grant {
            member: Some(member),
            user_id: Some("u1".into()),
            as_of: KnownAsOf::at_seconds(3),
            expires: Some(9),
            abilities: Abilities::LEGACY,
            token: Some(token),
            rule: None,
        };
        let channel = |name| Channel::parse(name, 200).unwrap();
        let page = Some("https://example.com".to_owned());
        let channels = vec![(channel("presence-x"), full), (channel("a"), Grant::PUBLIC)];
        let ticket = TicketContent { channels, page };
        let bytes = reply(7, &ticket);
        let Ok(ReplyContent::Ticket(reply)) = ReplyContent::parse(&bytes) else {
            panic!("no ticket in {bytes:?}")
        };
        assert_eq!(reply.number, 7);
        let read = content(&App::for_tests("a"), &reply).unwrap();
        assert_eq!(read.channels, ticket.channels);
        assert_eq!(read.page, ticket.page);
    }

    #[test]
    fn unreadable_members_and_channels_are_refused() {
        let channel = |channel, info| TicketChannel {
            channel,
            member: Some(TicketMember { user: "u1", info }),
            terms: GrantTerms {
                user: None,
                as_of: KnownAsOf::NEVER,
                expires: None,
                abilities: 1,
                token: None,
            },
        };
        for (name, info, is_read) in [
            ("presence-x", None, true),
            ("presence-x", Some("1"), true),
            ("presence-x", Some("{"), false),
            ("a channel", None, false),
        ] {
            let channels = vec![channel("presence-a", None), channel(name, info)];
            let reply = TicketReply { number: 1, page: None, channels };
            let read = content(&App::for_tests("a"), &reply);
            assert_eq!(read.is_some(), is_read, "{name} {info:?}");
        }
    }
}
