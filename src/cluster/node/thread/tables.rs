//! The key tables of the apps, as Redis keeps them.
//!
//! A node reads them after it has subscribed and before it is a member, so that no change goes past
//! it. It takes the union of what it knows and what it reads, and stores that if Redis lacks
//! something. Redis may lose or forget a table: each node looks from time to time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::task::JoinSet;

use super::{NodeDriver, Reach, token::NodeToken};
use crate::cluster::{
    content::{NodeRequest, NoteContent, RequestContent},
    membership::{
        Now,
        values::{id, pairs},
    },
    names::Incarnation,
    node::{
        host::{Company, HostTable},
        sealing::NodeTopic,
        status::RefusedBy,
    },
    redis::{
        checks::accept,
        control::NodeEntry,
        tables::{
            StoredTable, TableHead, TableKeys, TableStored, read_head, read_stored, read_table,
        },
    },
    stored::StoredPlace,
};

/// Between two looks at whether the tables are those that this node knows.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// A node that cannot agree with others in so many attempts is a member nevertheless.
const MAX_ROUNDS: u32 = 20;

/// Before a node that may not be a member looks again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The state of the copies in Redis.
pub(super) struct TableCopies {
    lease: Duration,
    step: TableStep,
    /// There is a connection, and the topics are subscribed.
    is_up: bool,
    /// The membership waits for the tables.
    is_entering: bool,
    /// Since then.
    entering_since: Instant,
    /// How often it has stored something meanwhile.
    rounds: u32,
    /// Something has changed since the last read began.
    is_suspect: bool,
    next_check: Instant,
    /// As of the last read, or of what was stored since.
    heads: BTreeMap<Arc<str>, TableHead>,
    /// The greatest generation that this node has seen.
    newest: BTreeMap<Arc<str>, u64>,
    /// Apps of which Redis lacks something.
    behind: BTreeSet<Arc<str>>,
    /// Questions whose table was not stored, since another one was there.
    unsent: BTreeSet<u64>,
    taking: JoinSet<Result<Vec<Arc<str>>, String>>,
    /// The entries of nodes, with the time since when they stand still.
    entries: BTreeMap<Incarnation, (Bytes, Instant)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TableStep {
    Idle,
    Reading,
    /// The host saves and installs them.
    Taking,
}

/// What the host has made of the tables.
pub(super) type TakenTables = Option<Result<Vec<Arc<str>>, String>>;

impl TableCopies {
    pub fn new(lease: Duration, now: Instant) -> Self {
        Self {
            lease,
            step: TableStep::Idle,
            is_up: false,
            is_entering: false,
            entering_since: now,
            rounds: 0,
            is_suspect: false,
            next_check: now + CHECK_INTERVAL,
            heads: BTreeMap::new(),
            newest: BTreeMap::new(),
            behind: BTreeSet::new(),
            unsent: BTreeSet::new(),
            taking: JoinSet::new(),
            entries: BTreeMap::new(),
        }
    }

    pub fn next_check(&self) -> Instant {
        self.next_check
    }

    /// Redis may have lost something, or has something new.
    pub fn suspect(&mut self) {
        self.is_suspect = true;
    }

    /// True while a change that is told may be one that the last read does not have.
    pub fn is_busy(&self) -> bool {
        self.step != TableStep::Idle || self.is_entering
    }

    /// Pending without something to wait for.
    pub async fn next_taken(&mut self) -> TakenTables {
        match self.taking.join_next().await {
            Some(taken) => taken.ok(),
            None => std::future::pending().await,
        }
    }

    /// Redis may have lost all, and the living have written their tables again and not yet their
    /// entries: these come with the next beats.
    fn may_miss_entries(&self, now: Instant) -> bool {
        let is_early = now < self.entering_since + self.lease / 2;
        self.is_entering && is_early && self.entries.is_empty()
    }

