//! The queue of an endpoint: one queue per channel, with at most one batch under way. This keeps
//! each channel's order, and a channel in retry holds up no other.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::dead_letter::LetterId;
use crate::channels::fact_receipt::FactReceipt;

#[derive(Clone, Debug)]
pub struct QueuedEvent {
    pub channel: Arc<str>,
    /// One element of `events`.
    pub json: Arc<str>,
    pub since: Instant,
    /// Id of its dead letter, if it is a replay.
    pub letter: Option<LetterId>,
    /// Of a fact that a cluster keeps until it is settled.
    pub receipt: Option<Arc<FactReceipt>>,
}

/// Cost of an event in the tables, beside its text.
const EVENT_OVERHEAD_BYTES: usize = 200;
/// Bound on events on their way to the dead-letter file, beside the queue limit.
const MAX_SPILL_BYTES: usize = 1024 * 1024;
/// No event is added to a body beyond this size.
const MAX_BODY_BYTES: usize = 1024 * 1024;

impl QueuedEvent {
    /// Another node tells the endpoint.
    pub fn is_elsewhere(&self) -> bool {
        self.receipt.as_ref().is_some_and(|receipt| !receipt.is_here())
    }

    /// Nothing more is done with it here.
    pub fn settle(&self) {
        self.receipt.iter().for_each(|receipt| receipt.settle());
    }

    fn bytes(&self) -> usize {
        self.json.len() + self.channel.len() + EVENT_OVERHEAD_BYTES
    }
}

#[derive(Clone, Copy)]
pub struct QueueLimits {
    pub bytes: usize,
    /// Events in one request.
    pub batch_events: usize,
    /// Time a batch may wait for more events.
    pub batch_delay: Duration,
}

#[derive(Default)]
struct ChannelQueue {
    events: VecDeque<QueuedEvent>,
    under_way: bool,
}

pub struct DeliveryQueue {
    limits: QueueLimits,
    lines: HashMap<Arc<str>, ChannelQueue>,
    /// Channels with events and no batch under way.
    ready: VecDeque<Arc<str>>,
    ready_events: usize,
    /// For each batch under way, the start of the wait of its youngest event.
    under_way: Vec<Instant>,
    /// Events waiting or under way.
    events: usize,
    bytes: usize,
    spilled: Vec<QueuedEvent>,
    spilled_bytes: usize,
    /// Takes no further events.
    closed: bool,
}

/// Result of queueing an event.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub enum PushOutcome {
    Queued,
    /// The queue is full: the event goes to the dead-letter file.
    Spilled,
    /// The way to the dead-letter file is full, too.
    Lost,
    /// The endpoint was removed.
    Closed,
}

#[must_use]
pub struct DeliveryBatch {
    pub events: Vec<QueuedEvent>,
}

#[must_use]
pub enum NextBatch {
    Ready(DeliveryBatch),
    /// The batch is not full yet.
    NotBefore(Instant),
    Empty,
}

impl DeliveryBatch {
    /// Start of the wait of the youngest event.
    pub fn since(&self) -> Option<Instant> {
        self.events.iter().map(|event| event.since).max()
    }
}

