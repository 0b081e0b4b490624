//! Sealcast: a Pusher-compatible WebSocket server that seals encrypted channels itself.
//!
//! Modules, from the inside out; each knows only those above it:
//!
//! * [`ids`], [`channel`], [`pattern`], [`origins`], [`meter`], [`limits`], [`crypto`]: the domain,
//!   as plain data structures.
//! * [`clock`]: the time for comparisons with revocations.
//! * [`refusal`]: the refusal codes, with their documentation.
//! * [`sealing_alias`]: the channel name on which SDKs publish plaintext to be sealed.
//! * [`counting`]: counters, and counters with labels.
//! * `threads`: joining threads that may wait for a disk.
//! * [`output`]: lines of the log and of standard output, written without blocking.
//! * [`protocol`], [`presence`]: the wire format without I/O, and the members of a channel.
//! * [`address`], [`unix_socket`]: addresses of listeners, and the files of Unix sockets.
//! * [`system`], [`heap`], [`capacity`]: resources of this process, as the operating system and the
//!   allocator report them, and the room for new connections.
//! * [`state_dir`], [`keyfile`], `file_stamp`: data that outlives the process, such as the keys of
//!   an app, and the detection of changed files.
//! * `text_file`: text files, as saved by editors of all systems.
//! * [`traces`]: spans of OpenTelemetry, if the program is built with them.
//! * [`auth`]: authorization for the auth endpoints: rules, tokens, the application's own endpoint.
//! * [`explain`]: the reason of a refusal, and the remedy.
//! * [`live`]: the live feed of facts for operators.
//! * [`webhook`]: facts about channels, for backends.
//! * [`app`]: an app with its settings.
//! * [`hub`]: delivery: directory, mailboxes, and one shard of sockets for each worker thread.
//! * [`audit`]: facts about keys and access, as a chain of lines in a file.
//! * [`engine`]: the verbs: subscribe, publish, sign in, ...
//! * [`session`]: the protocol state of one connection.
//! * [`metrics`]: metrics for Prometheus.
//! * [`tls`]: the certificate of the public listener.
//! * [`web`]: the web layer, the only place that knows actix.
//! * [`selftest`]: checks of the cryptography against published values.
//! * [`config`], [`cli`]: configuration and commands.
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
pub mod metrics;
pub mod origins;
pub mod output;
pub mod pattern;
pub mod presence;
pub mod protocol;
pub mod rate_limit;
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
