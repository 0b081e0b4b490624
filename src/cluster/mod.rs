//! Several nodes as one server, over Redis.
//!
//! The nodes share one **cluster key** ([`key`]). This module knows neither `hub` nor `engine`.

pub mod key;
pub mod names;
pub mod settings;
pub mod url;
