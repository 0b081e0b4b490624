//! As many sockets as possible on one channel: memory, the time to connect, and
//! the time until one event has reached all.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{Deliveries, Span, TICK, connect_all, rate_fields, settle, trigger_body, with};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::Subscription,
    report::{Latency, round},
};

const CHANNEL: &str = "crowd";

#[derive(Args)]
pub struct Crowd {
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Connections in progress at once.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Events, one after another.
    #[arg(long, default_value_t = 5)]
    events: usize,
    /// Bytes of event data.
    #[arg(long, default_value_t = 128)]
    payload: usize,
}

impl Crowd {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        let before = server.resident()?;
        let span = Span::begin(server)?;
        connect_all(net, self.connections, self.concurrency, |_| Some(Subscription::to(CHANNEL)))?;
        let seconds = span.seconds();
        let per = span.per(server, self.connections as u64)?;
        settle(net, Duration::from_secs(2))?;
        let resident = server.resident()?;

        net.add_publisher()?;
        // The time from each trigger to the last socket.
        let mut reached = Latency::new();
        let mut latency = Latency::new();
        let mut lost = 0;
        let span = Span::begin(server)?;
        for _ in 0..self.events {
            let sent = now();
            let deliveries = self.publish(net, sent)?;
            reached.record(deliveries.last - sent);
            latency.add(&deliveries.latency);
            lost += self.connections as i64 - deliveries.count as i64;
        }
        let event = span.per(server, (self.events * self.connections) as u64)?;
        Ok(with(
            rate_fields("connections", self.connections as u64, seconds, &per),
            json!({
                "resident": resident,
                "resident_bytes_each":
                    resident.saturating_sub(before) / self.connections.max(1) as u64,
                "events": self.events,
                "delivery_cpu_us_each": round(event.server_us),
                "lost": lost,
                "reached_all": reached.json(),
                "latency": latency.json(),
            }),
        ))
    }

    fn publish(&self, net: &mut Net, sent: u64) -> Result<Deliveries> {
        let mut deliveries = Deliveries::new();
        let mut answered = false;
        let mut body = Vec::new();
        trigger_body(CHANNEL, sent, self.payload, &mut body);
        net.publish(0, &body)?;
        while !answered || deliveries.count < self.connections as u64 {
            net.turn(TICK, |_, event| {
                match event {
                    Event::Message { payload, at, .. } => {
                        deliveries.take(payload, at);
                    }
                    Event::Response { .. } => answered = true,
                    Event::Closed { .. } => bail!("a subscriber was closed"),
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
