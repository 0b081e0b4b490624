//! A socket without a peer, for tests: it keeps its frames and commands.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Poll,
    time::Instant,
};

use futures_util::FutureExt as _;
use serde_json::Value;

use super::{
    batch_budget::BatchBudget,
    client_names::ClientNameId,
    outbox::Outbox,
    rekey::reauthorization::Reauthorization,
    shard::Shard,
    socket::{Peer, SessionCommand, Socket},
};
use crate::protocol::form::Form;

pub struct FakeSocket {
    pub outbox: Outbox,
    /// Bytes held beside the outbox.
    pub held: Cell<usize>,
    /// Bytes charged for authorizations.
    pub charged: Cell<usize>,
    pub commands: RefCell<Vec<SessionCommand>>,
}

impl FakeSocket {
    /// The peer of a refused connection, to be completed.
    pub const PEER: Peer = Peer {
        runtime: None,
        app_closings: 0,
        legacy_java: false,
        reauthorization: Reauthorization::Retries,
        client: ClientNameId::NONE,
    };

    pub fn new(outbox_bytes: usize) -> Rc<Self> {
        Rc::new(Self {
            outbox: Outbox::new(Form::Pusher, outbox_bytes),
            held: Cell::default(),
            charged: Cell::default(),
            commands: RefCell::default(),
        })
    }

    /// The text frames since the last call.
    pub fn received(&self) -> Vec<Value> {
        let mut bytes = Vec::new();
        let _ = self.outbox.write_to(|slices| {
            let before = bytes.len();
            slices.iter().for_each(|slice| bytes.extend_from_slice(slice));
            Poll::Ready(Ok(bytes.len() - before))
        });
        let (mut rest, mut frames) = (&bytes[..], Vec::new());
        while let [first, length, behind @ ..] = rest {
            let (length, behind) = match length {
                126 => (usize::from(u16::from_be_bytes([behind[0], behind[1]])), &behind[2..]),
                127 => panic!("a frame too long for this test"),
                short => (usize::from(*short), behind),
            };
            if *first == 0x81 {
                frames.push(serde_json::from_slice(&behind[..length]).expect("JSON"));
            }
            rest = &behind[length..];
        }
        frames
    }
}

impl Socket for FakeSocket {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn flush(&self) {
        self.outbox.clear_dirty();
    }

    fn tick(&self, _: Instant) {}

    fn weight(&self) -> usize {
        self.outbox.charged() + self.held.get()
    }

    fn charge_authorizations(&self, bytes: usize) {
        self.charged.set(bytes);
    }

    fn command(&self, command: SessionCommand) {
        self.commands.borrow_mut().push(command);
    }
}

impl Shard {
    /// Handles the commands of the worker's mailbox, without its task.
    pub fn handle_posted(&self) {
        let (mut dirty, mut batch) = (Vec::new(), BatchBudget::default());
        while let Some(posts) = self.hub.mailbox(self.worker()).take(Vec::new()).now_or_never() {
            posts.into_iter().for_each(|post| self.queue(post, &mut dirty, &mut batch));
        }
        dirty.iter().for_each(|socket| socket.flush());
    }
}
