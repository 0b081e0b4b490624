//! Who is on a presence channel: users, each with the number of its connections (PROTOCOL 3).

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::protocol::{
    escape::{Escaped, escape, quote, room_for},
    json::object_in,
    well_formed::WellFormed,
};

/// One user as its first connection described it.
#[derive(Clone, Debug)]
pub struct Member {
    pub user_id: Arc<str>,
    /// JSON text.
    pub info: Option<Arc<str>>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidMember {
    #[error("channel_data must be JSON with a user_id ({0})")]
    NotJson(String),
    #[error("user_id is empty")]
    EmptyUserId,
    #[error("user_id is {length} characters long, the limit is {limit}")]
    LongUserId { length: usize, limit: usize },
    #[error("channel_data is {size} bytes long, the limit is {limit}")]
    TooLarge { size: usize, limit: usize },
}

#[derive(Clone, Copy, Debug)]
pub struct MemberLimits {
    pub bytes: usize,
    pub user_id_chars: usize,
}

/// Ids arrive as strings or integers and leave as strings.
fn string_or_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "user_id must be a string or an integer")]
    enum Id {
        Text(String),
        Natural(u64),
        Integer(i64),
    }
    Ok(match Id::deserialize(deserializer)? {
        Id::Text(text) => text,
        Id::Natural(number) => number.to_string(),
        Id::Integer(number) => number.to_string(),
    })
}

#[derive(Deserialize)]
struct ChannelData<'a> {
    #[serde(deserialize_with = "string_or_integer")]
    user_id: String,
    #[serde(borrow, default)]
    user_info: Option<&'a RawValue>,
}

impl Member {
    pub fn parse(channel_data: &str, limits: MemberLimits) -> Result<Self, InvalidMember> {
        if channel_data.len() > limits.bytes {
            return Err(InvalidMember::TooLarge { size: channel_data.len(), limit: limits.bytes });
        }
        let text = WellFormed::new(channel_data);
        let data: ChannelData<'_> =
            object_in(text.as_str()).map_err(|e| InvalidMember::NotJson(e.to_string()))?;
        let length = data.user_id.chars().count();
        if length == 0 {
            return Err(InvalidMember::EmptyUserId);
        }
        if length > limits.user_id_chars {
            return Err(InvalidMember::LongUserId { length, limit: limits.user_id_chars });
        }
        Ok(Self {
            user_id: data.user_id.into(),
            info: data.user_info.filter(|raw| raw.get() != "null").map(|raw| raw.get().into()),
        })
    }
}

/// What a join or a leave meant for the others.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// The user's first connection came, or its last one went.
    Changed,
    /// The user has other connections: nobody is told.
    Unchanged,
}

#[derive(Debug)]
struct Entry {
    /// `"id":info`, as it stands in the roster.
    pair: Escaped,
    /// Where the id in it ends.
    id_end: usize,
    connections: u32,
}

impl Entry {
    fn new(user_id: &str, info: Option<&str>) -> Self {
        let info = info.unwrap_or("null");
        let mut id = Vec::with_capacity(room_for(user_id));
        quote(user_id, &mut id);
        let id = String::from_utf8(id).expect("a JSON string of text is text");
        let mut pair = Vec::with_capacity(room_for(&id) + room_for(info));
        escape(&id, &mut pair);
        let id_end = pair.len();
        pair.push(b':');
        escape(info, &mut pair);
        pair.shrink_to_fit();
        Self { pair: Escaped::from_bytes(pair), id_end, connections: 0 }
    }

    fn id(&self) -> &str {
        &self.pair.as_str()[..self.id_end]
    }
}

/// In no promised order: clients sort, and a leave must not move everybody else.
#[derive(Default, Debug)]
pub struct Members(IndexMap<Arc<str>, Entry>);

