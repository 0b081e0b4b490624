//! Names as Redis sees them: hashes under a key of the cluster.

mod keys;
mod partition;
#[cfg(test)]
mod tests;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub use keys::{ChannelKeyNames, ControlKeyNames, KeyLayout, LAYOUT, NodeSlot, PartitionKeyNames};
pub use partition::{Partition, PartitionSet};

use super::key::{ClusterKey, KeyPurpose};
use crate::{crypto::encoding::hex, domain::channel::Channel};

/// Bytes of a hash. An accidental pair among 2^40 names has a chance of 2^-49.
const HASH_BYTES: usize = 16;

/// Guessing one takes 2^63 requests.
pub const TICKET_TAG_BYTES: usize = 8;

/// Of the epoch of positions.
pub const EPOCH_BYTES: usize = 5;

/// Declares 16 bytes with a type of their own, so that none can stand for others.
macro_rules! opaque_id {
    ($(#[$comment:meta])* $name:ident) => {
        $(#[$comment])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; HASH_BYTES]);

        impl $name {
            pub fn from_bytes(bytes: [u8; HASH_BYTES]) -> Self {
                Self(bytes)
            }

            pub fn as_bytes(&self) -> &[u8; HASH_BYTES] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }
    };
}

opaque_id!(
    /// Stands for an app.
    AppHash
);
opaque_id!(
    /// Stands for a channel of an app.
    ChannelId
);
opaque_id!(
    /// Stands for a user on one channel. The same user has another id on each channel.
    MemberId
);
opaque_id!(
    /// One life of a node in the cluster: random bytes, not a hash. A restarted or fenced node has
    /// another one.
    Incarnation
);

impl Incarnation {
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; HASH_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Tells whether a member came back with the same `user_info`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InfoTag([u8; 8]);

impl InfoTag {
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// The place of a channel in Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChannelLocation {
    pub id: ChannelId,
    pub partition: Partition,
}

/// The first byte of each hashed text. It keeps the kinds apart.
#[derive(Clone, Copy)]
enum HashedKind {
    App = 1,
    Channel = 2,
    Member = 3,
    /// Selects the partition of a user's channels.
    User = 4,
    Info = 5,
    Revocation = 6,
    Ticket = 7,
    /// The life of all logs.
    History = 8,
}

/// Hashes names. Has no `Debug`.
pub struct ClusterNames(Hmac<Sha256>);

impl ClusterNames {
    pub fn new(key: &ClusterKey) -> Self {
        let key = key.derive(KeyPurpose::Names);
        Self(Hmac::new_from_slice(&*key).expect("HMAC takes a key of any length"))
    }

    pub fn app(&self, app: &str) -> AppHash {
        AppHash(self.hash(HashedKind::App, &[app.as_bytes()]))
    }

    /// A user's own channel and that of the user's watchers share a partition, since one script
    /// changes both.
    pub fn channel(&self, app: &str, channel: &Channel) -> ChannelLocation {
        let id = self.within_app(HashedKind::Channel, app, channel.name());
        let partition = match channel.subject() {
            Some(user) => Partition::of_hash(&self.within_app(HashedKind::User, app, user)),
            None => Partition::of_hash(&id),
        };
        ChannelLocation { id: ChannelId(id), partition }
    }

    pub fn member(&self, channel: &ChannelId, user_id: &str) -> MemberId {
        MemberId(self.hash(HashedKind::Member, &[&channel.0, user_id.as_bytes()]))
    }

    /// `info` is JSON text. A missing one differs from an empty one.
    pub fn info_tag(&self, member: &MemberId, info: Option<&str>) -> InfoTag {
        let (present, info) = ([u8::from(info.is_some())], info.unwrap_or_default());
        let hash = self.hash(HashedKind::Info, &[&member.0, &present, info.as_bytes()]);
        InfoTag(std::array::from_fn(|at| hash[at]))
    }

    /// Stands for what a revocation ends. `kind` tells apart what may have the same name.
    pub fn revocation(&self, app: &str, kind: u8, name: &str) -> [u8; HASH_BYTES] {
        let length = (app.len() as u32).to_be_bytes();
        let parts: [&[u8]; 4] = [&length, app.as_bytes(), &[kind], name.as_bytes()];
        self.hash(HashedKind::Revocation, &parts)
    }

    /// Shows that a node of this cluster made the ticket that begins with these bytes.
    pub fn ticket_tag(&self, ticket: &[u8]) -> [u8; TICKET_TAG_BYTES] {
        let hash = self.mac(HashedKind::Ticket, &[ticket]).finalize().into_bytes();
        std::array::from_fn(|at| hash[at])
    }

    pub fn is_ticket_tag(&self, ticket: &[u8], tag: &[u8; TICKET_TAG_BYTES]) -> bool {
        self.mac(HashedKind::Ticket, &[ticket]).verify_truncated_left(tag).is_ok()
    }

    /// Floors and the chain of numbers tell what is lost, so that one epoch serves for ever.
    pub fn history_epoch(&self) -> [u8; EPOCH_BYTES] {
        let hash = self.hash(HashedKind::History, &[b"history"]);
        std::array::from_fn(|at| hash[at])
    }

    /// With the app's length, so that app and name cannot be taken for others.
    fn within_app(&self, kind: HashedKind, app: &str, name: &str) -> [u8; HASH_BYTES] {
        let length = (app.len() as u32).to_be_bytes();
        self.hash(kind, &[&length, app.as_bytes(), name.as_bytes()])
    }

    fn hash(&self, kind: HashedKind, parts: &[&[u8]]) -> [u8; HASH_BYTES] {
        let code = self.mac(kind, parts).finalize().into_bytes();
        std::array::from_fn(|at| code[at])
    }

    fn mac(&self, kind: HashedKind, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(&[kind as u8]);
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}
