//! Known answers of names, and the spread of partitions over masters.

use std::collections::HashSet;

use super::*;
use crate::cluster::{
    key::tests::{example_key, other_key},
    settings::KeyPrefix,
};

fn names() -> ClusterNames {
    ClusterNames::new(&example_key())
}

fn channel(name: &str) -> Channel {
    Channel::parse(name, 200).unwrap()
}

fn layout() -> KeyLayout {
    KeyLayout::new(KeyPrefix::parse("sealcast").unwrap())
}

/// Another answer would part this version from the data of the versions before.
#[test]
fn hashes_are_those_of_the_first_version() {
    let names = names();
    assert_eq!(format!("{:?}", names.app("1001")), "a530a5116b72c054f9eebe25333b0ffb");
    for (name, id, partition) in [
        ("orders", "d783e175d6ebda46aea29a29dc7a71ca", 74),
        ("private-encrypted-cache-orders", "687d68ed53a0e80587af788dfdf58a8d", 13),
        ("presence-room", "5c60d292dc1d35c1e8717ad88dc469c7", 71),
        ("#server-to-user-u1", "6e852c02799b6d43780f12d342276000", 109),
    ] {
        let location = names.channel("1001", &channel(name));
        let found = (format!("{:?}", location.id), location.partition.index());
        assert_eq!(found, (id.to_owned(), partition), "{name}");
    }
    let room = names.channel("1001", &channel("presence-room")).id;
    let member = names.member(&room, "u1");
    assert_eq!(format!("{member:?}"), "e6d5aaec9b4c1394df1ad075e41d3487");
    let tag = |info| hex(names.info_tag(&member, info).as_bytes());
    assert_eq!(tag(Some(r#"{"name":"Ann"}"#)), "e23b3d6d24ec7644");
    assert_eq!(tag(None), "a9f18415243e9a7a");
    assert_eq!(hex(&names.ticket_tag(&[1; 24])), "953ad2df4b121569");
}

#[test]
fn hashes_differ_by_key_app_and_name() {
    let ids = |names: &ClusterNames| {
        let of = |app, name| *names.channel(app, &channel(name)).id.as_bytes();
        let room = names.channel("a", &channel("r")).id;
        let member = |room, user| *names.member(&room, user).as_bytes();
        [
            of("a", "bc"),
            // The same text, divided otherwise.
            of("ab", "c"),
            of("a", "r"),
            of("b", "r"),
            *names.app("a").as_bytes(),
            *names.app("r").as_bytes(),
            member(room, "u"),
            member(room, "r"),
            member(names.channel("a", &channel("r2")).id, "u"),
        ]
    };
    let all: Vec<_> = [ids(&names()), ids(&ClusterNames::new(&other_key()))].concat();
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    let member = MemberId::from_bytes([1; 16]);
    let tags = [None, Some(""), Some("{}")].map(|info| names().info_tag(&member, info).0);
    assert_eq!(HashSet::from(tags).len(), 3);
}

#[test]
fn user_and_watchers_share_a_partition() {
    let names = names();
    let mut seen = HashSet::new();
    for number in 0..1000 {
        let user = format!("u{number}");
        let own = names.channel("a", &Channel::of_user(&user));
        let watchers = names.channel("a", &Channel::of_watchers(&user));
        assert_eq!(own.partition, watchers.partition, "{user}");
        assert_ne!(own.id, watchers.id, "{user}");
        seen.insert(own.partition);
    }
    assert_eq!(seen.len(), Partition::COUNT);
}

/// The checksum of Redis Cluster (CRC-16/XMODEM).
fn crc16(text: &[u8]) -> u16 {
    text.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc: u16, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    })
}

const SLOTS: usize = 16_384;

fn slot(tag: &str) -> usize {
    usize::from(crc16(tag.as_bytes())) % SLOTS
}

#[test]
fn partitions_spread_evenly_over_masters() {
    assert_eq!(crc16(b"123456789"), 0x31c3);
    for masters in 1..=64 {
        // As `redis-cli --cluster create` deals slots.
        let share = SLOTS as f64 / masters as f64;
        let first = |master: usize| (master as f64 * share).round() as usize;
        let of_master = |master: usize| {
            let slots = first(master)..first(master + 1);
            Partition::all().filter(|p| slots.contains(&slot(p.hash_tag()))).count()
        };
        let counts: Vec<usize> = (0..masters).map(of_master).collect();
        assert_eq!(counts.iter().sum::<usize>(), Partition::COUNT, "{masters} masters");
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{masters} masters: {counts:?}");
    }
}

#[test]
fn each_partition_has_a_slot_of_its_own() {
    for partition in Partition::all() {
        let tag = partition.hash_tag();
        assert_eq!(slot(tag), partition.index() * 128 + 64, "{tag}");
        assert_eq!(tag.len(), 3);
    }
    let hash =
        |last| Partition::of_hash(&std::array::from_fn(|at| if at == 15 { last } else { 9 }));
    assert_eq!([0, 127, 128, 255].map(|last| hash(last).index()), [0, 127, 0, 127]);
}

#[test]
fn keys_and_topics_have_fixed_names() {
    let layout = layout();
    let partition = Partition::all().next().unwrap();
    let keys = layout.partition(partition);
    let (node, app) = (Incarnation::from_bytes([b'N'; 16]), AppHash::from_bytes([b'A'; 16]));
    let slot = NodeSlot::new(4095).unwrap();
    let channel = keys.channel(ChannelId::from_bytes([b'C'; 16]));
    let control = layout.control();
    let (n, a, c) = ("N".repeat(16), "A".repeat(16), "C".repeat(16));
    for (name, expected) in [
        (layout.identity(), "sealcast:id".to_owned()),
        (keys.node_channels(&node), format!("sealcast1:{{qfs}}i:{n}")),
        (keys.tombstone(&node), format!("sealcast1:{{qfs}}d:{n}")),
        (keys.occupied(&app), format!("sealcast1:{{qfs}}a:{a}")),
        (keys.lingering(), "sealcast1:{qfs}g".into()),
        (keys.facts(), "sealcast1:{qfs}w".into()),
        (keys.owner(), "sealcast1:{qfs}o".into()),
        (keys.incarnations(), "sealcast1:{qfs}p".into()),
        (keys.floor(), "sealcast1:{qfs}f".into()),
        (keys.mark_topic(&node), format!("sealcast1:{{qfs}}t:m{n}")),
        (channel.state(), format!("sealcast1:{{qfs}}c:{c}")),
        (channel.members(), format!("sealcast1:{{qfs}}m:{c}")),
        (channel.references(), format!("sealcast1:{{qfs}}r:{c}")),
        (channel.last_event(), format!("sealcast1:{{qfs}}l:{c}")),
        (channel.log(), format!("sealcast1:{{qfs}}h:{c}")),
        (channel.topic(), format!("sealcast1:{{qfs}}t:{c}")),
        (control.nodes(), "sealcast1:{ctl}nodes".into()),
        (control.slots(), "sealcast1:{ctl}slots".into()),
        (control.key_table(&app), format!("sealcast1:{{ctl}}k:{a}")),
        (control.revoked_tokens(&app), format!("sealcast1:{{ctl}}v:{a}")),
        (control.everyone_topic(), "sealcast1:{ctl}t:all".into()),
        (control.node_topic(slot), "sealcast1:{ctl}t:n4095".into()),
    ] {
        assert_eq!(String::from_utf8(name).unwrap(), expected);
    }
    assert_eq!(NodeSlot::new(4096), None);
}
