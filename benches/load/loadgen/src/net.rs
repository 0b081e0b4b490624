//! One thread, one epoll instance: many WebSocket clients and a few keep-alive
//! HTTP publishers. It makes one read call per readable socket and copies
//! nothing that arrives whole, so that it costs far less than what it measures.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsRawFd,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use memchr::memmem;
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    http,
    pusher::{self, App, Subscription},
    ws::{self, opcode},
};

/// Tokens from here on belong to publishers, those below to clients.
const PUBLISHERS: usize = 1 << 32;
const READ_BUFFER: usize = 256 * 1024;

/// What the kernel may keep for a client that reads slowly.
const NARROW_BUFFER: usize = 256 * 1024;

/// Where the server is and which addresses to connect from.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddrV4,
    pub app: App,
    /// Connections are spread over this many addresses, from 127.0.0.1 up.
    pub sources: u8,
}

/// What a turn of the loop tells the scenario.
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
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

/// What a slow client found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sip {
    Took,
    Empty,
    Closed,
}

/// Bytes on their way out and the incomplete tail of what came in.
struct Link {
    stream: TcpStream,
    unsent: Vec<u8>,
    partial: Vec<u8>,
}

impl Link {
    /// Writes `bytes`, keeping for later what the socket does not take.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unsent.is_empty() {
            match self.stream.write(bytes) {
                Ok(n) => self.unsent.extend_from_slice(&bytes[n..]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    self.unsent.extend_from_slice(bytes);
                }
                Err(e) => return Err(e),
            }
        } else {
            self.unsent.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.unsent);
        if bytes.is_empty() { Ok(()) } else { self.send(&bytes) }
    }

    /// Reads after the incomplete tail of last time. Returns the filled part's
    /// length, and whether the socket may hold more or the peer has closed.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<(usize, ReadState)> {
        let kept = self.partial.len();
        if kept + 4096 > buf.len() {
            return Err(io::Error::new(ErrorKind::InvalidData, "message is too large"));
        }
        buf[..kept].copy_from_slice(&self.partial);
        self.partial.clear();
        match self.stream.read(&mut buf[kept..]) {
            Ok(0) => Ok((kept, ReadState::Eof)),
            Ok(n) if kept + n == buf.len() => Ok((kept + n, ReadState::More)),
            Ok(n) => Ok((kept + n, ReadState::Drained)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok((kept, ReadState::Drained)),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok((kept, ReadState::Eof)),
            Err(e) => Err(e),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadState {
    More,
    Drained,
    Eof,
}

struct Client {
    /// Gone once the connection is closed.
    link: Option<Link>,
    phase: Phase,
    socket_id: String,
    /// Sent as soon as the connection is established.
    wanted: Option<Subscription>,
    /// Its socket is read by [`Net::sip`] only.
    slow: bool,
}

struct Publisher {
    link: Link,
    /// When the request in flight was sent.
    sent: Option<u64>,
}

pub struct Net {
    poll: Poll,
    events: Option<Events>,
    buf: Vec<u8>,
    scratch: Vec<u8>,
    target: Target,
    host: String,
    upgrade: Vec<u8>,
    clients: Vec<Client>,
    publishers: Vec<Publisher>,
    free_slots: Vec<usize>,
    opened: usize,
    /// Each trigger request asks the server to close its connection.
    pub close_after_trigger: bool,
}

fn bind_address_no_port(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open and the option value is an int of that size.
    let rc = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Nanoseconds of the monotonic clock.
pub fn now() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `t` is a valid timespec and the clock id is a constant.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

impl Net {
    pub fn new(target: Target) -> Result<Self> {
        let host = target.address.to_string();
        Ok(Self {
            poll: Poll::new()?,
            events: Some(Events::with_capacity(1024)),
            buf: vec![0; READ_BUFFER],
            scratch: Vec::new(),
            upgrade: ws::upgrade_request(&host, &target.app.key),
            host,
            target,
            clients: Vec::new(),
            publishers: Vec::new(),
            free_slots: Vec::new(),
            opened: 0,
            close_after_trigger: false,
        })
    }

    fn open(&mut self, receive_buffer: Option<usize>) -> Result<Link> {
        let source =
            Ipv4Addr::new(127, 0, 0, 1 + (self.opened % usize::from(self.target.sources)) as u8);
        self.opened += 1;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // The port is chosen at connect time, so that one port can serve many
        // source addresses and sockets in TIME_WAIT can be taken over.
        bind_address_no_port(&socket)?;
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&SocketAddr::V4(self.target.address).into()) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(e) => return Err(e).context("connect"),
        }
        Ok(Link {
            stream: TcpStream::from_std(socket.into()),
            unsent: Vec::new(),
            partial: Vec::new(),
        })
    }

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
        link.unsent.clone_from(&self.upgrade);
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
    /// see [`pusher::is_subscribed`].
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
                self.clients[client].phase = Phase::Closed;
                if let Some(mut link) = self.clients[client].link.take() {
                    self.poll.registry().deregister(&mut link.stream)?;
                }
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

    fn send_frame(&mut self, client: usize, opcode: u8, payload: &[u8]) -> Result<()> {
        self.scratch.clear();
        ws::encode(opcode, payload, &mut self.scratch);
        let link = self.clients[client].link.as_mut().context("client is closed")?;
        link.send(&self.scratch).context("write to a client")
    }

    pub fn add_publisher(&mut self) -> Result<usize> {
        let id = self.publishers.len();
        let link = self.open_publisher(id)?;
        self.publishers.push(Publisher { link, sent: None });
        Ok(id)
    }

    fn open_publisher(&mut self, id: usize) -> Result<Link> {
        let mut link = self.open(None)?;
        self.poll.registry().register(
            &mut link.stream,
            Token(PUBLISHERS + id),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        Ok(link)
    }

    /// Triggers an event through the signed HTTP API. A server that closes the
    /// connection after each response gets a new one for each request.
    pub fn publish(&mut self, publisher: usize, body: &[u8]) -> Result<()> {
        let unix_time =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        self.scratch.clear();
        self.target.app.trigger_request(
            &self.host,
            unix_time,
            body,
            self.close_after_trigger,
            &mut self.scratch,
        );
        let publisher = &mut self.publishers[publisher];
        if publisher.sent.replace(now()).is_some() {
            bail!("publisher has a request in flight");
        }
        publisher.link.send(&self.scratch).context("write to a publisher")
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

    fn read_publisher(
        &mut self,
        id: usize,
        buf: &mut [u8],
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let (len, state) = self.publishers[id].link.read(buf)?;
        let at = now();
        let Some(response) = http::parse_response(&buf[..len])? else {
            if state == ReadState::Eof {
                bail!("server closed a publisher's connection");
            }
            self.publishers[id].link.partial.extend_from_slice(&buf[..len]);
            return Ok(());
        };
        if response.len != len {
            bail!("{} bytes after an HTTP response", len - response.len);
        }
        if response.status != 200 {
            bail!("trigger answered {}", String::from_utf8_lossy(&buf[..len]));
        }
        let sent = self.publishers[id].sent.take();
        let sent = sent.context("response without a request")?;
        if response.close || state == ReadState::Eof {
            self.publishers[id].link = self.open_publisher(id)?;
        }
        on_event(self, Event::Response { publisher: id, sent, at })
    }

    fn read_client(
        &mut self,
        id: usize,
        buf: &mut [u8],
        eof_pending: bool,
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        loop {
            let Some(link) = &mut self.clients[id].link else {
                return Ok(());
            };
            let (len, state) = link.read(buf).context("read from a client")?;
            let at = now();
            let mut used = 0;
            if self.clients[id].phase == Phase::Upgrading {
                match memmem::find(&buf[..len], b"\r\n\r\n") {
                    None => {}
                    Some(end) if buf.starts_with(b"HTTP/1.1 101") => {
                        self.clients[id].phase = Phase::Greeting;
                        used = end + 4;
                    }
                    Some(_) => bail!("upgrade answered {}", String::from_utf8_lossy(&buf[..len])),
                }
            }
            while self.clients[id].phase != Phase::Upgrading {
                let parsed = ws::parse(&buf[used..len]).map_err(|e| anyhow!("bad frame: {e:?}"))?;
                let Some((frame, size)) = parsed else { break };
                used += size;
                match frame.opcode {
                    opcode::TEXT => self.on_text(id, frame.payload, at, on_event)?,
                    opcode::PING => self.send_frame(id, opcode::PONG, frame.payload)?,
                    opcode::CLOSE if self.clients[id].phase != Phase::Closing => {
                        bail!("server closed: {}", String::from_utf8_lossy(frame.payload));
                    }
                    _ => {}
                }
            }
            if let Some(link) = &mut self.clients[id].link
                && used < len
            {
                link.partial.extend_from_slice(&buf[used..len]);
            }
            match state {
                ReadState::Eof => {
                    let asked = self.clients[id].phase == Phase::Closing;
                    self.clients[id].phase = Phase::Closed;
                    if let Some(mut link) = self.clients[id].link.take() {
                        self.poll.registry().deregister(&mut link.stream)?;
                    }
                    return on_event(self, Event::Closed { client: id, asked });
                }
                ReadState::Drained if !eof_pending => return Ok(()),
                _ => {}
            }
        }
    }

    fn on_text(
        &mut self,
        id: usize,
        payload: &[u8],
        at: u64,
        on_event: &mut impl FnMut(&mut Self, Event<'_>) -> Result<()>,
    ) -> Result<()> {
        let has = |needle: &str| memmem::find(payload, needle.as_bytes()).is_some();
        match self.clients[id].phase {
            Phase::Greeting if has("pusher:connection_established") => {
                let socket_id = pusher::socket_id(payload).context("no socket id")?;
                self.clients[id].socket_id = socket_id.to_owned();
                self.clients[id].phase = Phase::Established;
                match self.clients[id].wanted.take() {
                    Some(subscription) => self.subscribe(id, &subscription),
                    None => on_event(self, Event::Established(id)),
                }
            }
            Phase::Subscribing if pusher::is_subscribed(payload) => {
                self.clients[id].phase = Phase::Subscribed;
                on_event(self, Event::Subscribed(id))
            }
            Phase::Greeting | Phase::Subscribing => {
                bail!("unexpected {}", String::from_utf8_lossy(payload))
            }
            _ if payload.starts_with(br#"{"event":"pusher:error""#) => {
                bail!("{}", String::from_utf8_lossy(payload))
            }
            _ if has(r#""pusher:ping""#) => {
                self.send_text(id, br#"{"event":"pusher:pong","data":{}}"#)
            }
            _ => on_event(self, Event::Message { client: id, payload, at }),
        }
    }
}