    /// An entry of another node that has moved within a lease is that of a living one.
    fn company(&mut self, own: Incarnation, answer: &Value, now: Instant) -> Company {
        let entries = pairs(answer.clone()).unwrap_or_default();
        let mut before = std::mem::take(&mut self.entries);
        for (node, entry) in entries {
            let Some(node) = id(&node).map(Incarnation::from_bytes) else { continue };
            if node == own || !matches!(NodeEntry::parse(&entry), Some(NodeEntry::Alive { .. })) {
                continue;
            }
            let since = match before.remove(&node) {
                Some((seen, since)) if seen == entry => since,
                _ => now,
            };
            self.entries.insert(node, (entry, since));
        }
        let lease = self.lease;
        let mut seen = self.entries.values();
        if seen.any(|(_, since)| now < *since + lease) { Company::Others } else { Company::None }
    }
}

impl NodeDriver {
    /// The membership begins once the tables are taken.
    pub(super) fn enter_with_tables(&mut self) {
        (self.tables.is_up, self.tables.is_entering) = (true, true);
        (self.tables.rounds, self.tables.entering_since) = (0, Instant::now());
        self.read_tables();
    }

    pub(super) fn tables_away(&mut self) {
        (self.tables.is_up, self.tables.is_entering) = (false, false);
    }

    /// The connection was lost before the answer.
    pub(super) fn tables_lost(&mut self) {
        self.tables.step = TableStep::Idle;
        // It looks again after a while, and finds all of them changed.
        self.tables.is_suspect = false;
        self.tables.heads.clear();
        self.tables.next_check = Instant::now() + RETRY_INTERVAL;
    }

    pub(super) fn read_tables(&mut self) {
        self.tables.is_suspect = true;
        if self.tables.step != TableStep::Idle || !self.tables.is_up {
            return;
        }
        self.tables.is_suspect = false;
        let apps = self.host.sealed_apps();
        let read = |app: &Arc<str>| self.table_keys(app).read();
        let commands = [self.living_command()].into_iter().chain(apps.iter().map(read)).collect();
        self.tables.step = TableStep::Reading;
        self.links.read(commands, NodeToken::Tables(apps));
    }

    pub(super) fn tables_read(&mut self, apps: Vec<Arc<str>>, answers: Vec<Value>) {
        self.tables.step = TableStep::Idle;
        let mut answers = answers.into_iter();
        let Some(nodes) = answers.next() else { return };
        let own = self.sealing.incarnation();
        let company = self.tables.company(own, &nodes, Instant::now());
        let mut tables = Vec::new();
        for (app, answer) in apps.into_iter().zip(answers) {
            if let Err(error) = accept(&answer, "GET") {
                tracing::warn!(%error, "the key tables were not read");
                return self.kept_out(error);
            }
            let stored = read_table(&answer).unwrap_or_default();
            tables.push(self.opened_table(app, stored));
        }
        let now = Instant::now();
        if tables.iter().any(|(_, table)| table.is_some()) && self.tables.may_miss_entries(now) {
            self.tables.next_check = now + RETRY_INTERVAL;
            return;
        }
        self.tables.step = TableStep::Taking;
        self.tables.taking.spawn(self.host.take_tables(tables, company));
    }

    /// What does not open is as good as lost.
    fn opened_table(&mut self, app: Arc<str>, stored: StoredTable) -> HostTable {
        let StoredTable { head, sealed } = stored;
        self.note_head(&app, head.clone());
        if head == TableHead::default() {
            return (app, None);
        }
        let key = self.table_keys(&app).table;
        let place = StoredPlace { key: &key, field: b"", generation: head.generation() };
        let opened = self.sealing.stored.open(place, &sealed);
        (app, self.status.rejected.counted(opened).ok())
    }

    fn note_head(&mut self, app: &Arc<str>, head: TableHead) {
        let newest = self.tables.newest.entry(app.clone()).or_default();
        *newest = (*newest).max(head.generation());
        self.tables.heads.insert(app.clone(), head);
    }

    /// The host has saved and installed the tables, or refuses them.
    pub(super) fn tables_taken(&mut self, taken: TakenTables) {
        self.tables.step = TableStep::Idle;
        if self.tables.is_suspect {
            return self.read_tables();
        }
        match taken {
            // It is tried again with the next check.
            None => {}
            Some(Err(reason)) => self.keys_refused(reason),
            Some(Ok(behind)) => {
                self.tables.behind.extend(behind);
                let is_whole = self.tables.behind.is_empty() || self.tables.rounds == MAX_ROUNDS;
                if self.tables.is_up && self.tables.is_entering && is_whole {
                    self.tables.is_entering = false;
                    let effects = self.membership.linked(&self.sealing, Now::read());
                    self.run_effects(effects);
                }
                self.store_tables();
            }
        }
    }

