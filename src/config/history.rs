//! The server's section `[history]`.

use secrecy::ExposeSecret;

use super::{
    checks::{ConfigResult, between},
    raw::{channels::RawServerHistory, units::RawSize},
    sealing::{parse_key, refuse_master_key},
    secrets::secret,
};
use crate::{app::App, crypto::key::MasterKey};

const BYTES: (RawSize, RawSize) = (RawSize(1 << 20), RawSize(1 << 40));

/// Settings of all logs of the server.
pub struct HistoryConfig {
    /// Seals logs at rest; `None` for the one that the server makes.
    pub key: Option<MasterKey>,
    /// The budget of all logs in memory.
    pub bytes: usize,
}

pub fn history(
    raw: &RawServerHistory,
    apps: &[App],
    warnings: &mut Vec<String>,
) -> ConfigResult<HistoryConfig> {
    const KEY: &str = "history.key";
    let RawSize(bytes) = between("history.bytes", raw.bytes, BYTES)?;
    let given = secret(KEY, &raw.key, &raw.key_file)?;
    let key = given.map(|text| parse_key(KEY, text.expose_secret(), warnings)).transpose()?;
    if let Some(key) = &key {
        // Logs must not fall with a channel's secrets, nor channels with the logs.
        refuse_master_key(KEY, &key.fingerprint(), apps, "give the logs a key of their own")?;
    }
    Ok(HistoryConfig { key, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::Derivation;

    fn with_key(text: &str) -> RawServerHistory {
        RawServerHistory { key: Some(text.to_owned().into()), ..RawServerHistory::default() }
    }

    #[test]
    fn history_key_has_the_forms_of_master_keys() {
        let own = MasterKey::generate().unwrap();
        let mut warnings = Vec::new();
        let read = history(&with_key(&own.to_text()), &[], &mut warnings).unwrap();
        assert_eq!(read.key.map(|key| key.fingerprint()), Some(own.fingerprint()));
        let error = history(&with_key("too short"), &[], &mut warnings).err().unwrap().to_string();
        assert!(error.starts_with("history.key: the key is 9 characters long"), "{error}");
        assert!(history(&RawServerHistory::default(), &[], &mut warnings).unwrap().key.is_none());
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn master_key_as_history_key_is_refused() {
        let app = App::for_tests("shop").sealed(Derivation::Pusher);
        let ring = app.sealing.keys().unwrap().clone();
        let text = ring.table().active().master.as_ref().unwrap().to_text();
        let apps = [App::for_tests("other"), app];
        let error = history(&with_key(&text), &apps, &mut Vec::new()).err().unwrap().to_string();
        assert!(error.contains("history.key is the master key of app shop"), "{error}");
        assert!(!error.contains(text.trim_start_matches("base64:")), "{error}");
    }

    #[test]
    fn budget_of_the_server_has_a_range() {
        for (bytes, accepted) in [(0, false), (1 << 20, true), (1 << 40, true), (1 << 41, false)] {
            let raw = RawServerHistory { bytes: RawSize(bytes), ..RawServerHistory::default() };
            let read = history(&raw, &[], &mut Vec::new());
            assert_eq!(read.is_ok(), accepted, "{bytes}");
            if let Err(error) = read {
                assert!(error.to_string().contains("between 1MiB and 1024GiB"), "{error}");
            }
        }
    }
}
