//! The newest facts in memory, for operators.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::AuditFact;

/// Facts that are kept in memory.
pub const MAX_RECENT: usize = 1000;

#[derive(Default)]
pub struct RecentFacts(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    /// Newest last.
    facts: VecDeque<RecentFact>,
    last_hash: Option<Arc<str>>,
}

#[derive(Clone)]
enum RecentFact {
    /// A line of the file, without its line feed.
    Line(Arc<str>),
    /// Without a file. It becomes text when an operator asks for it.
    Noted(SystemTime, Arc<AuditFact>),
}

impl RecentFacts {
    /// The hash of the last line of an existing file.
    pub(super) fn begin_after(&self, hash: Option<&str>) {
        self.0.lock().last_hash = hash.map(Into::into);
    }

    /// `hash`: that of the line.
    pub(super) fn add_line(&self, line: &[u8], hash: Option<&str>) {
        // JSON is text.
        let Ok(line) = std::str::from_utf8(line.trim_ascii_end()) else { return };
        self.add(RecentFact::Line(line.into()), hash);
    }

    pub(super) fn add_fact(&self, time: SystemTime, fact: AuditFact) {
        self.add(RecentFact::Noted(time, Arc::new(fact)), None);
    }

    fn add(&self, fact: RecentFact, hash: Option<&str>) {
        let hash = hash.map(Arc::from);
        let mut ring = self.0.lock();
        let oldest = (ring.facts.len() >= MAX_RECENT).then(|| ring.facts.pop_front()).flatten();
        ring.facts.push_back(fact);
        ring.last_hash = hash.or(ring.last_hash.take());
        drop(ring);
        // Freed without the lock.
        drop(oldest);
    }

    /// At most `limit`, the newest first, and the hash of the last line of the file.
    pub(super) fn newest(&self, limit: usize) -> (Vec<Box<RawValue>>, Option<Arc<str>>) {
        let ring = self.0.lock();
        let facts: Vec<_> = ring.facts.iter().rev().take(limit).cloned().collect();
        let hash = ring.last_hash.clone();
        drop(ring);
        (facts.iter().filter_map(RecentFact::to_json).collect(), hash)
    }
}

impl RecentFact {
    fn to_json(&self) -> Option<Box<RawValue>> {
        #[derive(Serialize)]
        struct NotedFields<'a> {
            time: String,
            #[serde(flatten)]
            fact: &'a AuditFact,
        }
        match self {
            Self::Line(line) => RawValue::from_string(line.to_string()).ok(),
            Self::Noted(time, fact) => {
                let time = humantime::format_rfc3339_millis(*time).to_string();
                to_raw_value(&NotedFields { time, fact }).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_facts_come_first_and_the_oldest_are_dropped() {
        let recent = RecentFacts::default();
        for count in 0..MAX_RECENT as u64 + 5 {
            recent.add_fact(SystemTime::UNIX_EPOCH, AuditFact::FactsLost { count });
        }
        let (facts, hash) = recent.newest(MAX_RECENT + 1);
        assert_eq!((facts.len(), hash), (MAX_RECENT, None));
        let newest = r#"{"time":"1970-01-01T00:00:00.000Z","event":"facts_lost","count":1004}"#;
        assert_eq!(facts[0].get(), newest);
        assert!(facts[MAX_RECENT - 1].get().contains(r#""count":5}"#));
        assert_eq!(recent.newest(2).0.len(), 2);
    }

    #[test]
    fn lines_of_the_file_are_kept_as_they_are() {
        let recent = RecentFacts::default();
        recent.begin_after(Some("before"));
        assert_eq!(recent.newest(1).1.as_deref(), Some("before"));
        recent.add_line(b"{\"seq\":1}\n", Some("after"));
        let (facts, hash) = recent.newest(9);
        assert_eq!((facts[0].get(), hash.as_deref()), ("{\"seq\":1}", Some("after")));
    }
}
