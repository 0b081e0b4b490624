//! The least a Pusher-like server can do, as a floor to measure others against:
//! raw epoll, one thread per core, one pre-encoded frame per published event and
//! one write(2) per subscriber. It checks no signature, parses no JSON (it scans
//! for what the load generator is known to send) and enforces no limit.
//!
//! With `coalesce`, the frames published to a channel within one turn of the
//! event loop go out in one write per subscriber, after the publishers have been
//! answered: the lever that lets a server under load go below one write per
//! delivery.
//!
//! With `close`, every HTTP answer ends its connection.
//!
//! Usage: floor PORT [THREADS] [coalesce|close]
//!
//! It listens on 127.0.0.1 and says so; port 0 takes a free one.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::RawFd,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use memchr::memmem;
use sha1::{Digest, Sha1};

const LISTENER: u64 = u64::MAX;
const MAILBOX: u64 = u64::MAX - 1;

/// What one worker tells the others: send `frame` to the subscribers of `channel`.
type Post = (Vec<u8>, Arc<[u8]>);

struct Mailbox {
    posts: Mutex<Vec<Post>>,
    wake: RawFd,
}

struct Conn {
    fd: RawFd,
    websocket: bool,
    partial: Vec<u8>,
    unsent: Vec<u8>,
    channels: Vec<Vec<u8>>,
}

#[derive(Default)]
struct Channel {
    subscribers: Vec<u32>,
    /// Presence members, as the escaped JSON of the subscription answer.
    ids: Vec<u8>,
    hash: Vec<u8>,
    count: usize,
}

struct Worker {
    epoll: RawFd,
    listener: RawFd,
    conns: Vec<Option<Conn>>,
    free: Vec<u32>,
    channels: HashMap<Vec<u8>, Channel>,
    mailboxes: Arc<[Mailbox]>,
    me: usize,
    coalesce: bool,
    close_after_answer: bool,
    /// Frames of this turn, by channel, when coalescing.
    pending: HashMap<Vec<u8>, Vec<u8>>,
}

fn check(rc: libc::c_int) -> io::Result<libc::c_int> {
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}

fn set_option(fd: RawFd, level: i32, name: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const on).cast(), 4) })?;
    Ok(())
}

fn listen(address: SocketAddrV4) -> io::Result<RawFd> {
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0))?;
        set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
        set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
        let mut name: libc::sockaddr_in = std::mem::zeroed();
        name.sin_family = libc::AF_INET as u16;
        name.sin_port = address.port().to_be();
        name.sin_addr.s_addr = u32::from(*address.ip()).to_be();
        check(libc::bind(fd, (&raw const name).cast(), size_of_val(&name) as u32))?;
        check(libc::listen(fd, 4096))?;
        Ok(fd)
    }
}

fn bound_port(fd: RawFd) -> io::Result<u16> {
    unsafe {
        let mut name: libc::sockaddr_in = std::mem::zeroed();
        let mut len = size_of_val(&name) as u32;
        check(libc::getsockname(fd, (&raw mut name).cast(), &raw mut len))?;
        Ok(u16::from_be(name.sin_port))
    }
}

/// Raises the limit on open files as far as this user may.
fn raise_open_files() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(())
}

fn watch(epoll: RawFd, fd: RawFd, token: u64, events: i32, op: i32) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: token };
    check(unsafe { libc::epoll_ctl(epoll, op, fd, &raw mut event) })?;
    Ok(())
}

