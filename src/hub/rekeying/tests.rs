//! A shard with sockets that only keep what they are sent.

use std::cell::RefCell;

use super::*;
use crate::{
    channel::Channel,
    crypto::{
        key::MasterKey, keyring::KeyRing, keytable::KeyTable, padding::Padding, secret::Derivation,
        vectors::example_salt,
    },
    hub::{
        Hub,
        directory::{Directory, Record},
        outbox::Outbox,
        place::Issuer,
        shard::Peer,
        terms::Terms,
    },
    ids::SocketIds,
    limits::Rotation,
    protocol::{dialect::Dialect, sealed::SealedFrames},
};

const OLD: Version = Version { key: 1, epoch: 0 };
const NEW: Version = Version { key: 1, epoch: 1 };

struct Kept {
    outbox: Outbox,
    revoked: RefCell<Vec<Arc<str>>>,
}

impl Socket for Kept {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn flush(&self) {}

    fn tick(&self, _: Instant) {}

    fn revoke(&self, channel: Arc<str>, _: Ended) {
        self.revoked.borrow_mut().push(channel);
    }
}

struct Bed {
    shard: Rc<Shard>,
    ids: SocketIds,
    terms: Arc<Terms>,
    record: Arc<Record>,
    nudge: SealedFrames,
}

impl Bed {
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
            terms: Arc::new(Terms::new(TenantId(0), &Rotation::default())),
            record,
            nudge: SealedFrames::new("n", [&sealed]),
        }
    }

    fn join(
        &mut self,
        version: Version,
        user: Option<&str>,
        reauthorizes: bool,
    ) -> (Slot, Rc<Kept>) {
        let socket = Rc::new(Kept {
            outbox: Outbox::new(Dialect::Pusher, 10_000),
            revoked: RefCell::default(),
        });
        let tenant = Some(self.terms.tenant);
        let peer = Peer { tenant, dismissals: 0, legacy_java: false, reauthorizes };
        let slot = self.shard.add(self.ids.next_id().unwrap(), peer, socket.clone());
        let (record, terms) = (self.record.clone(), self.terms.clone());
        record.enter().unwrap().sealed(|| NEW).join(version);
        let user = user.map(Arc::from);
        let place = Place::new(record, terms, version, Issuer::Server, user, None);
        assert!(self.shard.subscribe_sealed(place, slot, 0));
        (slot, socket)
    }

    fn cut(&self, revoked: Option<&str>) {
        let revoked = revoked.map(|user| (user.into(), None));
        let (topic, nudge) = (self.record.topic(), self.nudge.clone());
        let rekey = Rekey { topic, nudge, target: NEW, cut: Some(Cut { revoked }), resealer: None };
        self.shard.rekey(&rekey, &mut Vec::new());
    }

    fn is_held(&self, slot: Slot) -> bool {
        self.shard.moves.borrow().places[&(slot, self.record.topic())].is_held()
    }
}

#[test]
fn who_came_with_the_next_secret_need_not_move() {
    let mut bed = Bed::new();
    let (old, new) = (bed.join(OLD, None, true), bed.join(NEW, None, true));
    let (old_dotnet, new_dotnet) = (bed.join(OLD, None, false), bed.join(NEW, None, false));
    bed.cut(None);
    assert!(bed.is_held(old.0) && !bed.is_held(new.0));
    assert!(old_dotnet.1.outbox.is_closing() && !new_dotnet.1.outbox.is_closing());
}

#[test]
fn who_is_revoked_is_told_that_and_nothing_else() {
    let mut bed = Bed::new();
    let (theirs, other) = (bed.join(OLD, Some("u"), true), bed.join(OLD, Some("v"), true));
    let dotnet = bed.join(OLD, Some("u"), false);
    bed.cut(Some("u"));
    for (slot, socket) in [&theirs, &dotnet] {
        assert_eq!(socket.revoked.borrow().len(), 1);
        assert!(!bed.is_held(*slot) && !socket.outbox.is_closing());
    }
    assert!(bed.is_held(other.0) && other.1.revoked.borrow().is_empty());
}
