//! The other end of a connection.

use std::net::IpAddr;

use actix_rt::net::{TcpStream, UnixStream};
use actix_web::HttpRequest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// The peer's address, or the one of a PROXY header.
    Address(IpAddr),
    /// A process of this machine, on a Unix socket: the mode of its file controls access.
    Local,
    /// A load balancer on its own behalf. It is trusted with the PROXY header, but passes on any
    /// header of a client.
    Balancer(Option<IpAddr>),
}

/// Looked up on demand: for most connections the system call would be in vain.
pub trait HasRemote {
    /// `None` if the peer is gone.
    fn remote(&self) -> Option<Remote>;
}

impl HasRemote for TcpStream {
    fn remote(&self) -> Option<Remote> {
        self.peer_addr().ok().map(|address| Remote::Address(address.ip().to_canonical()))
    }
}

impl HasRemote for UnixStream {
    fn remote(&self) -> Option<Remote> {
        Some(Remote::Local)
    }
}

/// The peer's address, as connection data.
pub enum RemoteSource {
    Known(Option<Remote>),
    OnDemand(std::rc::Rc<dyn HasRemote>),
}

pub fn remote(request: &HttpRequest) -> Option<Remote> {
    match request.conn_data()? {
        RemoteSource::Known(remote) => *remote,
        RemoteSource::OnDemand(connection) => connection.remote(),
    }
}
