use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::{
    hub::Hub,
    protocol::form::Form,
    web::http::remote::{HasRemote, Remote},
};

/// Takes bytes that it cannot yet pass on, as TLS does.
#[derive(Default)]
struct Holding {
    held: VecDeque<u8>,
    passed: Vec<u8>,
    /// Bytes that the kernel would take.
    room: usize,
}

const HOLDS: usize = 8;

impl Holding {
    fn pass_on(&mut self) -> Poll<io::Result<()>> {
        let count = self.room.min(self.held.len());
        self.passed.extend(self.held.drain(..count));
        self.room -= count;
        if self.held.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncRead for Holding {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Holding {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let _ = self.pass_on();
        let count = bytes.len().min(HOLDS - self.held.len());
        self.held.extend(&bytes[..count]);
        let _ = self.pass_on();
        if count == 0 { Poll::Pending } else { Poll::Ready(Ok(count)) }
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pass_on()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pass_on()
    }
}

impl HasRemote for Holding {
    fn remote(&self) -> Option<Remote> {
        None
    }
}

impl Transport for Holding {
    const HAS_CLOSE_NOTIFY: bool = true;
}

fn writer() -> FrameWriter<Holding> {
    let outbox = Outbox::new(Form::Pusher, 1000);
    let shard = Shard::new(Hub::new(1, 1000, 1000));
    let writer = FrameWriter::new(Holding::default(), outbox, shard);
    writer.register(Waker::noop());
    writer
}

fn send(writer: &FrameWriter<Holding>, frame: &'static [u8]) {
    writer.outbox.push(Bytes::from_static(frame));
    writer.flush();
}

#[test]
fn bytes_held_by_the_transport_count_as_unsent() {
    let writer = writer();
    let mut cx = Context::from_waker(Waker::noop());
    send(&writer, b"abcdef");
    assert!(writer.outbox.is_empty());
    assert!(writer.write(&mut cx).is_pending(), "the transport still holds it");
    // It could take two more, but they would be beyond the control of the outbox.
    send(&writer, b"ghi");
    assert_eq!((writer.outbox.queued_bytes(), writer.io().held.len()), (3, 6));
    // The kernel takes some bytes and wakes the task.
    writer.io().room = 7;
    assert!(writer.write(&mut cx).is_pending());
    assert!(writer.outbox.is_empty());
    writer.io().room = 100;
    assert!(matches!(writer.write(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(writer.io().passed, b"abcdefghi");
}

#[test]
fn a_frame_passes_the_outbox_only_if_nothing_waits() {
    let writer = writer();
    writer.io().room = 100;
    let frame = Bytes::from_static(b"abc");
    assert!(writer.try_deliver(&frame));
    assert!(writer.is_sent());
    writer.io().room = 0;
    assert!(writer.try_deliver(&frame), "the transport holds it");
    assert!(!writer.is_sent());
    assert!(!writer.try_deliver(&frame), "the transport is full");
    writer.io().room = 100;
    assert!(writer.write(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(writer.io().passed, b"abcabc");
}

#[test]
fn only_a_peer_that_takes_nothing_is_stalled() {
    let (writer, start, limit) = (writer(), Instant::now(), Duration::from_secs(3));
    let goes_on = |seconds| writer.tick(start + Duration::from_secs(seconds), limit);
    assert!(goes_on(0) && goes_on(10), "nothing waits");
    send(&writer, b"abcdefghijkl");
    assert!(goes_on(11), "the transport took some bytes");
    assert!(goes_on(13));
    writer.io().room = 2;
    assert!(writer.write(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(goes_on(14), "the peer took some bytes");
    assert!(!goes_on(17));
    assert!(matches!(writer.outbox.closing(), Some(Close::Stalled)));
}

#[test]
fn a_closing_connection_ends_in_time() {
    let (writer, start) = (writer(), Instant::now());
    writer.close(Close::Draining);
    assert!(!writer.tick(start, Duration::MAX) && !writer.is_broken());
    assert!(!writer.tick(start + CLOSE_DEADLINE, Duration::MAX) && writer.is_broken());
    assert!(matches!(writer.finish(), Some(Close::Draining)));
}
