//! Channel names. The only place that knows the meaning of prefixes (protocol.md 2.1).

mod kind;

use std::{fmt, sync::Arc};

use crate::domain::refusal::RefusalCode;
use kind::Access;
pub use kind::{ChannelKind, ENCRYPTED_PREFIX, PREFIXES};

/// A valid channel name with its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    name: Arc<str>,
    kind: ChannelKind,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidChannel {
    #[error("the channel name {0}")]
    Name(#[from] InvalidName),
    #[error(
        "the channel name looks encrypted but is not: write {correct:?}, or choose another name"
    )]
    LookAlike { correct: String },
    #[error(
        "{alias} is only a name to publish on, and no channel: subscribe to {encrypted}, where its events arrive sealed (sealing_alias)"
    )]
    Alias { alias: String, encrypted: String },
    #[error(
        "{alias} stands for {encrypted}, but this app has no key to seal with on that channel: publish there what your backend has encrypted, or give the app a master key"
    )]
    AliasWithoutKey { alias: String, encrypted: String },
    #[error(
        "the channel name is too long: the alias stands for a name that begins with private-encrypted- and is {length} bytes long, the limit is {limit}"
    )]
    AliasTooLong { length: usize, limit: usize },
    #[error(
        "the channel name looks like the sealing alias but is not, so its payload would be sent in plaintext: write {correct:?}, or choose another name (sealing_alias)"
    )]
    AliasLookAlike { correct: String },
}

impl InvalidChannel {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Alias { .. } => RefusalCode::SealingAlias,
            Self::AliasWithoutKey { .. } => RefusalCode::AliasWithoutKey,
            Self::Name(_)
            | Self::LookAlike { .. }
            | Self::AliasTooLong { .. }
            | Self::AliasLookAlike { .. } => RefusalCode::InvalidChannel,
        }
    }
}

/// A violation of the rule for channel names and user ids. The sentence lacks its subject.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidName {
    #[error("is empty")]
    Empty,
    #[error("is {length} bytes long, the limit is {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("contains {character:?}; allowed are letters, digits and _ - = @ , . ;")]
    Character { character: char },
}

const USER_PREFIX: &str = "#server-to-user-";
const WATCH_PREFIX: &str = "#watch-";

impl Channel {
    pub fn parse(name: &str, limit: usize) -> Result<Self, InvalidChannel> {
        if let Some(user) = name.strip_prefix(USER_PREFIX) {
            check_characters(user, limit)?;
            return Ok(Self { name: Arc::from(name), kind: ChannelKind::USER });
        }
        check_characters(name, limit)?;
        refuse_look_alike(name)?;
        Ok(Self { name: Arc::from(name), kind: ChannelKind::of(name) })
    }

    /// A channel by the name that this server, or another node, has given it: internal topics too.
    pub fn restore(name: &str) -> Result<Self, InvalidChannel> {
        match name.strip_prefix(WATCH_PREFIX) {
            Some(user) => Ok(Self::of_watchers(user)),
            None => Self::parse(name, usize::MAX),
        }
    }

    /// The channel that reaches every connection signed in as `user`.
    pub fn of_user(user: &str) -> Self {
        Self { name: format!("{USER_PREFIX}{user}").into(), kind: ChannelKind::USER }
    }

