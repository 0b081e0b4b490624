//! What arrived on the listening connection and is not taken yet, in order.
//!
//! Redis cuts a listener that does not read, and tells no publisher. So everything is read, and what
//! does not fit is dropped here.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value};

use crate::cluster::redis::listener::TopicChange;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    Message { topic: Bytes, message: Bytes },
    Confirmed { change: TopicChange, topic: Bytes },
    Closed,
}

pub struct Inbox {
    /// Beyond it events are dropped. State may take twice as much.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    arrivals: VecDeque<Arrival>,
    bytes: usize,
    dropped: u64,
    overrun: bool,
    waker: Option<Waker>,
}

/// Everything since the last time.
#[derive(Default)]
pub struct Taken {
    pub arrivals: VecDeque<Arrival>,
    /// Events that did not fit.
    pub dropped: u64,
    /// State did not fit either: what is known of the channels is not complete any more.
    pub overrun: bool,
}

/// Numbered messages, totals and marks begin with a printable character.
const FIRST_PRINTABLE: u8 = b' ';

impl Inbox {
    pub fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default() }
    }

    /// Never waits.
    pub fn push(&self, push: PushInfo) {
        let Some(arrival) = read(push) else { return };
        let mut state = self.state.lock();
        let bytes = arrival.bytes();
        if arrival.is_event() && state.bytes + bytes > self.limit {
            state.dropped += 1;
        } else if state.bytes + bytes > self.limit.saturating_mul(2) {
            state.overrun = true;
        } else {
            state.bytes += bytes;
            state.arrivals.push_back(arrival);
        }
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    pub fn poll_take(&self, context: &Context) -> Poll<Taken> {
        let mut state = self.state.lock();
        if state.arrivals.is_empty() && state.dropped == 0 && !state.overrun {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(state.take())
    }

    pub fn take(&self) -> Taken {
        self.state.lock().take()
    }
}

impl State {
    fn take(&mut self) -> Taken {
        self.bytes = 0;
        Taken {
            arrivals: std::mem::take(&mut self.arrivals),
            dropped: std::mem::take(&mut self.dropped),
            overrun: std::mem::take(&mut self.overrun),
        }
    }
}

impl Arrival {
    fn bytes(&self) -> usize {
        match self {
            Self::Message { topic, message } => topic.len() + message.len(),
            Self::Confirmed { .. } | Self::Closed => 0,
        }
    }

    fn is_event(&self) -> bool {
        let first = match self {
            Self::Message { message, .. } => message.first(),
            Self::Confirmed { .. } | Self::Closed => return false,
        };
        first.is_none_or(|first| *first < FIRST_PRINTABLE)
    }
}

fn read(push: PushInfo) -> Option<Arrival> {
    let mut data = push.data.into_iter().map(bytes);
    let mut next = || data.next().flatten();
    match push.kind {
        PushKind::SMessage => Some(Arrival::Message { topic: next()?, message: next()? }),
        PushKind::SSubscribe => {
            Some(Arrival::Confirmed { change: TopicChange::Subscribe, topic: next()? })
        }
        PushKind::SUnsubscribe => {
            Some(Arrival::Confirmed { change: TopicChange::Unsubscribe, topic: next()? })
        }
        PushKind::Disconnection => Some(Arrival::Closed),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into_bytes().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(inbox: &Inbox, message: &[u8]) {
        let data = vec![Value::BulkString(b"t".into()), Value::BulkString(message.into())];
        inbox.push(PushInfo { kind: PushKind::SMessage, data });
    }

    fn messages(taken: &Taken) -> Vec<Bytes> {
        let message = |arrival: &Arrival| match arrival {
            Arrival::Message { message, .. } => message.clone(),
            other => panic!("{other:?}"),
        };
        taken.arrivals.iter().map(message).collect()
    }

    #[test]
    fn j14_full_inbox_drops_events_and_keeps_state() {
        let inbox = Inbox::new(20);
        for message in [&b"\x01 an event"[..], b"+2:1:member", b"\x01 another", b"#7", b"@mark"] {
            push(&inbox, message);
        }
        let taken = inbox.take();
        assert_eq!(messages(&taken), [&b"\x01 an event"[..], b"+2:1:member", b"#7", b"@mark"]);
        assert_eq!((taken.dropped, taken.overrun), (1, false));
        push(&inbox, b"\x01 an event");
        assert_eq!(inbox.take().arrivals.len(), 1);
    }

    #[test]
    fn state_is_bounded_too_and_its_loss_is_told() {
        let inbox = Inbox::new(20);
        (0..9).for_each(|_| push(&inbox, b"+2:1:member"));
        let taken = inbox.take();
        assert!(taken.overrun && taken.arrivals.len() == 3);
        assert!(!inbox.take().overrun);
    }

    #[test]
    fn confirmations_and_the_end_keep_their_place() {
        let inbox = Inbox::new(20);
        let topic = || vec![Value::BulkString(b"t".into()), Value::Int(1)];
        inbox.push(PushInfo { kind: PushKind::SSubscribe, data: topic() });
        push(&inbox, b"#1");
        inbox.push(PushInfo { kind: PushKind::SUnsubscribe, data: topic() });
        inbox.push(PushInfo { kind: PushKind::Disconnection, data: vec![] });
        inbox.push(PushInfo { kind: PushKind::Invalidate, data: vec![] });
        let confirmed = |change| Arrival::Confirmed { change, topic: "t".into() };
        assert_eq!(
            inbox.take().arrivals,
            [
                confirmed(TopicChange::Subscribe),
                Arrival::Message { topic: "t".into(), message: "#1".into() },
                confirmed(TopicChange::Unsubscribe),
                Arrival::Closed,
            ]
        );
    }
}
