//! The drain of a shard: it closes sockets one by one, in random order and spread over the drain
//! time, so that clients do not all reach the next server at once.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep_until};

use super::{
    mailbox::WorkerCommand,
    rekey::rekey_scheduler::Rng,
    shard::Shard,
    socket::{MAX_RETRY, MIN_RETRY, Socket},
};
use crate::{domain::ids::SocketId, protocol::code::Close};

/// The interval between two checks of sockets with frames in a gate buffer.
const DEFERRED_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// The wait for those sockets after all others were closed.
const DEFERRED_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct DrainState {
    /// The drain time, once it has begun.
    over: Cell<Option<Duration>>,
    begun: Notify,
    /// Sockets with frames in a gate buffer.
    deferred: RefCell<Vec<SocketId>>,
}

impl DrainState {
    pub(super) fn begin(&self, over: Duration) {
        self.over.set(Some(over));
        self.begun.notify_one();
    }

    async fn begun(&self) -> Duration {
        loop {
            if let Some(over) = self.over.get() {
                return over;
            }
            self.begun.notified().await;
        }
    }
}

impl Shard {
    /// Waits for the drain, then closes all sockets.
    ///
    /// Each is closed by a command to the worker itself: frames accepted earlier are in front of it
    /// in the mailbox, and are written first.
    pub async fn run_drain(self: Rc<Self>) {
        let over = self.drain.begun().await;
        let start = Instant::now();
        let mut rng = Rng::default();
        let sockets = self.shuffled(&mut rng);
        let step = over.div_f64((sockets.len() as f64).max(1.0));
        for (index, id) in sockets.into_iter().enumerate() {
            let due = start + step.mul_f64(index as f64 + rng.fraction());
            sleep_until(due.into()).await;
            self.post_close(id, false);
        }
        self.close_deferred(Instant::now() + DEFERRED_TIMEOUT).await;
    }

    fn shuffled(&self, rng: &mut Rng) -> Vec<SocketId> {
        let mut ids: Vec<SocketId> = self.table.borrow().by_id.keys().copied().collect();
        for index in (1..ids.len()).rev() {
            ids.swap(index, rng.below(index + 1));
        }
        ids
    }

    fn post_close(&self, socket: SocketId, at_once: bool) {
        self.hub.mailbox(self.worker()).put(WorkerCommand::CloseSocket { socket, at_once });
    }

    /// A client that can be told when to return does so within the drain time, since another server
    /// may be taken out of service meanwhile.
    fn spread_return(&self, socket: &dyn Socket) {
        let over = self.drain.over.get().unwrap_or_default();
        let after = MIN_RETRY + self.random_within(over.max(MAX_RETRY) - MIN_RETRY);
        let retry = socket.outbox().form().retry(after);
        retry.into_iter().for_each(|line| socket.outbox().push(line));
    }

    async fn close_deferred(&self, until: Instant) {
        loop {
            let at_once = Instant::now() >= until;
            let deferred = self.drain.deferred.take();
            deferred.into_iter().for_each(|id| self.post_close(id, at_once));
            if at_once {
                return;
            }
            tokio::time::sleep(DEFERRED_CHECK_INTERVAL).await;
        }
    }

    pub(super) fn replace_stream(&self, id: SocketId, dirty: &mut Vec<Rc<dyn Socket>>) {
        let table = self.table.borrow();
        if let Some(&slot) = table.by_id.get(&id) {
            table.sockets[slot as usize].close(Close::StreamReplaced, dirty);
        }
    }

    /// `at_once`: even with frames in a gate buffer.
    pub(super) fn close_socket(
        &self,
        id: SocketId,
        at_once: bool,
        dirty: &mut Vec<Rc<dyn Socket>>,
    ) {
        let table = self.table.borrow();
        let Some(&slot) = table.by_id.get(&id) else { return };
        if !at_once && self.scheduler.borrow().deadlines.has_socket(slot) {
            self.drain.deferred.borrow_mut().push(id);
        } else {
            let entry = &table.sockets[slot as usize];
            self.spread_return(&*entry.socket);
            entry.close(Close::ShuttingDown, dirty);
        }
    }
}
