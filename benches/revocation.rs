//! Processor time of a worker for moving all subscribers of one channel to a new secret
//! after one member was revoked: `cargo bench --bench revocation [-- SUBSCRIBERS ...]`.
//!
//! Drives one shard directly, without sockets, so that descriptors do not bound the numbers. Each
//! client asks as soon as an event does not open, and answers each ping at once. The time includes
//! the clients, which do next to nothing.

#![allow(clippy::print_stdout, reason = "what was measured")]

use std::{cell::RefCell, collections::VecDeque, path::Path, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use sealcast::{
    auth::revoked::RevokedTokens,
    crypto::{
        key::MasterKey,
        keyring::KeyRing,
        keytable::{KeyTable, Version},
        padding::Padding,
        secret::{Derivation, Salt},
    },
    domain::{channel::Channel, ids::SocketId, limits::Rotation},
    hub::{
        Hub,
        authorization_cache::AuthorizationScope,
        client_names::ClientNameId,
        directory::Directory,
        mailbox::{ForcedRekey, KeyRequest, Rekey, RequestedChannel, WorkerCommand},
        outbox::Outbox,
        record::Record,
        rekey::{
            gate::{Gate, Issuer},
            reauthorization::Reauthorization,
            rekey_policy::{AppRuntimeId, RekeyPolicy},
        },
        shard::Shard,
        socket::{Peer, SessionCommand, Socket},
        socket_ids::SocketIds,
        topics::Slot,
    },
    platform::clock::KnownAsOf,
    protocol::{
        form::Form,
        sealed::{EventSource, SealedFrames},
    },
};
use tokio::{sync::oneshot, task::LocalSet};

const CHANNEL: &str = "private-encrypted-room";
const BEFORE: Version = Version { key: 1, epoch: 0 };
const AFTER: Version = Version { key: 1, epoch: 1 };
const PING: u8 = 0x89;

/// Frames without a reaction of the client so far.
enum Received {
    Event,
    Ping(u64),
}

type Inbox = Rc<RefCell<VecDeque<(Slot, Received)>>>;

struct Client {
    outbox: Outbox,
    slot: RefCell<Slot>,
    inbox: Inbox,
}

impl Socket for Client {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn flush(&self) {
        self.outbox.clear_dirty();
    }

    fn tick(&self, _: std::time::Instant) {}

    fn charge_authorizations(&self, _: usize) {}

    fn command(&self, _: SessionCommand) {}

    fn send(&self, frame: Bytes) {
        let received = match frame[0] {
            PING => Received::Ping(u64::from_be_bytes(frame[2..10].try_into().expect("a number"))),
            _ => Received::Event,
        };
        self.inbox.borrow_mut().push_back((*self.slot.borrow(), received));
    }
}

struct Bed {
    hub: Arc<Hub>,
    shard: Rc<Shard>,
    record: Arc<Record>,
    rekey: Rekey,
    inbox: Inbox,
    ids: Vec<SocketId>,
    policy: Arc<RekeyPolicy>,
}

impl Bed {
    fn new(subscribers: usize) -> Self {
        let hub = Hub::new(1, usize::MAX, 1000);
        let key = MasterKey::generate().expect("random bytes");
        let table = KeyTable::new(key, 0).revoked(CHANNEL, "somebody", 0);
        let ring = KeyRing::new(
            "app",
            table,
            Derivation::Hkdf,
            Salt::random().expect("random bytes"),
            Padding::None,
        );
        let channel = Channel::parse(CHANNEL, 200).expect("a name");
        let record = Directory::new(hub.clone()).with(&channel, |record, mut locked| {
            locked.sealed(|| AFTER);
            record.clone()
        });
        let sealed = ring.seal(&channel, AFTER, b"{}").expect("a nudge");
        let (topic, nudge) =
            (record.topic(), SealedFrames::new(&EventSource::backend("nudge"), [&sealed]));
        let forced = Some(ForcedRekey::default());
        let rekey = Rekey { topic, nudge, target: AFTER, since: 0, forced, resealer: None };
        // No client is closed, however long it takes.
        let rotation = Rotation { hold_ms: 3_600_000, ..Rotation::default() };
        let policy = Arc::new(RekeyPolicy::new(AppRuntimeId(0), &rotation));
        let shard = Shard::new(hub.clone());
        let mut bed =
            Self { hub, shard, record, rekey, inbox: Inbox::default(), ids: Vec::new(), policy };
        let mut ids = SocketIds::of_worker(0);
        (0..subscribers).for_each(|_| bed.join(ids.next_id().expect("random bytes")));
        bed
    }

    fn join(&mut self, id: SocketId) {
        let outbox = Outbox::new(Form::Pusher, 1 << 20);
        let client =
            Rc::new(Client { outbox, slot: RefCell::default(), inbox: self.inbox.clone() });
        let runtime = Some(self.policy.runtime);
        let reauthorization = Reauthorization::Retries;
        let peer = Peer {
            runtime,
            app_closings: 0,
            legacy_java: false,
            reauthorization,
            client: ClientNameId::NONE,
        };
        let slot = self.shard.add(id, peer, client.clone());
        assert_eq!(slot as usize, self.ids.len(), "slots are given in order");
        *client.slot.borrow_mut() = slot;
        self.ids.push(id);
        let (record, policy) = (self.record.clone(), self.policy.clone());
        record.enter().expect("a record").join_key(BEFORE);
        let gate = Gate::new(record, policy, BEFORE, Issuer::Server, None, None);
        assert!(self.shard.subscribe_sealed(gate, slot, 0));
    }

    /// The client of this slot asks the auth endpoint, which answers.
    async fn ask(&self, slot: Slot) {
        let (socket, topic) = (self.ids[slot as usize], self.record.topic());
        let (answer, answered) = oneshot::channel();
        let requested = RequestedChannel {
            name: CHANNEL.into(),
            topic: Some(topic),
            target: Some(AFTER),
            user: None,
            as_of: KnownAsOf::NEVER,
            scope: AuthorizationScope::UNRESTRICTED,
            revoked: Arc::new(RevokedTokens::of_app(Path::new("/nowhere"), "app")),
        };
        let runtime = self.policy.runtime;
        let post = WorkerCommand::ResolveKey(KeyRequest {
            runtime,
            socket,
            channel: Some(requested),
            answer,
        });
        self.hub.mailbox(0).put(post);
        let answer = answered.await.expect("an answer").expect("a socket");
        assert_eq!(answer.version, AFTER);
        self.hub.mailbox(0).put(WorkerCommand::AuthAnswered { socket, topic });
    }

    fn moved(&self) -> usize {
        let locked = self.record.enter().expect("a record");
        let counts = locked.keys().expect("a sealed channel").counts();
        counts.filter(|(version, _)| *version == AFTER).map(|(_, count)| count as usize).sum()
    }

    /// Returns how many pings were answered.
    async fn clients(&self) -> usize {
        let (mut pongs, all) = (0, self.ids.len());
        loop {
            let received = self.inbox.borrow_mut().pop_front();
            match received {
                Some((slot, Received::Event)) => self.ask(slot).await,
                Some((slot, Received::Ping(number))) => {
                    pongs += 1;
                    self.shard.pong_received(slot, number);
                }
                // Two pings for each, the second of which ends its move.
                None if pongs == 2 * all => return pongs,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn measure(subscribers: usize) {
    let bed = Bed::new(subscribers);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let before = processor_time();
    LocalSet::new().block_on(&runtime.expect("a runtime"), async {
        tokio::task::spawn_local(bed.shard.clone().run());
        tokio::task::spawn_local(bed.shard.clone().run_turns());
        bed.hub.mailbox(0).put(WorkerCommand::Rekey(bed.rekey.clone()));
        bed.clients().await;
    });
    let spent = processor_time() - before;
    assert_eq!(bed.moved(), subscribers);
    let each = spent.as_nanos() / subscribers as u128;
    println!("{subscribers:>9}  {:>12.3}  {each:>14}", spent.as_secs_f64());
}

fn main() {
    let numbers = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let mut numbers: Vec<usize> = numbers.collect();
    if numbers.is_empty() {
        numbers = vec![1_000, 10_000, 100_000];
    }
    println!("{:>9}  {:>12}  {:>14}", "moved", "seconds CPU", "ns CPU for one");
    numbers.into_iter().for_each(measure);
}