impl DeliveryQueue {
    pub fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            lines: HashMap::new(),
            ready: VecDeque::new(),
            ready_events: 0,
            under_way: Vec::new(),
            events: 0,
            bytes: 0,
            spilled: Vec::new(),
            spilled_bytes: 0,
            closed: false,
        }
    }

    pub fn len(&self) -> usize {
        self.events
    }

    /// False while more events on their way to the dead letters might not fit.
    pub fn has_room(&self) -> bool {
        self.spilled_bytes <= MAX_SPILL_BYTES / 2
    }

    pub fn bytes(&self) -> usize {
        self.bytes + self.spilled_bytes
    }

    pub fn is_empty(&self) -> bool {
        self.events == 0 && self.spilled.is_empty()
    }

    /// Applies to events from now on.
    pub fn change(&mut self, limits: QueueLimits) {
        self.limits = limits;
    }

    /// Closes the queue if it is empty, and returns true if it was.
    #[must_use]
    pub fn close(&mut self) -> bool {
        self.closed = self.is_empty();
        self.closed
    }

    pub fn push(&mut self, event: QueuedEvent) -> PushOutcome {
        if self.closed {
            return PushOutcome::Closed;
        }
        let bytes = event.bytes();
        if self.bytes + bytes <= self.limits.bytes {
            self.enter(event, bytes);
            return PushOutcome::Queued;
        }
        // A replayed event is in the file already.
        if event.letter.is_some() || self.spilled_bytes + bytes > MAX_SPILL_BYTES {
            return PushOutcome::Lost;
        }
        self.spilled_bytes += bytes;
        self.spilled.push(event);
        PushOutcome::Spilled
    }

    fn enter(&mut self, event: QueuedEvent, bytes: usize) {
        self.bytes += bytes;
        self.events += 1;
        let line = self.lines.entry(event.channel.clone()).or_default();
        if !line.under_way {
            self.ready_events += 1;
            if line.events.is_empty() {
                self.ready.push_back(event.channel.clone());
            }
        }
        line.events.push_back(event);
    }

    pub fn take_spilled(&mut self) -> Vec<QueuedEvent> {
        self.spilled_bytes = 0;
        std::mem::take(&mut self.spilled)
    }

    /// `hurry`: a partial batch will not get more events.
    pub fn next(&mut self, now: Instant, hurry: bool) -> NextBatch {
        let Some(oldest) = self.ready.front().and_then(|name| self.lines.get(name)?.events.front())
        else {
            return NextBatch::Empty;
        };
        let due = oldest.since + self.limits.batch_delay;
        if self.ready_events < self.limits.batch_events && now < due && !hurry {
            return NextBatch::NotBefore(due);
        }
        NextBatch::Ready(self.take())
    }

    fn take(&mut self) -> DeliveryBatch {
        let (mut events, mut bytes) = (Vec::new(), 0);
        while let Some(name) = self.ready.pop_front() {
            let Some(line) = self.lines.get_mut(&name) else { continue };
            self.ready_events -= line.events.len();
            line.under_way = true;
            while events.len() < self.limits.batch_events
                && let Some(next) = line.events.front()
                && (events.is_empty() || bytes + next.json.len() <= MAX_BODY_BYTES)
            {
                bytes += next.json.len();
                events.extend(line.events.pop_front());
            }
            let full = events.len() >= self.limits.batch_events || !line.events.is_empty();
            if events.last().is_none_or(|event: &QueuedEvent| event.channel != name) {
                // None of its events had room: it goes first into the next batch.
                line.under_way = false;
                self.ready_events += line.events.len();
                self.ready.push_front(name);
            }
            if full {
                break;
            }
        }
        let batch = DeliveryBatch { events };
        self.under_way.extend(batch.since());
        batch
    }

    /// Start of the longest wait: of the batches under way and the next event.
    pub fn oldest(&self) -> Option<Instant> {
        let next = self.ready.front().and_then(|name| self.lines.get(name)?.events.front());
        self.under_way.iter().copied().chain(next.map(|event| event.since)).min()
    }

    /// Ends a delivered or given-up batch: later events of its channels may go.
    pub fn finish(&mut self, batch: &DeliveryBatch) {
        if let Some(at) = self.under_way.iter().position(|since| Some(*since) == batch.since()) {
            self.under_way.swap_remove(at);
        }
        for event in &batch.events {
            self.bytes -= event.bytes();
            self.events -= 1;
            let Some(line) = self.lines.get_mut(&event.channel) else { continue };
            if !std::mem::replace(&mut line.under_way, false) {
                continue;
            }
            if line.events.is_empty() {
                self.lines.remove(&event.channel);
            } else {
                self.ready_events += line.events.len();
                self.ready.push_back(event.channel.clone());
            }
        }
    }

    /// Takes all events not under way, in channel order.
    pub fn take_rest(&mut self) -> Vec<QueuedEvent> {
        let mut rest = Vec::new();
        self.lines.retain(|_, line| {
            rest.extend(line.events.drain(..));
            line.under_way
        });
        self.ready.clear();
        self.ready_events = 0;
        self.events -= rest.len();
        self.bytes -= rest.iter().map(QueuedEvent::bytes).sum::<usize>();
        rest
    }
}

#[cfg(test)]
mod tests;
