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

    /// Tells kinds apart that may have the same name.
    pub fn kind(&self) -> u8 {
        match self {
            Self::Token { .. } => TOKEN,
            Self::UserTokens { .. } => USER_TOKENS,
            Self::Connections { .. } => CONNECTIONS,
        }
    }

    /// Of the token, or of the user.
    pub fn name(&self) -> &'a str {
        match *self {
            Self::Token { jti, .. } => jti,
            Self::UserTokens { user, .. } | Self::Connections { user, .. } => user,
        }
    }

    /// Milliseconds since 1970.
    pub fn at_ms(&self) -> u64 {
        match *self {
            Self::Token { at, .. } | Self::UserTokens { at, .. } => at.saturating_mul(1000),
            Self::Connections { at_ms, .. } => at_ms,
        }
    }

    pub(super) fn write(&self, writer: &mut ContentWriter) {
        match *self {
            Self::Token { at, .. } | Self::UserTokens { at, .. } => {
                writer.byte(self.kind()).u64(at)
            }
            Self::Connections { at_ms, .. } => writer.byte(self.kind()).u64(at_ms),
        };
        writer.text(self.name());
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
