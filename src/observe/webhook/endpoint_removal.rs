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
    WebhookSigner, Webhooks,
    endpoint::{EndpointSettings, WebhookEndpoint},
};

#[derive(Default)]
pub struct EndpointRemoval {
    lists: Mutex<EndpointLists>,
    /// The app is no longer served.
    closed: AtomicBool,
}

#[derive(Default)]
struct EndpointLists {
    /// Removed endpoints with a queue to deliver.
    removed: Vec<Arc<WebhookEndpoint>>,
    /// Endpoints still without a sender.
    unstarted: Vec<Arc<WebhookEndpoint>>,
}

impl Webhooks {
    /// Applies a new configuration; `None` keeps the endpoints. Endpoints are identified by label,
    /// so that a queue survives changed settings.
    pub fn change(&self, signer: WebhookSigner, wanted: Option<Vec<EndpointSettings>>) {
        self.signer.store(Arc::new(signer));
        self.removal.closed.store(false, Ordering::Relaxed);
        if let Some(wanted) = wanted {
            self.replace(wanted);
        }
    }

    pub(super) fn replace(&self, wanted: Vec<EndpointSettings>) {
        let EndpointLists { removed, unstarted } = &mut *self.removal.lists.lock();
        let before = self.endpoints.load_full();
        let adopt = |settings: EndpointSettings| {
            let mut known = before.iter().chain(removed.iter());
            if let Some(endpoint) = known.find(|endpoint| *endpoint.label() == settings.label) {
                endpoint.change(settings);
                return endpoint.clone();
            }
            let endpoint = Arc::new(WebhookEndpoint::new(settings));
            unstarted.push(endpoint.clone());
            endpoint
        };
        let after: Vec<_> = wanted.into_iter().map(adopt).collect();
        let stays = |endpoint: &Arc<WebhookEndpoint>| {
            after.iter().any(|other| Arc::ptr_eq(other, endpoint))
        };
        removed.retain(|endpoint| !stays(endpoint));
        removed.extend(before.iter().filter(|endpoint| !stays(endpoint)).cloned());
        self.endpoints.store(Arc::new(after));
        removed.iter().for_each(|endpoint| endpoint.wake.notify_one());
    }

    /// Ends the app's webhooks: pending facts are delivered first.
    pub fn close(&self, now: Instant) {
        if !self.removal.closed.swap(true, Ordering::Relaxed) {
            self.flush_departures(now);
            self.replace(Vec::new());
        }
    }

    /// True when everything pending at `close` has been delivered.
    pub fn is_finished(&self) -> bool {
        self.removal.closed.load(Ordering::Relaxed)
            && self.endpoints.load().is_empty()
            && self.removal.lists.lock().removed.is_empty()
    }

    /// Endpoints that need a sender.
    pub(super) fn take_unstarted(&self) -> Vec<Arc<WebhookEndpoint>> {
        std::mem::take(&mut self.removal.lists.lock().unstarted)
    }

    /// Called by an idle sender; true if it must end. The endpoint then takes no further events,
    /// not even concurrent ones.
    pub(super) fn finish_removal(&self, endpoint: &Arc<WebhookEndpoint>) -> bool {
        let removed = &mut self.removal.lists.lock().removed;
        let Some(index) = removed.iter().position(|other| Arc::ptr_eq(other, endpoint)) else {
            return false;
        };
        let ends = endpoint.queue.lock().close();
        if ends {
            removed.swap_remove(index);
        }
        ends
    }

    pub(super) fn is_removed(&self, endpoint: &Arc<WebhookEndpoint>) -> bool {
        self.removal.lists.lock().removed.iter().any(|other| Arc::ptr_eq(other, endpoint))
    }

    /// All endpoints, including removed ones.
    pub(super) fn all_endpoints(&self) -> Vec<Arc<WebhookEndpoint>> {
        let lists = self.removal.lists.lock();
        self.endpoints.load().iter().chain(&lists.removed).cloned().collect()
    }
}
