//! Connections from many loopback addresses, so that there are ports for all.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsRawFd,
};

use anyhow::{Context, Result};
use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

/// Starts a connection from `source` to `address`; it is there when it becomes writable.
pub fn connect(
    source: Ipv4Addr,
    address: SocketAddrV4,
    receive_buffer: Option<usize>,
) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    // The port is chosen at connect time, so that one port can serve many
    // source addresses and sockets in TIME_WAIT can be taken over.
    bind_address_no_port(&socket)?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    match socket.connect(&SocketAddr::V4(address).into()) {
        Ok(()) => {}
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(e) => return Err(e).context("connect"),
    }
    Ok(TcpStream::from_std(socket.into()))
}

fn bind_address_no_port(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open and the option value is an int of that size.
    let rc = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
