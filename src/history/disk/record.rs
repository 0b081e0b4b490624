//! Plaintexts of the records: fixed fields first, in big-endian order, then texts with their length.

use std::sync::Arc;

use crate::{
    channels::log::{AtRest, LogNumber},
    domain::channel_settings::HistoryStore,
    history::journal::{JournalBody, JournalEntry, LogAddress},
};

/// What the file knows of a log beside its entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogRecord {
    /// The greatest number of the log that none of its entries shows.
    pub last: LogNumber,
    pub cleared: LogNumber,
}

const CLEAR: u8 = 0;
const BLIND: u8 = 1;
const SEALED: u8 = 2;

/// Stands before the length of a missing text.
const NONE: u32 = u32::MAX;

pub fn store_code(store: HistoryStore) -> u8 {
    match store {
        HistoryStore::Memory => 0,
        HistoryStore::DiskBehind => 1,
        HistoryStore::DiskBefore => 2,
        // Never written to a file.
        HistoryStore::Redis => 3,
    }
}

fn store_of(code: u8) -> Option<HistoryStore> {
    match code {
        1 => Some(HistoryStore::DiskBehind),
        2 => Some(HistoryStore::DiskBefore),
        _ => None,
    }
}

pub fn encode_log(log: &LogAddress, record: &LogRecord) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + log.app.len() + log.channel.len());
    out.push(store_code(log.store));
    out.extend(record.last.0.to_be_bytes());
    out.extend(record.cleared.0.to_be_bytes());
    put_text(&mut out, Some(&log.app));
    put_text(&mut out, Some(&log.channel));
    out
}

pub fn decode_log(bytes: &[u8]) -> Option<(LogAddress, LogRecord)> {
    let mut rest = RecordFields(bytes);
    let store = store_of(rest.byte()?)?;
    let record = LogRecord { last: LogNumber(rest.number()?), cleared: LogNumber(rest.number()?) };
    let (app, channel) = (rest.text()??, rest.text()??);
    rest.0.is_empty().then_some((LogAddress { app, channel, store }, record))
}

pub fn encode_entry(entry: &JournalEntry) -> Vec<u8> {
    let (kind, data) = match &entry.body {
        JournalBody::Clear(data) => (CLEAR, data.as_bytes()),
        JournalBody::Blind(data) => (BLIND, data.as_bytes()),
        JournalBody::Sealed(at_rest) => (SEALED, &*at_rest.ciphertext),
    };
    let user = entry.user_id.as_deref();
    // With room for the tag.
    let length = 80 + entry.name.len() + user.map_or(0, str::len) + data.len();
    let mut out = Vec::with_capacity(length);
    out.extend(entry.previous.0.to_be_bytes());
    out.extend(entry.at_micros.to_be_bytes());
    out.extend(entry.expires.to_be_bytes());
    put_text(&mut out, Some(&entry.name));
    put_text(&mut out, user);
    out.push(kind);
    if let JournalBody::Sealed(AtRest { key, nonce, .. }) = &entry.body {
        out.extend(key);
        out.extend(nonce);
    }
    out.extend(data);
    out
}

pub fn decode_entry(number: LogNumber, bytes: &[u8]) -> Option<JournalEntry> {
    let mut rest = RecordFields(bytes);
    Some(JournalEntry {
        number,
        previous: LogNumber(rest.number()?),
        at_micros: rest.number()?,
        expires: rest.number()?,
        name: rest.text()??,
        user_id: rest.text()?,
        body: rest.body()?,
    })
}

fn put_text(out: &mut Vec<u8>, text: Option<&str>) {
    // Names, users and data are bounded far below 4 GiB.
    let length = text.map_or(NONE, |text| text.len() as u32);
    out.extend(length.to_be_bytes());
    out.extend(text.unwrap_or_default().as_bytes());
}

struct RecordFields<'a>(&'a [u8]);

impl RecordFields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// The inner `None` is a missing text.
    fn text(&mut self) -> Option<Option<Arc<str>>> {
        let length = u32::from_be_bytes(self.take()?);
        if length == NONE {
            return Some(None);
        }
        let (text, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(Some(std::str::from_utf8(text).ok()?.into()))
    }

    fn body(&mut self) -> Option<JournalBody> {
        let kind = self.byte()?;
        let text = |rest| std::str::from_utf8(rest).ok().map(Arc::from);
        match kind {
            CLEAR => text(self.0).map(JournalBody::Clear),
            BLIND => text(self.0).map(JournalBody::Blind),
            SEALED => {
                let (key, nonce) = (self.take()?, self.take()?);
                Some(JournalBody::Sealed(AtRest { key, nonce, ciphertext: self.0.into() }))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, option, prelude::*};

    fn body(kind: u8, data: String) -> JournalBody {
        match kind {
            CLEAR => JournalBody::Clear(data.into()),
            BLIND => JournalBody::Blind(data.into()),
            _ => {
                let ciphertext = data.into_bytes().into();
                JournalBody::Sealed(AtRest { key: [7; 6], nonce: [9; 12], ciphertext })
            }
        }
    }

    proptest! {
        #[test]
        fn entries_round_trip(
            (number, previous, at_micros, expires) in any::<(u64, u64, u64, u64)>(),
            name in ".{0,20}",
            user in option::of(".{0,20}"),
            (kind, data) in (0_u8..3, ".{0,40}"),
        ) {
            let entry = JournalEntry {
                number: LogNumber(number),
                previous: LogNumber(previous),
                at_micros,
                expires,
                name: name.into(),
                user_id: user.map(Arc::from),
                body: body(kind, data),
            };
            let bytes = encode_entry(&entry);
            prop_assert!(decode_entry(entry.number, &bytes) == Some(entry));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = decode_entry(LogNumber(1), &bytes);
            let _ = decode_log(&bytes);
        }

        #[test]
        fn logs_round_trip(
            (last, cleared, before) in any::<(u64, u64, bool)>(),
            app in ".{0,20}",
            channel in ".{0,20}",
        ) {
            let store = match before {
                true => HistoryStore::DiskBefore,
                false => HistoryStore::DiskBehind,
            };
            let log = LogAddress { app: app.into(), channel: channel.into(), store };
            let record = LogRecord { last: LogNumber(last), cleared: LogNumber(cleared) };
            prop_assert_eq!(decode_log(&encode_log(&log, &record)), Some((log, record)));
        }
    }
}
