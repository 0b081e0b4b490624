//! Verbs that take something away in the name of others, by what Redis has of it.

use std::sync::Arc;

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{context::MembershipContext, values};
use crate::cluster::{
    content::MemberRecord,
    names::{AppHash, ChannelId, ChannelLocation, Incarnation, MemberId, Partition},
    node::{
        ClusterChannel,
        keys::keys_of,
        opening::named_channel,
        sealing::{Acting, NodeSealing},
    },
    redis::{
        keys::Keys,
        lingering::{Lingering, LingeringKind},
        verbs::{Fence, Notice, Verb},
    },
    rejection::ClusterRejection,
    stored::{StoredError, StoredPlace},
};

/// The beginning of a member's field: a tag that others compare.
const TAG_BYTES: usize = 8;

/// A channel in Redis.
#[derive(Clone, Copy)]
pub(super) struct ChannelPlace {
    pub partition: Partition,
    pub id: ChannelId,
}

impl ChannelPlace {
    /// Without the app, which stands in the sealed name alone.
    pub fn keys(self, sealing: &NodeSealing, node: &Incarnation) -> Keys {
        let app = AppHash::from_bytes([0; 16]);
        keys_of(&sealing.layout, self.partition, self.id, &app, node)
    }

    /// The channel by the sealed name in the field `k` of its state. Without a name there is nobody
    /// who was told of the channel.
    pub fn open(self, name: Value, context: &mut MembershipContext<'_>) -> Option<ClusterChannel> {
        let name = values::text(name)?;
        let Self { partition, id } = self;
        context.opened(named_channel(context.sealing, ChannelLocation { id, partition }, &name))
    }

    /// The user behind a member's field.
    pub fn open_user(
        self,
        member: &MemberId,
        record: Value,
        context: &mut MembershipContext<'_>,
    ) -> Option<Arc<str>> {
        let record = values::text(record)?;
        let sealing = context.sealing;
        let open = || {
            let key = self.keys(sealing, &sealing.incarnation()).m;
            let sealed = record.get(TAG_BYTES..).ok_or(ClusterRejection::Length)?;
            let content = sealing.stored.open(place(&key, member.as_bytes()), sealed)?;
            let user = MemberRecord::parse(&content)?.user_id;
            let is_own = sealing.names.member(&self.id, user) == *member;
            if is_own { Ok(Arc::from(user)) } else { Err(ClusterRejection::Malformed) }
        };
        context.opened(open())
    }

    /// Fields of the channel's state.
    pub fn read_fields(self, sealing: &NodeSealing, fields: &[&[u8]]) -> Cmd {
        let key = self.keys(sealing, &sealing.incarnation()).c;
        fields_of(&key, fields)
    }

    pub fn read_records(self, sealing: &NodeSealing, members: &[MemberId]) -> Cmd {
        let key = self.keys(sealing, &sealing.incarnation()).m;
        let members: Vec<_> = members.iter().map(|member| &member.as_bytes()[..]).collect();
        fields_of(&key, &members)
    }
}

fn fields_of(key: &[u8], fields: &[&[u8]]) -> Cmd {
    let mut command = super::context::command("HMGET", key);
    fields.iter().for_each(|field| {
        command.arg(*field);
    });
    command
}

fn place<'a>(key: &'a [u8], field: &'a [u8]) -> StoredPlace<'a> {
    StoredPlace { key, field, generation: 0 }
}

/// What is told of a member. Without channel and user it is an empty notice, which breaks the chain
/// of numbers: nodes that have the channel open read its members anew.
fn removed(
    context: &MembershipContext<'_>,
    channel: Option<&ClusterChannel>,
    user: Option<&Arc<str>>,
) -> Result<Notice, StoredError> {
    match (channel, user) {
        (Some(channel), Some(user)) => context.sealing.removed(channel, user),
        _ => Ok(nothing()),
    }
}

fn nothing() -> Notice {
    Notice { blob: Bytes::new(), fact: None }
}

/// A dead node's reference to a member.
pub(super) fn leave(
    context: &MembershipContext<'_>,
    node: &Incarnation,
    id: ChannelId,
    channel: Option<&ClusterChannel>,
    member: &MemberId,
    user: Option<&Arc<str>>,
) -> Result<Verb, StoredError> {
    Ok(Verb::Leave {
        fence: Fence::Passed,
        node: *node.as_bytes(),
        channel: *id.as_bytes(),
        member: *member.as_bytes(),
        removed: removed(context, channel, user)?,
        linger_ms: 0,
    })
}

/// A dead node's subscribers, with the keys of the command.
pub(super) fn vacate(
    context: &MembershipContext<'_>,
    node: &Incarnation,
    place: ChannelPlace,
    channel: Option<&ClusterChannel>,
) -> Result<(Verb, Keys), StoredError> {
    if let Some(channel) = channel {
        let acting = Acting { node: *node, fence: Fence::Passed, linger_ms: 0 };
        let verb = context.sealing.count(channel, acting, 0, None)?;
        return Ok((verb, context.sealing.keys_of(channel, node)));
    }
    let verb = Verb::Count {
        fence: Fence::Passed,
        node: *node.as_bytes(),
        channel: *place.id.as_bytes(),
        count: 0,
        name: Bytes::new(),
        occupied: None,
        vacated: None,
        total: None,
        linger_ms: 0,
        log: None,
    };
    Ok((verb, place.keys(context.sealing, node)))
}

/// The end of what lingered, with the keys of the command.
pub(super) fn end(
    context: &MembershipContext<'_>,
    lingering: Lingering,
    place: ChannelPlace,
    channel: Option<&ClusterChannel>,
    user: Option<&Arc<str>>,
) -> Result<(Verb, Keys), StoredError> {
    let (ended, total) = match (lingering.kind, channel) {
        (LingeringKind::Channel, Some(channel)) => context.sealing.vacated(channel)?,
        (LingeringKind::Member(_), channel) => (removed(context, channel, user)?, None),
        (LingeringKind::Channel | LingeringKind::LastEvent | LingeringKind::Log, _) => {
            (nothing(), None)
        }
    };
    let node = context.sealing.incarnation();
    let keys = match channel {
        Some(channel) => context.sealing.keys_of(channel, &node),
        None => place.keys(context.sealing, &node),
    };
    Ok((Verb::End { lingering, ended, total }, keys))
}
