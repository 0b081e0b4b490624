//! The load after a restart: all clients connect at once and restore their
//! subscriptions. For a freshly started server.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{SECOND, Span, TICK, rate_fields, with};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::{self, Subscription},
    report::round,
};

#[derive(Args)]
pub struct Storm {
    #[arg(long, default_value_t = 5000)]
    clients: usize,
    /// Subscriptions of each client, every second one to a private channel.
    #[arg(long, default_value_t = 4)]
    each: usize,
    /// Channels that the subscriptions are spread over.
    #[arg(long, default_value_t = 500)]
    channels: usize,
}

impl Storm {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        let wanted = self.clients * self.each;
        let mut opened = 0;
        let mut established = 0;
        let mut subscribed = 0;
        let mut connected_after = 0;
        let span = Span::begin(server)?;
        let mut progress = now();
        while subscribed < wanted {
            // No client waits for another one.
            for _ in 0..32.min(self.clients - opened) {
                net.connect(None)?;
                opened += 1;
            }
            let wait = if opened < self.clients { Duration::ZERO } else { TICK };
            net.turn(wait, |net, event| {
                match event {
                    Event::Established(client) => {
                        established += 1;
                        connected_after = now() - span.start;
                        for n in 0..self.each {
                            net.subscribe_more(client, &self.subscription(client, n))?;
                        }
                    }
                    Event::Message { payload, .. } if pusher::is_subscribed(payload) => {
                        subscribed += 1;
                        progress = now();
                    }
                    Event::Closed { .. } => bail!("a connection was closed early"),
                    _ => {}
                }
                Ok(())
            })?;
            if now() - progress > 20 * SECOND {
                bail!(
                    "{established} of {} clients connected, {subscribed} of {wanted} subscriptions",
                    self.clients
                );
            }
        }
        let seconds = span.seconds();
        let per = span.per(server, self.clients as u64)?;
        Ok(with(
            rate_fields("clients", self.clients as u64, seconds, &per),
            json!({
                "subscriptions": subscribed,
                "connected_after_seconds": round(connected_after as f64 / SECOND as f64),
                "lost": wanted - subscribed,
            }),
        ))
    }

    fn subscription(&self, client: usize, n: usize) -> Subscription {
        let kind = if n.is_multiple_of(2) { "" } else { "private-" };
        Subscription::to(format!("{kind}storm-{}", (client * self.each + n) % self.channels))
    }
}
