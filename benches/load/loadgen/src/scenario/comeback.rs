//! A node with many channels loses Redis and comes back.

use std::{net::SocketAddrV4, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use super::{
    SECOND, Span,
    channels::{Channels, Load},
    connect_all, rate_fields, settle, with,
};
use crate::{
    cluster::{Operations, Redis},
    net::{Net, now},
    proc::Server,
    report::{Latency, round},
};

/// The interval at which the node and Redis are asked.
const INTERVAL: Duration = Duration::from_millis(5);

/// The interval at which the node counts its channels, each time under the lock of each.
const COUNT_INTERVAL: u64 = SECOND / 4;

const MAX_ABSENCE: u64 = 60 * SECOND;

#[derive(Args)]
pub struct Comeback {
    #[command(flatten)]
    load: Load,
    /// The first node's listener for operations.
    #[arg(long, value_name = "PORT")]
    operations: u16,
}

/// Seconds from the cut.
struct Returned {
    ready: f64,
    open: f64,
    /// Of `PING` to Redis in that time.
    ping: Latency,
}

impl Comeback {
    /// All clients are on the first node, all publishers on the last.
    pub fn run(
        &self,
        net: &mut Net,
        server: &Server,
        redis: Option<SocketAddrV4>,
    ) -> Result<Value> {
        let redis = redis.context("needs --redis")?;
        net.clients_on = Some(0);
        net.publishers_on = net.nodes() - 1;
        let channels = Channels::of(&self.load);
        let clients = connect_all(net, self.load.sockets, 64, |_| None)?;
        let subscribing = Span::begin(server)?;
        channels.subscribe(net, &clients)?;
        let subscribing =
            with(json!({ "seconds": round(subscribing.seconds()) }), subscribing.shares(server)?);
        // Not earlier: connections without a request are closed after a while.
        let mut redis = Redis::connect(redis)?;
        let operations = SocketAddrV4::new([127, 0, 0, 1].into(), self.operations);
        let mut node = Operations::connect(operations)?;
        self.until_open(net, &mut node)?;
        settle(net, Duration::from_secs(1))?;

        let span = Span::begin(server)?;
        redis.cut_all()?;
        // The end of a connection takes Redis a microsecond for each of its topics.
        redis.ask("SLOWLOG RESET")?;
        let returned = self.wait(net, &span, &mut redis, &mut node)?;
        let (per, shares) = (span.per(server, self.load.channels() as u64)?, span.shares(server)?);
        redis.ask("CONFIG SET slowlog-log-slower-than -1")?;

        channels.add_publishers(net)?;
        let deliveries = channels.publish_all(net)?;
        let fields = rate_fields("channels", self.load.channels() as u64, returned.open, &per);
        Ok(with(
            with(fields, shares),
            json!({
                "ready_after": round(returned.ready),
                "open_after": round(returned.open),
                "ping": returned.ping.json(),
                "subscribing": subscribing,
                "lost": self.load.events as i64 - deliveries.count as i64,
            }),
        ))
    }

    fn until_open(&self, net: &mut Net, node: &mut Operations) -> Result<()> {
        let start = now();
        while node.open_channels()? < self.load.channels() {
            ensure!(now() - start < MAX_ABSENCE, "not all channels were synchronized with Redis");
            settle(net, INTERVAL * 10)?;
        }
        Ok(())
    }

    /// Until the node has noticed the cut, is ready again, and has all its channels.
    fn wait(
        &self,
        net: &mut Net,
        span: &Span,
        redis: &mut Redis,
        node: &mut Operations,
    ) -> Result<Returned> {
        let mut ping = Latency::new();
        let (mut is_gone, mut ready, mut counted) = (false, None, now());
        loop {
            settle(net, INTERVAL)?;
            let asked = now();
            ensure!(asked - span.start < MAX_ABSENCE, "the node did not come back");
            redis.ask("PING")?;
            ping.record(now() - asked);
            let is_ready = node.is_ready()?;
            is_gone |= !is_ready;
            if !is_gone || !is_ready {
                continue;
            }
            let ready = *ready.get_or_insert_with(|| span.seconds());
            if now() - counted < COUNT_INTERVAL {
                continue;
            }
            counted = now();
            if node.open_channels()? == self.load.channels() {
                return Ok(Returned { ready, open: span.seconds(), ping });
            }
        }
    }
}
