//! Master keys, with one parser for all places of a key (encryption.md 3).

use std::{fmt, path::Path};

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::encoding::{base64, from_any_base64, from_hex, hex};
use crate::platform::text_file;

/// Has no `Clone`, `Debug`, `Display` or `Serialize`: there is one copy, and it cannot be printed.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

/// Identifies a key without revealing it.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Fingerprint(String);

/// The format of a key's text, shown by `keys inspect` and in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFormat {
    Base64,
    Hex,
    /// 32 printable characters as raw bytes, with far less than 256 bits of entropy.
    Raw,
}

#[derive(Debug, thiserror::Error)]
pub enum InvalidKey {
    #[error(
        "the key is {length} characters long and is no known form of 32 bytes: expected 44 characters of base64, 64 hex digits, or exactly 32 printable characters (`sealcast keys generate` makes one)"
    )]
    Unrecognized { length: usize },
    #[error("the key after `{prefix}` is not 32 bytes ({length} characters were given)")]
    Prefixed { prefix: &'static str, length: usize },
    #[error(
        "the key is a published example or one repeated byte, so it protects nothing: make a new one (`sealcast keys generate`)"
    )]
    Weak,
    #[error("the environment variable {0} for the key is not set")]
    Environment(String),
    #[error(transparent)]
    File(#[from] SecretFileError),
}

#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("cannot read the secret file {path}: {reason}")]
    Unreadable { path: String, reason: std::io::Error },
    #[error("the secret file {path} can be read by others (mode {mode:o}): run chmod 600 {path}")]
    OpenToOthers { path: String, mode: u32 },
}

impl MasterKey {
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub fn parse(text: &str) -> Result<(Self, KeyFormat), InvalidKey> {
        let (bytes, format) = read(text.trim())?;
        if is_weak(&bytes) {
            return Err(InvalidKey::Weak);
        }
        Ok((Self(*bytes), format))
    }

    pub(super) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text for a key file; for the key's owner alone.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("base64:{}", base64(&self.0)))
    }

    /// A key for one purpose, named by the label.
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(label.as_bytes(), &mut *key)
            .expect("HKDF gives up to 8160 bytes");
        key
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::from_bytes(self.fingerprint_bytes())
    }

    pub fn fingerprint_bytes(&self) -> [u8; 6] {
        let mut short = [0; 6];
        Hkdf::<Sha256>::new(None, &self.0)
            .expand(b"fingerprint", &mut short)
            .expect("HKDF gives up to 8160 bytes");
        short
    }
}

