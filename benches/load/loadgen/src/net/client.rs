//! WebSocket clients: their requests and their states.

use std::io::{ErrorKind, Read};

use anyhow::{Context, Result};
use mio::{Interest, Token};

use super::{Net, link::Link};
use crate::{
    pusher::Subscription,
    ws::{self, opcode},
};

/// Receive buffer in the kernel for a client that reads slowly, in bytes.
const NARROW_BUFFER: usize = 256 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for the TCP connection, then for the 101 response.
    Upgrading,
    /// Waiting for `pusher:connection_established`.
    Greeting,
    Established,
    Subscribing,
    Subscribed,
    /// We sent a close frame.
    Closing,
    Closed,
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
    pub phase: Phase,
    pub socket_id: String,
    /// Sent as soon as the connection is established.
    pub wanted: Option<Subscription>,
    /// Its socket is read by [`Net::sip`] only.
    pub slow: bool,
}

impl Net {
    /// Starts a WebSocket connection and, if `wanted`, a subscription on it.
    /// Returns the client's number; numbers of forgotten clients are reused.
    pub fn connect(&mut self, wanted: Option<Subscription>) -> Result<usize> {
        self.connect_with(wanted, None)
    }

    /// As `connect`, with a receive buffer of the kernel that holds little.
    pub fn connect_narrow(&mut self, wanted: Option<Subscription>) -> Result<usize> {
        self.connect_with(wanted, Some(NARROW_BUFFER))
    }

    fn connect_with(
        &mut self,
        wanted: Option<Subscription>,
        receive_buffer: Option<usize>,
    ) -> Result<usize> {
        let mut link = self.open(receive_buffer)?;
        let id = self.free_slots.pop().unwrap_or(self.clients.len());
        self.poll.registry().register(
            &mut link.stream,
            Token(id),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        link.queue(&self.upgrade)?;
        let client = Client {
            link: Some(link),
            phase: Phase::Upgrading,
            socket_id: String::new(),
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

    pub(super) fn send_frame(&mut self, client: usize, opcode: u8, payload: &[u8]) -> Result<()> {
        self.scratch.clear();
        ws::encode(opcode, payload, &mut self.scratch);
        let link = self.clients[client].link.as_mut().context("client is closed")?;
        link.send(&self.scratch).context("write to a client")
    }

    /// Lets go of a connection that the server has closed.
    pub(super) fn hang_up(&mut self, client: usize) -> Result<()> {
        self.clients[client].phase = Phase::Closed;
        if let Some(mut link) = self.clients[client].link.take() {
            self.poll.registry().deregister(&mut link.stream)?;
        }
        Ok(())
    }
}
