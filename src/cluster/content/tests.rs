//! Known encodings of contents, and what is malformed.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    channels::fact::ChannelFact,
    cluster::names::{NodeSlot, Partition, PartitionSet},
    crypto::encoding::hex,
    platform::clock::KnownAsOf,
};

fn socket_id() -> SocketId {
    "1.2".parse().unwrap()
}

fn facts() -> Vec<ChannelFact<'static>> {
    vec![
        ChannelFact::ChannelOccupied,
        ChannelFact::ChannelVacated,
        ChannelFact::MemberAdded { user_id: "u1".into() },
        ChannelFact::MemberRemoved { user_id: "u1".into() },
        ChannelFact::ClientEvent {
            event: "client-a",
            data: "{}",
            socket_id: Some(socket_id()),
            user_id: Some("u1"),
        },
        ChannelFact::ClientEvent { event: "client-a", data: "", socket_id: None, user_id: None },
        ChannelFact::CacheMiss,
        ChannelFact::SubscriptionCount { subscription_count: 258 },
    ]
}

fn fact(fact: ChannelFact<'static>) -> FactContent<'static> {
    FactContent { app: "1001", channel: "room", at_ms: 3, fact }
}

/// Another encoding would part this version from nodes of the versions before.
#[test]
fn encodings_are_those_of_the_first_version() {
    let clear = EventContent {
        name: "e",
        data: EventData::Clear("{}"),
        except: Some(socket_id()),
        user_id: Some("u"),
        keep_ms: Some(9),
        is_logged: true,
    };
    let sealed = EventContent {
        name: "e",
        data: EventData::Sealed { envelope: "x", version: Version { key: 1, epoch: 2 } },
        except: None,
        user_id: None,
        keep_ms: None,
        is_logged: false,
    };
    let text = |length: &str, text: &str| format!("000000{length}{}", hex(text.as_bytes()));
    let except = "01".to_owned() + "00000000000000010000000000000002";
    assert_eq!(
        hex(&clear.to_bytes()),
        [
            text("01", "e"),
            "00".into(),
            text("02", "{}"),
            except.clone(),
            "01".into(),
            text("01", "u"),
            "01000000000000000901".into(),
        ]
        .concat()
    );
    assert_eq!(
        hex(&sealed.to_bytes()),
        [text("01", "e"), "01000000010000000000000002".into(), text("01", "x"), "00000000".into()]
            .concat()
    );
    let member = MemberRecord { user_id: "u1", info: Some("{}") };
    assert_eq!(hex(&member.to_bytes()), [text("02", "u1"), "01".into(), text("02", "{}")].concat());
    let names = ChannelNameContent { app: "1001", channel: "room" };
    assert_eq!(hex(&names.to_bytes()), text("04", "1001") + &text("04", "room"));
    let head = [text("04", "1001"), text("04", "room"), "0000000000000003".into()].concat();
    let client_event =
        [text("08", "client-a"), text("02", "{}"), except, "01".into(), text("02", "u1")];
    for (written, rest) in facts().into_iter().zip([
        "01".into(),
        "02".into(),
        "03".to_owned() + &text("02", "u1"),
        "04".to_owned() + &text("02", "u1"),
        "05".to_owned() + &client_event.concat(),
        "05".to_owned() + &text("08", "client-a") + "000000000000",
        "06".into(),
        "0700000102".into(),
    ]) {
        assert_eq!(hex(&fact(written).to_bytes()), head.clone() + &rest);
    }
}

#[test]
fn facts_are_read_as_they_were_written() {
    for written in facts() {
        let content = fact(written);
        assert_eq!(FactContent::parse(&content.to_bytes()), Ok(content));
    }
}

#[test]
fn cut_extended_and_unknown_contents_are_malformed() {
    let malformed = |bytes: &[u8]| {
        assert_eq!(EventContent::parse(bytes), Err(ClusterRejection::Malformed), "{bytes:?}");
    };
    let content = EventContent {
        name: "e",
        data: EventData::Clear("x"),
        except: None,
        user_id: Some("é"),
        keep_ms: None,
        is_logged: false,
    }
    .to_bytes();
    assert!(EventContent::parse(&content).is_ok());
    (0..content.len()).for_each(|length| malformed(&content[..length]));
    malformed(&[&content[..], &[0]].concat());
    let with = |at: usize, byte: u8| {
        let mut content = content.clone();
        content[at] = byte;
        content
    };
    // A length of 4 GiB, an unknown kind of data, an unknown flag, no UTF-8.
    for altered in [with(0, 255), with(5, 2), with(11, 2), with(17, 0xff)] {
        malformed(&altered);
    }
    for unknown in [0, 8, 255] {
        let mut bytes = fact(ChannelFact::CacheMiss).to_bytes();
        *bytes.last_mut().unwrap() = unknown;
        assert_eq!(FactContent::parse(&bytes), Err(ClusterRejection::Malformed), "{unknown}");
    }
}

fn terms() -> [GrantTerms<'static>; 2] {
    let bare = GrantTerms {
        user: None,
        as_of: KnownAsOf::at_seconds(3),
        expires: None,
        abilities: 5,
        token: None,
    };
    let token = Some(GrantToken { jti: "j", user: "u1", issued: KnownAsOf::at_seconds(6) });
    let full = GrantTerms { user: Some("u1"), expires: Some(4), token, ..bare.clone() };
    [bare, full]
}

fn requests() -> Vec<(NodeRequest<'static>, String)> {
    let socket = socket_id();
    let [bare, full] = terms();
    let [bare, grant] = [bare, full].map(|terms| GrantRequest { socket, channel: "room", terms });
    let (id, room, u1) = ("00000000000000010000000000000002", "00000004726f6f6d", "000000027531");
    let requests = [
        (NodeRequest::FindSocket { socket }, format!("01{id}")),
        (
            NodeRequest::Grant(grant),
            format!(
                "02{id}{room}01{u1}000000000000000301000000000000000405\
                 01000000016a{u1}0000000000000006"
            ),
        ),
        (NodeRequest::Grant(bare), format!("02{id}{room}000000000000000003000500")),
        (NodeRequest::FindReader { socket, channel: "room" }, format!("03{id}{room}")),
        (NodeRequest::AuthAnswered { socket, channel: "room" }, format!("04{id}{room}")),
    ];
    let revoke = |(revocation, bytes)| (NodeRequest::Revoke(revocation), format!("05{bytes}"));
    requests.into_iter().chain(revocations().map(revoke)).chain(ticket_requests()).collect()
}

fn ticket_requests() -> [(NodeRequest<'static>, String); 6] {
    let (ticket, socket) = ([0xab; 32], socket_id());
    let (hash, id) = ("ab".repeat(32), "00000000000000010000000000000002");
    let stream = TicketStreamContent { ticket, number: 3 };
    let open =
        |has_own_id, page| NodeRequest::OpenTicket(TicketOpening { ticket, has_own_id, page });
    [
        (open(false, None), format!("06{hash}0000")),
        (open(true, Some("a")), format!("06{hash}01010000000161")),
        (NodeRequest::TicketStarted { stream, socket }, format!("07{id}{hash}0000000000000003")),
        (NodeRequest::TicketLived(stream), format!("08{hash}0000000000000003")),
        (NodeRequest::TicketClosed(stream), format!("09{hash}0000000000000003")),
        (NodeRequest::ReplaceStream { socket }, format!("0a{id}")),
    ]
}

fn ticket_replies() -> [(ReplyContent<'static>, String); 2] {
    let [bare, full] = terms();
    let bare = TicketChannel { channel: "room", member: None, terms: bare };
    let member = Some(TicketMember { user: "u1", info: Some("{}") });
    let full = TicketChannel { channel: "room", member, terms: full };
    let (room, u1, at) = ("00000004726f6f6d", "000000027531", "0000000000000003");
    let none = TicketReply { number: 3, page: Some("a"), channels: Vec::new() };
    let two = TicketReply { number: 3, page: None, channels: vec![bare, full] };
    [
        (ReplyContent::Ticket(none), format!("05{at}01000000016100000000")),
        (
            ReplyContent::Ticket(two),
            format!(
                "05{at}0000000002{room}0000{at}000500{room}01{u1}01000000027b7d01{u1}{at}\
                 0100000000000000040501000000016a{u1}0000000000000006"
            ),
        ),
    ]
}

fn revocations() -> [(RevocationContent<'static>, &'static str); 3] {
    [
        (RevocationContent::Token { jti: "j", at: 7 }, "010000000000000007000000016a"),
        (RevocationContent::UserTokens { user: "u1", at: 7 }, "020000000000000007000000027531"),
        (RevocationContent::Connections { user: "u1", at_ms: 7 }, "030000000000000007000000027531"),
    ]
}

#[test]
fn requests_of_nodes_have_the_encodings_of_the_first_version() {
    for (request, expected) in requests() {
        let content = RequestContent { app: "1001", request };
        let bytes = content.to_bytes();
        assert_eq!(hex(&bytes), format!("0000000431303031{expected}"));
        assert_eq!(RequestContent::parse(&bytes), Ok(content));
        for length in 0..bytes.len() {
            let cut = RequestContent::parse(&bytes[..length]);
            assert_eq!(cut, Err(ClusterRejection::Malformed), "{length}");
        }
    }
    for (revocation, expected) in revocations() {
        assert_eq!(hex(&revocation.to_bytes()), expected);
        assert_eq!(RevocationContent::parse(&revocation.to_bytes()), Ok(revocation));
    }
}

#[test]
fn replies_of_nodes_have_the_encodings_of_the_first_version() {
    let version = Version { key: 1, epoch: 2 };
    let (user, written) = (Some("u1"), "01000000010000000000000002");
    let refused =
        RequestRefusal::ALL.map(|it| (ReplyContent::Refused(it), format!("020{}", it as u8)));
    let replies = [
        (ReplyContent::Done, "01".to_owned()),
        (
            ReplyContent::Granted { version, is_held: true, user },
            format!("03{written}01000000027531"),
        ),
        (
            ReplyContent::Granted { version, is_held: false, user: None },
            "0300000000010000000000000002".to_owned() + "00",
        ),
        (
            ReplyContent::Reader { version: Some(version), user },
            format!("04{written}01000000027531"),
        ),
        (ReplyContent::Reader { version: None, user: None }, "040000".into()),
    ];
    let rejected = TicketRejection::ALL
        .map(|it| (ReplyContent::TicketRejected(it), format!("060{}", it as u8)));
    let all = replies.into_iter().chain(refused).chain(rejected).chain(ticket_replies());
    for (reply, expected) in all {
        assert_eq!(hex(&reply.to_bytes()), expected);
        assert_eq!(ReplyContent::parse(&reply.to_bytes()), Ok(reply));
    }
    for bad in [&[][..], &[0], &[2, 0], &[2, 6], &[3, 2, 0, 0, 0, 1], &[1, 0], &[6, 0], &[6, 5]] {
        assert_eq!(ReplyContent::parse(bad), Err(ClusterRejection::Malformed), "{bad:?}");
    }
}

#[test]
fn notes_have_the_encodings_of_the_first_version() {
    let reply_to = ReplyAddress { number: 3, slot: NodeSlot::new(258).unwrap() };
    for (note, expected) in [
        (NoteContent::Request { reply_to: None, body: b"x" }, "0078"),
        (
            NoteContent::Request { reply_to: Some(reply_to), body: b"x" },
            "0100000000000000030000010278",
        ),
        (NoteContent::Reply { number: 3, body: Some(b"") }, "020000000000000003"),
        (NoteContent::Reply { number: 3, body: None }, "030000000000000003"),
    ] {
        assert_eq!(hex(&note.to_bytes()), expected);
        assert_eq!(NoteContent::parse(&note.to_bytes()), Ok(note));
    }
    // A slot that does not exist.
    let beyond = [&[1][..], &[0; 8], &[0, 0, 0x10, 0]].concat();
    for bad in [&[][..], &[4], &[2, 0], &[&[3][..], &[0; 9]].concat(), &beyond] {
        assert_eq!(NoteContent::parse(bad), Err(ClusterRejection::Malformed), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn any_event_is_read_as_it_was_written(
        name in "\\PC{0,40}",
        data in "\\PC{0,200}",
        key: u32,
        epoch: u64,
        sealed: bool,
        except in option::of((any::<u64>(), any::<u64>())),
        user_id in option::of("\\PC{0,40}"),
        keep_ms: Option<u64>,
        is_logged: bool,
    ) {
        let version = Version { key, epoch };
        let data = match sealed {
            true => EventData::Sealed { envelope: &data, version },
            false => EventData::Clear(&data),
        };
        let except = except.map(|(a, b)| format!("{a}.{b}").parse().unwrap());
        let user_id = user_id.as_deref();
        let content = EventContent { name: &name, data, except, user_id, keep_ms, is_logged };
        let bytes = content.to_bytes();
        prop_assert_eq!(EventContent::parse(&bytes), Ok(content));
    }

    #[test]
    fn any_member_is_read_as_it_was_written(
        user_id in "\\PC{0,40}",
        info in option::of("\\PC{0,200}"),
    ) {
        let member = MemberRecord { user_id: &user_id, info: info.as_deref() };
        let bytes = member.to_bytes();
        prop_assert_eq!(MemberRecord::parse(&bytes), Ok(member));
    }

    #[test]
    fn each_content_has_one_encoding(bytes in vec(0_u8..4, 0..60)) {
        if let Ok(content) = EventContent::parse(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes.clone());
        }
        if let Ok(content) = MemberRecord::parse(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes.clone());
        }
        if let Ok(content) = ChannelNameContent::parse(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes.clone());
        }
        if let Ok(content) = NoteContent::parse(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes.clone());
        }
        if let Ok(content) = RequestContent::parse(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes.clone());
        }
        if let Ok(content) = ReplyContent::parse(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes.clone());
        }
        if let Ok(content) = FactContent::parse(&bytes) {
            prop_assert_eq!(content.to_bytes(), bytes);
        }
    }
}

