//! One channel with many subscribers: at a fixed rate, and as fast as it goes.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{
    Deliveries, SECOND, Span, TICK, connect_all_with, connect_one, rate_fields, trigger_body, with,
};
use crate::{
    net::{Event, Net, Sip, now},
    proc::Server,
    pusher::Subscription,
    report::{Latency, round},
};

const CHANNEL: &str = "fanout";
const SEALED_CHANNEL: &str = "private-encrypted-fanout";

/// Bytes per read of a slow reader, and the interval of its reads.
const SIP: usize = 8 * 1024;
const SIP_EVERY: u64 = SECOND / 10;

/// A server may wait this long for the close frame of a client that it closes.
const DRAIN: u64 = 6 * SECOND;

/// Publishes before the measured span, one at a time, each waited for.
const WARM_UP: usize = 20;

#[derive(Args)]
pub struct Common {
    #[arg(long, default_value_t = 1000)]
    subscribers: usize,
    /// Bytes of event data.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Keep-alive connections to the trigger API.
    #[arg(long, default_value_t = 4)]
    publishers: usize,
    /// Event streams instead of WebSockets.
    #[arg(long)]
    streams: bool,
}

impl Common {
    /// Connects everything and warms the server up. Every `slow`th subscriber
    /// has little room for what it has not read yet.
    fn prepare(&self, net: &mut Net, channel: &str, slow: Option<usize>) -> Result<()> {
        connect_all_with(net, self.subscribers, 64, |net, i| match slow {
            Some(n) if i % n == 0 => net.connect_narrow(Some(Subscription::to(channel))),
            _ => connect_one(net, channel, self.streams),
        })?;
        let mut body = Vec::new();
        for _ in 0..self.publishers {
            net.add_publisher()?;
        }
        for i in 0..WARM_UP {
            let mut deliveries = Deliveries::new();
            let mut answered = false;
            trigger_body(channel, now(), self.payload, &mut body);
            net.publish(i % self.publishers, &body)?;
            while !answered || deliveries.count < self.subscribers as u64 {
                net.turn(TICK, |_, event| {
                    match event {
                        Event::Message { payload, at, .. } if channel == SEALED_CHANNEL => {
                            deliveries.take_sealed(payload, at, at)?;
                        }
                        Event::Message { payload, at, .. } => {
                            deliveries.take(payload, at);
                        }
                        Event::Response { .. } => answered = true,
                        _ => {}
                    }
                    Ok(())
                })?;
                if deliveries.stalled() {
                    bail!("{} of {} warm-up deliveries", deliveries.count, self.subscribers);
                }
            }
        }
        Ok(())
    }
}

#[derive(Args)]
pub struct Fanout {
    #[command(flatten)]
    common: Common,
    /// Events to publish.
    #[arg(long, default_value_t = 250)]
    events: usize,
    /// Events per second, whatever the server does.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Plaintext to an encrypted channel, which the server seals. The events
    /// that come are counted; their times are known by their order.
    #[arg(long, conflicts_with_all = ["slow", "streams"])]
    sealed: bool,
    /// So many of the subscribers are slow: half of them read nothing, half a
    /// little. What is reported is of the others.
    #[arg(long, default_value_t = 0, conflicts_with = "streams")]
    slow: usize,
}

impl Fanout {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        let channel = if self.sealed { SEALED_CHANNEL } else { CHANNEL };
        if self.slow > self.common.subscribers / 2 {
            bail!("at most half of the subscribers can be slow");
        }
        let every = self.common.subscribers.checked_div(self.slow);
        self.common.prepare(net, channel, every)?;
        let slow: Vec<usize> = (0..self.slow).map(|i| i * every.unwrap_or(1)).collect();
        for client in &slow {
            net.stop_reading(*client);
        }
        let mut next_sip = now() + SIP_EVERY;

        let payload = self.common.payload;
        let expected = ((self.common.subscribers - self.slow) * self.events) as u64;
        // Sealed events by client.
        let mut opened = vec![0; self.common.subscribers];
        let mut deliveries = Deliveries::new();
        let mut by_node: Vec<_> = (0..net.nodes()).map(|_| Deliveries::new()).collect();
        let mut response = Latency::new();
        let mut free: Vec<usize> = (0..self.common.publishers).collect();
        let mut body = Vec::new();
        let mut answered = 0;
        let mut published = 0;
        let mut late_max = 0;
        let interval = SECOND as f64 / self.rate;

