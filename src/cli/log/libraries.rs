//! Limits on the log lines of libraries. Their levels are made for programs with trusted peers: at
//! `ERROR` the HTTP library reports each stranger that does not speak HTTP.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{Event, Level, Metadata, subscriber::Interest};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Context, Filter},
};

use crate::{
    domain::rate_limit::{GcraParams, LocalRateLimiter},
    platform::output::OutputQueue,
};

/// Modules whose warnings and errors are about the peer of a connection, or come back as the
/// connection's result, counted by `web::server::client_faults`. They are not written at any level.
const ABOUT_PEERS: [&str; 5] = [
    "actix_http::h1::decoder",
    "actix_http::h1::dispatcher",
    "actix_http::h2::dispatcher",
    "actix_http::ws",
    "h2",
];

/// Warnings and errors per second, all libraries together.
const FAILURES: GcraParams = GcraParams::new(Duration::from_secs(1), 2);

pub struct LibraryLines {
    room: Mutex<LocalRateLimiter>,
    queue: OutputQueue,
}

impl LibraryLines {
    pub fn new(queue: OutputQueue) -> Self {
        Self { room: Mutex::new(LocalRateLimiter::new(Instant::now())), queue }
    }

    /// A line over the limit is counted as dropped by the queue.
    fn admits(&self, data: &Metadata<'_>) -> bool {
        if !is_failure(data) || is_ours(data.target()) {
            return true;
        }
        let admitted = self.room.lock().take(FAILURES, Instant::now()).is_ok();
        if !admitted {
            self.queue.drop_line();
        }
        admitted
    }
}

impl<S> Filter<S> for LibraryLines {
    fn enabled(&self, data: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        !is_about_a_peer(data)
    }

    fn callsite_enabled(&self, data: &'static Metadata<'static>) -> Interest {
        match is_about_a_peer(data) {
            true => Interest::never(),
            false => Interest::always(),
        }
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.admits(event.metadata())
    }

    /// Without this hint the other filter's hint would be lost.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

fn is_failure(data: &Metadata<'_>) -> bool {
    *data.level() <= Level::WARN
}

fn is_ours(target: &str) -> bool {
    is_within(target, env!("CARGO_PKG_NAME"))
}

fn is_about_a_peer(data: &Metadata<'_>) -> bool {
    is_failure(data) && ABOUT_PEERS.iter().any(|module| is_within(data.target(), module))
}

fn is_within(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_matched_by_whole_modules() {
        assert!(is_within("h2", "h2") && is_within("h2::proto", "h2"));
        assert!(!is_within("h2o", "h2") && !is_within("h", "h2"));
        assert!(is_ours("sealcast::web") && is_ours("sealcast"));
        assert!(!is_ours("sealcast_other") && !is_ours("actix_http"));
    }
}
