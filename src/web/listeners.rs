//! Where the server listens.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
};

/// Sockets that are bound already, so that a port that is taken is told before anything starts.
pub struct Listeners {
    pub(super) public: TcpListener,
    pub(super) operations: Option<TcpListener>,
    /// Where the server's own user manages keys.
    pub admin: Option<UnixListener>,
}

const BACKLOG: i32 = 4096;
/// What the kernel takes of a socket before it is under way. By default that grows to megabytes for
/// a peer that reads slowly, beyond what its outbox may hold, copied for each, and seen by no gauge.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 256 * 1024;
impl Listeners {
    pub fn bind(public: SocketAddr, operations: Option<SocketAddr>) -> io::Result<Self> {
        let operations = operations.map(bind).transpose()?;
        Ok(Self { public: bind(public)?, operations, admin: None })
    }

    pub fn public(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    pub fn operations(&self) -> io::Result<Option<SocketAddr>> {
        self.operations.as_ref().map(TcpListener::local_addr).transpose()
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let explain = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error} (choose another address with --listen)"),
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
