//! The terms of an authorization, as one node tells them another.

use super::{
    codec::{ContentReader, ContentWriter, Decoded},
    write_optional_text,
};
use crate::{domain::time::UnixSeconds, platform::clock::KnownAsOf};

/// Who may do what on a channel, and until when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantTerms<'a> {
    pub user: Option<&'a str>,
    /// The time up to which revocations were considered.
    pub as_of: KnownAsOf,
    pub expires: Option<UnixSeconds>,
    /// One bit each.
    pub abilities: u8,
    pub token: Option<GrantToken<'a>>,
}

/// The access token of an authorization.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantToken<'a> {
    pub jti: &'a str,
    pub user: &'a str,
    pub issued: KnownAsOf,
}

impl<'a> GrantTerms<'a> {
    pub(super) fn write(&self, writer: &mut ContentWriter) {
        let Self { user, as_of, expires, abilities, token } = self;
        write_optional_text(writer, *user);
        writer.u64(as_of.seconds()).optional(*expires, |writer, at| {
            writer.u64(at);
        });
        writer.byte(*abilities).optional(token.as_ref(), |writer, token| token.write(writer));
    }

    pub(super) fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self {
            user: reader.optional(ContentReader::text)?,
            as_of: KnownAsOf::at_seconds(reader.u64()?),
            expires: reader.optional(ContentReader::u64)?,
            abilities: reader.byte()?,
            token: reader.optional(GrantToken::read)?,
        })
    }
}

impl<'a> GrantToken<'a> {
    fn write(&self, writer: &mut ContentWriter) {
        writer.text(self.jti).text(self.user).u64(self.issued.seconds());
    }

    fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        Ok(Self {
            jti: reader.text()?,
            user: reader.text()?,
            issued: KnownAsOf::at_seconds(reader.u64()?),
        })
    }
}
