//! Clients of a channel with a history are cut, miss events, and all return at once.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use memchr::memmem;
use serde_json::{Value, json};

use super::{
    SECOND, Span, TICK, connect_all_with, connect_one, rate_fields, settle, trigger_body, with,
};
use crate::{
    net::{Event, Net, now},
    proc::Server,
    pusher::{Recover as Recovery, Subscription},
    report::{Latency, round},
};

const CHANNEL: &str = "logged-recover";
const SEALED_CHANNEL: &str = "private-encrypted-logged-recover";

#[derive(Args)]
pub struct Recover {
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Events published while all are away; with none the clients only come back.
    #[arg(long, default_value_t = 100)]
    missed: usize,
    /// Bytes of event data.
    #[arg(long, default_value_t = 128)]
    payload: usize,
    /// Event streams instead of WebSockets.
    #[arg(long, conflicts_with = "sealed")]
    streams: bool,
    /// An encrypted channel, whose events the server seals for those who return.
    #[arg(long)]
    sealed: bool,
}

impl Recover {
    pub fn run(&self, net: &mut Net, server: &Server) -> Result<Value> {
        let positions = self.visit(net)?;
        self.publish(net)?;
        let span = Span::begin(server)?;
        let returned = self.return_all(net, &positions)?;
        let seconds = span.seconds();
        let per = span.per(server, self.clients as u64)?;
        let expected = (self.clients * self.missed) as u64;
        Ok(with(
            rate_fields("clients", self.clients as u64, seconds, &per),
            json!({
                "missed_each": self.missed,
                "payload": self.payload,
                "sealed": self.sealed,
                "streams": self.streams,
                "server_cpu_seconds": round(per.server_us * self.clients as f64 / 1e6),
                "lost": expected - returned.events,
                "caught_up_after": returned.caught_up.json(),
            }),
        ))
    }

    fn channel(&self) -> &'static str {
        if self.sealed { SEALED_CHANNEL } else { CHANNEL }
    }

    /// All connect, are told their positions, and are cut.
    fn visit(&self, net: &mut Net) -> Result<Vec<String>> {
        let clients = connect_all_with(net, self.clients, 64, |net, _| {
            if self.streams {
                connect_one(net, CHANNEL, true)
            } else {
                net.connect(Some(self.subscription(Recovery::FromNow)))
            }
        })?;
        settle(net, Duration::from_millis(100))?;
        let positions: Vec<_> = clients.iter().map(|c| net.position(*c).to_owned()).collect();
        ensure!(positions.iter().all(|p| !p.is_empty()), "a client was told no position");
        clients.iter().try_for_each(|client| net.cut(*client))?;
        settle(net, Duration::from_millis(500))?;
        Ok(positions)
    }

    fn subscription(&self, recovery: Recovery) -> Subscription {
        Subscription::to(self.channel()).recovering(recovery)
    }

    fn publish(&self, net: &mut Net) -> Result<()> {
        let publisher = net.add_publisher()?;
        let mut body = Vec::new();
        for _ in 0..self.missed {
            trigger_body(self.channel(), now(), self.payload, &mut body);
            net.publish(publisher, &body)?;
            let sent = now();
            let mut is_answered = false;
            while !is_answered {
                net.turn(TICK, |_, event| {
                    is_answered |= matches!(event, Event::Response { .. });
                    Ok(())
                })?;
                ensure!(now() - sent < 5 * SECOND, "a trigger was not answered");
            }
        }
        Ok(())
    }

    fn return_all(&self, net: &mut Net, positions: &[String]) -> Result<Returned> {
        // The numbers of the clients that come back follow on those that were cut.
        let mut events_of = vec![0; 2 * self.clients];
        let mut returned = Returned { events: 0, complete: 0, caught_up: Latency::new() };
        let mut opened = 0;
        let start = now();
        let mut progress = start;
        while returned.complete < self.clients && now() - progress < 5 * SECOND {
            // No client waits for another one.
            for position in positions.iter().skip(opened).take(32) {
                self.come_back(net, position)?;
                opened += 1;
            }
            let wait = if opened < self.clients { Duration::ZERO } else { TICK };
            net.turn(wait, |_, event| {
                match event {
                    Event::Message { client, payload, .. } if self.is_missed_event(payload)? => {
                        progress = now();
                        events_of[client] += 1;
                        returned.events += 1;
                        ensure!(events_of[client] <= self.missed, "an event came twice");
                        if events_of[client] == self.missed {
                            returned.complete += 1;
                            returned.caught_up.record(progress - start);
                        }
                    }
                    Event::Subscribed(_) if self.missed == 0 => {
                        progress = now();
                        returned.complete += 1;
                    }
                    Event::Closed { .. } => bail!("a connection was closed early"),
                    _ => {}
                }
                Ok(())
            })?;
        }
        Ok(returned)
    }

    fn come_back(&self, net: &mut Net, position: &str) -> Result<usize> {
        if self.streams {
            return net.connect_stream(CHANNEL, Some(position));
        }
        net.connect(Some(self.subscription(Recovery::After(position.to_owned()))))
    }

    fn is_missed_event(&self, message: &[u8]) -> Result<bool> {
        if memmem::find(message, b"sealcast:gap").is_some() {
            bail!("a gap: {}", String::from_utf8_lossy(message));
        }
        let mark: &[u8] = if self.sealed { b"ciphertext" } else { b"T=" };
        Ok(memmem::find(message, mark).is_some())
    }
}

/// What came to those who returned.
struct Returned {
    events: u64,
    /// Clients with all that they missed.
    complete: usize,
    /// Times from the first that returned, one for each client.
    caught_up: Latency,
}
