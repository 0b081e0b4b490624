//! Facts that their source keeps until every endpoint is done with them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// Where a fact comes from. Nothing of it may wait.
pub trait FactSource: Send + Sync {
    /// An endpoint is done with the fact, while others are not.
    fn settled(&self, endpoint: &str);
    /// Nobody needs the fact any more.
    fn done(&self);
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
        Arc::new(Self { id, settled, holds: AtomicUsize::new(1), source })
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
        if self.holds.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.source.done();
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
    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct TestSource(Arc<Mutex<Vec<String>>>);

    impl FactSource for TestSource {
        fn settled(&self, endpoint: &str) {
            self.0.lock().push(endpoint.to_owned());
        }

        fn done(&self) {
            self.0.lock().push("done".into());
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
        let fact = SourcedFact::new("id".into(), vec!["c".into()], Box::new(source.clone()));
        let [a, b] = ["a", "b"].map(|it| fact.receipt(&it.into()).expect("a receipt"));
        assert!(fact.receipt(&"c".into()).is_none(), "it has had the fact");
        fact.release();
        a.settle();
        a.settle();
        assert_eq!(*source.0.lock(), ["a"]);
        b.settle();
        assert_eq!(*source.0.lock(), ["a", "b", "done"]);
    }

    #[test]
    fn fact_that_is_dropped_is_not_done() {
        let source = TestSource::default();
        let fact = SourcedFact::new("id".into(), Vec::new(), Box::new(source.clone()));
        drop(fact.receipt(&"a".into()));
        fact.release();
        drop(fact);
        assert!(source.0.lock().is_empty());
    }
}
