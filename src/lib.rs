//! Sealcast: a Pusher-compatible WebSocket server that seals encrypted channels itself.
//!
//! Modules, from the inside out. Each knows those above it; `platform` knows nothing of channels:
//!
//! * [`domain`]: names, kinds, limits, rates and refusals as plain data.
//! * [`platform`]: the process and the system around it: files, sockets, memory, time, output,
//!   requests to other servers, traces.
//! * [`crypto`]: keys, signatures, sealing.
//! * [`protocol`]: the wire without I/O.
//! * [`channels`]: the state of a channel, apart from delivery.
//! * [`cluster`]: several nodes as one server, over Redis.
//! * [`auth`]: who may join a channel: rules, tokens, the application's own answer.
//! * [`observe`]: audit log, live feed, webhooks, and the reasons of refusals.
//! * [`app`]: one application with all its settings.
//! * [`history`]: positions of readers, and logged events under keys of their own.
//! * [`hub`]: delivery: directory, mailboxes, and one shard of sockets for each worker thread.
//! * [`engine`]: the verbs: subscribe, publish, sign in, rotate, revoke.
//! * [`session`]: one connection's conversation.
//! * [`web`]: the edge, the only place that knows `actix_web`.
//! * [`selftest`]: known answers of all cryptography.
//! * [`config`], [`cli`]: settings and commands.
//!
//! `ARCHITECTURE.md` follows one event, one subscription and one rotation through them.

pub mod app;
pub mod auth;
pub mod channels;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod engine;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod history;
pub mod hub;
pub mod observe;
pub mod platform;
pub mod protocol;
pub mod selftest;
pub mod session;
#[cfg(test)]
mod test_node;
pub mod web;
