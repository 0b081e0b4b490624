//! Bounds on the requests of one HTTP/2 connection: neither the HTTP/2 library nor actix sets
//! them, and a single connection is all that a stranger would need to hold requests without end.

use std::{cell::Cell, rc::Rc};

use actix_http::{Extensions, Request, RequestHead};

use super::error::ApiError;

/// More than a backend has under way, and what other servers allow by default or more.
const OPEN_REQUESTS: usize = 250;

/// What HTTP/1.1 allows as well.
const HEAD_BYTES: usize = 128 * 1024;

/// Of one connection: how many of its requests are being answered.
#[derive(Clone, Default)]
struct Open(Rc<Cell<usize>>);

/// Begins to count for a connection.
pub fn count(connection: &mut Extensions) {
    connection.insert(Open::default());
}

/// One request, for as long as it is being answered.
pub struct Stream(Option<Open>);

impl Stream {
    /// Requests of connections that are not counted go free.
    pub fn open(request: &Request) -> Result<Self, ApiError> {
        let Some(open) = request.conn_data::<Open>() else { return Ok(Self(None)) };
        if open.0.get() >= OPEN_REQUESTS {
            return Err(ApiError::too_many_requests(OPEN_REQUESTS));
        }
        if head_bytes(request.head()) > HEAD_BYTES {
            return Err(ApiError::head_too_large(HEAD_BYTES));
        }
        open.0.set(open.0.get() + 1);
        Ok(Self(Some(open.clone())))
    }
}

fn head_bytes(head: &RequestHead) -> usize {
    let path = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let headers = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    path + headers.sum::<usize>()
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.0.set(open.0.get() - 1);
        }
    }
}
