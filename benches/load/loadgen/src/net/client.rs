//! Clients: their requests and their states.

use std::io::{ErrorKind, Read};

use anyhow::{Context, Result};
use mio::{Interest, Token};

use super::{Net, link::Link};
use crate::{
    event_stream,
    pusher::Subscription,
    ws::{self, opcode},
};

/// Receive buffer in the kernel for a client that reads slowly, in bytes.
const NARROW_BUFFER: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the TCP connection, then for the head of the response.
    Opening,
    /// Waiting for `pusher:connection_established`.
    Greeting,
    Established,
    Subscribing,
    Subscribed,
    /// We sent a close frame.
    Closing,
    Closed,
}

/// The protocol that carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    WebSocket,
    EventStream,
}

impl Carrier {
    /// The beginning of the response to a client that is let in.
    pub fn accepted(self) -> &'static [u8] {
        match self {
            Self::WebSocket => b"HTTP/1.1 101",
            Self::EventStream => b"HTTP/1.1 200",
        }
    }
}

/// Result of a slow client's read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sip {
    Took,
    Empty,
    Closed,
}

pub struct Client {
    /// Gone once the connection is closed.
    pub link: Option<Link>,
    /// The node it is connected to.
    pub node: usize,
    pub carrier: Carrier,
    pub phase: Phase,
    pub socket_id: String,
    /// How far it has read in the channel's history; empty unless the server tells.
    pub position: String,
    /// Sent as soon as the connection is established.
    pub wanted: Option<Subscription>,
    /// Its socket is read by [`Net::sip`] only.
    pub slow: bool,
}

impl Client {
    pub(super) fn note_position(&mut self, position: &str) {
        self.position.clear();
        self.position.push_str(position);
    }
}

impl Net {
    /// Starts a WebSocket connection and, if `wanted`, a subscription on it.
    /// Returns the client's number; numbers of forgotten clients are reused.
    pub fn connect(&mut self, wanted: Option<Subscription>) -> Result<usize> {
        let node = self.next_node();
        let request = self.upgrades[node].clone();
        self.start(node, Carrier::WebSocket, &request, wanted, None)
    }

    /// As `connect`, with a receive buffer of the kernel that holds little.
    pub fn connect_narrow(&mut self, wanted: Option<Subscription>) -> Result<usize> {
        let node = self.next_node();
        let request = self.upgrades[node].clone();
        self.start(node, Carrier::WebSocket, &request, wanted, Some(NARROW_BUFFER))
    }

    /// Opens an event stream of a public channel, behind the event with the id `after`.
    pub fn connect_stream(&mut self, channel: &str, after: Option<&str>) -> Result<usize> {
        let node = self.next_node();
        let key = &self.target.app.key;
        let request = event_stream::request(&self.hosts[node], key, channel, after);
        self.start(node, Carrier::EventStream, &request, None, None)
    }

    fn next_node(&self) -> usize {
        self.clients_on.unwrap_or(self.opened % self.target.nodes.len())
    }

    fn start(
        &mut self,
        node: usize,
        carrier: Carrier,
        request: &[u8],
        wanted: Option<Subscription>,
        receive_buffer: Option<usize>,
    ) -> Result<usize> {
        let mut link = self.open(node, receive_buffer)?;
        let id = self.free_slots.pop().unwrap_or(self.clients.len());
        self.poll.registry().register(
            &mut link.stream,
            Token(id),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        link.queue(request)?;
        let client = Client {
            link: Some(link),
            node,
            carrier,
            phase: Phase::Opening,
            socket_id: String::new(),
            position: String::new(),
            wanted,
            slow: false,
        };
        if id == self.clients.len() {
            self.clients.push(client);
        } else {
            self.clients[id] = client;
        }
        Ok(id)
    }

    /// Lets a closed client's number be used again.
    pub fn forget(&mut self, client: usize) {
        debug_assert_eq!(self.clients[client].phase, Phase::Closed);
        self.free_slots.push(client);
    }

    pub fn subscribe(&mut self, client: usize, subscription: &Subscription) -> Result<()> {
        let message = subscription.message(&self.target.app, &self.clients[client].socket_id);
        self.clients[client].phase = Phase::Subscribing;
        self.send_text(client, message.as_bytes())
    }

    /// Asks for one more subscription. Its answer comes as a message, for which
    /// see [`crate::pusher::is_subscribed`].
    pub fn subscribe_more(&mut self, client: usize, subscription: &Subscription) -> Result<()> {
        let message = subscription.message(&self.target.app, &self.clients[client].socket_id);
        self.send_text(client, message.as_bytes())
    }

    /// The node that the client is connected to.
    pub fn node_of(&self, client: usize) -> usize {
        self.clients[client].node
    }

    /// How far the client has read; empty unless the server has told it.
    pub fn position(&self, client: usize) -> &str {
        &self.clients[client].position
    }

    /// From now on the client's socket is read by [`Net::sip`] only.
    pub fn stop_reading(&mut self, client: usize) {
        self.clients[client].slow = true;
    }

    /// Reads up to `bytes` from a client that does not read by itself and
    /// throws them away.
    pub fn sip(&mut self, client: usize, bytes: usize) -> Result<Sip> {
        let Some(link) = &mut self.clients[client].link else { return Ok(Sip::Closed) };
        let bytes = bytes.min(self.buf.len());
        match link.stream.read(&mut self.buf[..bytes]) {
            Ok(n) if n > 0 => Ok(Sip::Took),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(Sip::Empty),
            Err(e) if e.kind() != ErrorKind::ConnectionReset => Err(e).context("sip"),
            _ => {
                self.hang_up(client)?;
                Ok(Sip::Closed)
            }
        }
    }

    pub fn send_text(&mut self, client: usize, message: &[u8]) -> Result<()> {
        self.send_frame(client, opcode::TEXT, message)
    }

    /// Sends a close frame; the server is expected to close the connection.
    pub fn close(&mut self, client: usize) -> Result<()> {
        self.clients[client].phase = Phase::Closing;
        self.send_frame(client, opcode::CLOSE, &1000u16.to_be_bytes())
    }

    /// Closes the connection, as a network that goes away.
    pub fn cut(&mut self, client: usize) -> Result<()> {
        self.hang_up(client)
    }

    pub(super) fn send_frame(&mut self, client: usize, opcode: u8, payload: &[u8]) -> Result<()> {
        self.scratch.clear();
        ws::encode(opcode, payload, &mut self.scratch);
        let link = self.clients[client].link.as_mut().context("client is closed")?;
        link.send(&self.scratch).context("write to a client")
    }

    /// Lets go of a connection.
    pub(super) fn hang_up(&mut self, client: usize) -> Result<()> {
        self.clients[client].phase = Phase::Closed;
        if let Some(mut link) = self.clients[client].link.take() {
            self.poll.registry().deregister(&mut link.stream)?;
        }
        Ok(())
    }
}
