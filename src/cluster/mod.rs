//! Several nodes as one server, over Redis.
//!
//! The nodes share one **cluster key** ([`key`]). This module knows neither `hub` nor `engine`.

pub mod envelope;
pub mod key;
pub mod names;
pub mod rejection;
pub mod replay;
pub mod settings;
pub mod url;
