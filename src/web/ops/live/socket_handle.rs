//! The connection of a watcher. HTTP drops its stream only after sending everything, so a peer that
//! reads nothing would keep the connection forever.

use std::{net::Shutdown, os::fd::AsFd, rc::Rc};

use actix_http::Extensions;
use actix_web::HttpRequest;
use socket2::Socket;

/// A second handle of the socket, kept as connection data. Only listeners with few connections use
/// it.
#[derive(Clone)]
pub struct SocketHandle(Rc<Socket>);

/// For `on_connect_ext` of a listener.
pub fn share(stream: &impl AsFd, connection: &mut Extensions) {
    if let Ok(handle) = stream.as_fd().try_clone_to_owned() {
        connection.insert(SocketHandle(Rc::new(handle.into())));
    }
}

pub fn of(request: &HttpRequest) -> Option<SocketHandle> {
    request.conn_data::<SocketHandle>().cloned()
}

impl SocketHandle {
    pub fn shut_down(&self) {
        // Fails only if the peer is gone already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