/// An unmasked server frame.
fn frame(opcode: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = Vec::with_capacity(len + 10);
    out.push(0x80 | opcode);
    match len {
        0..=125 => out.push(len as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    parts.iter().for_each(|p| out.extend_from_slice(p));
    out
}

/// The raw (still escaped) string value after `"name":"`.
fn field<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let start = memmem::find(json, name.as_bytes())? + name.len();
    let mut end = start;
    while *json.get(end)? != b'"' {
        end += if json[end] == b'\\' { 2 } else { 1 };
    }
    Some(&json[start..end])
}

impl Worker {
    fn run(mut self) -> io::Result<()> {
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
        let mut buf = vec![0u8; 256 * 1024];
        loop {
            let n = match check(unsafe {
                libc::epoll_wait(self.epoll, events.as_mut_ptr(), events.len() as i32, -1)
            }) {
                Ok(n) => n as usize,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            for event in &events[..n] {
                let (token, ready) = (event.u64, event.events as i32);
                match token {
                    LISTENER => self.accept()?,
                    MAILBOX => self.collect(),
                    _ => {
                        if ready & libc::EPOLLOUT != 0 {
                            self.flush(token as u32)?;
                        }
                        if ready & !libc::EPOLLOUT != 0 {
                            self.readable(token as u32, &mut buf)?;
                        }
                    }
                }
            }
            for (channel, frames) in std::mem::take(&mut self.pending) {
                self.deliver(&channel, &frames, None);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let fd = unsafe {
                libc::accept4(
                    self.listener,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    libc::SOCK_NONBLOCK,
                )
            };
            if fd < 0 {
                return Ok(());
            }
            set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
            let conn = Conn {
                fd,
                websocket: false,
                partial: Vec::new(),
                unsent: Vec::new(),
                channels: Vec::new(),
            };
            let id = match self.free.pop() {
                Some(id) => {
                    self.conns[id as usize] = Some(conn);
                    id
                }
                None => {
                    self.conns.push(Some(conn));
                    (self.conns.len() - 1) as u32
                }
            };
            watch(self.epoll, fd, u64::from(id), libc::EPOLLIN, libc::EPOLL_CTL_ADD)?;
        }
    }

    /// Writes what it can now and keeps the rest for when the socket drains.
    fn send(&mut self, id: u32, bytes: &[u8]) {
        let Some(conn) = &mut self.conns[id as usize] else { return };
        let mut sent = 0;
        if conn.unsent.is_empty() {
            let n = unsafe {
                libc::send(conn.fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL)
            };
            sent = n.max(0) as usize;
            if sent == bytes.len() {
                return;
            }
            let _ = watch(
                self.epoll,
                conn.fd,
                u64::from(id),
                libc::EPOLLIN | libc::EPOLLOUT,
                libc::EPOLL_CTL_MOD,
            );
        }
        conn.unsent.extend_from_slice(&bytes[sent..]);
    }

    fn flush(&mut self, id: u32) -> io::Result<()> {
        let Some(conn) = &mut self.conns[id as usize] else { return Ok(()) };
        let bytes = std::mem::take(&mut conn.unsent);
        watch(self.epoll, conn.fd, u64::from(id), libc::EPOLLIN, libc::EPOLL_CTL_MOD)?;
        if !bytes.is_empty() {
            self.send(id, &bytes);
        }
        Ok(())
    }

    fn close(&mut self, id: u32) {
        if let Some(conn) = self.conns[id as usize].take() {
            for name in &conn.channels {
                if let Some(channel) = self.channels.get_mut(name) {
                    channel.subscribers.retain(|s| *s != id);
                    if channel.subscribers.is_empty() {
                        self.channels.remove(name);
                    }
                }
            }
            unsafe { libc::close(conn.fd) };
            self.free.push(id);
        }
    }

    fn readable(&mut self, id: u32, buf: &mut [u8]) -> io::Result<()> {
        let Some(conn) = &mut self.conns[id as usize] else { return Ok(()) };
        let kept = conn.partial.len();
        buf[..kept].copy_from_slice(&conn.partial);
        conn.partial.clear();
        let n =
            unsafe { libc::recv(conn.fd, buf[kept..].as_mut_ptr().cast(), buf.len() - kept, 0) };
        if n <= 0 {
            if n == 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock {
                self.close(id);
            }
            return Ok(());
        }
        let len = kept + n as usize;
        let mut used = 0;
        while let Some(conn) = &self.conns[id as usize] {
            let size = if conn.websocket {
                self.frame_in(id, &mut buf[used..len])
            } else {
                self.request_in(id, &buf[used..len])
            };
            match size {
                Some(size) => used += size,
                None => break,
            }
        }
        if let Some(conn) = &mut self.conns[id as usize] {
            conn.partial.extend_from_slice(&buf[used..len]);
        }
        Ok(())
    }

    fn request_in(&mut self, id: u32, buf: &[u8]) -> Option<usize> {
        let head = memmem::find(buf, b"\r\n\r\n")?;
        let body = head + 4;
        if buf.starts_with(b"GET /app/") {
            let name = b"Sec-WebSocket-Key: ";
            let at = memmem::find(&buf[..head], name)? + name.len();
            let key = &buf[at..at + 24];
            let mut sha = Sha1::new();
            sha.update(key);
            sha.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let mut out = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n\r\n",
                STANDARD.encode(sha.finalize())
            )
            .into_bytes();
            let hello = format!(
                r#"{{"event":"pusher:connection_established","data":"{{\"socket_id\":\"{}.{id}\",\"activity_timeout\":120}}"}}"#,
                self.me + 1
            );
            out.extend_from_slice(&frame(1, &[hello.as_bytes()]));
            self.conns[id as usize].as_mut()?.websocket = true;
            self.send(id, &out);
            return Some(body);
        }
        let name = b"Content-Length: ";
        let at = memmem::find(&buf[..head], name)? + name.len();
        let len = buf[at..head]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .fold(0, |n, b| n * 10 + usize::from(b - b'0'));
        let json = buf.get(body..body + len)?;
        if let (Some(event), Some(channel), Some(data)) =
            (field(json, r#""name":""#), field(json, r#""channel":""#), field(json, r#""data":""#))
        {
            let frame = frame(
                1,
                &[
                    br#"{"event":""#,
                    event,
                    br#"","channel":""#,
                    channel,
                    br#"","data":""#,
                    data,
                    br#""}"#,
                ],
            );
            self.publish(channel, frame, None);
        }
        if self.close_after_answer {
            self.send(id, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}");
            self.close(id);
        } else {
            self.send(
                id,
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            );
        }
        Some(body + len)
    }

    fn publish(&mut self, channel: &[u8], frame: Vec<u8>, except: Option<u32>) {
        let frame: Arc<[u8]> = frame.into();
        for (i, mailbox) in self.mailboxes.iter().enumerate() {
            if i != self.me {
                mailbox.posts.lock().unwrap().push((channel.to_vec(), frame.clone()));
                let one = 1u64;
                unsafe { libc::write(mailbox.wake, (&raw const one).cast(), 8) };
            }
        }
        if self.coalesce && except.is_none() {
            self.pending.entry(channel.to_vec()).or_default().extend_from_slice(&frame);
        } else {
            self.deliver(channel, &frame, except);
        }
    }

    fn deliver(&mut self, name: &[u8], frame: &[u8], except: Option<u32>) {
        // Taken out of the map while sending, which changes no subscription.
        let Some(channel) = self.channels.get_mut(name) else { return };
        let subscribers = std::mem::take(&mut channel.subscribers);
        for id in &subscribers {
            if Some(*id) != except {
                self.send(*id, frame);
            }
        }
        if let Some(channel) = self.channels.get_mut(name) {
            channel.subscribers = subscribers;
        }
    }

    fn collect(&mut self) {
        let mailboxes = self.mailboxes.clone();
        let mailbox = &mailboxes[self.me];
        let mut count = 0u64;
        unsafe { libc::read(mailbox.wake, (&raw mut count).cast(), 8) };
        let posts = std::mem::take(&mut *mailbox.posts.lock().unwrap());
        for (channel, frame) in posts {
            self.deliver(&channel, &frame, None);
        }
    }

    fn frame_in(&mut self, id: u32, buf: &mut [u8]) -> Option<usize> {
        let [first, second, ..] = *buf else { return None };
        let (header, len) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes([*buf.get(2)?, *buf.get(3)?]))),
            127 => return None,
            n => (2, usize::from(n)),
        };
        let mask: [u8; 4] = buf.get(header..header + 4)?.try_into().ok()?;
        let end = header + 4 + len;
        let payload = buf.get_mut(header + 4..end)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(b, m)| *b ^= m);
        match first & 0x0f {
            1 => self.text_in(id, payload),
            8 => {
                let answer = frame(8, &[payload]);
                self.send(id, &answer);
                self.close(id);
            }
            9 => {
                let answer = frame(10, &[payload]);
                self.send(id, &answer);
            }
            _ => {}
        }
        Some(end)
    }

    fn text_in(&mut self, id: u32, text: &[u8]) {
        let Some(name) = field(text, r#""channel":""#) else { return };
        if text.starts_with(br#"{"event":"client-"#) {
            let frame = frame(1, &[text]);
            self.publish(name, frame, Some(id));
        } else if text.starts_with(br#"{"event":"pusher:subscribe""#) {
            self.subscribe(id, name, field(text, r#""channel_data":""#));
        }
    }

    fn subscribe(&mut self, id: u32, name: &[u8], member: Option<&[u8]>) {
        let mut data = b"{}".to_vec();
        if let Some(member) = member {
            let user = field(member, r#"\"user_id\":\""#).unwrap_or_default();
            let user = user.strip_suffix(b"\\").unwrap_or(user);
            let user = &user[..user.iter().position(|b| *b == b'\\').unwrap_or(user.len())];
            let frame = frame(
                1,
                &[
                    br#"{"event":"pusher_internal:member_added","channel":""#,
                    name,
                    br#"","data":""#,
                    member,
                    br#""}"#,
                ],
            );
            self.publish(name, frame, None);
            let channel = self.channels.entry(name.to_vec()).or_default();
            let comma: &[u8] = if channel.count > 0 { b"," } else { b"" };
            channel.count += 1;
            channel.ids.extend_from_slice(&[comma, br#"\""#, user, br#"\""#].concat());
            channel.hash.extend_from_slice(&[comma, br#"\""#, user, br#"\":{}"#].concat());
            data = [
                br#"{\"presence\":{\"ids\":["#.as_slice(),
                &channel.ids,
                br#"],\"hash\":{"#,
                &channel.hash,
                format!(r#"}},\"count\":{}}}}}"#, channel.count).as_bytes(),
            ]
            .concat();
        }
        self.channels.entry(name.to_vec()).or_default().subscribers.push(id);
        if let Some(conn) = &mut self.conns[id as usize] {
            conn.channels.push(name.to_vec());
        }
        let answer = frame(
            1,
            &[
                br#"{"event":"pusher_internal:subscription_succeeded","channel":""#,
                name,
                br#"","data":""#,
                &data,
                br#""}"#,
            ],
        );
        self.send(id, &answer);
    }
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut port = args
        .next()
        .and_then(|a| a.parse().ok())
        .expect("usage: floor PORT [THREADS] [coalesce|close]");
    let threads: usize = args.next().and_then(|a| a.parse().ok()).unwrap_or(1);
    let mode = args.next().unwrap_or_default();
    raise_open_files()?;
    let mailboxes: Arc<[Mailbox]> = (0..threads)
        .map(|_| {
            Ok(Mailbox {
                posts: Mutex::new(Vec::new()),
                wake: check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) })?,
            })
        })
        .collect::<io::Result<_>>()?;
    let mut handles = Vec::new();
    for me in 0..threads {
        let epoll = check(unsafe { libc::epoll_create1(0) })?;
        let listener = listen(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        // The other workers share what port 0 became.
        port = bound_port(listener)?;
        watch(epoll, listener, LISTENER, libc::EPOLLIN, libc::EPOLL_CTL_ADD)?;
        watch(epoll, mailboxes[me].wake, MAILBOX, libc::EPOLLIN, libc::EPOLL_CTL_ADD)?;
        let worker = Worker {
            epoll,
            listener,
            conns: Vec::new(),
            free: Vec::new(),
            channels: HashMap::new(),
            mailboxes: mailboxes.clone(),
            me,
            coalesce: mode == "coalesce",
            close_after_answer: mode == "close",
            pending: HashMap::new(),
        };
        handles.push(std::thread::spawn(move || worker.run()));
    }
    println!("listening on http://127.0.0.1:{port}");
    for handle in handles {
        handle.join().expect("worker panicked")?;
    }
    Ok(())
}
