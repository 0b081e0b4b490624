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

    /// True if this server itself speaks TLS with the peer.
    fn is_over_tls(&self) -> bool {
        false
    }
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

/// True if the connection itself is within TLS; false behind a proxy that ends it.
pub fn is_over_tls(request: &HttpRequest) -> bool {
    match request.conn_data() {
        Some(RemoteSource::OnDemand(connection)) => connection.is_over_tls(),
        Some(RemoteSource::Known(_)) | None => false,
    }
}

/// The network part of an address, for the log.
pub fn anonymize(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() >> 8 << 8).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 80 << 80).into()),
    }
}

/// A client with one IPv6 address has a whole /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logged_addresses_are_anonymized() {
        let of = |text: &str| anonymize(text.parse().expect("an address")).to_string();
        assert_eq!(of("203.0.113.7"), "203.0.113.0");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1::");
    }

    #[test]
    fn ipv6_clients_are_counted_by_network() {
        let of = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
    }
}
