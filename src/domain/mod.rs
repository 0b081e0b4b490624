//! Names, kinds, limits and refusals as plain data: no clock, no environment, no files.

pub mod channel;
pub mod channel_settings;
pub mod ids;
pub mod limits;
pub mod origins;
pub mod pattern;
pub mod rate_limit;
pub mod refusal;
pub mod sealing_alias;
pub mod time;
