//! The queue of facts for webhooks, as the owner of its partition reads it.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{
    keys::Keys,
    numbers,
    replies::{UnexpectedReply, integer},
    scripts::{Script, Scripts},
};

/// All owners read as one consumer of this group, so that a successor finds what was read and not
/// acknowledged.
pub const FACT_GROUP: &str = "webhooks";

/// The facts to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FactsAfter {
    /// Those that no owner has read.
    New,
    /// Those behind an entry that were read and not acknowledged. `None`: from the first one on.
    Unacknowledged(Option<Bytes>),
}

pub struct TakeFacts {
    pub token: Bytes,
    pub after: FactsAfter,
    pub most: usize,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TakenFacts {
    OwnedByOther,
    Facts(FactPage),
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FactPage {
    /// In their order.
    pub facts: Vec<TakenFact>,
    /// Facts that did not fit into the queue since the last page.
    pub lost: u64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenFact {
    pub id: Bytes,
    /// Sealed. `None`: it was thrown away, since the queue was full.
    pub fact: Option<Bytes>,
    /// Outside the seal: a total, which the sealing node did not know.
    pub number: Option<u32>,
    /// The sealed mark of an earlier owner.
    pub mark: Option<Bytes>,
}

impl TakeFacts {
    pub fn command(&self, scripts: &Scripts, keys: &Keys) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(scripts.sha1(Script::Take)).arg(4).arg(&keys.o[..]);
        command.arg(&keys.w[..]).arg(&keys.y[..]).arg(&keys.f[..]);
        command.arg(&self.token[..]).arg(FACT_GROUP);
        match &self.after {
            FactsAfter::New => command.arg(">"),
            FactsAfter::Unacknowledged(None) => command.arg("0"),
            FactsAfter::Unacknowledged(Some(id)) => command.arg(&id[..]),
        };
        command.arg(self.most);
        command
    }
}

impl TakenFacts {
    pub fn parse(value: Value) -> Result<Self, UnexpectedReply> {
        Self::from_value(value).ok_or(UnexpectedReply(Script::Take))
    }

    fn from_value(value: Value) -> Option<Self> {
        let mut parts = array(value)?.into_iter();
        match &text(parts.next()?)?[..] {
            b"OTHER" => Some(Self::OwnedByOther),
            b"FACTS" => {
                let entries = array(parts.next()?)?.into_iter();
                let mut facts = entries.map(read_entry).collect::<Option<Vec<_>>>()?;
                for (fact, mark) in facts.iter_mut().zip(array(parts.next()?)?) {
                    fact.mark = text(mark).filter(|mark| !mark.is_empty());
                }
                Some(Self::Facts(FactPage { facts, lost: integer(&parts.next()?)? }))
            }
            _ => None,
        }
    }
}

fn read_entry(entry: Value) -> Option<TakenFact> {
    let mut parts = array(entry)?.into_iter();
    let id = text(parts.next()?)?;
    let mut values = match parts.next() {
        None | Some(Value::Nil) => {
            return Some(TakenFact { id, fact: None, number: None, mark: None });
        }
        // Names and values in turn.
        Some(fields) => array(fields)?.into_iter().skip(1).step_by(2),
    };
    let fact = Some(text(values.next()?)?);
    let number = values.next().and_then(text).and_then(|total| numbers::parse(&total));
    let number = number.map(|total| u32::try_from(total).unwrap_or(u32::MAX));
    Some(TakenFact { id, fact, number, mark: None })
}

fn array(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(parts) => Some(parts),
        _ => None,
    }
}

fn text(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn facts_that_were_thrown_away_keep_their_place() {
        let fields = Value::Array(vec![bulk("f"), bulk("sealed")]);
        let entries = vec![
            Value::Array(vec![bulk("1-0"), fields]),
            Value::Array(vec![bulk("2-0"), Value::Nil]),
            Value::Array(vec![bulk("3-0")]),
        ];
        let marks = Value::Array(vec![bulk(""), bulk(""), bulk("mark")]);
        let value = Value::Array(vec![bulk("FACTS"), Value::Array(entries), marks, Value::Int(2)]);
        let fact = |id, fact: Option<&'static str>| TakenFact {
            id: Bytes::from_static(id),
            fact: fact.map(Bytes::from),
            number: None,
            mark: None,
        };
        let third = TakenFact { mark: Some("mark".into()), ..fact(b"3-0", None) };
        let facts = vec![fact(b"1-0", Some("sealed")), fact(b"2-0", None), third];
        let expected = FactPage { facts, lost: 2 };
        assert_eq!(TakenFacts::parse(value), Ok(TakenFacts::Facts(expected)));
        let other = Value::Array(vec![bulk("OTHER")]);
        assert_eq!(TakenFacts::parse(other), Ok(TakenFacts::OwnedByOther));
        for bad in [Value::Nil, Value::Array(vec![]), Value::Array(vec![bulk("FACTS")])] {
            assert_eq!(TakenFacts::parse(bad), Err(UnexpectedReply(Script::Take)));
        }
    }
}
