//! Metrics of this server as a node of its cluster. A server alone has none of them.

use std::fmt;

use super::page::{BYTES, Page, SECONDS};
use crate::{cluster::node::status::NodeStatus, engine::Engine, platform::counting::Distribution};

pub fn write(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let Some(node) = engine.cluster.node() else { return Ok(()) };
    let status = node.status();
    link(page, status)?;
    page.gauge_in(&BYTES, "cluster_lane", "What waits for an answer of Redis")?
        .add(&[], node.backlog_bytes())?;
    events(page, status)?;
    members(page, status)?;
    let mut replicas =
        page.gauge("cluster_replicas", "Channels that this node follows, by their state")?;
    for (state, count) in engine.replicas() {
        replicas.add(&[("state", state)], count)?;
    }
    Ok(())
}

fn link(page: &mut Page<'_>, status: &NodeStatus) -> fmt::Result {
    page.gauge("cluster_up", "1 while this node is in its cluster")?
        .add(&[], u64::from(status.is_up()))?;
    page.counter_in(&SECONDS, "cluster_away", "How long it was not, since its start")?
        .add(&[], status.away().as_secs_f64())
}

fn events(page: &mut Page<'_>, status: &NodeStatus) -> fmt::Result {
    page.counter("cluster_published", "Events of this node that Redis has taken")?
        .add(&[], status.published.get())?;
    page.counter("cluster_heard", "Messages that came from Redis")?.add(&[], status.heard.get())?;
    let mut rejected =
        page.counter("cluster_rejected", "Messages and values that were dropped, by the reason")?;
    for (reason, count) in status.rejected.iter() {
        rejected.add(&[("reason", reason)], count)?;
    }
    let mut repairs =
        page.counter("cluster_repairs", "Replicas that learned anew what Redis has, by the cause")?;
    for (cause, count) in status.repairs.iter() {
        repairs.add(&[("cause", cause)], count)?;
    }
    let mut acks = Distribution::default();
    status.acks.0.add_to(&mut acks);
    page.histogram_in(&SECONDS, "cluster_ack", "How long Redis took to take own events")?
        .add(&[], &acks)?;
    page.counter("cluster_local_only", "Own events delivered here before they came back")?
        .add(&[], status.local_only.get())?;
    page.counter("cluster_dropped", "Events that did not fit, or waited for Redis for too long")?
        .add(&[], status.dropped.get())?;
    page.gauge("cluster_facts", "Facts for webhooks that wait in partitions of this node")?
        .add(&[], status.facts())?;
    page.counter("cluster_facts_lost", "Facts for webhooks that Redis had no room for")?
        .add(&[], status.facts_lost.get())
}

fn members(page: &mut Page<'_>, status: &NodeStatus) -> fmt::Result {
    page.gauge("cluster_nodes", "Living nodes, this one included")?.add(&[], status.nodes())?;
    page.counter("cluster_reaped", "Dead nodes that this one took out of the cluster")?
        .add(&[], status.reaped.get())?;
    page.counter("cluster_fenced", "How often this node was taken for dead")?
        .add(&[], status.fenced.get())
}
