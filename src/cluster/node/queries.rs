//! What requests read from Redis. Nothing is repeated: without a connection there is no answer.

use std::{sync::Arc, time::Duration};

use redis::{Cmd, Value};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{
    ClusterChannel, ClusterNode,
    commands::{NodeCommand, NodeRead},
    keys,
};
use crate::{
    cluster::{
        content::{ChannelNameContent, MemberRecord},
        envelope::EnvelopePlace,
        names::{AppHash, ChannelId, ChannelLocation, Incarnation, Partition},
        redis::{
            ID_BYTES,
            keys::Keys,
            snapshot::{StoredMember, read_event, read_members},
        },
        rejection::ClusterRejection,
        stored::StoredPlace,
    },
    domain::channel::Channel,
};

/// The most channels in one answer. More would hold up the answers to all others.
pub const MAX_CHANNELS: usize = 20_000;

/// Channels of one partition that are read by one pipeline.
const AT_ONCE: usize = 500;

pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    #[error("Redis does not answer at the moment, or this node is not in its cluster; try again")]
    Away,
    #[error("the app has more than {MAX_CHANNELS} occupied channels, too many for one answer")]
    TooMany,
}

/// An occupied channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OccupiedChannel {
    pub channel: Channel,
    pub total: u64,
    pub members: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelPresent {
    pub total: u64,
    pub is_member: bool,
    pub has_last_event: bool,
}

/// The last event of a channel, which is an `EventContent`.
pub struct LastContent {
    pub number: u64,
    pub content: Zeroizing<Vec<u8>>,
    pub left: Duration,
}

impl ClusterNode {
    pub(super) async fn read(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, QueryError> {
        let (done, answers) = oneshot::channel();
        self.send(NodeCommand::Read(NodeRead { commands, done }));
        let answers = tokio::time::timeout(TIMEOUT, answers).await;
        let answers = answers.ok().and_then(Result::ok).ok_or(QueryError::Away)?;
        let refused = answers.iter().any(|answer| matches!(answer, Value::ServerError(_)));
        if refused { Err(QueryError::Away) } else { Ok(answers) }
    }

    /// The subscribers of each channel, on all nodes.
    pub async fn totals(&self, channels: &[ClusterChannel]) -> Result<Vec<u64>, QueryError> {
        let total = |channel: &ClusterChannel| command("HGET", &self.keys(channel).c, &[b"n"]);
        let answers = self.read(channels.iter().map(total).collect()).await?;
        Ok(answers.iter().map(number).collect())
    }

    pub async fn total(&self, channel: &ClusterChannel) -> Result<u64, QueryError> {
        let totals = self.totals(std::slice::from_ref(channel)).await?;
        Ok(totals.first().copied().unwrap_or_default())
    }

    pub async fn member_count(&self, channel: &ClusterChannel) -> Result<usize, QueryError> {
        let answers = self.read(vec![command("HLEN", &self.keys(channel).m, &[])]).await?;
        Ok(answers.first().map(number).unwrap_or_default() as usize)
    }

    /// The ids of the members.
    pub async fn users(&self, channel: &ClusterChannel) -> Result<Vec<String>, QueryError> {
        let key = self.keys(channel).m;
        let answers = self.read(vec![command("HGETALL", &key, &[])]).await?;
        let members = answers.into_iter().next().and_then(read_members);
        let opened = members.unwrap_or_default();
        Ok(opened.iter().filter_map(|member| self.user_id(channel, &key, member)).collect())
    }

    fn user_id(
        &self,
        channel: &ClusterChannel,
        key: &[u8],
        stored: &StoredMember,
    ) -> Option<String> {
        let place = StoredPlace { key, field: &stored.member, generation: 0 };
        let opened = self.rejected(self.stored.open(place, &stored.record))?;
        let user_id = self.rejected(MemberRecord::parse(&opened))?.user_id.to_owned();
        // Redis may have moved a record to another member of the channel.
        let id = self.names.member(&channel.location.id, &user_id);
        (*id.as_bytes() == stored.member).then_some(user_id)
    }

    /// The present of a channel, and of one user there.
    pub async fn present(
        &self,
        channel: &ClusterChannel,
        user: Option<&str>,
    ) -> Result<ChannelPresent, QueryError> {
        let keys = self.keys(channel);
        let member = self.names.member(&channel.location.id, user.unwrap_or_default());
        let answers = self.read(vec![
            command("HGET", &keys.c, &[b"n"]),
            command("HEXISTS", &keys.m, &[member.as_bytes()]),
            command("EXISTS", &keys.l, &[]),
        ]);
        let answers = <[Value; 3]>::try_from(answers.await?).map_err(|_| QueryError::Away)?;
        let [total, is_member, has_last_event] = answers.each_ref().map(number);
        Ok(ChannelPresent {
            total,
            is_member: user.is_some() && is_member == 1,
            has_last_event: has_last_event == 1,
        })
    }

    pub async fn last_event(
        &self,
        channel: &ClusterChannel,
    ) -> Result<Option<LastContent>, QueryError> {
        let key = self.keys(channel).l;
        let commands = vec![command("GET", &key, &[]), command("PTTL", &key, &[])];
        let answers = <[Value; 2]>::try_from(self.read(commands).await?);
        let [event, left] = answers.map_err(|_| QueryError::Away)?;
        let Some(stored) = read_event(event).flatten() else { return Ok(None) };
        let place = EnvelopePlace { app: &channel.app, channel: channel.channel.name() };
        let opened = self.opener.lock().open(place, &stored.blob);
        let left = Duration::from_millis(number(&left));
        let number = stored.number;
        Ok(self.rejected(opened).map(|opened| LastContent {
            number,
            content: opened.content,
            left,
        }))
    }

    /// The app's occupied channels whose names begin with `prefix`.
    pub async fn occupied(
        &self,
        app: &Arc<str>,
        prefix: &str,
        with_members: bool,
    ) -> Result<Vec<OccupiedChannel>, QueryError> {
        let ids = self.occupied_ids(app).await?;
        let mut found = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let hash = self.names.app(app);
            let keys: Vec<Keys> =
                some.iter().map(|at| self.keys_of(at.partition, at.id, &hash)).collect();
            let read = |keys: &Keys| {
                let state = command("HMGET", &keys.c, &[b"k", b"n"]);
                let members = command("HLEN", &keys.m, &[]);
                [Some(state), with_members.then_some(members)].into_iter().flatten()
            };
            let answers = self.read(keys.iter().flat_map(read).collect()).await?;
            let each = if with_members { 2 } else { 1 };
            for ((at, keys), answers) in some.iter().zip(&keys).zip(answers.chunks(each)) {
                let members = answers.get(1).map(number).unwrap_or_default() as usize;
                let Some((channel, total)) = self.name_and_total(app, at, keys, &answers[0]) else {
                    continue;
                };
                let is_wanted = channel.kind().is_listed() && channel.name().starts_with(prefix);
                if is_wanted && total > 0 {
                    found.push(OccupiedChannel { channel, total, members });
                }
            }
        }
        Ok(found)
    }

