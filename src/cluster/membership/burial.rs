//! Takes away all that a dead node had in one partition.
//!
//! First its tombstone is set, so that nothing is added any more. Then each page of its channels is
//! read, its members and subscribers there leave in its name, and what has left is off the list. All
//! of it may be done twice, by two reapers too.

use std::sync::Arc;

use bytes::Bytes;
use redis::Value;

use super::{
    context::{MembershipContext, command},
    departure::{self, ChannelPlace},
    token::{Grave, Purpose},
    values,
};
use crate::cluster::{
    names::{ChannelId, MemberId},
    node::{ClusterChannel, keys::partition_keys},
    redis::{replies::Reply, scripts::Script, verbs::Verb},
    rejection::ClusterRejection,
    stored::StoredError,
};

/// The most channels that are read at once.
const CHANNELS: usize = 100;

/// The most members that leave at once.
const MEMBERS: usize = 500;

/// References to members that Redis looks at in one step.
const SCANNED: usize = 1000;

pub(super) struct Burial {
    grave: Grave,
    channels: Vec<BuriedChannel>,
    /// Members of these channels whose records are not read yet.
    members: Vec<(ChannelId, MemberId)>,
    /// Changes without an answer.
    waiting: usize,
    /// The members of the page have left, and its subscribers are leaving.
    is_vacating: bool,
    /// Pages that may still be read. A list that does not get shorter is left to later reapers.
    pages_left: u64,
}

struct BuriedChannel {
    id: ChannelId,
    name: Option<ClusterChannel>,
    /// Where the scan of its references goes on. `None`: it is done.
    cursor: Option<u64>,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Progress {
    Goes,
    Done,
    /// To be begun anew, after a while.
    Failed,
}

type BurialStep = Result<Progress, StoredError>;

impl Burial {
    pub fn begin(grave: Grave, context: &mut MembershipContext<'_>) -> Self {
        let purpose = Purpose::Bury(grave);
        context.change_partition(grave.partition, &grave.node, &Verb::Bury, purpose);
        Self {
            grave,
            channels: Vec::new(),
            members: Vec::new(),
            waiting: 1,
            is_vacating: false,
            pages_left: 0,
        }
    }

    pub fn answered(
        &mut self,
        purpose: Purpose,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) -> Progress {
        if answers.iter().any(values::is_error) {
            return Progress::Failed;
        }
        self.step(purpose, answers, context).unwrap_or(Progress::Failed)
    }

    fn step(
        &mut self,
        purpose: Purpose,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) -> BurialStep {
        match purpose {
            Purpose::Bury(_) => self.buried(&answers, context),
            Purpose::ListChannels(_) => self.listed(answers, context),
            Purpose::ReadChannels { channels, .. } => self.named(channels, answers, context),
            Purpose::ReadReferences { channels, .. } => self.scanned(channels, answers, context),
            Purpose::ReadRecords { members, .. } => self.leave(members, answers, context),
            Purpose::TakeAway(_) => self.taken_away(context),
            Purpose::Retire(_) => self.retired(&answers, context),
            _ => Ok(Progress::Failed),
        }
    }

    fn buried(&mut self, answers: &[Value], context: &mut MembershipContext<'_>) -> BurialStep {
        self.waiting = 0;
        match reply(Script::Bury, answers) {
            Some(Reply::Buried { channels: 0 }) => Ok(self.retire(context)),
            Some(Reply::Buried { channels }) => {
                self.pages_left = 2 + 2 * channels / CHANNELS as u64;
                Ok(self.list(context))
            }
            _ => Ok(Progress::Failed),
        }
    }

    fn list(&mut self, context: &mut MembershipContext<'_>) -> Progress {
        self.list_without(&[], context)
    }

