//! Ends what lingered in the partitions of this node, when its time is over.

use std::collections::BTreeMap;

use redis::{Cmd, Value};

use super::{
    context::{MembershipContext, command},
    departure::{self, ChannelPlace},
    effect::MembershipCount,
    token::Purpose,
    values,
};
use crate::cluster::{
    names::{ChannelId, MemberId, Partition},
    node::keys::partition_keys,
    redis::lingering::{Lingering, LingeringKind},
    rejection::ClusterRejection,
    stored::StoredError,
};

/// The most entries of a partition that end at once.
const PAGE: usize = 100;

#[derive(Default)]
pub(super) struct LingeringSweep {
    is_asked: bool,
    /// Ends without an answer.
    ending: BTreeMap<Partition, usize>,
}

impl LingeringSweep {
    pub fn ask(&mut self, owned: &[Partition], context: &mut MembershipContext<'_>) {
        let partitions: Vec<_> =
            owned.iter().filter(|it| !self.ending.contains_key(it)).copied().collect();
        if self.is_asked || partitions.is_empty() {
            return;
        }
        self.is_asked = true;
        let due = context.sealing.redis_ms();
        let list = |partition: &Partition| {
            let mut list = command("ZRANGEBYSCORE", &key(*partition, context));
            list.arg("-inf").arg(due).arg("LIMIT").arg(0).arg(PAGE);
            list
        };
        let commands = partitions.iter().map(list).collect();
        context.ask(commands, Purpose::ListLingering(partitions));
    }

    pub fn listed(
        &mut self,
        partitions: Vec<Partition>,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) {
        self.is_asked = false;
        let (mut found, mut commands) = (Vec::new(), Vec::new());
        for (partition, answer) in partitions.into_iter().zip(answers) {
            for entry in values::texts(answer).unwrap_or_default() {
                match Lingering::parse(&entry) {
                    Some(lingering) => {
                        commands.extend(read(partition, &lingering, context));
                        found.push((partition, lingering));
                    }
                    None => remove_unknown(partition, &entry, context),
                }
            }
        }
        if !found.is_empty() {
            self.is_asked = true;
            context.ask(commands, Purpose::ReadLingering(found));
        }
    }

    pub fn read(
        &mut self,
        found: Vec<(Partition, Lingering)>,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) {
        self.is_asked = false;
        let mut answers = answers.into_iter();
        for (partition, lingering) in found {
            let (Some(name), Some(record)) = (answers.next(), answers.next()) else { return };
            if values::is_error(&name) || values::is_error(&record) {
                continue;
            }
            // Without random bytes: the next sweep finds it again.
            if end(partition, lingering, [name, record].map(only), context).is_ok() {
                *self.ending.entry(partition).or_default() += 1;
            }
        }
    }

    /// Also after a refusal: the next sweep finds it again.
    pub fn ended(&mut self, partition: Partition) {
        if let Some(ending) = self.ending.get_mut(&partition) {
            *ending -= 1;
            if *ending == 0 {
                self.ending.remove(&partition);
            }
        }
    }

    pub fn lost(&mut self) {
        self.is_asked = false;
    }
}

/// The sealed name and the member's record.
fn read(partition: Partition, lingering: &Lingering, context: &MembershipContext<'_>) -> [Cmd; 2] {
    let place = place(partition, lingering);
    let member = match lingering.kind {
        LingeringKind::Member(member) => MemberId::from_bytes(member),
        LingeringKind::Channel | LingeringKind::LastEvent | LingeringKind::Log => {
            MemberId::from_bytes([0; 16])
        }
    };
    let sealing = context.sealing;
    [place.read_fields(sealing, &[b"k"]), place.read_records(sealing, &[member])]
}

fn end(
    partition: Partition,
    lingering: Lingering,
    [name, record]: [Value; 2],
    context: &mut MembershipContext<'_>,
) -> Result<(), StoredError> {
    let place = place(partition, &lingering);
    let channel = place.open(name, context);
    let user = match lingering.kind {
        LingeringKind::Member(member) => {
            place.open_user(&MemberId::from_bytes(member), record, context)
        }
        LingeringKind::Channel | LingeringKind::LastEvent | LingeringKind::Log => None,
    };
    let (verb, keys) = departure::end(context, lingering, place, channel.as_ref(), user.as_ref())?;
    context.change(partition, &verb, &keys, Purpose::End(partition));
    Ok(())
}

/// Nobody else would, and pages of them would hide what is behind.
fn remove_unknown(partition: Partition, entry: &[u8], context: &mut MembershipContext<'_>) {
    context.count(MembershipCount::Rejected(ClusterRejection::Malformed));
    let mut remove = command("ZREM", &key(partition, context));
    remove.arg(entry);
    context.ask(vec![remove], Purpose::Nothing);
}

fn only(fields: Value) -> Value {
    values::list(fields).and_then(|fields| fields.into_iter().next()).unwrap_or(Value::Nil)
}

fn key(partition: Partition, context: &MembershipContext<'_>) -> bytes::Bytes {
    partition_keys(&context.sealing.layout, partition, &context.sealing.incarnation()).g
}

fn place(partition: Partition, lingering: &Lingering) -> ChannelPlace {
    ChannelPlace { partition, id: ChannelId::from_bytes(lingering.channel) }
}
