//! Key tables as nodes share them: keys and salt are wrapped.
//!
//! A key is wrapped under each other key that is in use, together with the cluster key. So a node
//! opens all keys with any one of them, and whoever reads Redis needs the cluster key and a master
//! key of before.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use zeroize::Zeroizing;

use super::{
    content::{TableContent, TableEpoch, TableKey, TableRevocation, TableSalt, WrappedContent},
    key::{ClusterKey, KeyPurpose},
    rejection::ClusterRejection,
};
use crate::crypto::{
    epochs::{CounterId, EpochCounters},
    key::{Fingerprint, MasterKey},
    keytable::{KeyState, MemberRevocation, sharing::MasterKeys},
    secret::{Derivation, Salt, SharedSalt},
    shared_keys::{SharedKey, SharedKeys},
    wrapped_key::Wrapping,
};

/// Wraps keys, and opens them. Has no `Debug`.
pub struct KeyTables(Zeroizing<[u8; 32]>);

/// What a table says, with the bytes of all keys that open.
pub struct OpenedTable {
    pub derivation: Derivation,
    pub shared: SharedKeys,
    pub masters: MasterKeys,
}

/// Wrapped keys, by their fingerprint and that of the key above them. They outlive that key: a node
/// that was configured with it finds its way to the next.
#[derive(Default)]
pub struct KeyWraps(BTreeMap<(Fingerprint, Fingerprint), Vec<u8>>);

impl KeyWraps {
    pub fn take(&mut self, content: &TableContent<'_>) {
        for key in &content.keys {
            for wrapped in &key.wrapped {
                let pair = (id(key.id), id(wrapped.under));
                self.0.entry(pair).or_insert_with(|| wrapped.sealed.to_vec());
            }
        }
    }

    /// What was retired opens nothing more.
    fn keep_for(&mut self, shared: &SharedKeys) {
        self.0.retain(|(key, _), _| in_use(shared).any(|(_, it)| it.id == *key));
    }

    fn of<'a>(&'a self, key: &'a Fingerprint) -> impl Iterator<Item = WrappedContent<'a>> {
        let own = self.0.iter().filter(move |((it, _), _)| it == key);
        own.map(|((_, under), sealed)| WrappedContent { under: under.to_bytes(), sealed })
    }
}

impl KeyTables {
    pub fn new(key: &ClusterKey) -> Self {
        Self(key.derive(KeyPurpose::Control))
    }

    /// `known`: the bytes of keys that this node has.
    pub fn open(
        &self,
        app: &str,
        content: &TableContent<'_>,
        known: &MasterKeys,
    ) -> Result<OpenedTable, ClusterRejection> {
        let mut masters = known.clone();
        while self.open_more(app, content, &mut masters) {}
        let mut shared = SharedKeys::default();
        for key in &content.keys {
            let (number, state, since) = (key.number, key.state, key.since);
            let key =
                SharedKey { state, since, until: key.until, grace: key.grace, id: id(key.id) };
            shared.add_key(number, key).map_err(|_| ClusterRejection::Malformed)?;
        }
        for TableEpoch { channel, counters } in &content.epochs {
            let counters = counters.iter().map(|(by, count)| (CounterId::from_bytes(*by), *count));
            shared.add_epoch((*channel).into(), &EpochCounters::of(counters));
        }
        for TableRevocation { channel, user, at } in &content.revocations {
            let (channel, user) = ((*channel).into(), (*user).into());
            shared.add_revocation(MemberRevocation { channel, user, at: *at });
        }
        let salt = content.salt.as_ref();
        shared.add_salt(salt.and_then(|salt| self.open_salt(app, salt, &masters)));
        Ok(OpenedTable { derivation: content.derivation, shared, masters })
    }

    /// True if a key was opened, which may open others.
    fn open_more(&self, app: &str, content: &TableContent<'_>, masters: &mut MasterKeys) -> bool {
        let mut has_opened = false;
        for key in content.keys.iter().filter(|key| key.state != KeyState::Retired) {
            let id = id(key.id);
            if masters.contains_key(&id) {
                continue;
            }
            let place = key_place(app, &id);
            let opened = self.open_any(&key.wrapped, masters, |wrapping, sealed| {
                wrapping.unwrap_key(&place, sealed).filter(|it| it.fingerprint() == id)
            });
            if let Some(opened) = opened {
                masters.insert(id, Arc::new(opened));
                has_opened = true;
            }
        }
        has_opened
    }

