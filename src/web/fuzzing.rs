//! Entry points of fuzz targets for the web layer.

mod session;
mod wire;

use form_urlencoded::parse;

pub use session::session;

use super::{
    auth::fields::{form_fields, json_fields},
    http::query::Query,
    server::proxy_protocol::read_all,
};

/// A header is read to its end and not a byte further, whatever follows.
pub fn proxy_header(bytes: &[u8]) {
    let (alone, used) = read_all(bytes);
    let followed = [bytes, b"GET / HTTP/1.1\r\n"].concat();
    let (with_more, used_then) = read_all(&followed);
    if alone.is_ok() {
        assert_eq!((&alone, used), (&with_more, used_then), "what follows changes the header");
        let (cut, _) = read_all(&bytes[..used - 1]);
        assert!(cut.is_err(), "a header without its end");
    }
}

/// Parameters are parsed as the standard says, and duplicates are refused.
pub fn fields(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let query = Query::parse(text);
        let expected: Vec<_> = parse(bytes).collect();
        assert!(
            query.iter().eq(expected.iter().map(|(name, value)| (&**name, &**value))),
            "read otherwise than form_urlencoded does"
        );
        for (name, _) in query.iter() {
            assert!(query.first(name).is_some());
            let _ = query.list(name);
        }
    }
    for fields in [form_fields(bytes), json_fields(bytes)].into_iter().flatten() {
        assert!(fields.len() <= 5, "fields that nobody asked for");
    }
}
