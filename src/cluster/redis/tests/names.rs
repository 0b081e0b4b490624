//! Ids and key names of the tests.

use bytes::Bytes;

use crate::cluster::redis::{
    Id,
    keys::{ControlKeys, Keys},
    verbs::Notice,
};

pub const PREFIX: &str = "SC1:{7}";

/// Ids are readable in a failed test. In a server they are hashes.
pub fn id(kind: char, number: usize) -> Id {
    let text = format!("{kind}{number:015}");
    text.as_bytes().try_into().expect("16 bytes")
}

pub fn channel(number: usize) -> Id {
    id('c', number)
}

pub fn user(number: usize) -> Id {
    id('u', number)
}

pub fn node(number: usize) -> Id {
    id('n', number)
}

pub fn text(id: &Id) -> &str {
    str::from_utf8(id).expect("ids of tests are text")
}

/// The keys of one slot, for a verb of `node` on `channel`.
pub fn keys(node: &Id, channel: &Id) -> Keys {
    let key = |kind: &str, id: &str| Bytes::from(format!("{PREFIX}{kind}{id}"));
    let (node, channel) = (text(node), text(channel));
    Keys {
        d: key("d:", node),
        i: key("i:", node),
        p: key("p", ""),
        c: key("c:", channel),
        m: key("m:", channel),
        r: key("r:", channel),
        l: key("l:", channel),
        h: key("h:", channel),
        e: key("e", ""),
        g: key("g", ""),
        a: key("a:", "app"),
        w: key("w", ""),
        y: key("y", ""),
        o: key("o", ""),
        f: key("f", ""),
        t: key("t:", channel),
        u: key("t:", channel),
    }
}

pub fn control_keys() -> ControlKeys {
    ControlKeys { nodes: "SC1:{ctl}nodes".into(), slots: "SC1:{ctl}slots".into() }
}

pub fn mark_topic() -> Bytes {
    Bytes::from(format!("{PREFIX}t:n0"))
}

pub fn occupied(channel: &Id) -> Bytes {
    format!("occupied {}", text(channel)).into()
}

pub fn vacated(channel: &Id) -> Bytes {
    format!("vacated {}", text(channel)).into()
}

/// The script adds the number.
pub fn total(channel: &Id) -> Bytes {
    format!("total {}", text(channel)).into()
}

pub fn added(channel: &Id, member: &Id) -> Notice {
    notice("added", channel, member)
}

pub fn removed(channel: &Id, member: &Id) -> Notice {
    notice("removed", channel, member)
}

fn notice(what: &str, channel: &Id, member: &Id) -> Notice {
    let fact = format!("{what} {} {}", text(channel), text(member));
    Notice { blob: Bytes::copy_from_slice(member), fact: Some(fact.into()) }
}
