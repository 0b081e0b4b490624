//! Sealcast: a Pusher-compatible WebSocket server that seals encrypted channels itself.
//!
//! Modules, from the inside out; each knows only those above it:
//!
//! * [`ids`], [`channel`], [`pattern`], [`origins`], [`meter`], [`limits`], [`crypto`]: the domain,
//!   as plain data structures.
//! * [`clock`]: the time as revocations are compared with it.
//! * [`refusal`]: the codes of refusals, with what is told of each.
//! * [`sealing_alias`]: the name on which every SDK publishes what this server is to seal.
//! * [`counting`]: counters, and what they are called where several have names.
//! * `threads`: the end of those that may wait for a disk.
//! * [`output`]: lines of the log and of standard output, which no thread waits for.
//! * [`protocol`], [`presence`]: the wire, frames in and frames out, without I/O, and who is on a
//!   channel, in the words of it.
//! * [`address`], [`unix_socket`]: where a listener is, and the files of those that are one.
//! * [`system`], [`heap`], [`capacity`]: what the system and the allocator say of this process, and
//!   whether there is room.
//! * [`state_dir`], [`keyfile`], `file_stamp`: what outlives a run, an application's keys among it,
//!   and whether a file has changed.
//! * `text_file`: text files as editors of all systems save them.
//! * [`traces`]: spans of OpenTelemetry, in a program that is built with them.
//! * [`auth`]: who may join what, for the auth endpoints: rules, tokens, the application's word.
//! * [`explain`]: why somebody was refused, and what helps.
//! * [`live`]: what happens, told to operators who watch it happen.
//! * [`webhook`]: what happens on channels, told to backends.
//! * [`app`]: one application with everything that it is allowed.
//! * [`hub`]: delivery: directory, mailboxes, and one shard of sockets for each worker thread.
//! * [`audit`]: what happened to keys and who was let in, as a chain of lines in a file.
//! * [`engine`]: the verbs: subscribe, publish, sign in, ...
//! * [`session`]: one connection's conversation.
//! * [`metrics`]: all that is counted, as Prometheus reads it.
//! * [`tls`]: the certificate of the public listener.
//! * [`web`]: the edge, the only place that knows actix.
//! * [`selftest`]: whether the cryptography does what was published.
//! * [`config`], [`cli`]: how the server is told what to be.
//!
//! `ARCHITECTURE.md` follows one event and one subscription through them.

pub mod address;
pub mod app;
pub mod audit;
pub mod auth;
pub mod capacity;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counting;
pub mod crypto;
pub mod engine;
pub mod explain;
mod file_stamp;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod heap;
pub mod hub;
pub mod ids;
pub mod keyfile;
pub mod limits;
pub mod live;
pub mod meter;
pub mod metrics;
pub mod origins;
pub mod output;
pub mod pattern;
pub mod presence;
pub mod protocol;
pub mod refusal;
pub mod sealing_alias;
pub mod selftest;
pub mod session;
pub mod state_dir;
pub mod system;
mod text_file;
mod threads;
pub mod tls;
pub mod traces;
pub mod unix_socket;
pub mod web;
pub mod webhook;
