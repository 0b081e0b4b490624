//! Configuration, in the order in which a setting becomes part of a server:
//!
//! * `raw`: the written form, with the descriptions and defaults of all settings.
//! * `schema`: what `raw` says about each setting: its kind, unit, default, secrecy.
//! * `environment`, `source`: file, variables and flags, as one tree of values with their origins.
//! * `resolve`: from the written form to `Config`, with all checks between settings.
//! * `faults`, `check`: what is wrong, and where; all of it in one run.
//! * `reference`, `show`: the documents about settings, and the settings in force.
//! * `config_hashes`: what has changed at a reload.

mod check;
mod config_hashes;
mod environment;
mod faults;
mod raw;
mod reference;
mod resolve;
mod schema;
mod setting_error;
mod show;
mod snippet;
mod source;
mod takes_effect;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    app::App,
    cluster::settings::ClusterSettings,
    crypto::secret::Salt,
    web::{Addresses, Settings, TlsIdentity},
};

pub use check::{Findings, NamedFiles, check};
pub use config_hashes::ConfigHashes;
pub use environment::Environment;
pub use faults::{ConfigError, Fault, Listing};
pub use reference::{default_file, reference_page, schema_text};
pub use resolve::{history::HistoryConfig, public_url::PublicUrl};
pub use show::{ShownSettings, shown};
pub use snippet::{AuthEndpoint, BoundAddresses, SnippetContext};
pub use source::{Development, Flags, PublicEndpoint, Source, path};
pub use takes_effect::TakesEffect;

use raw::RawConfig;
use resolve::sealing::StateUse;

/// The validated configuration: typed, without an `Option` that means "default".
pub struct Config {
    pub addresses: Addresses,
    /// `Some` if the public listener speaks TLS.
    pub tls: Option<Arc<TlsIdentity>>,
    pub workers: usize,
    pub mailbox_bytes: usize,
    pub cache_bytes: usize,
    /// Re-authorizations per second that this node asks of clients during rotations.
    pub turns_per_second: u32,
    pub history: HistoryConfig,
    /// `None` for a server alone.
    pub cluster: Option<ClusterSettings>,
    /// Bytes; `None` for the system's limit.
    pub memory_limit: Option<u64>,
    pub settings: Settings,
    pub log: LogConfig,
    /// True if changed files are read again.
    pub watch: bool,
    pub state_dir: PathBuf,
    pub audit_file: Option<PathBuf>,
    pub apps: Vec<App>,
    /// Remarks for the operator, logged at the start and at each reload.
    pub warnings: Vec<String>,
    /// Remarks about use elsewhere, for `config check` only.
    pub notes: Vec<String>,
}

pub struct LogConfig {
    /// The syntax of tracing's `EnvFilter`.
    pub filter: String,
    pub json: bool,
}

impl Config {
    pub fn load(source: &Source, salt: Salt) -> Result<Self, ConfigError> {
        Self::resolve(source, source.extract()?, StateUse::Keep, salt)
    }

    /// For commands that leave no file behind.
    pub fn look(source: &Source, salt: Salt) -> Result<Self, ConfigError> {
        Self::resolve(source, source.extract()?, StateUse::LookOnly, salt)
    }

    /// For a running server: its state directory stays, whatever the configuration says now.
    pub fn load_in(source: &Source, state_dir: &Path, salt: Salt) -> Result<Self, ConfigError> {
        let raw = source.extract()?;
        let raw = RawConfig { state_dir: state_dir.to_owned(), ..raw };
        Self::resolve(source, raw, StateUse::Keep, salt)
    }

    fn resolve(
        source: &Source,
        mut raw: RawConfig,
        files: StateUse,
        salt: Salt,
    ) -> Result<Self, ConfigError> {
        raw.read_variables(source.environment());
        let mut config = resolve::resolve(raw, source.development(), files, salt)
            .map_err(|e| ConfigError::new(source.setting_fault(&e.setting, e.message)))?;
        config.addresses.operations_may_fail = source.is_of_development("ops_listen");
        config.warnings.extend(source.warnings());
        config.settings.reloadable.config_report = show::report(source)?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::OpenOptionsExt, path::Path};

    use super::*;
    use crate::crypto::{key::MasterKey, vectors::example_salt};

    fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let path = std::env::temp_dir().join(format!(
            "sealcast-config-{}-{:?}.toml",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::write(&path, text).unwrap();
        let flags = Flags { config: Some(path.clone()), ..Flags::default() };
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let source = Source::new(&flags, environment.collect());
        let config = Config::load(&source, example_salt());
        std::fs::remove_file(&path).unwrap();
        config.map_err(|e| e.to_string())
    }

    const APP: &str = "[apps.a]\nkey = 'k'\nsecret = 's'\n";

    fn write_secret(path: &Path, text: &str) {
        use std::io::Write;
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// The files name secrets that only exist where the server is installed: here each gets one.
    #[test]
    fn example_configurations_are_valid() {
        let secrets = std::env::temp_dir().join(format!("sealcast-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&secrets).unwrap();
        let mut seen = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for name in
                text.split("\"/run/secrets/").skip(1).map(|rest| rest.split('"').next().unwrap())
            {
                write_secret(&secrets.join(name), &MasterKey::generate().unwrap().to_text());
            }
            let text = text.replace("/run/secrets", &secrets.display().to_string());
            let config = load(&text, &[]).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert!(!config.apps.is_empty());
            seen += 1;
        }
        std::fs::remove_dir_all(&secrets).unwrap();
        assert!(seen >= 3);
    }

    #[test]
    fn unknown_names_get_a_suggestion() {
        for (text, expected) in [
            (
                format!("lissten = '127.0.0.1:1'\n{APP}"),
                "unknown setting \"lissten\": did you mean \"listen\"?",
            ),
            (
                format!("{APP}master_kye = 'x'\n"),
                "unknown setting \"master_kye\" in [apps.a]: did you mean \"master_key\"?",
            ),
            (format!("{APP}[apps.a.limits]\nevent_byte = 1\n"), "did you mean \"event_bytes\"?"),
            (format!("{APP}mode = 'automatic'\n"), "must be one of auto, blind"),
        ] {
            let error = load(&text, &[]).err().unwrap();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let environment = [
            ("SEALCAST_LISTEN", "127.0.0.1:7"),
            ("SEALCAST_APP_LIMITS__EVENT_BYTES", "99"),
            ("SEALCAST_APP_ORIGINS", "['https://a.example']"),
        ];
        let config = load(&format!("listen = '127.0.0.1:6'\n{APP}"), &environment).unwrap();
        assert_eq!(config.addresses.public.to_string(), "127.0.0.1:7");
        assert_eq!(config.apps[0].limits.event_bytes, 99);
        assert!(config.apps[0].origins.lists("https://a.example"));
    }

    #[test]
    fn one_app_from_the_environment() {
        let key = MasterKey::generate().unwrap();
        let environment = [
            ("SEALCAST_APP_ID", "1234"),
            ("SEALCAST_APP_KEY", "99"),
            ("SEALCAST_APP_SECRET", "0123"),
            ("SEALCAST_MASTER_KEY", &key.to_text()),
            ("SEALCAST_PORT", "tcp://10.0.0.1:80"),
            ("SEALCAST_SERVICE_HOST", "10.0.0.1"),
        ];
        let config = load("", &environment).unwrap();
        assert_eq!((&*config.apps[0].id, &*config.apps[0].key), ("1234", "99"));
        assert_eq!(config.apps[0].sealing.keys().unwrap().table().active().id, key.fingerprint());
        let error = load("", &environment[..1]).err().unwrap();
        assert!(error.contains("apps.1234.key is missing"), "{error}");
        let error = load("", &environment[1..2]).err().unwrap();
        assert!(error.contains("SEALCAST_APP_ID is not"), "{error}");
    }

    #[test]
    fn implausible_settings_are_refused() {
        let key = MasterKey::generate().unwrap().to_text();
        let other = |extra: &str| format!("{APP}{extra}");
        for (text, expected) in [
            (String::new(), "there is no app"),
            ("[apps.a]\nkey = 'k'\n".into(), "apps.a.secret is missing"),
            (other("master_key = \"too short\n"), ":4:24: this is not TOML"),
            (other("secret_file = '/x'\n"), "both given"),
            (other("mode = 'auto'\n"), "master_key is missing"),
            (other(&format!("mode = 'blind'\nmaster_key = '{}'\n", *key)), "holds no key"),
            (other("master_key = 'too short'\n"), "9 characters long"),
            (other("origins = ['*']\n"), "is no origin"),
            (other("origins = ['https://*.com']\n"), "\"https://*.com\" is too wide"),
            (other("origins = ['https://a.*.example']\n"), "stands for a whole label"),
            (other("[apps.b]\nkey = 'k'\nsecret = 's'\n"), "have the same key"),
            (
                other(&format!(
                    "master_key = '{0}'\n[apps.b]\nkey = 'k2'\nsecret = 's'\nmaster_key = '{0}'\n",
                    *key
                )),
                "same master key",
            ),
            (
                format!("trusted_proxies = ['10.0.0.0/33']\n{APP}"),
                "neither an address nor a network",
            ),
            (format!("trusted_proxies = ['0.0.0.0/0']\n{APP}"), "would believe everybody"),
            (format!("forwarded_header = 'x-real-ip'\n{APP}"), "x-forwarded-for, forwarded"),
            (format!("listen = 'too short'\n{APP}"), "is ADDRESS:PORT or NAME:PORT, such as"),
            (format!("listen = 'unix:a.sock'\n{APP}"), "must begin with a slash"),
            (format!("api_listen = 'unix:/{}'\n{APP}", "a".repeat(107)), "108 bytes long"),
            (format!("ops_listen = '0.0.0.0:6001'\n{APP}"), "listen and ops_listen are both"),
            (
                format!("api_listen = 'unix:/a'\nops_listen = 'unix:/a'\n{APP}"),
                "api_listen and ops_listen are both unix:/a",
            ),
            (
                format!("state_dir = '/s'\napi_listen = 'unix:/s/admin.sock'\n{APP}"),
                "the admin socket of the state directory",
            ),
            (format!("unix_socket_mode = '0860'\n{APP}"), "a mode in octal"),
            (format!("unix_socket_mode = '0060'\n{APP}"), "lets the owner read and write"),
            (format!("proxy_protocol = true\n{APP}"), "name the balancers"),
            (format!("api_proxy_protocol = true\n{APP}"), "there is no api_listen"),
            (
                format!("api_listen = '127.0.0.1:1'\napi_proxy_protocol = true\n{APP}"),
                "api_proxy_protocol is true, but trusted_proxies is empty",
            ),
            (
                format!("listen = 'unix:/a'\ntls_cert_file = '/c'\ntls_key_file = '/k'\n{APP}"),
                "on which no TLS is spoken",
            ),
            (format!("keep_alive_seconds = 0\n{APP}"), "keep_alive_seconds must be at least 1"),
            (format!("body_timeout_seconds = 0\n{APP}"), "at least 1"),
            (format!("activity_timeout_seconds = 0\n{APP}"), "at least 1"),
            (format!("path_prefix = 'ws'\n{APP}"), "begin with a slash"),
            (format!("console = 'local'\n{APP}"), "set ops_listen = \"127.0.0.1:6002\""),
            (
                format!("ops_listen = '127.0.0.1:1'\nconsole = 'anywhere'\n{APP}"),
                "set ops_behind_tls = true",
            ),
            (format!("workers = 'many'\n{APP}"), "workers must be a whole number, 0 or more"),
            (other("rotation.nudge_event = 'sealcast:gap'\n"), "must not begin with pusher:"),
            (other("[[apps.a.webhooks]]\n"), "webhooks.0.url is missing"),
            (other("webhooks = [{ url = 'http://a.example/' }]\n"), "must be https"),
            (
                other("webhooks = [{ url = 'https://a.example/', events = ['x'] }]\n"),
                "must be one of",
            ),
            (
                other("webhooks = [{ url = 'https://a.example/', retry_seconds = 0 }]\n"),
                "between 1 and",
            ),
            (
                other(
                    "webhooks = [{ url = 'https://a.example/?b=1' }, { url = 'https://a.example/' }]\n",
                ),
                "two webhooks have the URL https://a.example/ ",
            ),
            (
                other(
                    "webhooks = [{ url = 'https://a.example/', headers = { X-Pusher-Key = 'too short' } }]\n",
                ),
                "is set by the server",
            ),
            (
                other(
                    "webhooks = [{ url = 'https://a.example/', headers = { X = \"too short\\n\" } }]\n",
                ),
                "headers.X must be text",
            ),
        ] {
            let error = load(&text, &[]).err().unwrap_or_else(|| panic!("{text}"));
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains(&**key) && !error.contains("too short"), "{error}");
        }
    }
}