    fn list_without(&mut self, foreign: &[Bytes], context: &mut MembershipContext<'_>) -> Progress {
        if self.pages_left == 0 {
            return Progress::Failed;
        }
        self.pages_left -= 1;
        let keys = partition_keys(&context.sealing.layout, self.grave.partition, &self.grave.node);
        let remove = (!foreign.is_empty()).then(|| {
            let mut remove = command("SREM", &keys.i);
            foreign.iter().for_each(|entry| {
                remove.arg(&entry[..]);
            });
            remove
        });
        let mut list = command("SRANDMEMBER", &keys.i);
        list.arg(CHANNELS);
        let commands = remove.into_iter().chain([list]).collect();
        context.ask(commands, Purpose::ListChannels(self.grave));
        Progress::Goes
    }

    fn listed(&mut self, answers: Vec<Value>, context: &mut MembershipContext<'_>) -> BurialStep {
        let Some(entries) = answers.into_iter().next_back().and_then(values::texts) else {
            return Ok(Progress::Failed);
        };
        let channels = entries.iter().filter_map(|id| values::id(id)).map(ChannelId::from_bytes);
        let channels: Vec<_> = channels.collect();
        if channels.len() < entries.len() {
            // The list would never be empty.
            let is_foreign = |entry: &Bytes| values::id(entry).is_none();
            let foreign: Vec<_> = entries.into_iter().filter(is_foreign).collect();
            foreign.iter().for_each(|_| context.reject(ClusterRejection::Length));
            return Ok(self.list_without(&foreign, context));
        }
        if channels.is_empty() {
            return Ok(self.retire(context));
        }
        let references = [b"r", &self.grave.node.as_bytes()[..]].concat();
        let read = |id| self.place(id).read_fields(context.sealing, &[b"k", &references]);
        let commands = channels.iter().map(|id| read(*id)).collect();
        context.ask(commands, Purpose::ReadChannels { grave: self.grave, channels });
        Ok(Progress::Goes)
    }

    fn named(
        &mut self,
        channels: Vec<ChannelId>,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) -> BurialStep {
        self.channels.clear();
        for (id, answer) in channels.into_iter().zip(answers) {
            let fields = values::list(answer).and_then(|it| <[Value; 2]>::try_from(it).ok());
            let Some([name, references]) = fields else { return Ok(Progress::Failed) };
            let name = self.place(id).open(name, context);
            let cursor = (references != Value::Nil).then_some(0);
            self.channels.push(BuriedChannel { id, name, cursor });
        }
        self.next_in_page(context)
    }

    /// Members whose records are not read, then references that are not scanned, then the
    /// subscribers.
    fn next_in_page(&mut self, context: &mut MembershipContext<'_>) -> BurialStep {
        if !self.members.is_empty() {
            return Ok(self.read_records(context));
        }
        let unscanned = self.channels.iter().filter_map(|it| Some((it.id, it.cursor?)));
        let (channels, commands): (Vec<_>, Vec<_>) =
            unscanned.map(|(id, cursor)| (id, self.scan(id, cursor, context))).unzip();
        if !channels.is_empty() {
            context.ask(commands, Purpose::ReadReferences { grave: self.grave, channels });
            return Ok(Progress::Goes);
        }
        self.vacate(context)
    }

    fn scan(&self, id: ChannelId, cursor: u64, context: &MembershipContext<'_>) -> redis::Cmd {
        let key = self.place(id).keys(context.sealing, &self.grave.node).r;
        let mut scan = command("HSCAN", &key);
        scan.arg(cursor).arg("MATCH").arg(reference_pattern(&self.grave)).arg("COUNT").arg(SCANNED);
        scan
    }

    fn scanned(
        &mut self,
        channels: Vec<ChannelId>,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) -> BurialStep {
        for (id, answer) in channels.into_iter().zip(answers) {
            let Some((cursor, fields)) = values::scanned_fields(answer) else {
                return Ok(Progress::Failed);
            };
            if let Some(channel) = self.channels.iter_mut().find(|channel| channel.id == id) {
                channel.cursor = (cursor != 0).then_some(cursor);
            }
            let members = fields.iter().filter_map(|field| values::id(field.get(..16)?));
            self.members.extend(members.map(|member| (id, MemberId::from_bytes(member))));
        }
        self.next_in_page(context)
    }

