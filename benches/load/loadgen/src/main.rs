//! Drives a Pusher-compatible server and prints, as one JSON line, what it did
//! and what CPU time and memory it cost the server.

mod cluster;
mod event_stream;
mod http;
mod net;
mod proc;
mod pusher;
mod report;
mod scenario;
mod stamp;
mod ws;

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use serde_json::json;

use crate::{
    net::{Net, Target},
    proc::Server,
    pusher::App,
    scenario::{
        channels::Channels,
        churn::Churn,
        client_event::ClientEvent,
        comeback::Comeback,
        crowd::Crowd,
        fanout::{Fanout, Saturate},
        idle::Idle,
        presence::Presence,
        recover::Recover,
        storm::Storm,
        trigger::Trigger,
    },
};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST)]
    host: Ipv4Addr,
    #[arg(long)]
    port: u16,
    #[arg(long, default_value = "app1")]
    app_id: String,
    #[arg(long, default_value = "key1")]
    key: String,
    #[arg(long, default_value = "secret1")]
    secret: String,
    /// The server's process; its descendants count too.
    #[arg(long)]
    pid: i32,
    /// Another node of the server's cluster. Clients connect to the nodes in turn.
    #[arg(long, value_name = "PORT:PID", value_parser = process_at)]
    peer: Vec<ProcessAt>,
    /// The Redis of the cluster.
    #[arg(long, value_name = "PORT:PID", value_parser = process_at)]
    redis: Option<ProcessAt>,
    /// Name to print with the result.
    #[arg(long, default_value = "server")]
    label: String,
    /// Loopback addresses to connect from, each with its own range of ports.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=200))]
    sources: u8,
    /// Speak TLS. Whose certificate the server has is not checked: it is the
    /// bench's own.
    #[arg(long)]
    tls: bool,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    /// Open connections and leave them: memory and opening rate.
    Idle(Idle),
    /// Publish to one channel at a fixed rate: latency.
    Fanout(Fanout),
    /// Publish to one channel as fast as it goes: throughput.
    Saturate(Saturate),
    /// Trigger events for one subscriber: HTTP API rate.
    Trigger(Trigger),
    /// Exchange client events in pairs.
    ClientEvent(ClientEvent),
    /// Connect, subscribe and disconnect.
    Churn(Churn),
    /// Join a presence channel.
    Presence(Presence),
    /// Subscribe to many channels, and publish to each of them.
    Channels(Channels),
    /// Cut the nodes of a cluster from Redis, and wait until they are back.
    Comeback(Comeback),
    /// Open many connections on one channel, and reach them all.
    Crowd(Crowd),
    /// Connect all at once and subscribe, as after a restart.
    Storm(Storm),
    /// Cut all clients, publish, and let them return at once to what they missed.
    Recover(Recover),
}

/// A process, and the port on which it listens.
#[derive(Clone, Copy)]
struct ProcessAt {
    port: u16,
    pid: i32,
}

fn process_at(text: &str) -> Result<ProcessAt> {
    let (port, pid) = text.split_once(':').context("not PORT:PID")?;
    Ok(ProcessAt { port: port.parse()?, pid: pid.parse()? })
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    proc::raise_open_files()?;
    let first = ProcessAt { port: cli.port, pid: cli.pid };
    let nodes: Vec<_> = std::iter::once(first).chain(cli.peer).collect();
    let mut net = Net::new(Target {
        nodes: nodes.iter().map(|node| SocketAddrV4::new(cli.host, node.port)).collect(),
        app: App { id: cli.app_id, key: cli.key, secret: cli.secret },
        sources: cli.sources,
        tls: cli.tls,
    })?;
    let pids: Vec<_> = nodes.iter().map(|node| node.pid).collect();
    let server = Server::find(&pids, cli.redis.map(|redis| redis.pid))?;
    let (name, fields) = match &cli.scenario {
        Scenario::Idle(s) => ("idle", s.run(&mut net, &server)?),
        Scenario::Fanout(s) => ("fanout", s.run(&mut net, &server)?),
        Scenario::Saturate(s) => ("saturate", s.run(&mut net, &server)?),
        Scenario::Trigger(s) => ("trigger", s.run(&mut net, &server)?),
        Scenario::ClientEvent(s) => ("client-event", s.run(&mut net, &server)?),
        Scenario::Churn(s) => ("churn", s.run(&mut net, &server)?),
        Scenario::Presence(s) => ("presence", s.run(&mut net, &server)?),
        Scenario::Channels(s) => ("channels", s.run(&mut net, &server)?),
        Scenario::Comeback(s) => {
            let redis = cli.redis.map(|redis| SocketAddrV4::new(cli.host, redis.port));
            ("comeback", s.run(&mut net, &server, redis)?)
        }
        Scenario::Crowd(s) => ("crowd", s.run(&mut net, &server)?),
        Scenario::Storm(s) => ("storm", s.run(&mut net, &server)?),
        Scenario::Recover(s) => ("recover", s.run(&mut net, &server)?),
    };
    let fields =
        if cli.tls { scenario::with(fields, json!({ "tls": net.tls_agreed() })) } else { fields };
    report::print(&cli.label, name, fields);
    Ok(())
}
