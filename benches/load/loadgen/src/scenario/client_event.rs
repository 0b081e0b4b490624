//! Client events between pairs, each pair on a private channel of its own. One
//! message per pair is always in flight: its receiver sends the next one.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{Deliveries, SECOND, Span, TICK, connect_all, rate_fields, with};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::Subscription,
    stamp,
};

#[derive(Args)]
pub struct ClientEvent {
    #[arg(long, default_value_t = 50)]
    pairs: usize,
    /// Bytes of event data.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
    /// Seconds of load before the measured span.
    #[arg(long, default_value_t = 0.5)]
    warm_up: f64,
}

impl ClientEvent {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        let clients = connect_all(net, self.pairs * 2, 64, |i| {
            Some(Subscription::to(format!("private-pair-{}", i / 2)))
        })?;
        let mut message = Vec::new();
        for (pair, client) in clients.iter().step_by(2).enumerate() {
            self.message(pair, &mut message);
            net.send_text(*client, &message)?;
        }
        let start = now();
        let measured_from = start + (self.warm_up * SECOND as f64) as u64;
        let end = measured_from + (self.seconds * SECOND as f64) as u64;
        let mut heard = vec![start; self.pairs];
        self.play(net, measured_from, &mut heard)?;

        let span = Span::begin(server)?;
        let deliveries = self.play(net, end, &mut heard)?;
        let seconds = span.seconds();
        let per = span.per(server, deliveries.count)?;
        // A pair is silent once its message is lost.
        let lost = heard.iter().filter(|at| end.saturating_sub(**at) > SECOND).count();
        Ok(with(
            rate_fields("messages", deliveries.count, seconds, &per),
            json!({
                "pairs": self.pairs,
                "payload": self.payload,
                "lost": lost,
                "latency": deliveries.latency.json(),
            }),
        ))
    }

    fn message(&self, pair: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(
            format!(r#"{{"event":"client-bench","channel":"private-pair-{pair}","data":""#)
                .as_bytes(),
        );
        stamp::write(now(), self.payload, out);
        out.extend_from_slice(br#""}"#);
    }

    /// Answers every message until `end`, and notes when each pair was heard last.
    fn play(&self, net: &mut Net, end: u64, heard: &mut [u64]) -> Result<Deliveries> {
        let mut deliveries = Deliveries::new();
        let mut message = Vec::new();
        while now() < end {
            net.turn(TICK, |net, event| {
                if let Event::Message { client, payload, at } = event
                    && deliveries.take(payload, at)
                {
                    heard[client / 2] = at;
                    self.message(client / 2, &mut message);
                    net.send_text(client, &message)?;
                }
                Ok(())
            })?;
        }
        Ok(deliveries)
    }
}