    fn read_records(&mut self, context: &mut MembershipContext<'_>) -> Progress {
        let first = self.members.len().saturating_sub(MEMBERS);
        let members = self.members.split_off(first);
        let by_channel = members.chunk_by(|(one, _), (other, _)| one == other);
        let commands = by_channel.map(|members| {
            let ids: Vec<_> = members.iter().map(|(_, member)| *member).collect();
            self.place(members[0].0).read_records(context.sealing, &ids)
        });
        let commands = commands.collect();
        context.ask(commands, Purpose::ReadRecords { grave: self.grave, members });
        Progress::Goes
    }

    fn leave(
        &mut self,
        members: Vec<(ChannelId, MemberId)>,
        answers: Vec<Value>,
        context: &mut MembershipContext<'_>,
    ) -> BurialStep {
        let Some(records) = answers.into_iter().map(values::list).collect::<Option<Vec<_>>>()
        else {
            return Ok(Progress::Failed);
        };
        for ((id, member), record) in members.into_iter().zip(records.into_iter().flatten()) {
            let user = self.place(id).open_user(&member, record, context);
            self.send_leave(id, &member, user.as_ref(), context)?;
        }
        Ok(if self.waiting == 0 { Progress::Failed } else { Progress::Goes })
    }

    fn send_leave(
        &mut self,
        id: ChannelId,
        member: &MemberId,
        user: Option<&Arc<str>>,
        context: &mut MembershipContext<'_>,
    ) -> Result<(), StoredError> {
        let name = self.channels.iter().find(|channel| channel.id == id);
        let name = name.and_then(|channel| channel.name.as_ref());
        let verb = departure::leave(context, &self.grave.node, id, name, member, user)?;
        let keys = self.place(id).keys(context.sealing, &self.grave.node);
        context.change(self.grave.partition, &verb, &keys, Purpose::TakeAway(self.grave));
        self.waiting += 1;
        Ok(())
    }

    fn vacate(&mut self, context: &mut MembershipContext<'_>) -> BurialStep {
        self.is_vacating = true;
        for channel in &self.channels {
            let (place, name) = (self.place(channel.id), channel.name.as_ref());
            let (verb, keys) = departure::vacate(context, &self.grave.node, place, name)?;
            context.change(self.grave.partition, &verb, &keys, Purpose::TakeAway(self.grave));
            self.waiting += 1;
        }
        Ok(Progress::Goes)
    }

    fn taken_away(&mut self, context: &mut MembershipContext<'_>) -> BurialStep {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting > 0 {
            return Ok(Progress::Goes);
        }
        if std::mem::take(&mut self.is_vacating) {
            return Ok(self.list(context));
        }
        self.next_in_page(context)
    }

    fn retire(&mut self, context: &mut MembershipContext<'_>) -> Progress {
        let Grave { node, partition, .. } = self.grave;
        let verb = Verb::Retire { node: *node.as_bytes() };
        context.change_partition(partition, &node, &verb, Purpose::Retire(self.grave));
        Progress::Goes
    }

    fn retired(&mut self, answers: &[Value], context: &mut MembershipContext<'_>) -> BurialStep {
        Ok(match reply(Script::Retire, answers) {
            Some(Reply::Retired) => Progress::Done,
            Some(Reply::NotRetired { .. }) => self.list(context),
            _ => Progress::Failed,
        })
    }

    fn place(&self, id: ChannelId) -> ChannelPlace {
        ChannelPlace { partition: self.grave.partition, id }
    }
}

fn reply(script: Script, answers: &[Value]) -> Option<Reply> {
    Reply::parse(script, answers.first()?).ok()
}

/// Matches the references of one node: any member's id, then the node's.
fn reference_pattern(grave: &Grave) -> Vec<u8> {
    let mut pattern = vec![b'?'; 16];
    for byte in grave.node.as_bytes() {
        if b"*?[]\\".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern
}
