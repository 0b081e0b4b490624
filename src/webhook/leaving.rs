//! Changes of endpoints while facts are recorded and deliveries are under way. A removed endpoint
//! gets no new events, delivers its queue, and then ends.

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
    /// The app is no longer served.
    closed: AtomicBool,
}

#[derive(Default)]
struct Lists {
    /// Removed endpoints with a queue to deliver.
    leaving: Vec<Arc<Endpoint>>,
    /// Endpoints still without a sender.
    unstarted: Vec<Arc<Endpoint>>,
}

impl Webhooks {
    /// Applies a new configuration; `None` keeps the endpoints. Endpoints are identified by label,
    /// so that a queue survives changed settings.
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

    /// Ends the app's webhooks: pending facts are delivered first.
    pub fn close(&self, now: Instant) {
        if !self.leaving.closed.swap(true, Ordering::Relaxed) {
            self.tell_all_departures(now);
            self.replace(Vec::new());
        }
    }

    /// True when everything pending at `close` has been delivered.
    pub fn is_over(&self) -> bool {
        self.leaving.closed.load(Ordering::Relaxed)
            && self.endpoints.load().is_empty()
            && self.leaving.lists.lock().leaving.is_empty()
    }

    /// Endpoints that need a sender.
    pub(super) fn take_unstarted(&self) -> Vec<Arc<Endpoint>> {
        std::mem::take(&mut self.leaving.lists.lock().unstarted)
    }

    /// Called by an idle sender; true if it must end. The endpoint then takes no further events,
    /// not even concurrent ones.
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

    /// All endpoints, including removed ones.
    pub(super) fn all_endpoints(&self) -> Vec<Arc<Endpoint>> {
        let lists = self.leaving.lists.lock();
        self.endpoints.load().iter().chain(&lists.leaving).cloned().collect()
    }
}
