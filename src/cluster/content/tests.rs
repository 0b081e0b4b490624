//! Known encodings of contents, and what is malformed.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    channels::fact::ChannelFact,
    cluster::names::{NodeSlot, Partition, PartitionSet},
    crypto::encoding::hex,
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
    };
    let sealed = EventContent {
        name: "e",
        data: EventData::Sealed { envelope: "x", version: Version { key: 1, epoch: 2 } },
        except: None,
        user_id: None,
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
            text("01", "u")
        ]
        .concat()
    );
    assert_eq!(
        hex(&sealed.to_bytes()),
        [text("01", "e"), "01000000010000000000000002".into(), text("01", "x"), "0000".into()]
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
    let content =
        EventContent { name: "e", data: EventData::Clear("x"), except: None, user_id: Some("é") }
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
    ) {
        let version = Version { key, epoch };
        let data = match sealed {
            true => EventData::Sealed { envelope: &data, version },
            false => EventData::Clear(&data),
        };
        let except = except.map(|(a, b)| format!("{a}.{b}").parse().unwrap());
        let content = EventContent { name: &name, data, except, user_id: user_id.as_deref() };
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
    let beat = BeatContent { slot, sockets: 1, behind: 2, generation: 3, unreached };
    let numbers = [1u64, 2, 3].map(u64::to_be_bytes).concat();
    let encoded = [&4095u32.to_be_bytes()[..], &numbers, &[0x80], &[0; 15]].concat();
    assert_eq!((beat.to_bytes(), BeatContent::parse(&encoded)), (encoded.clone(), Ok(beat)));
    let no_slot = [&4096u32.to_be_bytes()[..], &encoded[4..]].concat();
    for bad in [&encoded[..43], &[&encoded[..], &[0]].concat(), &no_slot] {
        assert_eq!(BeatContent::parse(bad), Err(ClusterRejection::Malformed));
    }
    let identity = IdentityContent { layout: 1, protocols: (2, 3), host: b"apps" };
    assert_eq!(identity.to_bytes(), b"\x01\x02\x03apps");
    assert_eq!(IdentityContent::parse(b"\x01\x02\x03apps"), Ok(identity));
    assert_eq!(IdentityContent::parse(b"\x01\x02"), Err(ClusterRejection::Malformed));
}
