//! A shard with sockets that record their frames.

use std::{path::Path, rc::Rc, time::Duration};

use super::*;
use crate::{
    auth::revoked::RevokedTokens,
    crypto::{
        key::MasterKey, keyring::KeyRing, keytable::KeyTable, padding::Padding, secret::Derivation,
        vectors::example_salt,
    },
    domain::{channel::Channel, limits::Rotation},
    hub::{
        Hub,
        authorization_cache::AuthorizationScope,
        directory::Directory,
        fake_socket::FakeSocket,
        record::Record,
        rekey::{gate::Issuer, reauthorization::Reauthorization, rekey_policy::RekeyPolicy},
        socket::Peer,
        socket_ids::SocketIds,
    },
    platform::clock::KnownAsOf,
    protocol::sealed::{EventSource, SealedFrames},
};

use Reauthorization::{Never, Retries};

const OLD: Version = Version { key: 1, epoch: 0 };
const NEW: Version = Version { key: 1, epoch: 1 };

struct ShardFixture {
    shard: Rc<Shard>,
    ids: SocketIds,
    policy: Arc<RekeyPolicy>,
    record: Arc<Record>,
    nudge: SealedFrames,
}

impl ShardFixture {
    /// A channel in its second epoch, with subscribers from the first.
    fn new() -> Self {
        let hub = Hub::new(1, 1000, 1000);
        let table =
            KeyTable::new(MasterKey::generate().unwrap(), 0).revoked("private-encrypted-x", "u", 0);
        let ring = KeyRing::new("app", table, Derivation::Hkdf, example_salt(), Padding::None);
        let channel = Channel::parse("private-encrypted-x", 200).unwrap();
        let record = Directory::new(hub.clone()).with(&channel, |record, mut locked| {
            locked.sealed(|| NEW);
            record.clone()
        });
        let sealed = ring.seal(&channel, NEW, b"{}").unwrap();
        Self {
            shard: Shard::new(hub),
            ids: SocketIds::of_worker(0),
            policy: Arc::new(RekeyPolicy::new(AppRuntimeId(0), &Rotation::default())),
            record,
            nudge: SealedFrames::new(&EventSource::backend("n"), [&sealed]),
        }
    }

    fn join(
        &mut self,
        version: Version,
        user: Option<&str>,
        reauthorization: Reauthorization,
    ) -> (Slot, Rc<FakeSocket>) {
        let socket = FakeSocket::new(10_000);
        let runtime = Some(self.policy.runtime);
        let peer = Peer { runtime, reauthorization, ..FakeSocket::PEER };
        let slot = self.shard.add(self.ids.next_id().unwrap(), peer, socket.clone());
        let (record, policy) = (self.record.clone(), self.policy.clone());
        record.enter().unwrap().join_key(version);
        let user = user.map(Arc::from);
        let gate = Gate::new(record, policy, version, Issuer::Server, user, None);
        assert!(self.shard.subscribe_sealed(gate, slot, 0));
        (slot, socket)
    }

    fn force_rekey(&self, revoked: Option<&str>) {
        let revoked = revoked.map(|user| (user.into(), None));
        let (topic, nudge) = (self.record.topic(), self.nudge.clone());
        let forced = Some(ForcedRekey { revoked: revoked.into_iter().collect() });
        let rekey = Rekey { topic, nudge, target: NEW, since: 0, forced, resealer: None };
        self.shard.rekey(&rekey, &mut Vec::new());
    }

    fn is_rekeying(&self, slot: Slot) -> bool {
        self.shard.scheduler.borrow().gates[&(slot, self.record.topic())].is_rekeying()
    }
}

#[test]
fn subscriber_with_the_next_secret_is_not_rekeyed() {
    let mut bed = ShardFixture::new();
    let (old, new) = (bed.join(OLD, None, Retries), bed.join(NEW, None, Retries));
    let (old_dotnet, new_dotnet) = (bed.join(OLD, None, Never), bed.join(NEW, None, Never));
    bed.force_rekey(None);
    assert!(bed.is_rekeying(old.0) && !bed.is_rekeying(new.0));
    assert!(old_dotnet.1.outbox.is_closing() && !new_dotnet.1.outbox.is_closing());
}

