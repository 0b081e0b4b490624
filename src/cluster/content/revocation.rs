//! The end of what somebody was given, for all nodes and for those that join later.

use super::codec::{ContentReader, ContentWriter, Decoded};
use crate::{cluster::rejection::ClusterRejection, domain::time::UnixSeconds};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RevocationContent<'a> {
    /// One access token.
    Token { jti: &'a str, at: UnixSeconds },
    /// All access tokens of the user until then.
    UserTokens { user: &'a str, at: UnixSeconds },
    /// The connections on which the user had signed in by then. In milliseconds since 1970, by the
    /// clock of Redis.
    Connections { user: &'a str, at_ms: u64 },
}

const TOKEN: u8 = 1;
const USER_TOKENS: u8 = 2;
const CONNECTIONS: u8 = 3;

impl<'a> RevocationContent<'a> {
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ContentWriter::default();
        self.write(&mut writer);
        writer.finish()
    }

    pub fn parse(content: &'a [u8]) -> Decoded<Self> {
        ContentReader::all(content, Self::read)
    }

    pub(super) fn write(&self, writer: &mut ContentWriter) {
        match *self {
            Self::Token { jti, at } => writer.byte(TOKEN).u64(at).text(jti),
            Self::UserTokens { user, at } => writer.byte(USER_TOKENS).u64(at).text(user),
            Self::Connections { user, at_ms } => writer.byte(CONNECTIONS).u64(at_ms).text(user),
        };
    }

    pub(super) fn read(reader: &mut ContentReader<'a>) -> Decoded<Self> {
        let (kind, at) = (reader.byte()?, reader.u64()?);
        let name = reader.text()?;
        match kind {
            TOKEN => Ok(Self::Token { jti: name, at }),
            USER_TOKENS => Ok(Self::UserTokens { user: name, at }),
            CONNECTIONS => Ok(Self::Connections { user: name, at_ms: at }),
            _ => Err(ClusterRejection::Malformed),
        }
    }
}
