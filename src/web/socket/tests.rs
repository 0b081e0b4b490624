use std::{collections::VecDeque, io, task::Waker, time::Duration};

use tokio::io::{AsyncRead, AsyncWrite};

use super::*;
use crate::{
    hub::{Hub, shard::Shard},
    web::{
        ServerSettings,
        remote::{HasRemote, Remote},
    },
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

fn link() -> Link<Holding> {
    let settings = ServerSettings {
        path_prefix: String::new(),
        strict_protocol: false,
        activity_timeout: Duration::from_secs(1),
        pong_timeout: Duration::from_secs(1),
        stalled: Duration::from_secs(3),
        drain: Duration::ZERO,
        capacity_percent: 90,
        message_bytes: 1000,
        outbox_bytes: 1000,
        http_body_bytes: 1000,
        proxies: Default::default(),
        proxied: Default::default(),
        keep_alive: Duration::from_secs(1),
        body_timeout: Duration::from_secs(1),
        admin_token: None,
        live_feed: crate::web::LiveFeedAccess::default(),
        ops_hosts: Default::default(),
    };
    let shard = Shard::new(Hub::new(1, 1000, 1000));
    let outbox = Outbox::new(Form::Pusher, 1000);
    let link = Link::new(Holding::default(), outbox, (shard, Arc::new(settings)), Instant::now());
    link.waker.replace(Some(Waker::noop().clone()));
    link
}

#[test]
fn bytes_held_by_the_transport_count_as_unsent() {
    let link = link();
    let mut cx = Context::from_waker(Waker::noop());
    link.send(Bytes::from_static(b"abcdef"));
    link.flush();
    assert!(link.outbox.is_empty());
    assert!(link.write(&mut cx).is_pending(), "the transport still holds it");
    // It could take two more, but they would be beyond the control of the outbox.
    link.send(Bytes::from_static(b"ghi"));
    link.flush();
    assert_eq!((link.outbox.queued_bytes(), link.io.borrow().held.len()), (3, 6));
    // The kernel takes some bytes and wakes the task.
    link.io.borrow_mut().room = 7;
    assert!(link.write(&mut cx).is_pending());
    assert!(link.outbox.is_empty());
    link.io.borrow_mut().room = 100;
    assert!(matches!(link.write(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(link.io.borrow().passed, b"abcdefghi");
}