    fn open_any<T>(
        &self,
        wrapped: &[WrappedContent<'_>],
        masters: &MasterKeys,
        open: impl Fn(&Wrapping, &[u8]) -> Option<T>,
    ) -> Option<T> {
        wrapped.iter().find_map(|WrappedContent { under, sealed }| {
            let under = masters.get(&id(*under))?;
            open(&Wrapping::new(&self.0, under), sealed)
        })
    }

    fn open_salt(
        &self,
        app: &str,
        salt: &TableSalt<'_>,
        masters: &MasterKeys,
    ) -> Option<SharedSalt> {
        let place = salt_place(app, salt.drawn);
        let open = |wrapping: &Wrapping, sealed: &[u8]| wrapping.unwrap::<32>(&place, sealed);
        let bytes = self.open_any(&salt.wrapped, masters, open)?;
        Some(SharedSalt { drawn: salt.drawn, salt: Salt::from_bytes(*bytes) })
    }

    /// The content of a table, or of a change. `wraps` gets what is wrapped for it.
    pub fn close(
        &self,
        app: &str,
        (derivation, shared): (Derivation, &SharedKeys),
        masters: &MasterKeys,
        wraps: &mut KeyWraps,
    ) -> Result<Vec<u8>, getrandom::Error> {
        self.wrap_more(app, shared, masters, wraps)?;
        let keys = shared.keys().iter().map(|(number, key)| TableKey {
            number: *number,
            id: key.id.to_bytes(),
            state: key.state,
            since: key.since,
            until: key.until,
            grace: key.grace,
            wrapped: wraps.of(&key.id).collect(),
        });
        let epochs = shared.epochs().iter().map(|(channel, counters)| {
            let counters = counters.iter().map(|(by, count)| (*by.as_bytes(), *count));
            TableEpoch { channel, counters: counters.collect() }
        });
        let revocations = shared.revocations().map(|((channel, user), at)| TableRevocation {
            channel,
            user,
            at: *at,
        });
        let wrapped = shared.salt().map(|salt| self.wrap_salt(app, salt, masters)).transpose()?;
        let wrapped = wrapped.unwrap_or_default();
        let salt = shared.salt().map(|salt| TableSalt {
            drawn: salt.drawn,
            wrapped: wrapped
                .iter()
                .map(|(under, sealed)| WrappedContent { under: under.to_bytes(), sealed })
                .collect(),
        });
        let content = TableContent {
            derivation,
            keys: keys.collect(),
            epochs: epochs.collect(),
            revocations: revocations.collect(),
            salt,
        };
        Ok(content.to_bytes())
    }

    fn wrap_more(
        &self,
        app: &str,
        shared: &SharedKeys,
        masters: &MasterKeys,
        wraps: &mut KeyWraps,
    ) -> Result<(), getrandom::Error> {
        for (_, key) in in_use(shared) {
            let Some(master) = masters.get(&key.id) else { continue };
            for (under, upper) in masters.iter().filter(|(under, _)| **under != key.id) {
                if let Entry::Vacant(entry) = wraps.0.entry((key.id.clone(), under.clone())) {
                    let wrapping = Wrapping::new(&self.0, upper);
                    entry.insert(wrapping.wrap_key(&key_place(app, &key.id), master)?);
                }
            }
        }
        Ok(())
    }

    /// Forgets what the whole table does not need any more.
    pub fn forget(wraps: &mut KeyWraps, shared: &SharedKeys) {
        wraps.keep_for(shared);
    }

    /// By the fingerprint of the key above.
    fn wrap_salt(
        &self,
        app: &str,
        SharedSalt { drawn, salt }: SharedSalt,
        masters: &MasterKeys,
    ) -> Result<Vec<(Fingerprint, Vec<u8>)>, getrandom::Error> {
        let place = salt_place(app, drawn);
        let wrap = |(under, upper): (&Fingerprint, &Arc<MasterKey>)| {
            let wrapped = Wrapping::new(&self.0, upper).wrap(&place, salt.as_bytes())?;
            Ok((under.clone(), wrapped))
        };
        masters.iter().map(wrap).collect()
    }
}

fn in_use(shared: &SharedKeys) -> impl Iterator<Item = (&u32, &SharedKey)> {
    shared.keys().iter().filter(|(_, key)| key.state != KeyState::Retired)
}

fn id(bytes: [u8; 6]) -> Fingerprint {
    Fingerprint::from_bytes(bytes)
}

fn key_place(app: &str, key: &Fingerprint) -> Vec<u8> {
    place(b"key", app, &key.to_bytes())
}

fn salt_place(app: &str, drawn: u64) -> Vec<u8> {
    place(b"salt", app, &drawn.to_be_bytes())
}

/// Each part stands behind its length.
fn place(kind: &[u8], app: &str, which: &[u8]) -> Vec<u8> {
    let part = |part: &[u8]| [&(part.len() as u32).to_be_bytes()[..], part].concat();
    [part(kind), part(app.as_bytes()), part(which)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::key::tests::{example_key, other_key},
        crypto::keytable::KeyTable,
    };

    const APP: &str = "shop";

    fn table() -> KeyTable {
        let key = || MasterKey::generate().expect("random bytes");
        let table = KeyTable::new(key(), 10).as_shared().announced(key(), 20, 30, 60).unwrap();
        let table = table.activated(30).unwrap().revoked("room", "u1", 40);
        table.with_salt(SharedSalt { drawn: 50, salt: Salt::from_bytes([5; 32]) })
    }

    fn closed(table: &KeyTable, wraps: &mut KeyWraps) -> Vec<u8> {
        let all = (Derivation::Hkdf, &table.shared());
        KeyTables::new(&example_key()).close(APP, all, &table.masters(), wraps).unwrap()
    }

    fn one_of(table: &KeyTable, number: u32) -> MasterKeys {
        let id = table.by_number(number).expect("a key").id.clone();
        table.masters().into_iter().filter(|(it, _)| *it == id).collect()
    }

    fn opened(content: &[u8], known: &MasterKeys) -> OpenedTable {
        let content = TableContent::parse(content).expect("a table");
        KeyTables::new(&example_key()).open(APP, &content, known).expect("one key a number")
    }

    #[test]
    fn one_key_of_the_table_opens_all_of_it() {
        let table = table();
        let content = closed(&table, &mut KeyWraps::default());
        for number in [1, 2] {
            let back = opened(&content, &one_of(&table, number));
            assert_eq!(back.shared, table.shared());
            assert_eq!(back.masters.len(), 2);
            assert!(back.masters.iter().all(|(id, key)| key.fingerprint() == *id));
        }
    }

    #[test]
    fn nothing_opens_without_both_keys_or_for_another_app() {
        let table = table();
        let content = closed(&table, &mut KeyWraps::default());
        let stranger: MasterKeys = KeyTable::new(MasterKey::generate().unwrap(), 1).masters();
        let back = opened(&content, &stranger);
        assert!(back.masters.len() == 1 && back.shared.salt().is_none());
        let parsed = TableContent::parse(&content).unwrap();
        for (app, key) in [(APP, other_key()), ("other", example_key())] {
            let back = KeyTables::new(&key).open(app, &parsed, &one_of(&table, 1)).unwrap();
            assert!(back.masters.len() == 1 && back.shared.salt().is_none(), "{app}");
        }
        for master in table.masters().values() {
            let text = master.to_text();
            let bytes = crate::crypto::encoding::from_any_base64(&text["base64:".len()..]).unwrap();
            assert!(!content.windows(32).any(|part| part == bytes), "a key in clear");
        }
    }

    /// A node that is configured with a key of before finds the next one.
    #[test]
    fn wrapped_keys_outlive_the_key_above_them() {
        let (before, mut wraps) = (table(), KeyWraps::default());
        closed(&before, &mut wraps);
        let first = before.by_number(1).unwrap().id.clone();
        let after = before.retired(first.as_str(), 99).unwrap();
        KeyTables::forget(&mut wraps, &after.shared());
        let content = closed(&after, &mut wraps);
        let back = opened(&content, &one_of(&before, 1));
        assert_eq!(back.masters.len(), 2);
        let back = opened(&content, &one_of(&after, 2));
        assert_eq!(back.masters.len(), 1, "what is retired opens for nobody");
        // So do those that another node has wrapped.
        let mut others = KeyWraps::default();
        others.take(&TableContent::parse(&content).unwrap());
        let back = opened(&closed(&after, &mut others), &one_of(&before, 1));
        assert_eq!(back.masters.len(), 2);
    }
}
