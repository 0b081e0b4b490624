//! Entry points of the fuzz targets (`fuzz/`). Each accepts any bytes, and panics if the program
//! breaks a guarantee. Compiled with `--cfg fuzzing` alone.

mod auth;
mod config;
mod protocol;

pub use auth::{jwt_rules, origins};
pub use config::config;
pub use protocol::{ciphertext, client_frame, envelope, websocket};

pub use crate::{
    cluster::{
        content::fuzzing::content as cluster_content,
        envelope::fuzzing::envelope as cluster_envelope,
        redis::fuzzing::topology as redis_topology, url::fuzzing::url as cluster_url,
    },
    history::position::fuzzing::position,
    hub::rekey::gate::fuzzing::rekey,
    web::fuzzing::{fields, proxy_header, session},
};

/// The longest valid UTF-8 prefix of the input.
fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    }
}

/// Two texts, separated by the first line break.
fn two_texts(bytes: &[u8]) -> (&str, &str) {
    text(bytes).split_once('\n').unwrap_or_default()
}
