//! Facts that their source keeps until every endpoint is done with them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;

/// Where a fact comes from. Nothing of it may wait.
pub trait FactSource: Send + Sync {
    /// An endpoint is done with the fact, while others are not.
    fn settled(&self, endpoint: &str);
    /// Its entry in the source's queue.
    fn entry(&self) -> Bytes;
    /// Nobody needs these facts of the source's queue any more. They end together, or none does: what a
    /// return has cancelled must not be handed out without it, nor the return without what it cancels.
    fn done(&self, entries: Vec<Bytes>);
    /// False if the fact has been handed to another node, which tells the endpoints now.
    fn is_here(&self) -> bool;
    /// False while another node may have been handed the fact, and this one does not know yet.
    fn is_certain(&self) -> bool;
    /// The fact was handed out before, and the endpoints may have been told of it.
    fn may_be_told(&self) -> bool;
}

/// A fact that is handed out again, by another node, unless it is done with here. So what is lost with
/// this process is not lost.
pub struct SourcedFact {
    /// The same each time that the fact is handed out.
    id: Arc<str>,
    /// Endpoints that were done with it when it was handed out before.
    settled: Vec<Box<str>>,
    holds: AtomicUsize,
    /// Departures that this return has cancelled. They end with it.
    cancelled: Mutex<Vec<Arc<Self>>>,
    source: Box<dyn FactSource>,
}

/// The part of one endpoint in a fact.
pub struct FactReceipt {
    fact: Arc<SourcedFact>,
    endpoint: Arc<str>,
    is_settled: AtomicBool,
}

impl SourcedFact {
    /// Held once, by the caller.
    pub fn new(id: Arc<str>, settled: Vec<Box<str>>, source: Box<dyn FactSource>) -> Arc<Self> {
        let (holds, cancelled) = (AtomicUsize::new(1), Mutex::default());
        Arc::new(Self { id, settled, holds, cancelled, source })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn is_here(&self) -> bool {
        self.source.is_here()
    }

    pub fn is_certain(&self) -> bool {
        self.source.is_certain()
    }

    pub fn may_be_told(&self) -> bool {
        self.source.may_be_told()
    }

    pub fn hold(&self) {
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends one hold. The last one ends the fact.
    pub fn release(&self) {
        let mut ended = Vec::new();
        self.end_hold(&mut ended);
        if !ended.is_empty() {
            self.source.done(ended);
        }
    }

    /// The hold on the departure is this return's from now on. Both are of one queue.
    pub fn cancel(&self, departure: Arc<Self>) {
        self.cancelled.lock().push(departure);
    }

    fn end_hold(&self, ended: &mut Vec<Bytes>) {
        if self.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            ended.push(self.source.entry());
            let cancelled = std::mem::take(&mut *self.cancelled.lock());
            cancelled.iter().for_each(|departure| departure.end_hold(ended));
        }
    }

    /// `None` if the endpoint has had the fact. The receipt is a hold of its own.
    pub fn receipt(self: &Arc<Self>, endpoint: &Arc<str>) -> Option<Arc<FactReceipt>> {
        if self.settled.iter().any(|settled| **settled == **endpoint) {
            return None;
        }
        self.hold();
        let (fact, endpoint) = (self.clone(), endpoint.clone());
        Some(Arc::new(FactReceipt { fact, endpoint, is_settled: AtomicBool::new(false) }))
    }
}

impl FactReceipt {
    pub fn is_here(&self) -> bool {
        self.fact.is_here()
    }

    /// The endpoint has taken the fact, or given it up for good. Without effect the second time.
    pub fn settle(&self) {
        if !self.is_settled.swap(true, Ordering::Relaxed) {
            self.fact.source.settled(&self.endpoint);
            self.fact.release();
        }
    }
}

impl std::fmt::Debug for FactReceipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FactReceipt({})", self.fact.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type SourceCalls = Arc<Mutex<Vec<String>>>;

    #[derive(Clone, Default)]
    struct TestSource {
        entry: &'static str,
        told: SourceCalls,
    }

    impl TestSource {
        fn fact(&self, entry: &'static str) -> Arc<SourcedFact> {
            let source = Self { entry, told: self.told.clone() };
            SourcedFact::new(entry.into(), vec!["c".into()], Box::new(source))
        }
    }

    impl FactSource for TestSource {
        fn settled(&self, endpoint: &str) {
            self.told.lock().push(endpoint.to_owned());
        }

        fn entry(&self) -> Bytes {
            Bytes::from_static(self.entry.as_bytes())
        }

        fn done(&self, entries: Vec<Bytes>) {
            let entries: Vec<_> = entries.iter().map(|it| String::from_utf8_lossy(it)).collect();
            self.told.lock().push(format!("done: {}", entries.join(" and ")));
        }

        fn is_here(&self) -> bool {
            true
        }

        fn is_certain(&self) -> bool {
            true
        }

        fn may_be_told(&self) -> bool {
            false
        }
    }

    #[test]
    fn fact_is_done_when_the_last_endpoint_has_settled_it() {
        let source = TestSource::default();
        let fact = source.fact("arrival");
        let [a, b] = ["a", "b"].map(|it| fact.receipt(&it.into()).expect("a receipt"));
        assert!(fact.receipt(&"c".into()).is_none(), "it has had the fact");
        fact.release();
        a.settle();
        a.settle();
        assert_eq!(*source.told.lock(), ["a"]);
        b.settle();
        assert_eq!(*source.told.lock(), ["a", "b", "done: arrival"]);
    }

    #[test]
    fn departure_and_the_return_that_cancels_it_end_together() {
        let source = TestSource::default();
        let (departure, arrival) = (source.fact("departure"), source.fact("return"));
        departure.hold();
        departure.release();
        arrival.cancel(departure);
        assert!(source.told.lock().is_empty());
        arrival.release();
        assert_eq!(*source.told.lock(), ["done: return and departure"]);
    }

    #[test]
    fn fact_that_is_dropped_is_not_done() {
        let source = TestSource::default();
        let fact = source.fact("arrival");
        drop(fact.receipt(&"a".into()));
        fact.release();
        drop(fact);
        assert!(source.told.lock().is_empty());
    }
}
