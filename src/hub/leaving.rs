//! The drain of a shard: it closes sockets one by one, in random order and spread over the drain
//! time, so that clients do not all reach the next server at once.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{sync::Notify, time::sleep_until};

use super::{
    mailbox::Post,
    moves::Dice,
    shard::{Shard, Socket},
};
use crate::{ids::SocketId, protocol::code::Close};

/// The interval between two checks of sockets with frames in a gate buffer.
const LOOK: Duration = Duration::from_millis(20);
/// The wait for those sockets after all others were closed.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Leaving {
    /// The drain time, once it has begun.
    over: Cell<Option<Duration>>,
    begun: Notify,
    /// Sockets with frames in a gate buffer.
    late: RefCell<Vec<SocketId>>,
}

impl Leaving {
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
    pub async fn run_leaving(self: Rc<Self>) {
        let over = self.leaving.begun().await;
        let start = Instant::now();
        let mut dice = Dice::default();
        let sockets = self.by_chance(&mut dice);
        let step = over.div_f64((sockets.len() as f64).max(1.0));
        for (index, id) in sockets.into_iter().enumerate() {
            let due = start + step.mul_f64(index as f64 + dice.fraction());
            sleep_until(due.into()).await;
            self.post_leave(id, false);
        }
        self.wait_for_late(Instant::now() + PATIENCE).await;
    }

    fn by_chance(&self, dice: &mut Dice) -> Vec<SocketId> {
        let mut ids: Vec<SocketId> = self.table.borrow().by_id.keys().copied().collect();
        for index in (1..ids.len()).rev() {
            ids.swap(index, dice.below(index + 1));
        }
        ids
    }

    fn post_leave(&self, socket: SocketId, at_once: bool) {
        self.hub.mailbox(self.worker()).put(Post::Leave { socket, at_once });
    }

    async fn wait_for_late(&self, until: Instant) {
        loop {
            let at_once = Instant::now() >= until;
            let late = self.leaving.late.take();
            late.into_iter().for_each(|id| self.post_leave(id, at_once));
            if at_once {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// `at_once`: even with frames in a gate buffer.
    pub(super) fn send_away(&self, id: SocketId, at_once: bool, dirty: &mut Vec<Rc<dyn Socket>>) {
        let table = self.table.borrow();
        let Some(&slot) = table.by_id.get(&id) else { return };
        if !at_once && self.moves.borrow().held.has_socket(slot) {
            self.leaving.late.borrow_mut().push(id);
        } else {
            table.sockets[slot as usize].close(Close::ShuttingDown, dirty);
        }
    }
}
