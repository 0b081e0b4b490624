//! Compares all keys of Redis with the model.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    book::{Book, BookChannel, Holder},
    contents::{Contents, number},
    names::keys,
};
use crate::cluster::redis::{
    Id,
    lingering::{Lingering, LingeringKind},
};

impl Book {
    /// Keys of `{ctl}` are not part of the book.
    pub fn assert_is(&self, mut engine: BTreeMap<Bytes, Contents>) {
        engine.retain(|key, _| !key.starts_with(b"SC1:{ctl}"));
        self.take_times(&mut engine);
        let mut expected = self.contents();
        for (id, channel) in &self.channels {
            channel.take_state(&keys(&[b'x'; 16], id).c, &mut engine, &mut expected);
        }
        assert_eq!(engine, expected, "engine, then model");
    }

    fn take_times(&self, engine: &mut BTreeMap<Bytes, Contents>) {
        let held = match engine.remove(&keys(&[b'x'; 16], &[b'x'; 16]).g) {
            Some(Contents::Times(times)) => times,
            None => BTreeMap::new(),
            Some(other) => panic!("{other:?}"),
        };
        let entries: Vec<_> =
            held.keys().map(|entry| Lingering::parse(entry).expect("an entry")).collect();
        assert_eq!(held.len(), self.lingering.len(), "{held:?} {:?}", self.lingering);
        for (entry, at) in entries.iter().zip(held.values()) {
            let span =
                self.lingering.get(entry).unwrap_or_else(|| panic!("{entry:?} is not known"));
            assert!(span.contains(*at), "{entry:?} ends at {at}, not in {span:?}");
        }
    }

    fn contents(&self) -> BTreeMap<Bytes, Contents> {
        let any = [b'x'; 16];
        let names = keys(&any, &any);
        let mut all = BTreeMap::new();
        let occupied = self.channels.iter().filter(|(_, it)| it.total() > 0 || it.lingers);
        let ids = |ids: &mut dyn Iterator<Item = &Id>| {
            Contents::Set(ids.map(|id| Bytes::copy_from_slice(id)).collect())
        };
        all.insert(names.a.clone(), ids(&mut occupied.map(|(id, _)| id)));
        let incarnations = self.incarnations.iter().map(|(node, announcement)| {
            (Bytes::copy_from_slice(node), announcement.to_string().into())
        });
        all.insert(names.p.clone(), hash(incarnations));
        for node in self.incarnations.keys() {
            let channels = ids(&mut self.channels_of(node).iter());
            all.insert(keys(node, &any).i, channels);
        }
        for node in &self.buried {
            all.insert(keys(node, &any).d, Contents::Text("1".into(), true));
        }
        if let Some((run, floor)) = &self.floor {
            let fields = [("run", run.clone()), ("n", floor.to_string().into())];
            all.insert(names.f, hash(fields.map(|(name, value)| (name.into(), value))));
        }
        if let Some(owner) = &self.owner {
            all.insert(names.o, Contents::Text(owner.clone(), true));
        }
        self.channels.iter().for_each(|(id, channel)| channel.add_contents(id, &mut all));
        // Redis has no empty set and no empty hash.
        all.retain(|_, contents| match contents {
            Contents::Set(set) => !set.is_empty(),
            Contents::Hash(hash) => !hash.is_empty(),
            Contents::Times(_) | Contents::Text(..) => true,
        });
        all
    }
}

impl BookChannel {
    fn add_contents(&self, id: &Id, all: &mut BTreeMap<Bytes, Contents>) {
        let names = keys(&[b'x'; 16], id);
        let mut references = BTreeMap::new();
        let mut members = BTreeMap::new();
        for (member, held) in &self.members {
            let field = |suffix: &[u8]| Bytes::from([&member[..], suffix].concat());
            references.insert(field(b""), held.holders.len().to_string().into());
            for holder in &held.holders {
                let suffix = match holder {
                    Holder::Node(node) => &node[..],
                    Holder::Lingering => b"~",
                };
                references.insert(field(suffix), "1".into());
            }
            members.insert(field(b""), Bytes::from([&held.tag[..], &held.record].concat()));
        }
        all.insert(names.r, Contents::Hash(references));
        all.insert(names.m, Contents::Hash(members));
        if let Some(event) = &self.last_event {
            let head = format!("{}:{}:", event.number, event.sent_ms);
            let text = [head.as_bytes(), &event.blob].concat();
            all.insert(names.l, Contents::Text(text.into(), true));
        }
    }

    /// Compares the time of the last total, which no model knows, and the rest as a whole.
    fn take_state(
        &self,
        key: &Bytes,
        engine: &mut BTreeMap<Bytes, Contents>,
        expected: &mut BTreeMap<Bytes, Contents>,
    ) {
        let Some(Contents::Hash(fields)) = engine.get_mut(key) else {
            panic!("{key:?} is missing: {self:?}")
        };
        match (fields.remove(&b"x"[..]), &self.told) {
            (None, None) => {}
            (Some(told), Some((at, total))) => {
                let colon = memchr::memchr(b':', &told).expect("a time and a total");
                assert!(at.contains(number(&told[..colon])), "{told:?} {at:?}");
                assert_eq!(number(&told[colon + 1..]), *total);
            }
            other => panic!("{key:?}: {other:?}"),
        }
        // A missing number is 0.
        for field in ["q", "n"] {
            fields.entry(field.into()).or_insert_with(|| "0".into());
        }
        expected.insert(key.clone(), self.state());
    }

    fn state(&self) -> Contents {
        let mut fields = vec![
            (Bytes::from("q"), Bytes::from(self.number.to_string())),
            ("n".into(), self.total().to_string().into()),
        ];
        fields.extend(self.name.clone().map(|name| ("k".into(), name)));
        fields.extend(self.lingers.then(|| ("v".into(), "1".into())));
        fields.extend(self.miss_told.then(|| ("c".into(), "1".into())));
        let of_node = |letter: u8, node: &Id| Bytes::from([&[letter][..], node].concat());
        for (node, count) in &self.counts {
            fields.push((of_node(b's', node), count.to_string().into()));
        }
        let mut references = BTreeMap::<Id, usize>::new();
        for holder in self.members.values().flat_map(|held| &held.holders) {
            if let Holder::Node(node) = holder {
                *references.entry(*node).or_default() += 1;
            }
        }
        let references = references.into_iter();
        fields.extend(
            references.map(|(node, members)| (of_node(b'r', &node), members.to_string().into())),
        );
        hash(fields)
    }
}

/// The time of an entry over: in the model as in the engine.
pub fn entry_bytes(entry: &Lingering) -> Vec<u8> {
    match entry.kind {
        LingeringKind::Channel => [b"v", &entry.channel[..]].concat(),
        LingeringKind::Member(member) => [b"m", &entry.channel[..], &member].concat(),
        LingeringKind::LastEvent => [b"l", &entry.channel[..]].concat(),
        LingeringKind::Log => [b"h", &entry.channel[..]].concat(),
    }
}

fn hash(fields: impl IntoIterator<Item = (Bytes, Bytes)>) -> Contents {
    Contents::Hash(fields.into_iter().collect())
}
