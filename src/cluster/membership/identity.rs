//! The identity of the cluster: what its nodes must agree on.
//!
//! It lies sealed in Redis, behind the first bytes of its key's fingerprint in clear. So a node with
//! another key can name both keys.

use bytes::Bytes;
use redis::{Cmd, Value};

use super::{context::command, values};
use crate::{
    cluster::{
        content::IdentityContent,
        names::LAYOUT,
        node::sealing::NodeSealing,
        rejection::ClusterRejection,
        stored::{StoredError, StoredPlace},
    },
    crypto::{
        encoding::{from_hex, hex},
        key::Fingerprint,
    },
};

/// From the last beat of the last node on.
const LIFETIME_MS: u64 = 60_000;

/// The protocols between nodes that this version speaks, from the lowest to the highest.
const PROTOCOLS: (u8, u8) = (1, 1);

const SHORT_FINGERPRINT: usize = 4;

/// The beginning of a fingerprint.
type ShortFingerprint = [u8; SHORT_FINGERPRINT];

/// Each sentence names the cure.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum WrongIdentity {
    #[error(
        "the cluster key of this node begins with the fingerprint {own} and that of the cluster with {other}: give all nodes the same `cluster.key`, or this one another `cluster.prefix`"
    )]
    OtherKey { own: String, other: String },
    #[error(
        "the identity of the cluster in Redis was altered, though its key begins with this node's fingerprint {own} as well: find out who writes there, and delete the key `{key}`"
    )]
    Altered { own: String, key: String },
    #[error(
        "the nodes of the cluster write another layout of data ({other}, this version {LAYOUT}): give this node another `cluster.prefix`, or the same version"
    )]
    OtherLayout { other: u8 },
    #[error(
        "the nodes of the cluster speak the protocols {lowest} to {highest}, and this version {} to {}: update node by node, without skipping a version",
        PROTOCOLS.0,
        PROTOCOLS.1
    )]
    OtherProtocols { lowest: u8, highest: u8 },
    #[error(
        "the apps of this node differ from those of the cluster in a mode, a key derivation or a master key: give all nodes the same apps and keys"
    )]
    OtherApps,
}

/// What this node puts there if there is nothing.
pub(super) struct Identity<'a> {
    pub sealing: &'a NodeSealing,
    pub host: &'a [u8],
    pub fingerprint: &'a Fingerprint,
}

impl Identity<'_> {
    /// Creates it unless there is one, and reads it. Redis without memory refuses the first.
    pub fn ask(&self) -> Result<[Cmd; 2], StoredError> {
        let key = self.sealing.layout.identity();
        let mut set = command("SET", &key);
        set.arg(&self.stored(&key)?[..]).arg("NX").arg("PX").arg(LIFETIME_MS);
        Ok([set, command("GET", &key)])
    }

    /// `Ok(false)`: there is none, and Redis did not take this node's.
    pub fn check(&self, read: Value) -> Result<bool, WrongIdentity> {
        let Some(stored) = values::text(read) else { return Ok(false) };
        let key = self.sealing.layout.identity();
        let content = self.open(&key, &stored)?;
        let altered = |_| self.altered(&key);
        let IdentityContent { layout, protocols, host } =
            IdentityContent::parse(&content).map_err(altered)?;
        let (lowest, highest) = protocols;
        if layout != LAYOUT {
            return Err(WrongIdentity::OtherLayout { other: layout });
        }
        if lowest > PROTOCOLS.1 || highest < PROTOCOLS.0 {
            return Err(WrongIdentity::OtherProtocols { lowest, highest });
        }
        if host != self.host { Err(WrongIdentity::OtherApps) } else { Ok(true) }
    }

    fn stored(&self, key: &[u8]) -> Result<Bytes, StoredError> {
        let content = IdentityContent { layout: LAYOUT, protocols: PROTOCOLS, host: self.host };
        let sealed = self.sealing.stored.seal(place(key), &content.to_bytes())?;
        Ok([&self.short()[..], &sealed].concat().into())
    }

    fn open(
        &self,
        key: &[u8],
        stored: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, WrongIdentity> {
        let Some((other, sealed)) = stored.split_first_chunk::<SHORT_FINGERPRINT>() else {
            return Err(self.altered(key));
        };
        self.sealing.stored.open(place(key), sealed).map_err(|rejection| match rejection {
            ClusterRejection::Unauthentic if *other != self.short() => {
                WrongIdentity::OtherKey { own: hex(&self.short()), other: hex(other) }
            }
            _ => self.altered(key),
        })
    }

    fn altered(&self, key: &[u8]) -> WrongIdentity {
        let key = String::from_utf8_lossy(key).into_owned();
        WrongIdentity::Altered { own: hex(&self.short()), key }
    }

    fn short(&self) -> ShortFingerprint {
        let digits = self.fingerprint.as_str().get(..2 * SHORT_FINGERPRINT);
        digits.and_then(from_hex).unwrap_or_default()
    }
}

/// Keeps the identity alive. The answer 0 says that it is gone.
pub(super) fn renew(key: &[u8]) -> Cmd {
    let mut renew = command("PEXPIRE", key);
    renew.arg(LIFETIME_MS);
    renew
}

fn place(key: &[u8]) -> StoredPlace<'_> {
    StoredPlace { key, field: b"", generation: 0 }
}
