//! Where the logs of this node begin: above every number that the node has given out.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    channels::log::{Log, LogNumber},
    platform::clock::unix_micros,
};

/// The newest number of all logs that have ended.
#[derive(Default)]
pub struct LogNumbers(AtomicU64);

impl LogNumbers {
    /// The position of readers that come before a new log's first event. The clock may have been
    /// set back since a former log of the channel ended.
    pub fn origin(&self) -> LogNumber {
        LogNumber(self.0.load(Ordering::Acquire)).next(unix_micros())
    }

    pub fn ended(&self, log: &Log) {
        self.raise(log.reserved());
    }

    /// All logs begin above this number from now on.
    pub fn raise(&self, number: LogNumber) {
        self.0.fetch_max(number.0, Ordering::AcqRel);
    }
}