        let span = Span::begin(server)?;
        let due_at = |n: usize| span.start + (n as f64 * interval) as u64;
        let mut idle_since = now();
        while answered < self.events || deliveries.count < expected {
            while published < self.events && now() >= due_at(published) {
                let Some(publisher) = free.pop() else { break };
                // The time in the event is when it was due, so that waiting
                // for a slow server counts.
                let due = due_at(published);
                late_max = late_max.max(now() - due);
                trigger_body(channel, due, payload, &mut body);
                net.publish(publisher, &body)?;
                published += 1;
            }
            // Whole milliseconds are slept, the rest is spun through.
            let wait = if published < self.events && !free.is_empty() {
                due_at(published).saturating_sub(now()) / 1_000_000 * 1_000_000
            } else {
                TICK.as_nanos() as u64
            };
            if now() >= next_sip {
                next_sip += SIP_EVERY;
                for client in slow.iter().step_by(2) {
                    net.sip(*client, SIP)?;
                }
            }
            net.turn(Duration::from_nanos(wait), |net, event| {
                match event {
                    Event::Message { client, payload, at } if self.sealed => {
                        if deliveries.take_sealed(payload, due_at(opened[client]), at)? {
                            opened[client] += 1;
                        }
                        idle_since = at;
                    }
                    Event::Message { client, payload, at } => {
                        deliveries.take(payload, at);
                        by_node[net.node_of(client)].take(payload, at);
                        idle_since = at;
                    }
                    Event::Response { publisher, sent, at } => {
                        answered += 1;
                        response.record(at - sent);
                        free.push(publisher);
                        idle_since = at;
                    }
                    Event::Closed { .. } => bail!("a subscriber was closed"),
                    _ => {}
                }
                Ok(())
            })?;
            if published == self.events && deliveries.stalled() && now() - idle_since > SECOND {
                break;
            }
        }
        let seconds = (deliveries.last - span.start) as f64 / SECOND as f64;
        let per = span.per(server, deliveries.count)?;
        let shares = span.shares(server)?;
        let slow_closed = drain(net, slow)?;
        let fields = with(
            shares,
            json!({ "by_node": by_node.iter().map(Deliveries::json).collect::<Vec<_>>() }),
        );
        Ok(with(
            with(fields, rate_fields("deliveries", deliveries.count, seconds, &per)),
            json!({
                "events": self.events,
                "response": response.json(),
                "subscribers": self.common.subscribers,
                "slow": self.slow,
                "slow_closed": slow_closed,
                "sealed": self.sealed,
                "payload": payload,
                "rate": self.rate,
                "expected": expected,
                "lost": expected as i64 - deliveries.count as i64,
                "latency": deliveries.latency.json(),
                "publish_late_max_us": round(late_max as f64 / 1e3),
            }),
        ))
    }
}

/// Reads what was kept back for slow clients until the server has closed them or
/// nothing more comes. Returns how many it has closed.
fn drain(net: &mut Net, mut slow: Vec<usize>) -> Result<usize> {
    let count = slow.len();
    let start = now();
    let mut progress = start;
    while !slow.is_empty() && now() - progress < DRAIN && now() - start < 2 * DRAIN {
        let mut open = Vec::new();
        for client in slow {
            match net.sip(client, usize::MAX)? {
                Sip::Took => progress = now(),
                Sip::Empty => {}
                Sip::Closed => {
                    progress = now();
                    continue;
                }
            }
            open.push(client);
        }
        slow = open;
        net.turn(Duration::from_millis(1), |_, _| Ok(()))?;
    }
    Ok(count - slow.len())
}

#[derive(Args)]
pub struct Saturate {
    #[command(flatten)]
    common: Common,
    /// How long to publish for.
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

impl Saturate {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        self.common.prepare(net, CHANNEL, None)?;
        let payload = self.common.payload;
        let mut deliveries = Deliveries::new();
        let mut response = Latency::new();
        let mut body = Vec::new();
        let mut published = 0u64;
        let mut answered = 0u64;
        let mut closed = 0u64;

        let span = Span::begin(server)?;
        let end = span.start + (self.seconds * SECOND as f64) as u64;
        for publisher in 0..self.common.publishers {
            trigger_body(CHANNEL, now(), payload, &mut body);
            net.publish(publisher, &body)?;
            published += 1;
        }
        let mut in_time = 0;
        loop {
            net.turn(TICK, |net, event| {
                match event {
                    Event::Message { payload, at, .. } => {
                        deliveries.take(payload, at);
                        if at < end {
                            in_time = deliveries.count;
                        }
                    }
                    Event::Response { publisher, sent, at, .. } => {
                        answered += 1;
                        response.record(at - sent);
                        if at < end {
                            trigger_body(CHANNEL, now(), payload, &mut body);
                            net.publish(publisher, &body)?;
                            published += 1;
                        }
                    }
                    Event::Closed { .. } => closed += 1,
                    _ => {}
                }
                Ok(())
            })?;
            let expected = published * self.common.subscribers as u64;
            let done = answered == published && deliveries.count >= expected;
            if now() > end && (done || deliveries.stalled()) {
                break;
            }
        }
        let expected = published * self.common.subscribers as u64;
        let drained = deliveries.last.saturating_sub(end) as f64 / SECOND as f64;
        let per = span.per(server, deliveries.count)?;
        Ok(with(
            rate_fields("deliveries", in_time, self.seconds, &per),
            json!({
                "subscribers": self.common.subscribers,
                "payload": payload,
                "publishers": self.common.publishers,
                "expected": expected,
                "lost": expected as i64 - deliveries.count as i64,
                "closed": closed,
                "drain_seconds": round(drained),
                "latency": deliveries.latency.json(),
                "response": response.json(),
            }),
        ))
    }
}
