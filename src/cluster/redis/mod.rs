//! Redis as the engine of a cluster: one script for each kind of change, and the parsers of all that
//! comes back.
//!
//! * [`verbs`]: the changes of a partition, each one Lua script. State, number, message and webhook
//!   fact change together or not at all. A repeated verb changes nothing more.
//! * [`control`]: the entries of the living nodes, and who buries the dead.
//! * [`replies`], [`refusals`]: what a script and what Redis itself answers.
//! * [`snapshot`]: the state of a channel with the place of that state among its messages.
//! * [`log`]: the logged events of a channel.
//! * [`facts`]: the queue for webhooks, as its owner reads it.
//! * [`letters`], [`revocations`]: what the nodes keep for an app, outside of the partitions.
//! * [`messages`]: what arrives on a topic.
//! * [`link`]: the connections to one master. [`links`]: all masters as one. [`lane`], [`listener`],
//!   [`marks`], [`checks`], [`sentinel`] and [`slots`] are the rules behind them, without connections
//!   and clocks.
//!
//! Nothing here seals.

pub mod backlog;
pub mod checks;
pub mod control;
pub mod facts;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod keys;
pub mod lane;
pub mod letters;
pub mod lingering;
pub mod link;
pub mod links;
pub mod listener;
pub mod log;
pub mod marks;
pub mod messages;
mod numbers;
pub mod reads;
pub mod refusals;
pub mod replies;
pub mod revocations;
pub mod scripts;
pub mod sentinel;
pub mod slots;
pub mod snapshot;
pub mod tables;
#[cfg(test)]
pub(in crate::cluster) mod tests;
pub mod verbs;

/// The bytes of a channel's, a member's or an incarnation's id.
pub const ID_BYTES: usize = 16;

/// Hash of a channel or a member, or the random name of one life of a node.
pub type Id = [u8; ID_BYTES];

/// Numbers stay below it: a script counts in doubles.
pub const NUMBER_LIMIT: u64 = 1 << 53;
