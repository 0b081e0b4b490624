//! Signatures, keys and sealing. Nothing here knows a socket, a clock or a configuration file.

pub mod encoding;
pub mod key;
pub mod keyring;
pub mod keytable;
pub mod padding;
pub mod resealer;
pub mod sealer;
pub mod secret;
pub mod signature;
pub mod vectors;
