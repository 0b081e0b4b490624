//! The scenarios and their common parts.

pub mod channels;
pub mod churn;
pub mod client_event;
pub mod comeback;
pub mod crowd;
pub mod fanout;
pub mod idle;
pub mod presence;
pub mod recover;
pub mod storm;
pub mod trigger;

use std::time::Duration;

use anyhow::{Result, bail};
use memchr::memmem;
use serde_json::{Value, json};

use crate::{
    net::{Event, Net, now},
    proc::{Cpu, CpuDelta, Server, Shares, own_cpu_ns},
    pusher::Subscription,
    report::{Latency, round},
    stamp,
};

pub const SECOND: u64 = 1_000_000_000;

/// Silence after which missing messages count as lost.
const PATIENCE: u64 = 3 * SECOND;

pub const TICK: Duration = Duration::from_millis(20);

/// Readings taken at the start of a measured span.
pub struct Span {
    server: Cpu,
    shares: Shares,
    own_ns: u64,
    pub start: u64,
}

impl Span {
    pub fn begin(server: &Server) -> Result<Self> {
        let shares = server.shares()?;
        Ok(Self { server: server.cpu()?, shares, own_ns: own_cpu_ns()?, start: now() })
    }

    /// CPU microseconds since the start, by node, and those of Redis.
    pub fn shares(&self, server: &Server) -> Result<Value> {
        let Shares { nodes, redis } = server.shares()?;
        let us = |now: u64, then: u64| round((now - then) as f64 / 1e3);
        let nodes = nodes.iter().zip(&self.shares.nodes).map(|(now, then)| us(*now, *then));
        Ok(json!({
            "node_cpu_us": nodes.collect::<Vec<_>>(),
            "redis_cpu_us": us(redis, self.shares.redis),
        }))
    }

    /// CPU use since the start, per one of `count` things done.
    pub fn per(&self, server: &Server, count: u64) -> Result<PerUnit> {
        let CpuDelta { total_us, system_share } = server.cpu()?.since(&self.server);
        let count = count.max(1) as f64;
        let own_us = (own_cpu_ns()? - self.own_ns) as f64 / 1e3;
        Ok(PerUnit {
            server_us: round(total_us / count),
            system_share: round(system_share),
            loadgen_us: round(own_us / count),
            loadgen_busy: round(own_us / 1e6 / self.seconds()),
        })
    }

    pub fn seconds(&self) -> f64 {
        (now() - self.start) as f64 / SECOND as f64
    }
}

/// CPU microseconds per unit of work, and the server's share of kernel time.
pub struct PerUnit {
    pub server_us: f64,
    pub system_share: f64,
    pub loadgen_us: f64,
    /// Share of the time that the load generator was on its processor.
    pub loadgen_busy: f64,
}

/// Opens `count` clients with at most `concurrency` of them in progress, and
/// returns once all have reached what `subscription` asks for.
pub fn connect_all(
    net: &mut Net,
    count: usize,
    concurrency: usize,
    mut subscription: impl FnMut(usize) -> Option<Subscription>,
) -> Result<Vec<usize>> {
    connect_all_with(net, count, concurrency, |net, i| net.connect(subscription(i)))
}

/// As `connect_all`, with `connect` to start each client.
pub fn connect_all_with(
    net: &mut Net,
    count: usize,
    concurrency: usize,
    mut connect: impl FnMut(&mut Net, usize) -> Result<usize>,
) -> Result<Vec<usize>> {
    let mut clients = Vec::with_capacity(count);
    let mut ready = 0;
    let mut progress = now();
    while ready < count {
        while clients.len() < count && clients.len() - ready < concurrency {
            clients.push(connect(net, clients.len())?);
        }
        net.turn(TICK, |_, event| {
            match event {
                Event::Established(_) | Event::Subscribed(_) => {
                    ready += 1;
                    progress = now();
                }
                Event::Closed { .. } => bail!("a connection was closed early"),
                _ => {}
            }
            Ok(())
        })?;
        if now() - progress > 20 * SECOND {
            bail!("only {ready} of {count} connections became ready");
        }
    }
    Ok(clients)
}

/// Starts a client of one public channel.
pub fn connect_one(net: &mut Net, channel: &str, by_stream: bool) -> Result<usize> {
    if by_stream {
        net.connect_stream(channel, None)
    } else {
        net.connect(Some(Subscription::to(channel)))
    }
}

/// Serves the sockets, ignoring what happens, for `time`.
pub fn settle(net: &mut Net, time: Duration) -> Result<()> {
    let end = now() + time.as_nanos() as u64;
    while now() < end {
        net.turn(TICK, |_, _| Ok(()))?;
    }
    Ok(())
}

/// The body of a trigger request that carries the time `time`.
pub fn trigger_body(channel: &str, time: u64, payload: usize, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(format!(r#"{{"name":"bench","channel":"{channel}","data":""#).as_bytes());
    stamp::write(time, payload, out);
    out.extend_from_slice(br#""}"#);
}

/// Messages that came with a time in them.
pub struct Deliveries {
    pub count: u64,
    pub latency: Latency,
    pub last: u64,
}

impl Deliveries {
    pub fn new() -> Self {
        Self { count: 0, latency: Latency::new(), last: now() }
    }

    /// Counts `message` if it carries a time.
    pub fn take(&mut self, message: &[u8], at: u64) -> bool {
        let sent = stamp::read(message);
        if let Some(sent) = sent {
            self.count += 1;
            self.latency.record(at.saturating_sub(sent));
            self.last = at;
        }
        sent.is_some()
    }

    /// Counts `message` if it carries a sealed event; `sent` says when that was.
    pub fn take_sealed(&mut self, message: &[u8], sent: u64, at: u64) -> Result<bool> {
        if stamp::read(message).is_some() {
            bail!("not sealed: {}", String::from_utf8_lossy(message));
        }
        let sealed = memmem::find(message, b"ciphertext").is_some();
        if sealed {
            self.count += 1;
            self.latency.record(at.saturating_sub(sent));
            self.last = at;
        }
        Ok(sealed)
    }

    pub fn json(&self) -> Value {
        json!({ "deliveries": self.count, "latency": self.latency.json() })
    }

    /// True after so long a silence that missing messages count as lost.
    pub fn stalled(&self) -> bool {
        now().saturating_sub(self.last) > PATIENCE
    }
}

/// The fields that every throughput scenario reports.
pub fn rate_fields(unit: &str, count: u64, seconds: f64, per: &PerUnit) -> Value {
    json!({
        unit: count,
        "seconds": round(seconds),
        format!("{unit}_per_s"): round(count as f64 / seconds),
        "server_cpu_us_each": per.server_us,
        "server_system_share": per.system_share,
        "loadgen_cpu_us_each": per.loadgen_us,
        "loadgen_busy": per.loadgen_busy,
    })
}

/// Adds the members of `more` to `fields`.
pub fn with(mut fields: Value, more: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    fields
}
