//! Other endpoints than before, while facts are noted and deliveries are under way. One that is
//! configured no longer is told nothing new, gets what waits for it, and ends then.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;

use super::{
    Signer, Webhooks,
    endpoint::{Endpoint, Settings},
};

#[derive(Default)]
pub struct Leaving {
    lists: Mutex<Lists>,
    /// The application is served no longer.
    closed: AtomicBool,
}

#[derive(Default)]
struct Lists {
    /// They have something to deliver still.
    leaving: Vec<Arc<Endpoint>>,
    /// Nobody sends yet what waits for them.
    unstarted: Vec<Arc<Endpoint>>,
}

impl Webhooks {
    /// As the configuration is now; `None`: the endpoints are those of before. They are told apart by
    /// their labels, so that what waits for one is delivered however its settings have changed.
    pub fn change(&self, signer: Signer, wanted: Option<Vec<Settings>>) {
        self.signer.store(Arc::new(signer));
        self.leaving.closed.store(false, Ordering::Relaxed);
        if let Some(wanted) = wanted {
            self.replace(wanted);
        }
    }

    pub(super) fn replace(&self, wanted: Vec<Settings>) {
        let Lists { leaving, unstarted } = &mut *self.leaving.lists.lock();
        let before = self.endpoints.load_full();
        let take_up = |settings: Settings| {
            let mut known = before.iter().chain(leaving.iter());
            if let Some(endpoint) = known.find(|endpoint| *endpoint.label() == settings.label) {
                endpoint.change(settings);
                return endpoint.clone();
            }
            let endpoint = Arc::new(Endpoint::new(settings));
            unstarted.push(endpoint.clone());
            endpoint
        };
        let after: Vec<_> = wanted.into_iter().map(take_up).collect();
        let stays =
            |endpoint: &Arc<Endpoint>| after.iter().any(|other| Arc::ptr_eq(other, endpoint));
        leaving.retain(|endpoint| !stays(endpoint));
        leaving.extend(before.iter().filter(|endpoint| !stays(endpoint)).cloned());
        self.endpoints.store(Arc::new(after));
        leaving.iter().for_each(|endpoint| endpoint.wake.notify_one());
    }

    /// Nothing more happens to the application: what has happened is told, and then all ends.
    pub fn close(&self, now: Instant) {
        if !self.leaving.closed.swap(true, Ordering::Relaxed) {
            self.tell_all_departures(now);
            self.replace(Vec::new());
        }
    }

    /// Whether all that there was to tell after `close` is told.
    pub fn is_over(&self) -> bool {
        self.leaving.closed.load(Ordering::Relaxed)
            && self.endpoints.load().is_empty()
            && self.leaving.lists.lock().leaving.is_empty()
    }

    /// Those that a sender is to be started for.
    pub(super) fn take_unstarted(&self) -> Vec<Arc<Endpoint>> {
        std::mem::take(&mut self.leaving.lists.lock().unstarted)
    }

    /// Asked by the sender that has nothing to send: whether it is to end. If so, the endpoint takes
    /// nothing any more, not even what is noted at this moment.
    pub(super) fn lets_go(&self, endpoint: &Arc<Endpoint>) -> bool {
        let leaving = &mut self.leaving.lists.lock().leaving;
        let Some(index) = leaving.iter().position(|other| Arc::ptr_eq(other, endpoint)) else {
            return false;
        };
        let ends = endpoint.queue.lock().close();
        if ends {
            leaving.swap_remove(index);
        }
        ends
    }

    pub(super) fn is_leaving(&self, endpoint: &Arc<Endpoint>) -> bool {
        self.leaving.lists.lock().leaving.iter().any(|other| Arc::ptr_eq(other, endpoint))
    }

    /// Those that are leaving, too.
    pub(super) fn all_endpoints(&self) -> Vec<Arc<Endpoint>> {
        let lists = self.leaving.lists.lock();
        self.endpoints.load().iter().chain(&lists.leaving).cloned().collect()
    }
}
