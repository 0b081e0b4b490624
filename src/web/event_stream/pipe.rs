//! The carrier over HTTP/2: a transport on one side, and the body of the response on the other.

use std::{
    cell::RefCell,
    convert::Infallible,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::handover::{StreamEnd, StreamSlot};
use crate::web::{
    carrier::transport::Transport,
    http::remote::{HasRemote, Remote},
};

/// The largest chunk: what waits for the client beyond it stays in the outbox, where it is counted.
const CHUNK_BYTES: usize = 16 * 1024;

#[derive(Default)]
struct PipeState {
    chunk: BytesMut,
    /// The stream has written its last byte.
    is_ended: bool,
    body: Option<Waker>,
    /// Waits for room.
    stream: Option<Waker>,
}

/// The stream's side.
pub struct BodyPipe {
    pipe: Rc<RefCell<PipeState>>,
    end: Rc<StreamEnd>,
}

pub struct StreamBody {
    pipe: Rc<RefCell<PipeState>>,
    _slot: StreamSlot,
}

pub fn pipe(slot: StreamSlot) -> (BodyPipe, StreamBody) {
    let pipe = Rc::<RefCell<PipeState>>::default();
    let (stream, end) = (pipe.clone(), slot.end.clone());
    (BodyPipe { pipe: stream, end }, StreamBody { pipe, _slot: slot })
}

impl PipeState {
    fn end(&mut self) {
        self.is_ended = true;
        self.body.take().into_iter().for_each(Waker::wake);
    }

    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let before = self.chunk.len();
        for slice in slices {
            let room = CHUNK_BYTES.saturating_sub(self.chunk.len());
            self.chunk.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        if self.chunk.len() == before {
            self.stream = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.body.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(self.chunk.len() - before))
    }
}

impl AsyncRead for BodyPipe {
    /// The client sends nothing: the only thing to read is the end.
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.end.poll(cx).map(Ok)
    }
}

impl AsyncWrite for BodyPipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pipe.borrow_mut().poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.pipe.borrow_mut().poll_take(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.borrow_mut().end();
        Poll::Ready(Ok(()))
    }
}

impl HasRemote for BodyPipe {
    fn remote(&self) -> Option<Remote> {
        None
    }
}

impl Transport for BodyPipe {
    const HAS_CLOSE_NOTIFY: bool = true;
}

impl Drop for BodyPipe {
    fn drop(&mut self) {
        self.pipe.borrow_mut().end();
    }
}

impl MessageBody for StreamBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let mut pipe = self.pipe.borrow_mut();
        if !pipe.chunk.is_empty() {
            let chunk = std::mem::take(&mut pipe.chunk);
            pipe.stream.take().into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(chunk.freeze())));
        }
        if pipe.is_ended {
            return Poll::Ready(None);
        }
        pipe.body = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::event_stream::handover::CarriedStreams;

    fn opened() -> (BodyPipe, StreamBody, Rc<CarriedStreams>) {
        let open = Rc::default();
        let slot = StreamSlot::take(&open, 1).expect("room");
        assert!(StreamSlot::take(&open, 1).is_none(), "the connection has its most");
        let (stream, body) = pipe(slot);
        (stream, body, open)
    }

    fn write(stream: &mut BodyPipe, bytes: &[u8]) -> Poll<Option<usize>> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(stream).poll_write(&mut cx, bytes).map(Result::ok)
    }

    fn next(body: &mut StreamBody) -> Poll<Option<Vec<u8>>> {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(body).poll_next(&mut cx).map(|chunk| chunk.map(|Ok(bytes)| bytes.to_vec()))
    }

    #[test]
    fn chunks_are_bounded_and_whole() {
        let (mut stream, mut body, _) = opened();
        assert_eq!(next(&mut body), Poll::Pending);
        assert_eq!(write(&mut stream, &[1; 10_000]), Poll::Ready(Some(10_000)));
        assert_eq!(write(&mut stream, &[2; 10_000]), Poll::Ready(Some(CHUNK_BYTES - 10_000)));
        assert_eq!(write(&mut stream, &[3; 10_000]), Poll::Pending);
        let chunk = [vec![1; 10_000], vec![2; CHUNK_BYTES - 10_000]].concat();
        assert_eq!(next(&mut body), Poll::Ready(Some(chunk)));
        assert_eq!(write(&mut stream, &[3; 5]), Poll::Ready(Some(5)));
        drop(stream);
        assert_eq!(next(&mut body), Poll::Ready(Some(vec![3; 5])));
        assert_eq!(next(&mut body), Poll::Ready(None));
    }

    #[test]
    fn end_of_body_or_connection_is_the_end_of_the_stream() {
        let read = |stream: &mut BodyPipe| {
            let mut cx = Context::from_waker(Waker::noop());
            Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut [0; 8])).is_ready()
        };
        let (mut stream, body, open) = opened();
        assert!(!read(&mut stream) && !open.is_empty());
        drop(body);
        assert!(read(&mut stream) && open.is_empty());
        let (mut stream, _body, open) = opened();
        assert!(!read(&mut stream));
        open.end();
        assert!(read(&mut stream));
    }
}
