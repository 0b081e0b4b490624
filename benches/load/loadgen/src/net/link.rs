//! One connection: bytes on their way out and the incomplete tail of what came in.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;

use super::tls::Session;

/// The part of the read buffer that is for ciphertext, if there is any.
const CIPHERTEXT: usize = 64 * 1024;

pub struct Link {
    pub stream: TcpStream,
    pub partial: Vec<u8>,
    unsent: Vec<u8>,
    tls: Option<Box<Session>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadState {
    More,
    Drained,
    Eof,
}

impl Link {
    pub fn new(stream: TcpStream, tls: Option<Session>) -> Self {
        Self { stream, partial: Vec::new(), unsent: Vec::new(), tls: tls.map(Box::new) }
    }

    /// Keeps `bytes` for when the connection is there.
    pub fn queue(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.queue(bytes),
            None => {
                self.unsent.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Writes `bytes`, keeping for later what the socket does not take.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.queue(bytes)?;
            return tls.flush(&mut self.stream);
        }
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

    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            return tls.flush(&mut self.stream);
        }
        let bytes = std::mem::take(&mut self.unsent);
        if bytes.is_empty() { Ok(()) } else { self.send(&bytes) }
    }

    /// Reads after the incomplete tail of last time. Returns the filled part's
    /// length, and whether the socket may hold more or the peer has closed.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<(usize, ReadState)> {
        let kept = self.partial.len();
        if kept + 4096 > buf.len() {
            return Err(io::Error::new(ErrorKind::InvalidData, "message is too large"));
        }
        buf[..kept].copy_from_slice(&self.partial);
        self.partial.clear();
        if let Some(tls) = &mut self.tls {
            let (plain, cipher) = buf.split_at_mut(buf.len() - CIPHERTEXT);
            let plain = plain.get_mut(kept..).unwrap_or_default();
            let (len, state) = tls.read(&mut self.stream, plain, cipher)?;
            return Ok((kept + len, state));
        }
        match self.stream.read(&mut buf[kept..]) {
            Ok(0) => Ok((kept, ReadState::Eof)),
            Ok(n) if kept + n == buf.len() => Ok((kept + n, ReadState::More)),
            Ok(n) => Ok((kept + n, ReadState::Drained)),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok((kept, ReadState::Drained)),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok((kept, ReadState::Eof)),
            Err(e) => Err(e),
        }
    }

    /// The negotiated TLS parameters.
    pub fn agreed(&self) -> Option<String> {
        self.tls.as_ref()?.agreed()
    }
}
