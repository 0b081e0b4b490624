//! One thread, one epoll instance: many clients, over WebSockets or event streams, and a few
//! keep-alive HTTP publishers. It makes one read call per readable socket and copies nothing that
//! arrives whole, so that it costs far less than what it measures.
//!
//! `connect` opens a socket, `link` is one with its bytes, `client` and `inbox` are what is sent and
//! comes on a client's, `publisher` is the HTTP side, `tls` goes under either.

mod client;
mod clock;
mod connect;
mod inbox;
mod link;
mod publisher;
mod tls;

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use mio::{Events, Poll};
use rustls::ClientConfig;

use self::{client::Client, link::Link, publisher::Publisher};
pub use self::{client::Sip, clock::now};
use crate::{pusher::App, ws};

/// Tokens from here on belong to publishers, those below to clients.
const PUBLISHERS: usize = 1 << 32;
const READ_BUFFER: usize = 256 * 1024;

/// Addresses of the server, and the addresses to connect from.
#[derive(Clone, Debug)]
pub struct Target {
    /// One, or those of the nodes of a cluster.
    pub nodes: Vec<SocketAddrV4>,
    pub app: App,
    /// Connections are spread over this many addresses, from 127.0.0.1 up.
    pub sources: u8,
    pub tls: bool,
}

/// An event of the loop for the scenario.
pub enum Event<'a> {
    /// A client that wanted no subscription has its socket id.
    Established(usize),
    /// The client's subscription succeeded.
    Subscribed(usize),
    /// A text message came for a client; `at` is when it was read.
    Message { client: usize, payload: &'a [u8], at: u64 },
    /// The server closed the client's connection; `asked` if we had closed first.
    Closed { client: usize, asked: bool },
    /// A publisher's request, sent at `sent`, was answered with 200 at `at`.
    Response { publisher: usize, sent: u64, at: u64 },
}

pub struct Net {
    poll: Poll,
    events: Option<Events>,
    buf: Vec<u8>,
    scratch: Vec<u8>,
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    /// The value of `Host`, by node.
    hosts: Vec<String>,
    /// The WebSocket handshake, by node.
    upgrades: Vec<Vec<u8>>,
    clients: Vec<Client>,
    publishers: Vec<Publisher>,
    free_slots: Vec<usize>,
    opened: usize,
    /// The node of all further clients. `None`: they connect to the nodes in turn.
    pub clients_on: Option<usize>,
    /// The node of all further publishers.
    pub publishers_on: usize,
    /// Each trigger request asks the server to close its connection.
    pub close_after_trigger: bool,
}

impl Net {
    pub fn new(target: Target) -> Result<Self> {
        let hosts: Vec<String> = target.nodes.iter().map(ToString::to_string).collect();
        let upgrade = |host: &String| ws::upgrade_request(host, &target.app.key);
        Ok(Self {
            poll: Poll::new()?,
            events: Some(Events::with_capacity(1024)),
            buf: vec![0; READ_BUFFER],
            scratch: Vec::new(),
            upgrades: hosts.iter().map(upgrade).collect(),
            tls: target.tls.then(tls::config).transpose()?,
            hosts,
            target,
            clients: Vec::new(),
            publishers: Vec::new(),
            free_slots: Vec::new(),
            opened: 0,
            clients_on: None,
            publishers_on: 0,
            close_after_trigger: false,
        })
    }

    pub fn nodes(&self) -> usize {
        self.target.nodes.len()
    }

    fn open(&mut self, node: usize, receive_buffer: Option<usize>) -> Result<Link> {
        let source =
            Ipv4Addr::new(127, 0, 0, 1 + (self.opened % usize::from(self.target.sources)) as u8);
        self.opened += 1;
        let address = self.target.nodes[node];
        let stream = connect::connect(source, address, receive_buffer)?;
        let tls = self.tls.clone().map(|config| tls::Session::new(config, *address.ip()));
        Ok(Link::new(stream, tls.transpose()?))
    }

    /// The TLS parameters in use, if any connection is open.
    pub fn tls_agreed(&self) -> Option<String> {
        let clients = self.clients.iter().filter_map(|client| client.link.as_ref());
        let publishers = self.publishers.iter().map(|publisher| &publisher.link);
        clients.chain(publishers).find_map(Link::agreed)
    }

    /// Waits up to `timeout` for sockets to become ready and serves them.
    pub fn turn(
        &mut self,
        timeout: Duration,
        mut on_event: impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut events = self.events.take().context("turn called from an event")?;
        let mut buf = std::mem::take(&mut self.buf);
        if let Err(e) = self.poll.poll(&mut events, Some(timeout))
            && e.kind() != ErrorKind::Interrupted
        {
            return Err(e).context("poll");
        }
        for event in &events {
            let id = event.token().0;
            let eof_pending = event.is_read_closed() || event.is_error();
            if id >= PUBLISHERS {
                let id = id - PUBLISHERS;
                if event.is_writable() {
                    self.publishers[id].link.flush().context("write to a publisher")?;
                }
                if event.is_readable() {
                    self.read_publisher(id, &mut buf, &mut on_event)?;
                }
            } else {
                if event.is_writable()
                    && let Some(link) = &mut self.clients[id].link
                {
                    link.flush().context("write to a client")?;
                }
                if (event.is_readable() || eof_pending) && !self.clients[id].slow {
                    self.read_client(id, &mut buf, eof_pending, &mut on_event)?;
                }
            }
        }
        self.buf = buf;
        self.events = Some(events);
        Ok(())
    }
}
