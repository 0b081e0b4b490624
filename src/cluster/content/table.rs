//! What nodes know of one app's keys, kept in Redis and told to all nodes.

use super::codec::{ContentReader, ContentWriter, Decoded};
use crate::{
    cluster::rejection::ClusterRejection,
    crypto::{keytable::KeyState, secret::Derivation},
    domain::time::UnixSeconds,
};

/// The bytes of a fingerprint.
pub type FingerprintBytes = [u8; 6];

/// All of it, or what has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableContent<'a> {
    pub derivation: Derivation,
    pub keys: Vec<TableKey<'a>>,
    pub epochs: Vec<TableEpoch<'a>>,
    pub revocations: Vec<TableRevocation<'a>>,
    pub salt: Option<TableSalt<'a>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableKey<'a> {
    pub number: u32,
    pub id: FingerprintBytes,
    pub state: KeyState,
    pub since: UnixSeconds,
    pub until: Option<UnixSeconds>,
    pub grace: u64,
    pub wrapped: Vec<WrappedContent<'a>>,
}

/// The epoch of a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableEpoch<'a> {
    pub channel: &'a str,
    pub counters: Vec<([u8; 16], u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableRevocation<'a> {
    pub channel: &'a str,
    pub user: &'a str,
    pub at: UnixSeconds,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableSalt<'a> {
    pub drawn: u64,
    pub wrapped: Vec<WrappedContent<'a>>,
}

/// A secret, wrapped under the key with this fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrappedContent<'a> {
    pub under: FingerprintBytes,
    pub sealed: &'a [u8],
}

const STATES: [KeyState; 4] =
    [KeyState::Pending, KeyState::Active, KeyState::Grace, KeyState::Retired];
const DERIVATIONS: [Derivation; 3] = [Derivation::Pusher, Derivation::Dotnet, Derivation::Hkdf];

impl<'a> TableContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        self.write(&mut writer);
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, Self::read)
    }

    pub(super) fn write(&self, writer: &mut ContentWriter) {
        writer.byte(place_of(&DERIVATIONS, &self.derivation));
        writer.u32(self.keys.len() as u32);
        self.keys.iter().for_each(|key| key.write(writer));
        writer.u32(self.epochs.len() as u32);
        for TableEpoch { channel, counters } in &self.epochs {
            writer.text(channel).u32(counters.len() as u32);
            for (counter, count) in counters {
                writer.bytes(counter).u64(*count);
            }
        }
        writer.u32(self.revocations.len() as u32);
        for TableRevocation { channel, user, at } in &self.revocations {
            writer.text(channel).text(user).u64(*at);
        }
        writer.optional(self.salt.as_ref(), |writer, salt| {
            writer.u64(salt.drawn);
            write_wrapped(writer, &salt.wrapped);
        });
    }

    pub(super) fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self {
            derivation: at_place(&DERIVATIONS, reader.byte()?)?,
            keys: many(reader, TableKey::read)?,
            epochs: many(reader, |reader| {
                let channel = reader.text()?;
                let counters = many(reader, |reader| Ok((reader.array()?, reader.u64()?)))?;
                Ok(TableEpoch { channel, counters })
            })?,
            revocations: many(reader, |reader| {
                let (channel, user) = (reader.text()?, reader.text()?);
                Ok(TableRevocation { channel, user, at: reader.u64()? })
            })?,
            salt: reader.optional(|reader| {
                let drawn = reader.u64()?;
                Ok(TableSalt { drawn, wrapped: many(reader, WrappedContent::read)? })
            })?,
        })
    }
}

impl<'a> TableKey<'a> {
    fn write(&self, writer: &mut ContentWriter) {
        writer.u32(self.number).bytes(&self.id).byte(place_of(&STATES, &self.state));
        writer.u64(self.since).optional(self.until, |writer, until| {
            writer.u64(until);
        });
        writer.u64(self.grace);
        write_wrapped(writer, &self.wrapped);
    }

    fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self {
            number: reader.u32()?,
            id: reader.array()?,
            state: at_place(&STATES, reader.byte()?)?,
            since: reader.u64()?,
            until: reader.optional(ContentReader::u64)?,
            grace: reader.u64()?,
            wrapped: many(reader, WrappedContent::read)?,
        })
    }
}

impl<'a> WrappedContent<'a> {
    fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self { under: reader.array()?, sealed: reader.block()? })
    }
}

fn write_wrapped(writer: &mut ContentWriter, wrapped: &[WrappedContent<'_>]) {
    writer.u32(wrapped.len() as u32);
    for WrappedContent { under, sealed } in wrapped {
        writer.bytes(under).u32(sealed.len() as u32).bytes(sealed);
    }
}

/// Nothing is allocated for a number before there is so much.
fn many<'a, T>(
    reader: &mut ContentReader<'a>,
    read: impl Fn(&mut ContentReader<'a>) -> Decoded<T>,
) -> Decoded<Vec<T>> {
    (0..reader.u32()?).map(|_| read(reader)).collect()
}

fn place_of<T: PartialEq>(all: &[T], value: &T) -> u8 {
    all.iter().position(|it| it == value).unwrap_or_default() as u8
}

fn at_place<T: Copy>(all: &[T], place: u8) -> Decoded<T> {
    all.get(usize::from(place)).copied().ok_or(ClusterRejection::Malformed)
}

#[cfg(test)]
mod tests;
