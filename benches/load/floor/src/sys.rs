//! The system calls, as `io::Result`s.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::RawFd,
};

fn check(rc: libc::c_int) -> io::Result<libc::c_int> {
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}

fn set_option(fd: RawFd, level: i32, name: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is an int, and four bytes are one.
    check(unsafe { libc::setsockopt(fd, level, name, (&raw const on).cast(), 4) })?;
    Ok(())
}

pub fn listen(port: u16) -> io::Result<RawFd> {
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    // SAFETY: no pointer is passed.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0) })?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
    // SAFETY: all zeros are a valid sockaddr_in.
    let mut name: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    name.sin_family = libc::AF_INET as u16;
    name.sin_port = address.port().to_be();
    name.sin_addr.s_addr = u32::from(*address.ip()).to_be();
    // SAFETY: `name` is a whole sockaddr_in, and its size is what is said.
    check(unsafe { libc::bind(fd, (&raw const name).cast(), size_of_val(&name) as u32) })?;
    // SAFETY: no pointer is passed.
    check(unsafe { libc::listen(fd, 4096) })?;
    Ok(fd)
}

pub fn bound_port(fd: RawFd) -> io::Result<u16> {
    // SAFETY: all zeros are a valid sockaddr_in.
    let mut name: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    let mut len = size_of_val(&name) as u32;
    // SAFETY: `len` says how much may be written to `name`.
    check(unsafe { libc::getsockname(fd, (&raw mut name).cast(), &raw mut len) })?;
    Ok(u16::from_be(name.sin_port))
}

/// The next connection, or `None` if none is waiting.
pub fn accept(listener: RawFd) -> io::Result<Option<RawFd>> {
    let nobody = std::ptr::null_mut();
    // SAFETY: both pointers may be null: the peer's address is not wanted.
    let fd = unsafe { libc::accept4(listener, nobody, std::ptr::null_mut(), libc::SOCK_NONBLOCK) };
    if fd < 0 {
        return Ok(None);
    }
    set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;
    Ok(Some(fd))
}

/// The number of bytes that the socket took; none if it is full or gone.
pub fn send(fd: RawFd, bytes: &[u8]) -> usize {
    // SAFETY: pointer and length are those of `bytes`.
    let n = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
    n.max(0) as usize
}

pub fn receive(fd: RawFd, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: pointer and length are those of `buf`.
    let n = unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), 0) };
    if n < 0 { Err(io::Error::last_os_error()) } else { Ok(n as usize) }
}

/// Closes a descriptor. It must not be used afterwards.
pub fn close(fd: RawFd) {
    // SAFETY: no pointer is passed; the caller gives the descriptor up.
    unsafe { libc::close(fd) };
}

pub fn eventfd() -> io::Result<RawFd> {
    // SAFETY: no pointer is passed.
    check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK) })
}

/// Makes an event descriptor readable.
pub fn signal(eventfd: RawFd) {
    let one = 1u64;
    // SAFETY: the eight bytes are those of `one`.
    unsafe { libc::write(eventfd, (&raw const one).cast(), 8) };
}

/// Makes an event descriptor wait for the next signal.
pub fn calm(eventfd: RawFd) {
    let mut count = 0u64;
    // SAFETY: `count` has the eight bytes that are written.
    unsafe { libc::read(eventfd, (&raw mut count).cast(), 8) };
}

pub fn epoll() -> io::Result<RawFd> {
    // SAFETY: no pointer is passed.
    check(unsafe { libc::epoll_create1(0) })
}

pub fn watch(epoll: RawFd, fd: RawFd, token: u64, events: i32, op: i32) -> io::Result<()> {
    let mut event = libc::epoll_event { events: events as u32, u64: token };
    // SAFETY: `event` is valid, and is copied by the call.
    check(unsafe { libc::epoll_ctl(epoll, op, fd, &raw mut event) })?;
    Ok(())
}

/// Waits without a timeout; returns the number of filled `events`.
pub fn wait(epoll: RawFd, events: &mut [libc::epoll_event]) -> io::Result<usize> {
    loop {
        // SAFETY: pointer and length are those of `events`.
        let n =
            check(unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, -1) });
        match n {
            Ok(n) => return Ok(n as usize),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Raises the limit on open files as far as this user may.
pub fn raise_open_files() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit to write to.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid rlimit.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    Ok(())
}
