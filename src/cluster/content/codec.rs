//! The encoding of contents: numbers in big-endian order, texts behind their length. Each value has
//! one encoding alone, and bytes behind it are an error.

use crate::{
    cluster::{names::NodeSlot, rejection::ClusterRejection},
    crypto::keytable::Version,
    domain::ids::SocketId,
};

pub type Decoded<T> = Result<T, ClusterRejection>;

#[derive(Default)]
pub struct ContentWriter(Vec<u8>);

impl ContentWriter {
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    pub fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    pub fn flag(&mut self, flag: bool) -> &mut Self {
        self.byte(u8::from(flag))
    }

    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Texts are far shorter than 4 GiB: the whole content is (`envelope::MAX_CONTENT`).
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.u32(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub fn socket_id(&mut self, id: SocketId) -> &mut Self {
        self.0.extend_from_slice(&id.to_bytes());
        self
    }

    pub fn version(&mut self, version: Version) -> &mut Self {
        self.u32(version.key).u64(version.epoch)
    }

    pub fn slot(&mut self, slot: NodeSlot) -> &mut Self {
        self.u32(slot.number().into())
    }

    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
        self
    }
}

/// Reads what `ContentWriter` wrote. No length is believed before there are so many bytes.
pub struct ContentReader<'a>(&'a [u8]);

impl<'a> ContentReader<'a> {
    /// Decodes the whole content.
    pub fn all<T>(content: &'a [u8], decode: impl FnOnce(&mut Self) -> Decoded<T>) -> Decoded<T> {
        let mut reader = Self(content);
        let value = decode(&mut reader)?;
        if reader.0.is_empty() { Ok(value) } else { Err(ClusterRejection::Malformed) }
    }

    pub fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk().ok_or(ClusterRejection::Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    pub fn byte(&mut self) -> Decoded<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn flag(&mut self) -> Decoded<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ClusterRejection::Malformed),
        }
    }

    pub fn u32(&mut self) -> Decoded<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Decoded<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn text(&mut self) -> Decoded<&'a str> {
        std::str::from_utf8(self.block()?).map_err(|_| ClusterRejection::Malformed)
    }

    /// Bytes behind their length.
    pub fn block(&mut self) -> Decoded<&'a [u8]> {
        let length = self.u32()? as usize;
        let (block, rest) = self.0.split_at_checked(length).ok_or(ClusterRejection::Malformed)?;
        self.0 = rest;
        Ok(block)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub fn socket_id(&mut self) -> Decoded<SocketId> {
        self.array().map(SocketId::from_bytes)
    }

    pub fn version(&mut self) -> Decoded<Version> {
        Ok(Version { key: self.u32()?, epoch: self.u64()? })
    }

    pub fn slot(&mut self) -> Decoded<NodeSlot> {
        let slot = u16::try_from(self.u32()?).ok().and_then(NodeSlot::new);
        slot.ok_or(ClusterRejection::Malformed)
    }

    pub fn optional<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Decoded<T>,
    ) -> Decoded<Option<T>> {
        if self.flag()? { decode(self).map(Some) } else { Ok(None) }
    }
}
