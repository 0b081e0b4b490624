//! The key that all nodes of a cluster share.

use zeroize::Zeroizing;

use crate::crypto::key::{Fingerprint, InvalidKey, KeyFormat, MasterKey};

/// Has no `Clone` and no `Debug`: there is one copy, and it cannot be printed.
pub struct ClusterKey(MasterKey);

/// The purpose of a derived key. No key serves two of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyPurpose {
    /// Hashes names (`names`).
    Names,
    /// Gives each incarnation its own key for messages (`envelope`).
    Events,
    /// Seals values that Redis keeps (`stored`).
    State,
    /// Wraps the keys of apps, together with one of them (`key_tables`).
    Control,
}

impl KeyPurpose {
    /// The number is the version of the layout.
    fn label(self) -> &'static str {
        match self {
            Self::Names => "sealcast/1/names",
            Self::Events => "sealcast/1/events",
            Self::State => "sealcast/1/state",
            Self::Control => "sealcast/1/control",
        }
    }
}

impl ClusterKey {
    /// The forms are those of master keys.
    pub fn parse(text: &str) -> Result<(Self, KeyFormat), InvalidKey> {
        MasterKey::parse(text).map(|(key, format)| (Self(key), format))
    }

    /// Equal to the fingerprint of a master key with the same bytes.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }

    pub fn derive(&self, purpose: KeyPurpose) -> Zeroizing<[u8; 32]> {
        self.0.derive(purpose.label())
    }
}

impl From<MasterKey> for ClusterKey {
    fn from(key: MasterKey) -> Self {
        Self(key)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::crypto::encoding::hex;

    /// The key of all known answers of this module.
    pub fn example_key() -> ClusterKey {
        MasterKey::from_bytes(std::array::from_fn(|at| at as u8 ^ 0xa5)).into()
    }

    pub fn other_key() -> ClusterKey {
        MasterKey::from_bytes(std::array::from_fn(|at| at as u8 ^ 0xa6)).into()
    }

    /// Another answer would part this version from the nodes and data of the versions before.
    #[test]
    fn derived_keys_are_those_of_the_first_version() {
        for (purpose, expected) in [
            (KeyPurpose::Names, "5a1381f5b23ad3f0be30cef66310ce4bea836459a76f773b9680cb1eebb23f6b"),
            (
                KeyPurpose::Events,
                "caa5eff6fe4cf89fae799a8ddb1702048771ff1b1337dcdbd068ef210ca6531b",
            ),
            (KeyPurpose::State, "6bc8242dec52ed5ad063bf8f59d0f408f45935ed018b0a7402c811c462118db7"),
            (
                KeyPurpose::Control,
                "aed2eefdf61db43dd552cb822772ea08cfba717c5f550438f2184444bb8198af",
            ),
        ] {
            assert_eq!(hex(&*example_key().derive(purpose)), expected, "{purpose:?}");
        }
    }

    #[test]
    fn key_has_the_forms_of_master_keys() {
        let own = MasterKey::generate().unwrap();
        let (parsed, format) = ClusterKey::parse(&own.to_text()).unwrap();
        assert_eq!((parsed.fingerprint(), format), (own.fingerprint(), KeyFormat::Base64));
        let error = ClusterKey::parse("a short secret").map(|_| ()).unwrap_err().to_string();
        assert!(!error.contains("a short secret"), "{error}");
    }
}
