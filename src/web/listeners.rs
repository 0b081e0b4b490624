//! Where the server listens.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::PathBuf,
};

use crate::{
    address::Address,
    unix_socket::{self, SocketFile},
};

/// Sockets that are bound already, so that a port that is taken is told before anything starts.
pub struct Listeners {
    pub(super) public: Bound,
    pub(super) api: Option<Bound>,
    pub(super) operations: Option<Bound>,
    /// Where the server's own user manages keys.
    pub admin: Option<UnixListener>,
    /// Removed when the server has ended.
    pub(super) files: Vec<SocketFile>,
}

pub enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// Which is to listen where.
pub struct Addresses {
    pub public: Address,
    /// Without one the API is served where clients are.
    pub api: Option<Address>,
    /// For `/metrics`, `/stats` and the admin API; nowhere without it.
    pub operations: Option<Address>,
    /// Of the files of Unix sockets: who may connect.
    pub unix_mode: u32,
}

const BACKLOG: i32 = 4096;
/// What the kernel takes of a socket before it is under way. By default that grows to megabytes for
/// a peer that reads slowly, beyond what its outbox may hold, copied for each, and seen by no gauge.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;

impl Listeners {
    pub fn bind(addresses: &Addresses) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut bind = |address: &Address, flag| match address {
            Address::Tcp(address) => bind(*address, flag).map(Bound::Tcp),
            Address::Unix(path) => {
                let bound = unix_socket::bind(path, addresses.unix_mode, BACKLOG);
                let (listener, file) = bound.map_err(io::Error::other)?;
                files.push(file);
                Ok(Bound::Unix(listener, path.clone()))
            }
        };
        let public = bind(&addresses.public, "--listen")?;
        let mut optional = |address: &Option<Address>, flag| {
            address.as_ref().map(|address| bind(address, flag)).transpose()
        };
        let api = optional(&addresses.api, "--api-listen")?;
        let operations = optional(&addresses.operations, "--ops-listen")?;
        Ok(Self { public, api, operations, admin: None, files })
    }

    pub fn public(&self) -> io::Result<Address> {
        self.public.address()
    }

    pub fn api(&self) -> io::Result<Option<Address>> {
        self.api.as_ref().map(Bound::address).transpose()
    }

    pub fn operations(&self) -> io::Result<Option<Address>> {
        self.operations.as_ref().map(Bound::address).transpose()
    }
}

impl Bound {
    fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }
}

fn bind(address: SocketAddr, flag: &str) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let explain = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error} (choose another address with {flag})"),
        )
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Not waiting for more to send is the point of a server like this one. What is accepted
    // inherits it, so that no connection has to be told.
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into()).map_err(explain)?;
    socket.listen(BACKLOG).map_err(explain)?;
    let listener: TcpListener = socket.into();
    listener.set_nonblocking(true)?;
    Ok(listener)
}