impl Fingerprint {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        Self(hex(&bytes))
    }

    /// Zeros for a text that is no fingerprint: no key has that one.
    pub fn to_bytes(&self) -> [u8; 6] {
        from_hex(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

type Bytes = Zeroizing<[u8; 32]>;

fn read(text: &str) -> Result<(Bytes, KeyFormat), InvalidKey> {
    if let Some(path) = text.strip_prefix("file:") {
        return read_plain(read_secret_file(Path::new(path))?.trim());
    }
    if let Some(name) = text.strip_prefix("env:") {
        let value = std::env::var(name).map_err(|_| InvalidKey::Environment(name.to_owned()))?;
        return read_plain(Zeroizing::new(value).trim());
    }
    read_plain(text)
}

fn read_plain(text: &str) -> Result<(Bytes, KeyFormat), InvalidKey> {
    for (prefix, format) in
        [("base64:", KeyFormat::Base64), ("hex:", KeyFormat::Hex), ("raw:", KeyFormat::Raw)]
    {
        if let Some(rest) = text.strip_prefix(prefix) {
            let error = InvalidKey::Prefixed { prefix, length: rest.chars().count() };
            return decode(rest, format).map(|bytes| (bytes, format)).ok_or(error);
        }
    }
    [KeyFormat::Base64, KeyFormat::Hex, KeyFormat::Raw]
        .into_iter()
        .find_map(|format| decode(text, format).map(|bytes| (bytes, format)))
        .ok_or(InvalidKey::Unrecognized { length: text.chars().count() })
}

fn decode(text: &str, format: KeyFormat) -> Option<Bytes> {
    match format {
        KeyFormat::Base64 => {
            let bytes = Zeroizing::new(from_any_base64(text)?);
            Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
        }
        KeyFormat::Hex => from_hex(text).map(Zeroizing::new),
        KeyFormat::Raw => {
            let printable = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
            Some(Zeroizing::new(text.as_bytes().try_into().ok().filter(|_| printable)?))
        }
    }
}

/// True for keys from documentation and for arithmetic sequences of bytes.
fn is_weak(bytes: &[u8; 32]) -> bool {
    let step = bytes[1].wrapping_sub(bytes[0]);
    let run = bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    run || PUBLISHED.contains(&bytes.as_slice())
}

const PUBLISHED: [&[u8]; 4] = [
    b"01234567890123456789012345678901",
    b"0123456789abcdef0123456789abcdef",
    b"abcdefghijklmnopqrstuvwxyz012345",
    b"This is a 32 byte encryption key",
];

/// Reads a secret file. Refuses a file that other users can read.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, SecretFileError> {
    use std::os::unix::fs::PermissionsExt;
    let name = || path.display().to_string();
    let unreadable = |reason| SecretFileError::Unreadable { path: name(), reason };
    let file = text_file::open(path).map_err(unreadable)?;
    // Taken from the open file: the path may name another one by now.
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    // The mode of a pipe or a device is not the operator's to choose.
    let mode = if metadata.is_file() { metadata.permissions().mode() & 0o777 } else { 0 };
    if mode & 0o007 != 0 {
        return Err(SecretFileError::OpenToOthers { path: name(), mode });
    }
    let text = text_file::read_open(file).map_err(unreadable)?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> [u8; 32] {
        std::array::from_fn(|i| (i * 37 % 251) as u8 ^ 0x5a)
    }

    #[test]
    fn all_notations_of_a_key_are_equal() {
        let plain = base64(&key());
        let url = plain.replace('+', "-").replace('/', "_");
        for (text, format) in [
            (plain.clone(), KeyFormat::Base64),
            (plain.trim_end_matches('=').to_owned(), KeyFormat::Base64),
            (url.trim_end_matches('=').to_owned(), KeyFormat::Base64),
            (format!("base64:{plain}"), KeyFormat::Base64),
            (format!(" {plain}\n"), KeyFormat::Base64),
            (hex(&key()), KeyFormat::Hex),
            (hex(&key()).to_uppercase(), KeyFormat::Hex),
            (format!("hex:{}", hex(&key())), KeyFormat::Hex),
        ] {
            let (parsed, seen) = MasterKey::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((parsed.expose(), seen), (&key(), format), "{text}");
        }
        let raw = "Tr0ub4dor&3 is not quite 32 long";
        assert_eq!(
            MasterKey::parse(raw).map(|k| (*k.0.expose(), k.1)).ok(),
            Some((raw.as_bytes().try_into().unwrap(), KeyFormat::Raw))
        );
        assert!(MasterKey::parse(&format!("raw:{raw}")).is_ok());
    }

    #[test]
    fn other_text_is_rejected_and_not_echoed() {
        for text in [
            "",
            "short",
            "base64:AAAA",
            "hex:00",
            "raw:short",
            &"x".repeat(31),
            &"é".repeat(16),
            &"ab".repeat(40),
        ] {
            let error = MasterKey::parse(text).map(|_| ()).unwrap_err().to_string();
            let value = text.rsplit(':').next().unwrap_or_default();
            assert!(value.len() < 5 || !error.contains(value), "{error}");
        }
    }

    #[test]
    fn weak_keys_are_rejected() {
        for bytes in [
            [0; 32],
            [7; 32],
            std::array::from_fn(|i| i as u8),
            std::array::from_fn(|i| 255 - i as u8),
        ] {
            assert!(matches!(MasterKey::parse(&hex(&bytes)), Err(InvalidKey::Weak)));
        }
        assert!(matches!(
            MasterKey::parse("01234567890123456789012345678901"),
            Err(InvalidKey::Weak)
        ));
    }

    #[test]
    fn fingerprints_differ_by_key() {
        let (a, b) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        assert_ne!(a.fingerprint(), b.fingerprint());
        assert_eq!(MasterKey::parse(&a.to_text()).unwrap().0.fingerprint(), a.fingerprint());
    }

    #[test]
    fn world_readable_secret_file_is_rejected() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("sealcast-key-{}", std::process::id()));
        std::fs::write(&path, base64(&key())).unwrap();
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        assert!(MasterKey::parse(&format!("file:{}", path.display())).is_ok());
        mode(0o644);
        assert!(matches!(
            MasterKey::parse(&format!("file:{}", path.display())),
            Err(InvalidKey::File(SecretFileError::OpenToOthers { mode: 0o644, .. }))
        ));
        std::fs::remove_file(&path).unwrap();
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,100}") {
            let _ = read_plain(&text);
        }
    }
}
