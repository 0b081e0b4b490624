//! The changes of a partition. Each is idempotent: a node that has no answer sends the same again.

use bytes::Bytes;
use redis::Cmd;

use super::{
    Id,
    keys::Keys,
    lingering::{Lingering, LingeringKind},
    log::{LogBounds, LogCondition, LogLife},
    replies::{Reply, UnexpectedReply},
    scripts::{Script, Scripts},
};

/// Whether a change of a node passes the fence of a buried one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fence {
    Heeded,
    /// Its reaper acts in its name.
    Passed,
}

/// What others hear of a member, and the fact for webhooks if there are any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    pub blob: Bytes,
    pub fact: Option<Bytes>,
}

/// Blobs and names are sealed. Times are in milliseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verb {
    /// Asks whether the engine still knows what a node announced. `known` numbers the announcement
    /// that the node's acknowledgements rest on, from 1 on; after `New` they are void, and rest on
    /// `announcement`. The verb also proves that this master takes writes.
    Admit {
        node: Id,
        known: Option<u64>,
        announcement: u64,
    },
    /// Fences a dead node off. Its reaper then takes away all that it had.
    Bury,
    /// Takes a node off the partition's list, if nothing of it is left.
    Retire {
        node: Id,
    },
    /// Raises the floor, first of all on each connection. A run names a master and its data.
    Floor {
        came_from: Bytes,
        run: Bytes,
        known: u64,
    },
    /// Takes or keeps the ownership; a lease of 0 gives it back.
    Own {
        token: Bytes,
        lease_ms: u64,
    },
    /// Acknowledges facts as the owner.
    Ack {
        token: Bytes,
        group: Bytes,
        entries: Vec<Bytes>,
    },
    /// Notes as the owner which endpoints are done with a fact. A mark is sealed.
    Mark {
        token: Bytes,
        marks: Vec<(Bytes, Bytes)>,
    },
    /// A fact that is no change of the channel, behind all changes before.
    Fact {
        fact: Bytes,
        /// Told once, until the channel keeps an event or is empty.
        is_miss: bool,
    },
    /// The number of a node's subscribers. Sent again, it also asks whether the total may be told.
    Count {
        fence: Fence,
        node: Id,
        channel: Id,
        count: u32,
        name: Bytes,
        occupied: Option<Bytes>,
        vacated: Option<Bytes>,
        /// Written with the number, if the total is told.
        total: Option<Bytes>,
        linger_ms: u64,
        /// On a channel with a log.
        log: Option<LogLife>,
    },
    /// A node's reference to a member. `limit` is 0 for a member who has been answered.
    Join {
        node: Id,
        channel: Id,
        member: Id,
        tag: [u8; 8],
        record: Bytes,
        limit: u32,
        added: Notice,
        /// For a member who is back from a drained node with other info.
        removed: Notice,
    },
    Leave {
        fence: Fence,
        node: Id,
        channel: Id,
        member: Id,
        removed: Notice,
        linger_ms: u64,
    },
    /// Ends what lingered, if its time is over. `ended` is what is told of a member and written of
    /// a member or a channel.
    End {
        lingering: Lingering,
        ended: Notice,
        /// Written with 0 before the end of a channel.
        total: Option<Bytes>,
    },
    /// Publishes and keeps an event.
    Last {
        channel: Id,
        blob: Bytes,
        ttl_ms: u64,
        sent_ms: u64,
    },
    /// Publishes an event and adds it to the log. `counter` is that of its envelope: the log takes it
    /// once.
    Append {
        node: Id,
        channel: Id,
        counter: u64,
        blob: Bytes,
        sent_ms: u64,
        /// 0: the channel does not keep it as its last event.
        keep_ms: u64,
        bounds: LogBounds,
        life: LogLife,
        condition: LogCondition,
    },
    /// Forgets all logged events and the kept one, and tells so.
    Clear {
        node: Id,
        channel: Id,
        counter: u64,
        blob: Bytes,
    },
    /// Replaces the kept event by the same one under another key.
    Renew {
        number: u64,
        blob: Bytes,
    },
}

impl Verb {
    pub fn script(&self) -> Script {
        match self {
            Self::Admit { .. } => Script::Admit,
            Self::Bury => Script::Bury,
            Self::Retire { .. } => Script::Retire,
            Self::Floor { .. } => Script::Floor,
            Self::Own { .. } => Script::Own,
            Self::Ack { .. } => Script::Ack,
            Self::Mark { .. } => Script::Mark,
            Self::Fact { .. } => Script::Fact,
            Self::Count { .. } => Script::Count,
            Self::Join { .. } => Script::Join,
            Self::Leave { .. } => Script::Leave,
            Self::End { .. } => Script::End,
            Self::Last { .. } => Script::Last,
            Self::Append { .. } => Script::Append,
            Self::Clear { .. } => Script::Clear,
            Self::Renew { .. } => Script::Renew,
        }
    }

