//! Connect, subscribe, close, and again.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{SECOND, Span, TICK, rate_fields, with};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::Subscription,
    report::Latency,
};

#[derive(Args)]
pub struct Churn {
    /// Cycles in progress at once.
    #[arg(long, default_value_t = 32)]
    concurrency: usize,
    #[arg(long, default_value_t = 4.0)]
    seconds: f64,
}

impl Churn {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        let mut cycles = 0u64;
        let mut unasked = 0u64;
        let mut in_progress = 0usize;
        let mut started = 0u64;
        let mut opened_at = Vec::new();
        let mut progress = now();
        let mut latency = Latency::new();
        let span = Span::begin(server)?;
        let end = span.start + (self.seconds * SECOND as f64) as u64;
        while now() < end || in_progress > 0 {
            while now() < end && in_progress < self.concurrency {
                let subscription = Subscription::to(format!("churn-{}", started % 64));
                let client = net.connect(Some(subscription))?;
                opened_at.resize(opened_at.len().max(client + 1), 0);
                opened_at[client] = now();
                in_progress += 1;
                started += 1;
            }
            net.turn(TICK, |net, event| {
                match event {
                    Event::Subscribed(client) => {
                        latency.record(now() - opened_at[client]);
                        net.close(client)?;
                    }
                    Event::Closed { client, asked } => {
                        net.forget(client);
                        in_progress -= 1;
                        cycles += 1;
                        progress = now();
                        unasked += u64::from(!asked);
                    }
                    _ => {}
                }
                Ok(())
            })?;
            if now() - progress > 10 * SECOND {
                bail!("{in_progress} connections are not served or closed");
            }
        }
        let seconds = span.seconds();
        let per = span.per(server, cycles)?;
        Ok(with(
            rate_fields("cycles", cycles, seconds, &per),
            json!({
                "concurrency": self.concurrency,
                "lost": unasked,
                "subscribed_after": latency.json(),
            }),
        ))
    }
}