    async fn occupied_ids(&self, app: &Arc<str>) -> Result<Vec<ChannelLocation>, QueryError> {
        let hash = self.names.app(app);
        let name = |partition| self.layout.partition(partition).occupied(&hash);
        let count = |partition| command("SCARD", &name(partition), &[]);
        let counts = self.read(Partition::all().map(count).collect()).await?;
        if counts.iter().map(number).sum::<u64>() > MAX_CHANNELS as u64 {
            return Err(QueryError::TooMany);
        }
        let list = |partition| command("SMEMBERS", &name(partition), &[]);
        let lists = self.read(Partition::all().map(list).collect()).await?;
        let ids = Partition::all().zip(lists).flat_map(|(partition, list)| {
            channel_ids(list).map(move |id| ChannelLocation { id, partition })
        });
        Ok(ids.collect())
    }

    fn name_and_total(
        &self,
        app: &str,
        at: &ChannelLocation,
        keys: &Keys,
        state: &Value,
    ) -> Option<(Channel, u64)> {
        let Value::Array(fields) = state else { return None };
        let [Value::BulkString(name), total] = &fields[..] else { return None };
        let place = StoredPlace { key: &keys.c, field: b"k", generation: 0 };
        let opened = self.rejected(self.stored.open(place, name))?;
        let names = self.rejected(ChannelNameContent::parse(&opened))?;
        let channel = Channel::restore(names.channel).ok()?;
        let is_its = names.app == app && self.names.channel(app, &channel).id == at.id;
        is_its.then(|| (channel, number(total)))
    }

    pub(super) fn keys(&self, channel: &ClusterChannel) -> Keys {
        self.keys_of(channel.location.partition, channel.location.id, &channel.app_hash)
    }

    /// Without those of a node, which no question needs.
    fn keys_of(&self, partition: Partition, id: ChannelId, app: &AppHash) -> Keys {
        let nobody = Incarnation::from_bytes([0; ID_BYTES]);
        keys::keys_of(&self.layout, partition, id, app, &nobody)
    }

    pub(super) fn rejected<T>(&self, result: Result<T, ClusterRejection>) -> Option<T> {
        self.status.rejected.counted(result).ok()
    }
}

fn command(name: &str, key: &[u8], arguments: &[&[u8]]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    arguments.iter().for_each(|argument| {
        command.arg(*argument);
    });
    command
}

/// 0 for what is not there.
fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or_default(),
        Value::BulkString(text) => {
            str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
        }
        _ => 0,
    }
}

pub(super) fn channel_ids(list: Value) -> impl Iterator<Item = ChannelId> {
    let items = match list {
        Value::Array(items) | Value::Set(items) => items,
        _ => Vec::new(),
    };
    items.into_iter().filter_map(|item| match item {
        Value::BulkString(id) => Some(ChannelId::from_bytes(id.try_into().ok()?)),
        _ => None,
    })
}
