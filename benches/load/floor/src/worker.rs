//! One thread: its epoll loop, its sockets, and their unsent bytes.

use std::{collections::HashMap, io, os::fd::RawFd, sync::Arc};

use crate::{
    channels::{Channel, Mailbox},
    sys,
};

const LISTENER: u64 = u64::MAX;
const MAILBOX: u64 = u64::MAX - 1;

pub struct Conn {
    fd: RawFd,
    pub websocket: bool,
    partial: Vec<u8>,
    unsent: Vec<u8>,
    pub channels: Vec<Vec<u8>>,
}

pub struct Worker {
    epoll: RawFd,
    listener: RawFd,
    pub conns: Vec<Option<Conn>>,
    free: Vec<u32>,
    pub channels: HashMap<Vec<u8>, Channel>,
    pub mailboxes: Arc<[Mailbox]>,
    pub me: usize,
    pub coalesce: bool,
    pub close_after_answer: bool,
    /// Frames of this turn, by channel, when coalescing.
    pub pending: HashMap<Vec<u8>, Vec<u8>>,
}

impl Worker {
    /// Serves what comes to `listener`, as the `me`th of those with a mailbox.
    pub fn new(
        listener: RawFd,
        mailboxes: Arc<[Mailbox]>,
        me: usize,
        mode: &str,
    ) -> io::Result<Self> {
        let epoll = sys::epoll()?;
        sys::watch(epoll, listener, LISTENER, libc::EPOLLIN, libc::EPOLL_CTL_ADD)?;
        sys::watch(epoll, mailboxes[me].wake, MAILBOX, libc::EPOLLIN, libc::EPOLL_CTL_ADD)?;
        Ok(Self {
            epoll,
            listener,
            conns: Vec::new(),
            free: Vec::new(),
            channels: HashMap::new(),
            mailboxes,
            me,
            coalesce: mode == "coalesce",
            close_after_answer: mode == "close",
            pending: HashMap::new(),
        })
    }

    pub fn run(mut self) -> io::Result<()> {
        let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
        let mut buf = vec![0u8; 256 * 1024];
        loop {
            let n = sys::wait(self.epoll, &mut events)?;
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
        while let Some(fd) = sys::accept(self.listener)? {
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
            sys::watch(self.epoll, fd, u64::from(id), libc::EPOLLIN, libc::EPOLL_CTL_ADD)?;
        }
        Ok(())
    }

    /// Writes what it can now and keeps the rest for when the socket drains.
    pub fn send(&mut self, id: u32, bytes: &[u8]) {
        let Some(conn) = &mut self.conns[id as usize] else { return };
        let mut sent = 0;
        if conn.unsent.is_empty() {
            sent = sys::send(conn.fd, bytes);
            if sent == bytes.len() {
                return;
            }
            let events = libc::EPOLLIN | libc::EPOLLOUT;
            let _ = sys::watch(self.epoll, conn.fd, u64::from(id), events, libc::EPOLL_CTL_MOD);
        }
        conn.unsent.extend_from_slice(&bytes[sent..]);
    }

    fn flush(&mut self, id: u32) -> io::Result<()> {
        let Some(conn) = &mut self.conns[id as usize] else { return Ok(()) };
        let bytes = std::mem::take(&mut conn.unsent);
        sys::watch(self.epoll, conn.fd, u64::from(id), libc::EPOLLIN, libc::EPOLL_CTL_MOD)?;
        if !bytes.is_empty() {
            self.send(id, &bytes);
        }
        Ok(())
    }

    pub fn close(&mut self, id: u32) {
        if let Some(conn) = self.conns[id as usize].take() {
            for name in &conn.channels {
                if let Some(channel) = self.channels.get_mut(name) {
                    channel.subscribers.retain(|s| *s != id);
                    if channel.subscribers.is_empty() {
                        self.channels.remove(name);
                    }
                }
            }
            sys::close(conn.fd);
            self.free.push(id);
        }
    }

    fn readable(&mut self, id: u32, buf: &mut [u8]) -> io::Result<()> {
        let Some(conn) = &mut self.conns[id as usize] else { return Ok(()) };
        let kept = conn.partial.len();
        buf[..kept].copy_from_slice(&conn.partial);
        conn.partial.clear();
        let n = match sys::receive(conn.fd, &mut buf[kept..]) {
            Ok(n) if n > 0 => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            _ => {
                self.close(id);
                return Ok(());
            }
        };
        let len = kept + n;
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
}
