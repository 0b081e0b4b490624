//! A budget of bytes of the server for all apps, each of which has a ledger.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::Mutex;

pub struct ServerBudget<L> {
    limit: AtomicUsize,
    bytes: AtomicUsize,
    /// The next number of an event, in one order across apps.
    clock: AtomicU64,
    ledgers: Mutex<Vec<Weak<L>>>,
}

impl<L> Default for ServerBudget<L> {
    fn default() -> Self {
        Self {
            limit: AtomicUsize::new(usize::MAX),
            bytes: AtomicUsize::new(0),
            clock: AtomicU64::new(0),
            ledgers: Mutex::default(),
        }
    }
}

impl<L> ServerBudget<L> {
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of all apps.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.bytes() > self.limit.load(Ordering::Relaxed)
    }

    pub(super) fn next_number(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The ledger of another app. Those of ended apps are forgotten.
    pub(super) fn register(&self, ledger: &Arc<L>) {
        let mut ledgers = self.ledgers.lock();
        ledgers.retain(|ledger| ledger.strong_count() > 0);
        ledgers.push(Arc::downgrade(ledger));
    }

    /// The ledger that has the first in the order of all apps. `first`: the first of one ledger.
    pub(super) fn first_ledger<K: Ord>(&self, first: impl Fn(&L) -> Option<K>) -> Option<Arc<L>> {
        let ledgers: Vec<_> = self.ledgers.lock().iter().filter_map(Weak::upgrade).collect();
        let ledgers = ledgers.into_iter().filter_map(|ledger| Some((first(&ledger)?, ledger)));
        ledgers.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, ledger)| ledger)
    }
}
