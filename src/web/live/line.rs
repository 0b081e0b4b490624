//! The connection under a watcher. HTTP lets go of it once all is sent, and a peer that reads nothing
//! would keep it for ever.

use std::{net::Shutdown, os::fd::AsFd, rc::Rc};

use actix_http::Extensions;
use actix_web::HttpRequest;
use socket2::Socket;

/// A second handle of the socket, which goes with the connection: on listeners to which few come.
#[derive(Clone)]
pub struct Line(Rc<Socket>);

/// For a listener's `on_connect_ext`.
pub fn share(stream: &impl AsFd, connection: &mut Extensions) {
    if let Ok(handle) = stream.as_fd().try_clone_to_owned() {
        connection.insert(Line(Rc::new(handle.into())));
    }
}

pub fn of(request: &HttpRequest) -> Option<Line> {
    request.conn_data::<Line>().cloned()
}

impl Line {
    pub fn hang_up(&self) {
        // Whoever is gone needs no telling.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
