//! How a request handler gets a carrier for its event stream.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use slab::Slab;

use super::connection::{NotStarted, StreamSetup};
use crate::web::context::worker::Worker;

/// The carrier of event streams, as connection data.
pub enum StreamCarrier {
    /// HTTP/1.1: the connection itself.
    Connection(Rc<dyn Handover>),
    /// HTTP/2: the body of the response.
    Body(Rc<CarriedStreams>),
}

/// An HTTP/1.1 connection that can become an event stream.
pub trait Handover {
    /// False while the client has to read responses to earlier requests.
    fn is_ready(&self) -> bool;

    /// Takes the connection over. The handler's own response is swallowed then. After a refusal the
    /// connection is as before.
    fn start(&self, worker: &Rc<Worker>, setup: StreamSetup) -> Result<(), NotStarted>;

    /// Closes the connection without a response.
    fn cut(&self);
}

/// The open streams of an HTTP/2 connection. The HTTP library keeps their bodies when the connection
/// ends, until it has another chunk to send.
#[derive(Default)]
pub struct CarriedStreams(RefCell<Slab<Rc<StreamEnd>>>);

impl CarriedStreams {
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Called when the connection ends.
    pub fn end(&self) {
        let streams = self.0.borrow();
        streams.iter().for_each(|(_, stream)| stream.end());
    }
}

/// The end of one stream, seen by HTTP/2.
#[derive(Default)]
pub struct StreamEnd {
    is_over: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl StreamEnd {
    fn end(&self) {
        self.is_over.set(true);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over.get() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// One of the open streams, until its body is dropped.
pub struct StreamSlot {
    streams: Rc<CarriedStreams>,
    index: usize,
    pub end: Rc<StreamEnd>,
}

impl StreamSlot {
    /// `None` if the connection has `limit` of them.
    pub fn take(streams: &Rc<CarriedStreams>, limit: usize) -> Option<Self> {
        let mut open = streams.0.borrow_mut();
        (open.len() < limit).then(|| {
            let end = Rc::<StreamEnd>::default();
            Self { streams: streams.clone(), index: open.insert(end.clone()), end }
        })
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        self.streams.0.borrow_mut().remove(self.index);
        self.end.end();
    }
}