    /// It is a member no more, and looks again.
    fn keys_refused(&mut self, reason: String) {
        self.tables.is_entering = true;
        self.tables.next_check = Instant::now() + RETRY_INTERVAL;
        let effects = self.membership.unlinked(Now::read());
        self.run_effects(effects);
        self.refused(RefusedBy::Keys, reason);
    }

    /// What this node has and Redis lacks. Nodes that begin together agree before they are members.
    pub(super) fn store_tables(&mut self) {
        if !self.tables.is_up || !(self.reach == Reach::Joined || self.tables.is_entering) {
            return;
        }
        for app in std::mem::take(&mut self.tables.behind) {
            let request = RequestContent { app: &app, request: NodeRequest::ReadTable }.to_bytes();
            let note = NoteContent::Request { reply_to: None, body: &request };
            if let Some(command) = self.store_command(&app, &note) {
                self.links.read(vec![command], NodeToken::TableStored(app));
            }
        }
        if self.reach == Reach::Joined {
            let unsent = std::mem::take(&mut self.tables.unsent);
            unsent.into_iter().for_each(|number| self.send_question(number));
        }
    }

    /// It is sealed, and has to be sent at once. `note` is told when the table is stored.
    pub(super) fn store_command(&mut self, app: &Arc<str>, note: &NoteContent<'_>) -> Option<Cmd> {
        let content = self.host.table(app)?;
        let keys = self.table_keys(app);
        let expected = self.tables.heads.get(app).cloned().unwrap_or_default();
        let newest = self.tables.newest.get(app).copied().unwrap_or_default();
        let generation = newest.max(expected.generation()).saturating_add(1);
        let place = StoredPlace { key: &keys.table, field: b"", generation };
        let sealed = self.sealing.stored.seal(place, &content);
        let sealed = sealed.inspect_err(|error| tracing::error!(%error, "keys are not stored"));
        let table = StoredTable::new(generation, &sealed.ok()?);
        let message = self.note_message(NodeTopic::Everyone, note);
        let message = message.inspect_err(|error| tracing::error!(%error, "keys are not told"));
        let command = keys.store(&expected, &table, &message.ok()?);
        // Others that follow at once come behind this one.
        self.note_head(app, table.head);
        Some(command)
    }

    pub(super) fn table_stored(&mut self, app: Arc<str>, answer: &Value) {
        match read_stored(answer) {
            Some(TableStored::Stored) if !self.tables.is_entering => {}
            // Before it is a member, it looks at what has come of it.
            Some(TableStored::Stored | TableStored::Conflict) => {
                self.tables.rounds += 1;
                self.read_tables();
            }
            None => {
                tracing::error!(app.id = &*app, ?answer, "Redis does not keep a table of keys");
                self.tables.heads.remove(&app);
            }
        }
    }

    /// Another node has stored something since this one has read the table.
    pub(super) fn table_conflicts(&mut self, question: u64) {
        self.tables.unsent.insert(question);
        self.read_tables();
    }

    pub(super) fn check_tables(&mut self, now: Instant) {
        if !self.tables.is_up || self.tables.step != TableStep::Idle {
            self.tables.next_check = self.tables.next_check.max(now + RETRY_INTERVAL);
            return;
        }
        if self.tables.is_suspect {
            return self.read_tables();
        }
        if now < self.tables.next_check {
            return;
        }
        if self.tables.is_entering {
            self.tables.next_check = now + RETRY_INTERVAL;
            return self.read_tables();
        }
        self.tables.next_check = now + CHECK_INTERVAL;
        let apps = self.host.sealed_apps();
        let look = |app: &Arc<str>| self.table_keys(app).look();
        let commands: Vec<Cmd> = apps.iter().map(look).collect();
        if !commands.is_empty() {
            self.links.read(commands, NodeToken::TableHeads(apps));
        }
    }

    pub(super) fn table_heads_read(&mut self, apps: Vec<Arc<str>>, answers: &[Value]) {
        let is_other = |(app, answer): (&Arc<str>, &Value)| {
            read_head(answer).is_some_and(|head| self.tables.heads.get(app) != Some(&head))
        };
        if apps.iter().zip(answers).any(is_other) {
            self.read_tables();
        }
    }

    fn table_keys(&self, app: &str) -> TableKeys {
        let hash = self.sealing.names.app(app);
        TableKeys {
            table: self.sealing.layout.control().key_table(&hash).into(),
            topic: NodeTopic::Everyone.name(&self.sealing.layout),
        }
    }
}