impl Members {
    /// Users, not connections.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn contains(&self, user_id: &str) -> bool {
        self.0.contains_key(user_id)
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|id| &**id)
    }

    /// The info shown stays that of the first connection: nobody would be told of another.
    pub fn join(&mut self, member: Member) -> Transition {
        let entry = self.0.entry(member.user_id);
        let new = |id: &Arc<str>| Entry::new(id, member.info.as_deref());
        let entry = entry.or_insert_with_key(new);
        entry.connections += 1;
        if entry.connections == 1 { Transition::Changed } else { Transition::Unchanged }
    }

    pub fn leave(&mut self, user_id: &str) -> Transition {
        let Some(entry) = self.0.get_mut(user_id) else { return Transition::Unchanged };
        entry.connections -= 1;
        if entry.connections > 0 {
            return Transition::Unchanged;
        }
        self.0.swap_remove(user_id);
        Transition::Changed
    }

    /// The `data` of a presence channel's success frame. `hash` has a key for every id, with
    /// `null` where there is no info: clients enumerate it.
    /// Members are kept as they stand in it, since it is made for everyone who joins.
    pub fn roster(&self) -> Escaped {
        const AROUND: usize = 80;
        let room: usize = self.0.values().map(|e| e.pair.as_str().len() + e.id_end + 2).sum();
        let mut out = Vec::with_capacity(AROUND + room);
        escape(r#"{"presence":{"ids":["#, &mut out);
        list(self.0.values().map(Entry::id), &mut out);
        escape(r#"],"hash":{"#, &mut out);
        list(self.0.values().map(|entry| entry.pair.as_str()), &mut out);
        escape(&format!(r#"}},"count":{}}}}}"#, self.count()), &mut out);
        Escaped::from_bytes(out)
    }
}

fn list<'a>(elements: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    for (index, element) in elements.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(element.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const LIMITS: MemberLimits = MemberLimits { bytes: 1024, user_id_chars: 128 };

    #[test]
    fn ids_are_strings_whatever_they_came_as() {
        for (data, id, info) in [
            (r#"{"user_id":"a"}"#, "a", None),
            (
                r#"{"user_id":10,"user_info":{"name":"Mr. Channels"}}"#,
                "10",
                Some(r#"{"name":"Mr. Channels"}"#),
            ),
            (r#"{"user_id":-3,"user_info":null}"#, "-3", None),
            (r#"{"user_id":"a","user_info":"text","more":1}"#, "a", Some(r#""text""#)),
        ] {
            let member = Member::parse(data, LIMITS).expect(data);
            assert_eq!((&*member.user_id, member.info.as_deref()), (id, info), "{data}");
        }
        for data in [
            "",
            "x",
            "{}",
            r#"{"user_id":null}"#,
            r#"{"user_id":""}"#,
            r#"{"user_id":1.5}"#,
            r#"{"user_id":{}}"#,
            r#"{"user_id":true}"#,
            r#"["u"]"#,
        ] {
            assert!(Member::parse(data, LIMITS).is_err(), "{data}");
        }
        let long = |n| format!(r#"{{"user_id":"{}"}}"#, "x".repeat(n));
        assert!(Member::parse(&long(128), LIMITS).is_ok());
        assert!(matches!(
            Member::parse(&long(129), LIMITS),
            Err(InvalidMember::LongUserId { length: 129, limit: 128 })
        ));
        assert!(matches!(Member::parse(&long(2000), LIMITS), Err(InvalidMember::TooLarge { .. })));
    }

    #[test]
    fn the_roster_keeps_members_without_info() {
        let mut members = Members::default();
        for data in [r#"{"user_id":"1","user_info":{"name":"A"}}"#, r#"{"user_id":2}"#] {
            assert_eq!(members.join(Member::parse(data, LIMITS).unwrap()), Transition::Changed);
        }
        assert_eq!(
            members.roster(),
            Escaped::new(
                r#"{"presence":{"ids":["1","2"],"hash":{"1":{"name":"A"},"2":null},"count":2}}"#
            )
        );
    }

    proptest! {
        #[test]
        fn the_roster_is_the_json_of_its_members(members in prop::collection::vec((any::<String>(), any::<Option<String>>()), 0..6)) {
            let (mut table, mut model) = (Members::default(), IndexMap::new());
            for (id, info) in members {
                let info = info.map(|info| serde_json::to_string(&info).unwrap());
                let _ = table.join(Member { user_id: id.as_str().into(), info: info.as_deref().map(Into::into) });
                model.entry(id).or_insert(info);
            }
            let json = |text: &String| serde_json::to_string(text).unwrap();
            let ids: Vec<String> = model.keys().map(json).collect();
            let pairs: Vec<String> = model.iter().map(|(id, info)| format!("{}:{}", json(id), info.as_deref().unwrap_or("null"))).collect();
            let roster = format!(r#"{{"presence":{{"ids":[{}],"hash":{{{}}},"count":{}}}}}"#, ids.join(","), pairs.join(","), model.len());
            prop_assert_eq!(table.roster(), Escaped::new(&roster));
        }

        #[test]
        fn joins_and_leaves_count_like_a_plain_map(steps in prop::collection::vec((0u8..4, any::<bool>()), 0..60)) {
            let (mut members, mut model) = (Members::default(), HashMap::<u8, u32>::new());
            for (user, joins) in steps {
                let id = user.to_string();
                let count = model.entry(user).or_default();
                if joins {
                    *count += 1;
                    let transition = members.join(Member { user_id: id.into(), info: None });
                    prop_assert_eq!(transition == Transition::Changed, *count == 1);
                } else if *count > 0 {
                    *count -= 1;
                    prop_assert_eq!(members.leave(&id) == Transition::Changed, *count == 0);
                }
                prop_assert_eq!(members.count(), model.values().filter(|n| **n > 0).count());
            }
        }
    }
}
