//! What Redis has of this node on a channel.

use std::collections::HashSet;

use redis::{Cmd, Value};

use crate::cluster::{
    node::{ClusterChannel, opening::stored_member, sealing::NodeSealing},
    redis::{ID_BYTES, Id, snapshot},
    rejection::ClusterRejectionCounters,
    replica::input::HeldByEngine,
};

/// The count and the members of this node are changed by this node alone, so no transaction is
/// needed.
pub fn commands(sealing: &NodeSealing, channel: &ClusterChannel) -> Vec<Cmd> {
    let (names, node) = (sealing.keys(channel), sealing.incarnation());
    let of = |name: &str, key: &[u8]| -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(key);
        command
    };
    let mut count = of("HMGET", &names.c);
    count.arg([&b"s"[..], node.as_bytes()].concat()).arg("n");
    vec![count, of("HKEYS", &names.r), of("HGETALL", &names.m)]
}

/// `None` for an error, and for what is not of us.
pub fn read(
    sealing: &NodeSealing,
    channel: &ClusterChannel,
    answers: Vec<Value>,
    rejected: &ClusterRejectionCounters,
) -> Option<HeldByEngine> {
    let [counts, references, members] = <[Value; 3]>::try_from(answers).ok()?;
    let Value::Array(counts) = counts else { return None };
    let [count, total] = <[Value; 2]>::try_from(counts).ok()?;
    let own = own_references(references, sealing.incarnation().as_bytes())?;
    let members = snapshot::read_members(members)?;
    let key = sealing.keys(channel).m;
    let members = members.iter().filter(|stored| own.contains(&stored.member));
    let opened = members
        .filter_map(|stored| rejected.counted(stored_member(sealing, channel, &key, stored)).ok());
    Some(HeldByEngine {
        count: u32::try_from(snapshot::number_or_0(&count)?).ok()?,
        total: snapshot::number_or_0(&total)?,
        members: opened.collect(),
    })
}

/// A reference is a member's id and its node's; other fields count the references of a member.
fn own_references(fields: Value, node: &Id) -> Option<HashSet<Id>> {
    let (Value::Array(fields) | Value::Set(fields)) = fields else { return None };
    let member = |field: &Value| {
        let Value::BulkString(field) = field else { return None };
        let (member, owner) = field.split_first_chunk::<ID_BYTES>()?;
        (owner == node).then_some(*member)
    };
    Some(fields.iter().filter_map(member).collect())
}
