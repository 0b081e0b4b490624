//! The HTTP trigger API with one subscriber, or none.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{
    Deliveries, PATIENCE, SECOND, Span, TICK, connect_all, rate_fields, trigger_body, with,
};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::Subscription,
    report::Latency,
};

const CHANNEL: &str = "trigger";
const SEALED_CHANNEL: &str = "private-encrypted-trigger";

#[derive(Args)]
pub struct Trigger {
    /// Keep-alive connections, each with one request in flight.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Bytes of event data.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of load before the measured span.
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
    /// Ask for the connection to be closed after each request.
    #[arg(long)]
    close: bool,
    /// Nobody is subscribed.
    #[arg(long)]
    nobody: bool,
    /// Plaintext to an encrypted channel without subscribers, which the server seals.
    #[arg(long, requires = "nobody")]
    sealed: bool,
}

impl Trigger {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        if !self.nobody {
            connect_all(net, 1, 1, |_| Some(Subscription::to(CHANNEL)))?;
        }
        net.close_after_trigger = self.close;
        let mut body = Vec::new();
        for _ in 0..self.connections {
            net.add_publisher()?;
        }
        self.load(net, self.warm_up, &mut body)?;

        let span = Span::begin(server)?;
        let (response, deliveries, answered) = self.load(net, self.seconds, &mut body)?;
        let per = span.per(server, answered)?;
        let shares = span.shares(server)?;
        let lost = if self.nobody { 0 } else { answered as i64 - deliveries.count as i64 };
        Ok(with(
            with(shares, rate_fields("requests", answered, self.seconds, &per)),
            json!({
                "connections": self.connections,
                "payload": self.payload,
                "close": self.close,
                "sealed": self.sealed,
                "lost": lost,
                "response": response.json(),
                "latency": deliveries.latency.json(),
            }),
        ))
    }

    /// Publishes for `seconds` and waits for what is in flight.
    fn load(
        &self,
        net: &mut Net,
        seconds: f64,
        body: &mut Vec<u8>,
    ) -> Result<(Latency, Deliveries, u64)> {
        let mut response = Latency::new();
        let mut deliveries = Deliveries::new();
        let mut published = 0u64;
        let mut answered = 0u64;
        let channel = if self.sealed { SEALED_CHANNEL } else { CHANNEL };
        let end = now() + (seconds * SECOND as f64) as u64;
        for publisher in 0..self.connections {
            trigger_body(channel, now(), self.payload, body);
            net.publish(publisher, body)?;
            published += 1;
        }
        while answered < published || (!self.nobody && deliveries.count < published) {
            net.turn(TICK, |net, event| {
                match event {
                    Event::Message { payload, at, .. } => {
                        deliveries.take(payload, at);
                    }
                    Event::Response { publisher, sent, at, .. } => {
                        answered += 1;
                        response.record(at - sent);
                        if at < end {
                            trigger_body(channel, now(), self.payload, body);
                            net.publish(publisher, body)?;
                            published += 1;
                        }
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if now() > end + PATIENCE && deliveries.stalled() {
                break;
            }
        }
        Ok((response, deliveries, answered))
    }
}
