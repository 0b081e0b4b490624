//! Times as plain numbers. The clock is `platform::clock`.

/// Seconds since 1970; persisted times must keep their meaning after a restart.
pub type UnixSeconds = u64;
