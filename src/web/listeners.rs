//! Where the server listens.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::PathBuf,
};

use crate::{
    address::{Address, HostName},
    unix_socket::{self, SocketFile},
};

/// Sockets that are bound already, so that a port that is taken is told before anything starts.
pub struct Listeners {
    /// One for each address that a name has, at least one; the others none where they are not wanted.
    pub(super) public: Vec<Bound>,
    pub(super) api: Vec<Bound>,
    pub(super) operations: Vec<Bound>,
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
/// EAFNOSUPPORT, as Linux numbers it.
const NO_SUCH_FAMILY: i32 = 97;
/// What the kernel takes of a socket before it is under way. By default that grows to megabytes for
/// a peer that reads slowly, beyond what its outbox may hold, copied for each, and seen by no gauge.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;

impl Listeners {
    pub fn bind(addresses: &Addresses) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut bind = |address: &Address, flag| match address {
            Address::Tcp(address) => Ok(vec![Bound::Tcp(bind(*address, flag)?)]),
            Address::Name(name) => bind_all(name, flag),
            Address::Unix(path) => {
                let bound = unix_socket::bind(path, addresses.unix_mode, BACKLOG);
                let (listener, file) = bound.map_err(io::Error::other)?;
                files.push(file);
                Ok(vec![Bound::Unix(listener, path.clone())])
            }
        };
        let public = bind(&addresses.public, "--listen")?;
        let mut optional = |address: &Option<Address>, flag| match address {
            Some(address) => bind(address, flag),
            None => Ok(Vec::new()),
        };
        let api = optional(&addresses.api, "--api-listen")?;
        let operations = optional(&addresses.operations, "--ops-listen")?;
        Ok(Self { public, api, operations, admin: None, files })
    }

    pub fn public(&self) -> io::Result<Vec<Address>> {
        self.public.iter().map(Bound::address).collect()
    }

    pub fn api(&self) -> io::Result<Vec<Address>> {
        self.api.iter().map(Bound::address).collect()
    }

    pub fn operations(&self) -> io::Result<Vec<Address>> {
        self.operations.iter().map(Bound::address).collect()
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

/// A system without IPv6, or without an address that its name still has, is served on the others.
fn bind_all(name: &HostName, flag: &str) -> io::Result<Vec<Bound>> {
    let explain = |error: io::Error| {
        let message =
            format!("cannot listen on {name}: {error} (choose another address with {flag})");
        io::Error::new(error.kind(), message)
    };
    let mut bound: Vec<Bound> = Vec::new();
    let mut port = None;
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for mut address in name.resolve().map_err(explain)? {
        // Where the system chooses one, it is the same for all.
        address.set_port(port.unwrap_or(address.port()));
        match bind(address, flag) {
            Ok(listener) => {
                port = Some(listener.local_addr()?.port());
                bound.push(Bound::Tcp(listener));
            }
            Err(error) if is_missing(&error) => missing = error,
            Err(error) => return Err(error),
        }
    }
    if bound.is_empty() { Err(explain(missing)) } else { Ok(bound) }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(NO_SUCH_FAMILY)
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