#[test]
fn revoked_user_gets_the_revocation_only() {
    let mut bed = ShardFixture::new();
    let (theirs, other) = (bed.join(OLD, Some("u"), Retries), bed.join(OLD, Some("v"), Retries));
    let dotnet = bed.join(OLD, Some("u"), Never);
    bed.force_rekey(Some("u"));
    for (slot, socket) in [&theirs, &dotnet] {
        assert_eq!(socket.commands.borrow().len(), 1);
        assert!(!bed.is_rekeying(*slot) && !socket.outbox.is_closing());
    }
    assert!(bed.is_rekeying(other.0) && other.1.commands.borrow().is_empty());
}

/// The client asks the auth endpoint and gets an answer.
fn ask(bed: &ShardFixture, socket: SocketId) -> Version {
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    let topic = bed.record.topic();
    let requested = RequestedChannel {
        name: bed.record.channel().name().clone(),
        topic: Some(topic),
        target: Some(NEW),
        user: None,
        as_of: KnownAsOf::NEVER,
        scope: AuthorizationScope::UNRESTRICTED,
        revoked: Arc::new(RevokedTokens::of_app(Path::new("/nowhere"), "a")),
    };
    let runtime = bed.policy.runtime;
    bed.shard.resolve_key(KeyRequest { runtime, socket, channel: Some(requested), answer });
    bed.shard.auth_answered(socket, topic);
    answered.try_recv().unwrap().unwrap().version
}

/// Looks at deadlines every ten milliseconds for `ms` milliseconds, which begin at `from`.
fn look(bed: &ShardFixture, from: Instant, ms: u64) {
    for at in (0..=ms).step_by(10) {
        while bed.shard.take_turns(from + Duration::from_millis(at), &mut Vec::new()) {}
    }
}

/// All pings are answered.
fn pong(bed: &ShardFixture) {
    let pings: Vec<_> = bed.shard.scheduler.borrow().pings.clone().into_iter().collect();
    pings.into_iter().for_each(|(number, id)| bed.shard.pong_received(id.0, number));
}

#[test]
fn f19_revocation_takes_a_few_steps_per_subscriber() {
    for subscribers in [20, 500] {
        let mut bed = ShardFixture::new();
        (0..subscribers).for_each(|_| drop(bed.join(OLD, None, Retries)));
        let sockets: Vec<SocketId> = bed.shard.table.borrow().by_id.keys().copied().collect();
        let start = Instant::now();
        bed.force_rekey(None);
        look(&bed, start, 500);
        for socket in sockets {
            assert_eq!(ask(&bed, socket), NEW);
        }
        // The settle time begins with the last auth answer.
        look(&bed, Instant::now(), 500);
        assert_eq!(bed.shard.scheduler.borrow().pings.len(), subscribers);
        // Numbers of other sockets.
        (0..100).for_each(|number| bed.shard.pong_received(u32::MAX, number));
        pong(&bed);
        pong(&bed);
        let scheduler = bed.shard.scheduler.borrow();
        assert!(scheduler.is_idle() && scheduler.pings.is_empty());
        assert!(scheduler.gates.values().all(|gate| gate.version() == NEW));
        // Forced rekey, nudge, auth request, auth answer, ping, two pongs.
        assert_eq!(scheduler.steps, 7 * subscribers);
        // Five deadlines each: every entry comes up once, and is passed over a few times before that.
        assert!(
            scheduler.deadlines.examined <= 10 * subscribers + 128,
            "{}",
            scheduler.deadlines.examined
        );
    }
}

#[test]
fn f19_unsubscribing_removes_deadline_and_ping() {
    let mut bed = ShardFixture::new();
    let (slot, _) = bed.join(OLD, None, Retries);
    let socket = *bed.shard.table.borrow().by_id.keys().next().unwrap();
    bed.force_rekey(None);
    assert_eq!(ask(&bed, socket), NEW);
    look(&bed, Instant::now(), 200);
    assert_eq!(bed.shard.scheduler.borrow().pings.len(), 1);
    assert!(bed.shard.scheduler.borrow().deadlines.has_socket(slot));
    assert_eq!(bed.shard.unsubscribe(bed.record.topic(), slot), Some(NEW));
    let scheduler = bed.shard.scheduler.borrow();
    assert!(
        scheduler.is_idle() && scheduler.pings.is_empty() && !scheduler.deadlines.has_socket(slot)
    );
}

