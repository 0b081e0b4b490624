//! Whoever is at the other end of a connection.

use std::net::IpAddr;

use actix_rt::net::{TcpStream, UnixStream};
use actix_web::HttpRequest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// The peer's, or what a balancer says in front of the connection.
    Address(IpAddr),
    /// A process of this machine, on a Unix socket: the mode of its file says who may.
    Local,
    /// A balancer that speaks for nobody. It is trusted with the header of the PROXY protocol and
    /// passes on whatever else a client sends.
    Balancer(Option<IpAddr>),
}

/// Asked for, and not known with every connection: for most that would be a system call for
/// nothing.
pub trait HasRemote {
    /// None where it is gone.
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

/// What the requests of a connection know of it.
pub enum Known {
    Already(Option<Remote>),
    Asked(std::rc::Rc<dyn HasRemote>),
}

pub fn remote(request: &HttpRequest) -> Option<Remote> {
    match request.conn_data()? {
        Known::Already(remote) => *remote,
        Known::Asked(connection) => connection.remote(),
    }
}
