//! How much of a connection HTTP/1 is given at once. By itself the HTTP library reads 128 KiB, and
//! makes requests of all that is in them before it answers the first.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::http_usage::HttpUsage;
use crate::domain::refusal::RefusalCode;

/// Bytes and requests until answers have been written. So few, that a flood of requests on some
/// connections leaves turns for the others.
const PASS_BYTES: usize = 8 * 1024;
const PASS_REQUESTS: usize = 4;

/// A head is never larger. Node.js allows as much by default.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

#[derive(Default)]
pub struct Intake {
    pass_bytes: usize,
    pass_requests: usize,
    lines: Lines,
    /// Bytes read ahead, for a later pass.
    surplus: Vec<u8>,
    /// Requests that had begun when the last byte was passed on.
    begun: usize,
    /// Bytes passed on since; `head` while no request was being answered.
    behind: u64,
    head: usize,
    /// True once the first line of the head has ended.
    has_line: bool,
}

impl Intake {
    /// Answers have been written as far as there are any.
    pub fn next_pass(&mut self) {
        (self.pass_bytes, self.pass_requests) = (0, 0);
    }

    pub fn surplus(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.surplus)
    }

    /// Must be called before each read: notes a request that has begun.
    pub fn follow(&mut self, usage: &HttpUsage) {
        if self.begun != usage.begun() {
            (self.begun, self.behind) = (usage.begun(), 0);
            self.begin_head();
        }
        if usage.answering() > 0 {
            self.begin_head();
        }
    }

    fn begin_head(&mut self) {
        (self.head, self.has_line) = (0, false);
    }

    /// The refusal of a head that has not ended within its limit.
    pub fn refusal(&self) -> Option<RefusalCode> {
        if self.pass_bytes > 0 || self.head <= MAX_HEAD_BYTES {
            return None;
        }
        Some(if self.has_line { RefusalCode::HeadTooLarge } else { RefusalCode::UriTooLong })
    }

    /// True if the next request must wait for the current response.
    pub fn waits_for_answer(&self, usage: &HttpUsage) -> bool {
        self.behind >= PASS_BYTES as u64 && usage.waits_for_answer(self.behind - PASS_BYTES as u64)
    }

    pub fn poll_read(
        &mut self,
        io: Pin<&mut impl AsyncRead>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pass_bytes >= PASS_BYTES || self.pass_requests >= PASS_REQUESTS {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        if self.surplus.is_empty() {
            ready!(io.poll_read(cx, buffer))?;
        } else {
            let count = buffer.remaining().min(self.surplus.len());
            buffer.put_slice(&self.surplus[..count]);
            self.surplus.drain(..count);
        }
        let read = &buffer.filled()[before..];
        let (passed, requests) = self.lines.up_to(read, PASS_REQUESTS - self.pass_requests);
        if passed < read.len() {
            self.surplus.splice(..0, read[passed..].iter().copied());
            buffer.set_filled(before + passed);
        } else if self.surplus.is_empty() {
            self.surplus = Vec::new();
        }
        self.pass_bytes += passed;
        self.pass_requests += requests;
        self.head += passed;
        self.has_line |= buffer.filled()[before..].contains(&b'\n');
        self.behind += passed as u64;
        Poll::Ready(Ok(()))
    }
}

/// Finds empty lines. Each head ends with one, so that there are no more requests than those. In a
/// body they mean nothing, and do no harm.
#[derive(Default)]
struct Lines {
    is_empty: bool,
}

impl Lines {
    /// Behind how many bytes so many empty lines end, or all; and how many there are in them.
    fn up_to(&mut self, bytes: &[u8], most: usize) -> (usize, usize) {
        let mut found = 0;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.is_empty => found += 1,
                b'\n' => self.is_empty = true,
                b'\r' => {}
                _ => self.is_empty = false,
            }
            if found == most {
                return (at + 1, found);
            }
        }
        (bytes.len(), found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::server::http_connections::HttpConnections;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// All that it passes on in one pass.
    fn pass(intake: &mut Intake, from: &mut &[u8]) -> Vec<u8> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut passed = Vec::new();
        intake.next_pass();
        loop {
            let mut room = [0; 4096];
            let mut buffer = ReadBuf::new(&mut room);
            match intake.poll_read(Pin::new(&mut *from), &mut cx, &mut buffer) {
                Poll::Ready(_) if !buffer.filled().is_empty() => {
                    passed.extend_from_slice(buffer.filled());
                }
                _ => return passed,
            }
        }
    }

    #[test]
    fn f14_requests_are_passed_on_a_few_at_a_time_and_none_is_lost() {
        let all = GET.repeat(1000);
        let (mut intake, mut from) = (Intake::default(), &all[..]);
        let mut seen = Vec::new();
        while seen.len() < all.len() {
            let passed = pass(&mut intake, &mut from);
            assert_eq!(
                passed.len(),
                GET.len() * PASS_REQUESTS.min((all.len() - seen.len()) / GET.len())
            );
            seen.extend(passed);
        }
        assert!(seen == all);
    }

    #[test]
    fn f14_bytes_of_a_body_are_bounded_and_whole() {
        let all = b"line\n\r\nline\n\n".repeat(5000);
        let (mut intake, mut from) = (Intake::default(), &all[..]);
        let mut seen = Vec::new();
        while seen.len() < all.len() {
            let passed = pass(&mut intake, &mut from);
            assert!(!passed.is_empty() && passed.len() < PASS_BYTES + 4096);
            seen.extend(passed);
        }
        assert!(seen == all);
    }

    #[test]
    fn f14_only_a_head_without_its_end_is_too_large() {
        let usage = HttpConnections::new(None, 1).admit(false).expect("room");
        let all = vec![b'a'; 64 * 1024];
        let (mut intake, mut from) = (Intake::default(), &all[..]);
        let mut passes = 0;
        loop {
            intake.next_pass();
            intake.follow(&usage);
            if intake.refusal().is_some() {
                break;
            }
            pass(&mut intake, &mut from);
            passes += 1;
        }
        assert_eq!(passes, 3, "16 KiB are not too many");
        usage.begin(64);
        intake.follow(&usage);
        assert_eq!(intake.refusal(), None, "it is a body");
        pass(&mut intake, &mut from);
        assert!(!intake.waits_for_answer(&usage), "or may be");
        pass(&mut intake, &mut from);
        assert!(intake.waits_for_answer(&usage), "it has ended");
        usage.finish(false);
        assert!(!intake.waits_for_answer(&usage));
    }

    #[test]
    fn f14_empty_lines_are_found_across_reads() {
        let mut lines = Lines::default();
        assert_eq!(lines.up_to(b"a: b\r", 1), (5, 0));
        assert_eq!(lines.up_to(b"\n", 1), (1, 0));
        assert_eq!(lines.up_to(b"\r", 1), (1, 0));
        assert_eq!(lines.up_to(b"\nGET", 1), (1, 1));
        assert_eq!(Lines::default().up_to(b"a\n\nb\n\nc", 9), (7, 2));
    }
}
