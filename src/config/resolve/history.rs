//! The server's section `[history]`.

use secrecy::ExposeSecret;

use super::{
    checks::{ConfigResult, between, error},
    sealing::{parse_key, refuse_master_key},
    secrets::secret,
};
use crate::{
    config::raw::{channels::RawServerHistory, units::RawSize},
    {app::App, crypto::key::MasterKey},
};

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
    clustered: bool,
    warnings: &mut Vec<String>,
) -> ConfigResult<HistoryConfig> {
    const KEY: &str = "history.key";
    let RawSize(bytes) = between("history.bytes", raw.bytes, BYTES)?;
    let given = secret(KEY, &raw.key, &raw.key_file)?;
    if clustered {
        refuse_in_cluster(given.is_some(), raw.bytes)?;
    }
    let key = given.map(|text| parse_key(KEY, text.expose_secret(), warnings)).transpose()?;
    if let Some(key) = &key {
        // Logs must not fall with a channel's secrets, nor channels with the logs.
        refuse_master_key(KEY, &key.fingerprint(), apps, "give the logs a key of their own")?;
    }
    Ok(HistoryConfig { key, bytes })
}

/// The logs are in Redis, sealed under the key of the cluster.
fn refuse_in_cluster(has_key: bool, bytes: RawSize) -> ConfigResult<()> {
    if has_key {
        return error(
            "history.key",
            "history.key seals logs on disk, and in a cluster they are in Redis, sealed under cluster.key: remove history.key (or history.key_file)",
        );
    }
    if bytes != RawServerHistory::default().bytes {
        return error(
            "history.bytes",
            "history.bytes is for logs in the memory of a server, and in a cluster they are in Redis: remove history.bytes. The history of a channel bounds its log, and maxmemory bounds Redis",
        );
    }
    Ok(())
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
        let read = history(&with_key(&own.to_text()), &[], false, &mut warnings).unwrap();
        assert_eq!(read.key.map(|key| key.fingerprint()), Some(own.fingerprint()));
        let error =
            history(&with_key("too short"), &[], false, &mut warnings).err().unwrap().to_string();
        assert!(error.starts_with("history.key: the key is 9 characters long"), "{error}");
        assert!(
            history(&RawServerHistory::default(), &[], false, &mut warnings).unwrap().key.is_none()
        );
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn master_key_as_history_key_is_refused() {
        let app = App::for_tests("shop").sealed(Derivation::Pusher);
        let ring = app.sealing.keys().unwrap().clone();
        let text = ring.table().active().master.as_ref().unwrap().to_text();
        let apps = [App::for_tests("other"), app];
        let error =
            history(&with_key(&text), &apps, false, &mut Vec::new()).err().unwrap().to_string();
        assert!(error.contains("history.key is the master key of app shop"), "{error}");
        assert!(!error.contains(text.trim_start_matches("base64:")), "{error}");
    }

    #[test]
    fn settings_of_logs_outside_of_redis_are_refused_in_a_cluster() {
        let resolve = |raw: &RawServerHistory| {
            let error = history(raw, &[], true, &mut Vec::new()).err();
            error.map(|error| error.to_string()).unwrap_or_default()
        };
        assert_eq!(resolve(&RawServerHistory::default()), "");
        let key = MasterKey::generate().unwrap().to_text();
        let error = resolve(&with_key(&key));
        assert!(error.contains("sealed under cluster.key: remove history.key"), "{error}");
        let bytes = RawServerHistory { bytes: RawSize(1 << 20), ..RawServerHistory::default() };
        let error = resolve(&bytes);
        assert!(error.contains("maxmemory bounds Redis"), "{error}");
    }

    #[test]
    fn budget_of_the_server_has_a_range() {
        for (bytes, accepted) in [(0, false), (1 << 20, true), (1 << 40, true), (1 << 41, false)] {
            let raw = RawServerHistory { bytes: RawSize(bytes), ..RawServerHistory::default() };
            let read = history(&raw, &[], false, &mut Vec::new());
            assert_eq!(read.is_ok(), accepted, "{bytes}");
            if let Err(error) = read {
                assert!(error.to_string().contains("between 1MiB and 1024GiB"), "{error}");
            }
        }
    }
}
