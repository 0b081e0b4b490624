//! Limits on the requests of one HTTP/2 connection: neither the HTTP/2 library nor actix has any,
//! and a single connection could hold requests without end.

use std::{cell::Cell, rc::Rc};

use actix_http::{Extensions, Request, RequestHead};

use super::error::ApiError;

/// More than a backend has under way, and at least the default of other servers.
const OPEN_REQUESTS: usize = 250;

/// The limit of HTTP/1.1 as well.
const HEAD_BYTES: usize = 128 * 1024;

/// The requests under way on one connection.
#[derive(Clone, Default)]
struct Open(Rc<Cell<usize>>);

/// Starts counting for a connection.
pub fn count(connection: &mut Extensions) {
    connection.insert(Open::default());
}

/// One request under way.
pub struct Stream(Option<Open>);

impl Stream {
    /// Requests on connections without a counter are not limited.
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
