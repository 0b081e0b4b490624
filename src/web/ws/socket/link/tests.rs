use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::{
    hub::{Hub, outbox::Outbox, shard::Shard, socket::Socket},
    protocol::form::Form,
    web::{
        http::remote::{HasRemote, Remote},
        settings::live_feed_access::LiveFeedAccess,
    },
};

/// Takes everything while it is not shut.
#[derive(Default)]
struct Valve {
    is_shut: bool,
    written: usize,
}

impl AsyncRead for Valve {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Valve {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if self.is_shut {
            return Poll::Pending;
        }
        self.written += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl HasRemote for Valve {
    fn remote(&self) -> Option<Remote> {
        None
    }
}

impl Transport for Valve {
    const HAS_CLOSE_NOTIFY: bool = false;
}

fn link(now: Instant) -> Link<Valve> {
    let settings = ReloadableSettings {
        strict_protocol: false,
        activity_timeout: Duration::from_secs(10),
        pong_timeout: Duration::from_secs(2),
        stalled: Duration::from_secs(60),
        drain: Duration::ZERO,
        capacity_percent: 90,
        message_bytes: 1000,
        outbox_bytes: 1000,
        http_body_bytes: 1000,
        proxies: Default::default(),
        body_timeout: Duration::from_secs(1),
        admin_token: None,
        live_feed: LiveFeedAccess::default(),
        ops_hosts: Default::default(),
        console: Default::default(),
        config_report: Default::default(),
    };
    let outbox = Outbox::new(Form::Pusher, 1000);
    let writer = FrameWriter::new(Valve::default(), outbox, Shard::new(Hub::new(1, 1000, 1000)));
    writer.register(Waker::noop());
    Link::new(writer, Arc::new(settings), now)
}

fn close_reason(link: &Link<Valve>) -> Option<&'static str> {
    link.outbox().closing().as_ref().map(Close::reason)
}

#[test]
fn a_silent_peer_is_pinged_and_closed_without_a_pong() {
    let start = Instant::now();
    let link = link(start);
    let tick = |seconds| link.tick(start + Duration::from_secs(seconds));
    tick(9);
    assert_eq!(link.writer.io().written, 0);
    tick(10);
    assert!(link.writer.io().written > 0, "the ping");
    tick(11);
    assert_eq!(close_reason(&link), None);
    link.note_received(start + Duration::from_secs(11));
    tick(20);
    assert_eq!(close_reason(&link), None, "the pong came");
    tick(21);
    tick(23);
    assert_eq!(close_reason(&link), Some(Close::PongNotReceived.reason()));
}

#[test]
fn the_pong_timeout_starts_when_reading_does() {
    let start = Instant::now();
    let link = link(start);
    let tick = |seconds| link.tick(start + Duration::from_secs(seconds));
    tick(10);
    link.writer.io().is_shut = true;
    link.send(Bytes::from_static(b"abc"));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(link.writer.must_wait(&mut cx), "the peer must read first");
    tick(14);
    assert_eq!(close_reason(&link), None);
    link.writer.io().is_shut = false;
    assert!(link.writer.write(&mut cx).is_ready());
    assert!(!link.writer.must_wait(&mut cx));
    tick(15);
    assert_eq!(close_reason(&link), None);
    tick(16);
    assert_eq!(close_reason(&link), Some(Close::PongNotReceived.reason()));
}