    pub fn command(&self, scripts: &Scripts, keys: &Keys) -> Cmd {
        let script = self.script();
        let mut command = redis::cmd("EVALSHA");
        command.arg(scripts.sha1(script)).arg(script.keys().len());
        for key in script.keys() {
            command.arg(&keys.name(*key)[..]);
        }
        self.write_arguments(&mut command);
        command
    }

    pub fn parse(&self, value: &redis::Value) -> Result<Reply, UnexpectedReply> {
        Reply::parse(self.script(), value)
    }

    fn write_arguments(&self, command: &mut Cmd) {
        match self {
            Self::Admit { node, known, announcement } => {
                command.arg(Fence::Heeded.argument()).arg(&node[..]);
                match known {
                    Some(known) => command.arg(known),
                    None => command.arg(""),
                };
                command.arg(announcement)
            }
            Self::Bury => command,
            Self::Retire { node } => command.arg(&node[..]),
            Self::Floor { came_from, run, known } => {
                command.arg(&came_from[..]).arg(&run[..]).arg(known)
            }
            Self::Own { token, lease_ms } => command.arg(&token[..]).arg(lease_ms),
            Self::Ack { token, group, entries } => {
                command.arg(&token[..]).arg(&group[..]);
                entries.iter().fold(command, |command, entry| command.arg(&entry[..]))
            }
            Self::Mark { token, marks } => {
                let command = command.arg(&token[..]);
                marks
                    .iter()
                    .fold(command, |command, (entry, mark)| command.arg(&entry[..]).arg(&mark[..]))
            }
            Self::Fact { fact, is_miss } => command.arg(&fact[..]).arg(u8::from(*is_miss)),
            Self::Count {
                fence,
                node,
                channel,
                count,
                name,
                occupied,
                vacated,
                total,
                linger_ms,
                log,
            } => {
                command.arg(fence.argument()).arg(&node[..]).arg(&channel[..]).arg(count);
                command.arg(&name[..]).arg(fact(occupied)).arg(fact(vacated));
                command.arg(fact(total)).arg(linger_ms);
                match log {
                    Some(life) => command.arg(life.idle_ms).arg(life.vacant_ms),
                    None => command.arg("").arg(""),
                }
            }
            Self::Join { node, channel, member, tag, record, limit, added, removed } => {
                command.arg(Fence::Heeded.argument()).arg(&node[..]).arg(&channel[..]);
                command.arg(&member[..]).arg(&tag[..]).arg(&record[..]).arg(limit);
                notice(notice(command, added), removed)
            }
            Self::Leave { fence, node, channel, member, removed, linger_ms } => {
                command.arg(fence.argument()).arg(&node[..]).arg(&channel[..]).arg(&member[..]);
                notice(command, removed).arg(linger_ms)
            }
            Self::End { lingering, ended, total } => {
                let member = match &lingering.kind {
                    LingeringKind::Member(member) => &member[..],
                    LingeringKind::Channel | LingeringKind::LastEvent | LingeringKind::Log => &[],
                };
                command.arg(lingering.letter()).arg(&lingering.channel[..]).arg(member);
                notice(command, ended).arg(fact(total))
            }
            Self::Last { channel, blob, ttl_ms, sent_ms } => {
                command.arg(Fence::Heeded.argument()).arg(&channel[..]);
                command.arg(&blob[..]).arg(ttl_ms).arg(sent_ms)
            }
            Self::Append {
                node,
                channel,
                counter,
                blob,
                sent_ms,
                keep_ms,
                bounds,
                life,
                condition,
            } => {
                command.arg(Fence::Heeded.argument()).arg(&node[..]).arg(&channel[..]);
                command.arg(counter).arg(&blob[..]).arg(sent_ms).arg(keep_ms);
                command.arg(bounds.events).arg(bounds.bytes).arg(bounds.ttl_ms);
                command.arg(life.idle_ms).arg(life.vacant_ms).arg(condition.argument())
            }
            Self::Clear { node, channel, counter, blob } => {
                command.arg(Fence::Heeded.argument()).arg(&node[..]).arg(&channel[..]);
                command.arg(counter).arg(&blob[..])
            }
            Self::Renew { number, blob } => command.arg(number).arg(&blob[..]),
        };
    }
}

impl Fence {
    fn argument(self) -> &'static str {
        match self {
            Self::Heeded => "0",
            Self::Passed => "1",
        }
    }
}

fn fact(fact: &Option<Bytes>) -> &[u8] {
    fact.as_deref().unwrap_or_default()
}

fn notice<'a>(command: &'a mut Cmd, notice: &Notice) -> &'a mut Cmd {
    command.arg(&notice.blob[..]).arg(fact(&notice.fact))
}
