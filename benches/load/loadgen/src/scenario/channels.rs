//! Many channels with one subscriber each: what a subscription costs, and an
//! event when there are many channels to find one among.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{Deliveries, SECOND, Span, TICK, connect_all, rate_fields, settle, trigger_body, with};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::{self, Subscription},
    report::round,
};

/// Sockets that wait for answers at once.
const IN_PROGRESS: usize = 64;

/// A step through the channels that comes by all of them, none near the last:
/// a prime.
const STRIDE: usize = 49_999;

#[derive(Args)]
pub struct Channels {
    #[command(flatten)]
    load: Load,
}

#[derive(Args, Clone, Copy)]
pub struct Load {
    #[arg(long, default_value_t = 1000)]
    pub sockets: usize,
    /// Subscriptions of each socket.
    #[arg(long, default_value_t = 100)]
    each: usize,
    /// Events, each to another channel.
    #[arg(long, default_value_t = 20_000)]
    pub events: usize,
    /// Bytes of event data.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Keep-alive connections to the trigger API.
    #[arg(long, default_value_t = 4)]
    publishers: usize,
}

impl Load {
    pub fn channels(&self) -> usize {
        self.sockets * self.each
    }
}

impl Channels {
    pub fn of(load: &Load) -> Self {
        Self { load: *load }
    }

    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        let channels = self.load.channels();
        let clients = connect_all(net, self.load.sockets, 64, |_| None)?;
        settle(net, Duration::from_secs(1))?;

        let before = server.resident()?;
        let span = Span::begin(server)?;
        self.subscribe(net, &clients)?;
        let seconds = span.seconds();
        let per = span.per(server, channels as u64)?;
        let shares = span.shares(server)?;
        settle(net, Duration::from_secs(1))?;
        let grown = server.resident()?.saturating_sub(before);

        self.add_publishers(net)?;
        let span = Span::begin(server)?;
        let deliveries = self.publish_all(net)?;
        let event = span.per(server, self.load.events as u64)?;
        Ok(with(
            with(shares, rate_fields("subscriptions", channels as u64, seconds, &per)),
            json!({
                "sockets": self.load.sockets,
                "resident_bytes_each": grown / channels.max(1) as u64,
                "events": self.load.events,
                "events_per_s": round(self.load.events as f64 / span.seconds()),
                "event_cpu_us_each": event.server_us,
                "lost": self.load.events as i64 - deliveries.count as i64,
                "latency": deliveries.latency.json(),
            }),
        ))
    }

    pub fn add_publishers(&self, net: &mut Net) -> Result<()> {
        (0..self.load.publishers).try_for_each(|_| net.add_publisher().map(drop))
    }

    pub fn subscribe(&self, net: &mut Net, clients: &[usize]) -> Result<()> {
        let mut missing = vec![self.load.each; clients.len()];
        let mut asked = 0;
        let mut ready = 0;
        let mut progress = now();
        while ready < clients.len() {
            while asked < clients.len() && asked - ready < IN_PROGRESS {
                for n in 0..self.load.each {
                    let channel = channel(asked * self.load.each + n);
                    net.subscribe_more(clients[asked], &Subscription::to(channel))?;
                }
                asked += 1;
            }
            net.turn(TICK, |_, event| {
                match event {
                    Event::Message { client, payload, .. } if pusher::is_subscribed(payload) => {
                        missing[client] -= 1;
                        ready += usize::from(missing[client] == 0);
                        progress = now();
                    }
                    Event::Closed { .. } => bail!("a connection was closed early"),
                    _ => {}
                }
                Ok(())
            })?;
            if now() - progress > 20 * SECOND {
                bail!("only {ready} of {} sockets have all subscriptions", clients.len());
            }
        }
        Ok(())
    }

    /// Triggers all events, each publisher's next one after the answer.
    pub fn publish_all(&self, net: &mut Net) -> Result<Deliveries> {
        let channels = self.load.channels();
        let mut deliveries = Deliveries::new();
        let mut body = Vec::new();
        let mut published = 0;
        let mut answered = 0;
        let mut next = |net: &mut Net, publisher: usize| -> Result<()> {
            if published < self.load.events {
                let channel = channel(published * STRIDE % channels);
                trigger_body(&channel, now(), self.load.payload, &mut body);
                net.publish(publisher, &body)?;
                published += 1;
            }
            Ok(())
        };
        for publisher in 0..self.load.publishers {
            next(net, publisher)?;
        }
        while answered < self.load.events || deliveries.count < self.load.events as u64 {
            net.turn(TICK, |net, event| {
                match event {
                    Event::Message { payload, at, .. } => {
                        deliveries.take(payload, at);
                    }
                    Event::Response { publisher, .. } => {
                        answered += 1;
                        next(net, publisher)?;
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if deliveries.stalled() {
                break;
            }
        }
        Ok(deliveries)
    }
}

fn channel(n: usize) -> String {
    format!("many-{n}")
}
