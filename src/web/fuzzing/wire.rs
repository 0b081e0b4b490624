//! A transport in memory: the fuzzer plays the client at its other end.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::web::{
    carrier::transport::Transport,
    http::remote::{HasRemote, Remote},
};

#[derive(Default)]
struct WireState {
    /// Bytes sent by the client and not yet read by the server.
    sent: VecDeque<u8>,
    hung_up: bool,
    received: Vec<u8>,
    /// Bytes that the client is still willing to read.
    room: usize,
    waker: Option<Waker>,
}

#[derive(Clone, Default)]
pub struct Wire(Rc<RefCell<WireState>>);

impl Wire {
    pub fn send(&self, bytes: &[u8]) {
        self.change(|state| state.sent.extend(bytes));
    }

    pub fn take(&self, bytes: usize) {
        self.change(|state| state.room = state.room.saturating_add(bytes));
    }

    pub fn hang_up(&self) {
        self.change(|state| state.hung_up = true);
    }

    pub fn received(&self) -> Vec<u8> {
        self.0.borrow().received.clone()
    }

    fn change(&self, change: impl FnOnce(&mut WireState)) {
        let mut state = self.0.borrow_mut();
        change(&mut state);
        state.waker.take().into_iter().for_each(Waker::wake);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.borrow_mut();
        if state.sent.is_empty() && !state.hung_up {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = state.sent.len().min(buffer.remaining());
        let bytes: Vec<u8> = state.sent.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        if state.room == 0 {
            state.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = bytes.len().min(state.room);
        state.room -= count;
        state.received.extend(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl HasRemote for Wire {
    fn remote(&self) -> Option<Remote> {
        None
    }
}

impl Transport for Wire {
    const HAS_CLOSE_NOTIFY: bool = false;
}
