//! The sealing alias: a private name on which every SDK publishes plaintext. The server seals it
//! and delivers it on the encrypted channel.

use crate::domain::channel::{
    ENCRYPTED_PREFIX, InvalidChannel, behind_look_alike, check_characters, refuse_look_alike,
};

/// A prefix that replaces `private-encrypted-` when publishing. Empty: no alias.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealingAlias(Box<str>);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAlias {
    #[error(
        "must begin with \"private-\", go on, and end with a dash, such as \"private-sealed-\" (\"\" turns it off): under a public name the payload would be in clear wherever the alias is not known"
    )]
    NotPrivate,
    #[error(
        "must not begin with \"private-cache-\": that is a channel whose last event is kept; \"private-sealed-cache-x\" stands for an encrypted one"
    )]
    Cached,
    #[error("must not begin with \"private-encrypted-\": that is the name of the channel itself")]
    Encrypted,
    #[error("cannot be used: {0}")]
    Name(#[from] InvalidChannel),
}

impl SealingAlias {
    pub const DEFAULT: &str = "private-sealed-";
    const PRIVATE: &str = "private-";
    const MAX_BYTES: usize = 100;

    pub fn parse(prefix: &str) -> Result<Self, InvalidAlias> {
        if !prefix.is_empty() {
            let rest = prefix.strip_prefix(Self::PRIVATE).ok_or(InvalidAlias::NotPrivate)?;
            if rest.len() < 2 || !rest.ends_with('-') {
                return Err(InvalidAlias::NotPrivate);
            }
            if rest.starts_with("cache-") {
                return Err(InvalidAlias::Cached);
            }
            if prefix.starts_with(ENCRYPTED_PREFIX) {
                return Err(InvalidAlias::Encrypted);
            }
            check_characters(prefix, Self::MAX_BYTES).map_err(InvalidChannel::from)?;
            refuse_look_alike(prefix)?;
        }
        Ok(Self(prefix.into()))
    }

    /// The encrypted name for an alias name or pattern. `None` if it is not an alias.
    pub fn encrypted_name(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&*self.0).filter(|_| self.is_alias(name))?;
        Some(format!("{ENCRYPTED_PREFIX}{rest}"))
    }

    pub fn is_alias(&self, name: &str) -> bool {
        !self.0.is_empty() && name.starts_with(&*self.0)
    }

    /// The alias that a name is probably meant to be, which differs from it in capitals, punctuation
    /// or the dash behind it.
    pub fn misspelt(&self, name: &str) -> Option<String> {
        let stem = self.0.strip_suffix('-').filter(|_| !name.starts_with(&*self.0))?;
        Some(format!("{}{}", self.0, behind_look_alike(name, stem)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alias_maps_to_the_encrypted_name() {
        let alias = SealingAlias::parse(SealingAlias::DEFAULT).unwrap();
        for (name, encrypted) in [
            ("private-sealed-orders", Some("private-encrypted-orders")),
            ("private-sealed-cache-x", Some("private-encrypted-cache-x")),
            ("private-sealed-*", Some("private-encrypted-*")),
            ("private-sealed-", Some("private-encrypted-")),
            ("private-sealed", None),
            ("private-sealedorders", None),
            ("Private-sealed-orders", None),
            ("sealed-orders", None),
            ("private-encrypted-orders", None),
            ("presence-sealed-orders", None),
        ] {
            assert_eq!(alias.encrypted_name(name).as_deref(), encrypted, "{name}");
            assert_eq!(alias.is_alias(name), encrypted.is_some(), "{name}");
        }
        let off = SealingAlias::parse("").unwrap();
        assert_eq!(off.encrypted_name("private-sealed-orders"), None);
        assert_eq!(off.encrypted_name(""), None);
    }

    #[test]
    fn misspelt_alias_differs_from_alias_and_other_names() {
        let alias = SealingAlias::parse(SealingAlias::DEFAULT).unwrap();
        for name in ["Private-sealed-x", "private_sealed-x", "PRIVATE-SEALED_x", "private-sealedx"]
        {
            assert_eq!(alias.misspelt(name).as_deref(), Some("private-sealed-x"), "{name}");
        }
        for name in ["private-sealed-x", "private-seal-x", "sealed-x", "private-x", "x"] {
            assert_eq!(alias.misspelt(name), None, "{name}");
        }
        assert_eq!(SealingAlias::parse("").unwrap().misspelt("private-sealed_x"), None);
    }

    #[test]
    fn alias_that_would_not_fail_closed_is_rejected() {
        for prefix in ["private-s-", "private-sealed-", "private-x.y-"] {
            assert!(SealingAlias::parse(prefix).is_ok(), "{prefix}");
        }
        for prefix in
            ["sealed-", "presence-sealed-", "private", "private-", "private--", "private-sealed"]
        {
            assert_eq!(SealingAlias::parse(prefix), Err(InvalidAlias::NotPrivate), "{prefix}");
        }
        assert_eq!(SealingAlias::parse("private-cache-"), Err(InvalidAlias::Cached));
        for prefix in ["private-encrypted-", "private-encrypted-x-"] {
            assert_eq!(SealingAlias::parse(prefix), Err(InvalidAlias::Encrypted), "{prefix}");
        }
        for prefix in ["private-Encrypted-", "private-encryptedx-", "private-é-"] {
            assert!(matches!(SealingAlias::parse(prefix), Err(InvalidAlias::Name(_))), "{prefix}");
        }
    }
}
