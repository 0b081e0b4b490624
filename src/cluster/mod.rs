//! Several nodes as one server, over Redis.
//!
//! The nodes share one **cluster key** ([`key`]). Redis sees hashes of names ([`names`]) and
//! ciphertext, and no name, payload or user:
//!
//! * A message between nodes is a **cluster envelope** ([`envelope`]). It is sealed under a key of
//!   its sender's incarnation and bound to its app and channel. A receiver accepts it once
//!   ([`replay`]).
//! * A value kept in Redis is sealed for its place: its Redis key, field and generation
//!   ([`stored`]).
//! * [`content`] is the plaintext of both.
//!
//! So Redis can drop, delay and roll back, but neither read nor forge. A message or value that it
//! altered, moved or repeated is dropped and counted by its reason ([`rejection`]).
//!
//! [`membership`] lets a node join, notices dead nodes and takes away all that they had.
//!
//! [`redis`] has the scripts that change it: a script is one fact. [`url`] and [`settings`] describe
//! Redis, or Valkey in its place. This module knows neither `hub` nor `engine`.

pub mod content;
pub mod envelope;
pub mod key;
pub mod key_tables;
pub mod membership;
pub mod names;
pub mod node;
pub mod redis;
pub mod rejection;
pub mod replay;
pub mod replica;
pub mod settings;
pub mod stored;
pub mod url;
