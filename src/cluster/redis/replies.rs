//! The answers of the scripts.

use redis::Value;

use super::{
    numbers,
    scripts::Script::{self, *},
};

/// `number` is the channel's last one after the verb. A newcomer is answered when his node has applied
/// it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// The node was buried. It takes a new incarnation and announces everything.
    Fenced,
    /// The engine has forgotten the node, or never knew it.
    New,
    /// The engine knew the node.
    Here,
    Buried {
        channels: u64,
    },
    Retired,
    /// Channels of the node are left, so it stays listed.
    NotRetired {
        channels: u64,
    },
    Floor {
        number: u64,
    },
    /// The engine's clock or a known number is beyond what a script can count.
    ClockBeyondRange,
    Owner,
    OwnedByOther,
    OwnerGone,
    Acknowledged {
        entries: u64,
    },
    /// The owner has noted who is done with facts.
    Marked,
    /// The fact is in the queue.
    Written,
    /// It was told before.
    AlreadyTold,
    /// `due_ms` is 0 if the total has been told, else the time until the same count may ask again.
    Counted {
        total: u64,
        due_ms: u64,
    },
    /// The member is new, and was told of.
    First {
        number: u64,
    },
    /// Other nodes, or a drained one, had the member.
    More {
        number: u64,
    },
    /// This node had the member.
    Same {
        number: u64,
    },
    /// The channel has as many members as it may have.
    Full {
        number: u64,
    },
    /// The member is gone, and was told of.
    Gone {
        number: u64,
    },
    /// The member stays until the end of its time, unless it returns.
    Lingers {
        number: u64,
    },
    /// Other nodes have the member.
    Others {
        number: u64,
    },
    /// This node did not have the member.
    NotThere {
        number: u64,
    },
    Ended {
        number: u64,
    },
    /// It has returned. Its entry is gone.
    Returned {
        number: u64,
    },
    TooEarly,
    /// Its entry was gone.
    AlreadyEnded,
    Stored {
        number: u64,
    },
    /// The same event is stored, at that number.
    AlreadyStored {
        number: u64,
    },
    /// A newer event is stored. This one was published without a number.
    Older {
        number: u64,
    },
    /// The event has this number in the log. 0: the log had it, and does not have it any more.
    Appended {
        number: u64,
    },
    /// The condition does not hold: this is the number of the newest event; 0 without a log.
    Changed {
        newest: u64,
    },
    /// 0: there was nothing to be cleared.
    Cleared {
        number: u64,
    },
    Renewed,
    /// Another event is stored, or none.
    NotRenewed,
    /// The node is being reaped. It takes a new incarnation.
    Dying,
    /// Another node has the slot.
    SlotTaken,
    Claimed,
    /// The entry is not the one that was seen, or another claimer's.
    NotClaimed,
    NoEntry,
    Forgotten,
}

/// The answer of something other than our scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the engine's answer to the script `{0:?}` has an unknown form; is the key prefix shared with another program?"
)]
pub struct UnexpectedReply(pub Script);

impl Reply {
    pub fn parse(script: Script, value: &Value) -> Result<Self, UnexpectedReply> {
        Self::from_value(script, value).ok_or(UnexpectedReply(script))
    }

    /// The channel's number after the verb.
    pub fn number(self) -> Option<u64> {
        match self {
            Self::First { number }
            | Self::More { number }
            | Self::Same { number }
            | Self::Full { number }
            | Self::Gone { number }
            | Self::Lingers { number }
            | Self::Others { number }
            | Self::NotThere { number }
            | Self::Ended { number }
            | Self::Returned { number }
            | Self::Stored { number }
            | Self::AlreadyStored { number }
            | Self::Older { number }
            | Self::Appended { number }
            | Self::Cleared { number } => Some(number),
            _ => None,
        }
    }

    fn from_value(script: Script, value: &Value) -> Option<Self> {
        let Value::Array(parts) = value else { return None };
        let (word, rest) = parts.split_first()?;
        match rest {
            [] => Self::plain(script, text(word)?),
            [number] => Self::numbered(script, text(word)?, integer(number)?),
            [total, due_ms] if script == Count && text(word)? == b"COUNTED" => {
                Some(Self::Counted { total: integer(total)?, due_ms: integer(due_ms)? })
            }
            _ => None,
        }
    }

