//! Signatures, keys and sealing, without sockets, clocks or configuration files.

pub mod client_secret;
pub mod encoding;
pub mod epochs;
pub mod key;
pub mod keyring;
pub mod keytable;
pub mod padding;
pub mod resealer;
pub mod salt;
pub mod sealer;
pub mod secret;
pub mod shared_keys;
pub mod signature;
pub mod vectors;
pub mod wrapped_key;