#[test]
fn f18_only_stragglers_are_closed() {
    let mut bed = ShardFixture::new();
    let (behind, there) = (bed.join(OLD, None, Retries), bed.join(NEW, None, Retries));
    let dotnet = bed.join(OLD, None, Never);
    let (topic, nudge) = (bed.record.topic(), bed.nudge.clone());
    let rekey = Rekey { topic, nudge, target: NEW, since: 0, forced: None, resealer: None };
    bed.shard.rekey(&rekey, &mut Vec::new());
    bed.shard.close_stragglers(AppRuntimeId(7), &mut Vec::new());
    assert!(!behind.1.outbox.is_closing(), "those of another app are meant");
    bed.shard.close_stragglers(bed.policy.runtime, &mut Vec::new());
    assert!(behind.1.outbox.is_closing() && dotnet.1.outbox.is_closing());
    assert!(!there.1.outbox.is_closing());
    assert_eq!(bed.policy.counts.closed.get(), 2);
    // Later events of the channel begin no rekey for connections that are closing.
    look(&bed, Instant::now(), 200);
    assert!(!bed.is_rekeying(behind.0) && !bed.is_rekeying(dotnet.0));
}

/// The socket's answer to a question for some channel, and what it is charged with after that.
fn ask_for(
    bed: &ShardFixture,
    socket: SocketId,
    channel: &str,
    user: Option<&str>,
) -> Result<(), KeyRequestError> {
    let (answer, mut answered) = tokio::sync::oneshot::channel();
    let requested = RequestedChannel {
        name: channel.into(),
        topic: None,
        target: Some(NEW),
        user: user.map(Arc::from),
        as_of: KnownAsOf::NEVER,
        scope: AuthorizationScope::UNRESTRICTED,
        revoked: Arc::new(RevokedTokens::of_app(Path::new("/nowhere"), "a")),
    };
    bed.shard.resolve_key(KeyRequest {
        runtime: bed.policy.runtime,
        socket,
        channel: Some(requested),
        answer,
    });
    answered.try_recv().expect("it is answered at once").map(drop)
}

#[test]
fn f14_an_authorization_is_charged_when_it_is_given_and_no_longer_when_it_ends() {
    let mut bed = ShardFixture::new();
    let (slot, socket) = bed.join(OLD, None, Retries);
    let id = *bed.shard.table.borrow().by_id.keys().next().unwrap();
    let channel = format!("private-encrypted-{}", "y".repeat(100));
    assert_eq!(ask_for(&bed, id, &channel, Some("u")), Ok(()));
    let unused = socket.charged.get();
    assert!(unused > 500, "{unused}");
    bed.shard.authorization_left(slot, &channel);
    assert_eq!(socket.charged.get(), unused);
    (0..200).for_each(|n| {
        assert_eq!(ask_for(&bed, id, &n.to_string(), None), Ok(()));
        bed.shard.authorization_left(slot, &n.to_string());
    });
    assert!(socket.charged.get() < 100 * unused, "{}", socket.charged.get());
}

#[test]
fn f4_a_connection_is_closed_before_a_revocation_is_forgotten() {
    let mut bed = ShardFixture::new();
    let (slot, socket) = bed.join(OLD, Some("u"), Retries);
    {
        let entry = &mut bed.shard.table.borrow_mut().sockets[slot as usize];
        entry.change_authorizations(|authorizations| {
            (0..1000).for_each(|n| assert!(authorizations.revoke(&n.to_string().into()), "{n}"));
        });
    }
    assert!(!socket.outbox.is_closing());
    bed.force_rekey(Some("u"));
    assert_eq!(socket.outbox.closing(), Some(Close::TooManyAuthorizations));
}

#[test]
fn f4_a_connection_is_closed_before_an_authorization_is_forgotten() {
    let mut bed = ShardFixture::new();
    let (slot, socket) = bed.join(OLD, None, Retries);
    let id = *bed.shard.table.borrow().by_id.keys().next().unwrap();
    let visit = |n: usize| {
        ask_for(&bed, id, &n.to_string(), None)?;
        bed.shard.authorization_left(slot, &n.to_string());
        Ok(())
    };
    let refused = (0..20_000).map(visit).position(|answer| answer.is_err());
    assert_eq!(refused, Some(10_100));
    assert_eq!(socket.outbox.closing(), Some(Close::TooManyAuthorizations));
    assert_eq!(visit(0), Err(KeyRequestError::UnknownSocket));
}