    /// The internal topic of the watchers of `user`.
    pub fn of_watchers(user: &str) -> Self {
        Self { name: format!("{WATCH_PREFIX}{user}").into(), kind: ChannelKind::WATCH }
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn kind(&self) -> ChannelKind {
        self.kind
    }

    /// The user of a `#server-to-user-` channel.
    pub fn user(&self) -> Option<&str> {
        match self.kind.access {
            Access::User => self.name.strip_prefix(USER_PREFIX),
            Access::Public
            | Access::Private
            | Access::Encrypted
            | Access::Presence
            | Access::Watch => None,
        }
    }

    /// The user of a `#server-to-user-` channel, or of the topic of that user's watchers.
    pub fn subject(&self) -> Option<&str> {
        self.user().or_else(|| self.name.strip_prefix(WATCH_PREFIX))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte)
}

/// The rule for channel names, and for user ids, which become part of one (protocol.md 5.2).
pub fn check_characters(name: &str, limit: usize) -> Result<(), InvalidName> {
    if name.is_empty() {
        return Err(InvalidName::Empty);
    }
    if name.len() > limit {
        return Err(InvalidName::TooLong { length: name.len(), limit });
    }
    match name.chars().find(|c| !c.is_ascii() || !is_name_byte(*c as u8)) {
        Some(character) => Err(InvalidName::Character { character }),
        None => Ok(()),
    }
}

/// Refuses names such as `private_encrypted-x`, which would be public channels in plaintext
/// (encryption.md 1).
pub fn refuse_look_alike(name: &str) -> Result<(), InvalidChannel> {
    const STEM: &str = "private-encrypted";
    if name.starts_with(ENCRYPTED_PREFIX) {
        return Ok(());
    }
    match behind_look_alike(name, STEM) {
        Some(rest) => {
            Err(InvalidChannel::LookAlike { correct: format!("{ENCRYPTED_PREFIX}{rest}") })
        }
        None => Ok(()),
    }
}

/// The rest of the name after a beginning that differs from `stem` at most in capitals and
/// punctuation.
pub fn behind_look_alike<'a>(name: &'a str, stem: &str) -> Option<&'a str> {
    let spelled =
        |text: &str| text.to_ascii_lowercase().replace(['_', '.', ',', ';', '=', '@'], "-");
    let head = name.get(..stem.len())?;
    (spelled(head) == spelled(stem))
        .then(|| name[stem.len()..].trim_start_matches(|c: char| !c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_prefix_selects_its_kind() {
        use Access::*;
        for (name, access, cached) in [
            ("orders", Public, false),
            ("cacheline", Public, false),
            ("cache-orders", Public, true),
            ("x-cache-y", Public, false),
            ("privateer", Public, false),
            ("private", Public, false),
            ("presence", Public, false),
            ("private-", Private, false),
            ("private-orders", Private, false),
            ("private-cache-orders", Private, true),
            ("private-nocache-x", Private, false),
            ("private-encrypted-orders", Encrypted, false),
            ("private-encrypted-cache-orders", Encrypted, true),
            ("presence-room", Presence, false),
            ("presence-cache-room", Presence, true),
            ("presence-encrypted-room", Presence, false),
            ("#server-to-user-u1", User, false),
        ] {
            let kind = Channel::parse(name, 200).expect(name).kind();
            assert_eq!((kind.access, kind.is_cached()), (access, cached), "{name}");
        }
    }

    #[test]
    fn all_channels_are_restored_by_their_names() {
        let parsed = |name| Channel::parse(name, 200).expect(name);
        for channel in [
            parsed("orders"),
            parsed("presence-room"),
            Channel::of_user("u1"),
            Channel::of_watchers("u1"),
        ] {
            assert_eq!(Channel::restore(channel.name()), Ok(channel));
        }
        assert!(Channel::restore("no name").is_err());
    }

    #[test]
    fn invalid_names_are_rejected() {
        for name in [
            "",
            "a b",
            "a:b",
            "a/b",
            "#x",
            "#watch-u",
            "#server-to-user-",
            "#server-to-user-a b",
            "é",
            "a\0",
            "a\n",
        ] {
            assert!(Channel::parse(name, 200).is_err(), "{name:?}");
        }
        assert!(Channel::parse(&"a".repeat(200), 200).is_ok());
        assert_eq!(
            Channel::parse(&"a".repeat(201), 200),
            Err(InvalidName::TooLong { length: 201, limit: 200 }.into())
        );
    }

    #[test]
    fn near_misses_of_the_encrypted_prefix_suggest_the_spelling() {
        for (name, right) in [
            ("private-encrypted", "private-encrypted-"),
            ("private_encrypted-x", "private-encrypted-x"),
            ("private-encrypted_x", "private-encrypted-x"),
            ("Private-Encrypted-x", "private-encrypted-x"),
            ("private-encryptedx", "private-encrypted-x"),
        ] {
            assert_eq!(
                Channel::parse(name, 200),
                Err(InvalidChannel::LookAlike { correct: right.to_owned() }),
                "{name}"
            );
        }
        assert!(Channel::parse("private-encryption-x", 200).is_ok());
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_the_name(name in "\\PC{0,40}") {
            if let Ok(channel) = Channel::parse(&name, 200) {
                prop_assert_eq!(&**channel.name(), name.as_str());
            }
        }

        #[test]
        fn only_exact_prefixes_need_authorization(name in "[a-z_\\-=@,.;]{1,30}") {
            if let Ok(channel) = Channel::parse(&name, 200) {
                let open = channel.kind().is_public();
                prop_assert_eq!(open, !name.starts_with("private-") && !name.starts_with("presence-"));
            }
        }
    }
}