/// What nodes say of themselves in Redis.
#[test]
fn beats_and_identities_have_one_encoding() {
    let mut unreached = PartitionSet::default();
    unreached.insert(Partition::all().nth(127).unwrap());
    let slot = NodeSlot::new(4095).unwrap();
    let beat = BeatContent { slot, sockets: 1, behind: 2, generation: 3, unreached, lease_ms: 4 };
    let numbers = [1u64, 2, 3].map(u64::to_be_bytes).concat();
    let (partitions, lease) = ([&[0x80][..], &[0; 15]].concat(), 4u64.to_be_bytes());
    let encoded = [&4095u32.to_be_bytes()[..], &numbers, &partitions, &lease].concat();
    assert_eq!((beat.to_bytes(), BeatContent::parse(&encoded)), (encoded.clone(), Ok(beat)));
    let no_slot = [&4096u32.to_be_bytes()[..], &encoded[4..]].concat();
    for bad in [&encoded[..51], &[&encoded[..], &[0]].concat(), &no_slot] {
        assert_eq!(BeatContent::parse(bad), Err(ClusterRejection::Malformed));
    }
    let identity = IdentityContent { layout: 1, protocols: (2, 3), host: b"apps" };
    assert_eq!(identity.to_bytes(), b"\x01\x02\x03apps");
    assert_eq!(IdentityContent::parse(b"\x01\x02\x03apps"), Ok(identity));
    assert_eq!(IdentityContent::parse(b"\x01\x02"), Err(ClusterRejection::Malformed));
}
