//! The web layer, the only place that knows `actix_web`. `server` assembles the shelves `ws`,
//! `event_stream`, `api`, `auth`, `client_api` and `ops`, which do not know each other
//! (ARCHITECTURE.md, shelves of `web`).

mod api;
mod auth;
mod browser;
mod carrier;
mod channel_log;
mod client;
mod client_api;
mod console;
mod context;
mod event_stream;
mod explanation;
#[cfg(fuzzing)]
pub mod fuzzing;
mod http;
mod openapi;
mod ops;
mod server;
mod settings;
mod trigger;
mod ws;

pub use console::{Console, ConsoleLink, ConsoleOrigin};
pub use ops::admin::{AppList, Deliveries, Discard, RevokeResponse, RotateResponse, TestResults};
pub use server::{
    listeners::{Addresses, Listeners},
    serve::serve,
    tls::{PairFiles, TlsIdentity},
};
pub use settings::{
    Proxied, ReloadableSettings, Settings, StartSettings,
    admin_token::AdminToken,
    config_report::ConfigReport,
    console::{ConsoleAccess, ConsoleSettings, RevealPolicy},
    forwarded::{ForwardedHeader, Proxies},
    live_feed_access::LiveFeedAccess,
    ops_hosts::{OpsHosts, bare},
};
