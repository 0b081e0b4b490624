//! Members that join one presence channel, one after another.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use memchr::memmem;
use serde_json::{Value, json};

use super::{SECOND, Span, TICK, connect_all, rate_fields, with};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::Subscription,
    report::Latency,
};

const CHANNEL: &str = "presence-room";

#[derive(Args)]
pub struct Presence {
    /// Members there before the measured joins.
    #[arg(long, default_value_t = 100)]
    members: usize,
    /// Joins to measure.
    #[arg(long, default_value_t = 200)]
    joins: usize,
    /// Joins per second at most. With 0, a join follows as soon as the last one is answered, and a
    /// server that is late announces several in one write.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
}

impl Presence {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        connect_all(net, self.members, 1, |i| {
            Some(Subscription::member(CHANNEL, &format!("m{i}")))
        })?;
        let joiners = connect_all(net, self.joins, 64, |_| None)?;
        super::settle(net, Duration::from_millis(500))?;

        // Each join is announced to all members.
        let expected = (self.joins * self.members + self.joins * (self.joins - 1) / 2) as u64;
        let mut told = 0u64;
        let mut latency = Latency::new();
        let span = Span::begin(server)?;
        let interval = if self.rate > 0.0 { (SECOND as f64 / self.rate) as u64 } else { 0 };
        for (i, joiner) in joiners.iter().enumerate() {
            let member = Subscription::member(CHANNEL, &format!("j{i}"));
            let asked = now();
            net.subscribe(*joiner, &member)?;
            let mut joined = false;
            while !joined || now() < asked + interval {
                net.turn(Duration::from_millis(1), |_, event| {
                    match event {
                        Event::Subscribed(client) if client == *joiner => {
                            latency.record(now() - asked);
                            joined = true;
                        }
                        Event::Message { payload, .. } => told += u64::from(is_join(payload)),
                        _ => {}
                    }
                    Ok(())
                })?;
                if !joined && now() - asked > 10 * SECOND {
                    bail!("join {i} was not answered");
                }
            }
        }
        let seconds = span.seconds();
        let mut progress = now();
        while told < expected && now() - progress < 3 * SECOND {
            net.turn(TICK, |_, event| {
                if let Event::Message { payload, .. } = event
                    && is_join(payload)
                {
                    told += 1;
                    progress = now();
                }
                Ok(())
            })?;
        }
        let per = span.per(server, self.joins as u64)?;
        let shares = span.shares(server)?;
        Ok(with(
            with(shares, rate_fields("joins", self.joins as u64, seconds, &per)),
            json!({
                "members_before": self.members,
                "told": told,
                "expected": expected,
                "lost": expected as i64 - told as i64,
                "latency": latency.json(),
            }),
        ))
    }
}

fn is_join(message: &[u8]) -> bool {
    memmem::find(message, b"pusher_internal:member_added").is_some()
}
