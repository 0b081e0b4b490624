//! The answers of Redis itself: errors, by what a node does about them.

use redis::{RedisError, ServerError};

/// An error reply. The command was not done, and others behind it in the pipeline may have been.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// This master cannot take writes now, as if it did not answer.
    Away,
    /// The script is unknown there: load all, and send the verb anew.
    ScriptMissing,
    /// The slot is elsewhere: look up the masters, and send the verb anew.
    SlotMoved,
    /// The slot is on its way to another master: send the verb anew after a while.
    SlotMoving,
    /// The memory of Redis is full.
    Full,
    /// The ACL forbids it: an operator has to act.
    Forbidden,
    /// Anything else, such as a key of another type under our prefix.
    Broken,
}

impl Refusal {
    pub fn of_server(error: &ServerError) -> Self {
        Self::of_code(error.code())
    }

    /// `None` if the connection failed: nothing is known of the command then.
    pub fn of_error(error: &RedisError) -> Option<Self> {
        error.code().map(Self::of_code)
    }

    /// True if the same command may be done the next time.
    pub fn may_repeat(self) -> bool {
        match self {
            Self::Away | Self::ScriptMissing | Self::SlotMoved | Self::SlotMoving => true,
            Self::Full | Self::Forbidden | Self::Broken => false,
        }
    }

    fn of_code(code: &str) -> Self {
        match code {
            "READONLY" | "LOADING" | "MASTERDOWN" | "CLUSTERDOWN" | "NOREPLICAS" | "BUSY"
            | "MISCONF" => Self::Away,
            "NOSCRIPT" => Self::ScriptMissing,
            "MOVED" | "CROSSSLOT" => Self::SlotMoved,
            "ASK" | "TRYAGAIN" => Self::SlotMoving,
            "OOM" => Self::Full,
            "NOPERM" | "NOAUTH" | "WRONGPASS" => Self::Forbidden,
            _ => Self::Broken,
        }
    }
}
