//! Users, members and events of the tests.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;

use crate::{
    channels::members::Member,
    cluster::{
        key::tests::example_key,
        names::{ClusterNames, Incarnation, MemberId},
        replica::input::{ClusterMember, HeardEvent, SentId, WaitingId},
    },
    domain::ids::SocketId,
};

pub const LEASE: Duration = Duration::from_secs(12);

static NAMES: LazyLock<ClusterNames> = LazyLock::new(|| ClusterNames::new(&example_key()));

pub fn member_id(user: u8) -> MemberId {
    MemberId::from_bytes([user; 16])
}

pub fn member(user: u8, info: &str) -> ClusterMember {
    let id = member_id(user);
    let tag = NAMES.info_tag(&id, Some(info));
    let user_id = format!("u{user}").into();
    ClusterMember { id, tag, member: Member { user_id, info: Some(info.into()) } }
}

pub fn waiting_id(number: u64) -> WaitingId {
    let mut bytes = [0; SocketId::RANDOM_BYTES];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    WaitingId { socket: SocketId::of_random(0, &bytes), attempt: number as u32 }
}

pub fn event(sender: u8, counter: u64, sent_ms: u64) -> HeardEvent {
    HeardEvent {
        logged: None,
        id: SentId { sender: Incarnation::from_bytes([sender; 16]), counter },
        sent_ms,
        content: Bytes::from(format!("{sender}:{counter}")),
        is_posted: false,
        lacks_key: false,
    }
}
