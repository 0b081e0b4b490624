//! The tools of all tests: a real server process, clients with verbs, and second implementations of
//! signing and sealing that share no code with the server.

mod app;
mod balancer;
mod canary;
mod client;
mod clock;
mod cluster;
mod console;
mod doctor;
mod door;
mod eavesdropper;
mod freeze;
mod http;
mod issuer;
mod keys;
mod masters;
mod metrics;
mod nodes;
mod page;
mod process;
mod proxy;
mod raw;
mod receiver;
mod redis;
mod reloading;
mod seal;
mod sealed_cluster;
mod section;
mod sentinels;
mod server;
mod sign;
mod stream;
mod target;
mod tls;
mod two_nodes;
mod watcher;
mod webhooks;

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

pub use self::app::*;
pub use self::balancer::*;
pub use self::canary::*;
pub use self::client::*;
pub use self::clock::*;
pub use self::cluster::*;
pub use self::console::*;
pub use self::doctor::*;
pub use self::door::*;
pub use self::http::*;
pub use self::issuer::*;
pub use self::keys::*;
pub use self::masters::*;
pub use self::page::*;
pub use self::process::{Launch, Output, RunningCommand, StartingServer, TempDir};
pub use self::proxy::*;
pub use self::raw::*;
pub use self::receiver::*;
pub use self::redis::*;
pub use self::reloading::*;
pub use self::seal::*;
pub use self::sealed_cluster::*;
pub use self::section::*;
pub use self::sentinels::*;
pub use self::server::*;
pub use self::sign::*;
pub use self::stream::*;
pub use self::target::*;
pub use self::tls::*;
pub use self::watcher::*;
pub use self::webhooks::*;

/// Longest wait for anything before a test fails. Generous: only failures wait this long.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// True if all servers open channels late. Subscriptions are then answered in any order, and after
/// frames that follow them. So they are in a cluster, where other nodes are asked.
pub fn answers_are_late() -> bool {
    ["IT_LATE_ANSWERS", "IT_CLUSTER"].iter().any(|variant| std::env::var_os(variant).is_some())
}

/// Waits for `future`, but never longer than [`DEADLINE`].
pub async fn within<T>(what: impl Display, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {DEADLINE:?}"),
    }
}

/// Polls `probe` until it returns `Some`, but never longer than [`DEADLINE`].
pub async fn until<T>(what: impl Display, probe: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, probe).await
}

/// The same with another deadline, for what takes its time.
pub async fn until_within<T>(
    deadline: Duration,
    what: impl Display,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = tokio::time::Instant::now() + deadline;
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < end, "{what}: not within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for the next second of the clock: `iat` and revocations count in seconds.
pub async fn next_second() {
    let now = unix_now();
    until("the next second", async || (unix_now() > now).then_some(())).await;
}