    fn plain(script: Script, word: &[u8]) -> Option<Self> {
        Some(match (script, word) {
            (Admit | Count | Join | Leave | Last | Append | Clear, b"FENCED") => Self::Fenced,
            (Admit | Beat, b"NEW") => Self::New,
            (Admit | Beat, b"HERE") => Self::Here,
            (Retire, b"RETIRED") => Self::Retired,
            (Floor, b"CLOCK") => Self::ClockBeyondRange,
            (Own, b"MINE") => Self::Owner,
            (Own, b"FREE") => Self::OwnerGone,
            (Mark, b"MARKED") => Self::Marked,
            (Own | Ack | Mark, b"OTHER") => Self::OwnedByOther,
            (Fact, b"WRITTEN") => Self::Written,
            (Fact, b"TOLD") => Self::AlreadyTold,
            (End, b"NOTYET") => Self::TooEarly,
            (End, b"GONE") => Self::AlreadyEnded,
            (Renew, b"RENEWED") => Self::Renewed,
            (Renew, b"CHANGED") => Self::NotRenewed,
            (Beat, b"DYING") => Self::Dying,
            (Beat, b"TAKEN") => Self::SlotTaken,
            (Claim, b"WON") => Self::Claimed,
            (Claim | Forget, b"LOST") => Self::NotClaimed,
            (Claim | Forget, b"GONE") => Self::NoEntry,
            (Forget, b"FORGOTTEN") => Self::Forgotten,
            _ => return None,
        })
    }

    fn numbered(script: Script, word: &[u8], number: u64) -> Option<Self> {
        Some(match (script, word) {
            (Bury, b"BURIED") => Self::Buried { channels: number },
            (Retire, b"LEFT") => Self::NotRetired { channels: number },
            (Floor, b"FLOOR") => Self::Floor { number },
            (Ack, b"ACKED") => Self::Acknowledged { entries: number },
            (Join, b"FIRST") => Self::First { number },
            (Join, b"MORE") => Self::More { number },
            (Join, b"SAME") => Self::Same { number },
            (Join, b"FULL") => Self::Full { number },
            (Leave, b"LAST") => Self::Gone { number },
            (Leave, b"LINGERS") => Self::Lingers { number },
            (Leave, b"OTHERS") => Self::Others { number },
            (Leave, b"NONE") => Self::NotThere { number },
            (End, b"ENDED") => Self::Ended { number },
            (End, b"OTHERS") => Self::Returned { number },
            (Last, b"STORED") => Self::Stored { number },
            (Last, b"SAME") => Self::AlreadyStored { number },
            (Last, b"OLDER") => Self::Older { number },
            (Append, b"APPENDED") => Self::Appended { number },
            (Append, b"CHANGED") => Self::Changed { newest: number },
            (Clear, b"CLEARED") => Self::Cleared { number },
            _ => return None,
        })
    }
}

pub(super) fn text(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

pub fn integer(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        other => numbers::parse(text(other)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(parts: &[&str]) -> Value {
        Value::Array(parts.iter().map(|part| Value::BulkString(part.as_bytes().into())).collect())
    }

    #[test]
    fn a_word_belongs_to_its_scripts() {
        assert_eq!(Reply::parse(Join, &array(&["FIRST", "7"])), Ok(Reply::First { number: 7 }));
        assert_eq!(Reply::parse(Join, &array(&["FENCED"])), Ok(Reply::Fenced));
        let counted = Ok(Reply::Counted { total: 3, due_ms: 0 });
        assert_eq!(Reply::parse(Count, &array(&["COUNTED", "3", "0"])), counted);
        for (script, reply) in [
            (Leave, array(&["FIRST", "7"])),
            (Join, array(&["FIRST"])),
            (Join, array(&["FIRST", "7", "8"])),
            (Join, array(&["FIRST", "-7"])),
            (Join, array(&["FIRST", "1.8e15"])),
            (Join, array(&[])),
            (Join, Value::Nil),
            (Join, Value::Int(7)),
            (Bury, Value::Array(vec![Value::BulkString(b"BURIED".into()), Value::Int(-1)])),
        ] {
            assert_eq!(Reply::parse(script, &reply), Err(UnexpectedReply(script)), "{reply:?}");
        }
    }
}
