//! Listeners of the server.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::PathBuf,
};

use crate::platform::{
    address::{Address, HostName},
    unix_socket::{self, SocketFile},
};

/// Listeners, bound before the start, so that a port in use is reported early.
pub struct Listeners {
    /// One listener for each address of the name, at least one; `api` and `operations` may be
    /// empty.
    pub public: Vec<BoundListener>,
    pub api: Vec<BoundListener>,
    pub operations: Vec<BoundListener>,
    /// The reason that `operations` is missing although it is configured.
    pub operations_failure: Option<io::Error>,
    /// The admin socket, for the server's own user.
    pub admin: Option<UnixListener>,
    /// Removed at the end of the server.
    pub files: Vec<SocketFile>,
}

pub enum BoundListener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// The configured listen addresses.
pub struct Addresses {
    pub public: Address,
    /// `None` if the API is on the public listener.
    pub api: Option<Address>,
    /// For `/metrics`, `/stats` and the admin API; `None` switches them off.
    pub operations: Option<Address>,
    /// True if the server starts without `operations` where its port is taken.
    pub operations_may_fail: bool,
    /// The mode of the files of Unix sockets.
    pub unix_mode: u32,
}

/// The kind of peers that a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerRole {
    Everybody,
    /// Browsers and other clients; the API is on another listener.
    Clients,
    /// Backends only.
    Backends,
}

const BACKLOG: i32 = 4096;
/// EAFNOSUPPORT on Linux.
const NO_SUCH_FAMILY: i32 = 97;
/// Limit of unsent bytes in the kernel. Without it the send buffer grows to megabytes for a slow
/// reader: beyond the outbox budget, copied per connection, and unseen by any gauge.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;

impl Listeners {
    pub fn bind(addresses: &Addresses) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut bind = |address: &Address, flag| match address {
            Address::Tcp(address) => Ok(vec![BoundListener::Tcp(bind(*address, flag)?)]),
            Address::Name(name) => bind_all(name, flag),
            Address::Unix(path) => {
                let bound = unix_socket::bind(path, addresses.unix_mode, BACKLOG);
                let (listener, file) = bound.map_err(io::Error::other)?;
                files.push(file);
                Ok(vec![BoundListener::Unix(listener, path.clone())])
            }
        };
        let public = bind(&addresses.public, "--listen")?;
        let mut optional = |address: &Option<Address>, flag| match address {
            Some(address) => bind(address, flag),
            None => Ok(Vec::new()),
        };
        let api = optional(&addresses.api, "--api-listen")?;
        let operations = optional(&addresses.operations, "--ops-listen");
        let (operations, operations_failure) = match operations {
            Err(error) if addresses.operations_may_fail => (Vec::new(), Some(error)),
            bound => (bound?, None),
        };
        Ok(Self { public, api, operations, operations_failure, admin: None, files })
    }

    pub fn public(&self) -> io::Result<Vec<Address>> {
        self.public.iter().map(BoundListener::address).collect()
    }

    pub fn api(&self) -> io::Result<Vec<Address>> {
        self.api.iter().map(BoundListener::address).collect()
    }

    pub fn operations(&self) -> io::Result<Vec<Address>> {
        self.operations.iter().map(BoundListener::address).collect()
    }
}

impl BoundListener {
    fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, path) => Ok(Address::Unix(path.clone())),
        }
    }
}

/// Addresses that the system lacks, such as IPv6, are skipped; the others are bound.
fn bind_all(name: &HostName, flag: &str) -> io::Result<Vec<BoundListener>> {
    let explain = |error: io::Error| {
        let message =
            format!("cannot listen on {name}: {error} (choose another address with {flag})");
        io::Error::new(error.kind(), message)
    };
    let mut bound: Vec<BoundListener> = Vec::new();
    let mut port = None;
    let mut missing = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for mut address in name.resolve().map_err(explain)? {
        // A port chosen by the system is used for all addresses.
        address.set_port(port.unwrap_or(address.port()));
        match bind(address, flag) {
            Ok(listener) => {
                port = Some(listener.local_addr()?.port());
                bound.push(BoundListener::Tcp(listener));
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
    // No Nagle delay: events must leave at once. Accepted sockets inherit the option, which saves a
    // system call per connection.
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(&address.into()).map_err(explain)?;
    socket.listen(BACKLOG).map_err(explain)?;
    let listener: TcpListener = socket.into();
    listener.set_nonblocking(true)?;
    Ok(listener)
}
