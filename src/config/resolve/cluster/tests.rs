//! The section `[cluster]`, and what it changes in others.

use std::{os::unix::fs::OpenOptionsExt, path::PathBuf};

use figment::{
    Figment,
    providers::{Format, Toml},
};
use secrecy::SecretString;

use super::*;
use crate::{
    cluster::settings::WhenAway,
    config::{faults::misread, raw::RawConfig, schema::Schema},
    crypto::secret::Derivation,
};

const PASSWORD: &str = "correct-horse-battery";

fn key_text() -> String {
    MasterKey::from_bytes(std::array::from_fn(|at| at as u8 ^ 0xa5)).to_text().to_string()
}

fn raw(text: &str) -> Result<RawCluster, String> {
    let text = format!("[cluster]\n{text}");
    let raw: RawConfig = Figment::from(Toml::string(&text))
        .extract()
        .map_err(|e| misread(&e, None, &Schema::new()).message)?;
    Ok(raw.cluster.expect("the section is there"))
}

fn resolve_with(text: &str, apps: &[App]) -> Result<ClusterSettings, String> {
    let resolved = cluster(Some(&raw(text)?), apps, &mut Vec::new());
    resolved.map(|settings| settings.expect("a cluster")).map_err(|error| error.to_string())
}

fn resolve(text: &str) -> Result<ClusterSettings, String> {
    resolve_with(text, &[])
}

fn complete(more: &str) -> String {
    format!("url = 'redis://a'\nkey = '{}'\n{more}", key_text())
}

#[test]
fn left_out_settings_have_defaults() {
    let settings = resolve(&complete("")).unwrap();
    assert_eq!(settings.url.to_string(), "redis://a:6379");
    assert_eq!(settings.key.fingerprint(), MasterKey::parse(&key_text()).unwrap().0.fingerprint());
    assert_eq!(settings.prefix.as_str(), "sealcast");
    assert_eq!(settings.lease, Duration::from_secs(12));
    assert_eq!(settings.when_away, WhenAway::Local);
    assert_eq!(settings.backlog_bytes, 64 * 1024 * 1024);
    assert!(settings.tls.ca.is_none() && settings.tls.client.is_none());
    assert!(cluster(None, &[], &mut Vec::new()).unwrap().is_none());
}

#[test]
fn every_setting_is_read() {
    for (written, expected) in
        [("local", WhenAway::Local), ("refuse", WhenAway::Refuse), ("close", WhenAway::Close)]
    {
        let more = format!(
            "prefix = 'eu'\nlease_seconds = 30\nwhen_away = '{written}'\nbacklog_bytes = 1048576"
        );
        let settings = resolve(&complete(&more)).unwrap();
        assert_eq!((settings.prefix.as_str(), settings.when_away), ("eu", expected));
        assert_eq!((settings.lease, settings.backlog_bytes), (Duration::from_secs(30), 1 << 20));
    }
}

#[test]
fn lease_shorter_than_a_failover_is_warned_of() {
    for (url, lease, warned) in [
        ("redis://a", 11, false),
        ("redis+sentinel://a/m", 11, true),
        ("redis+sentinel://a/m", 12, false),
        ("redis-cluster://a,b", 11, true),
    ] {
        let text = format!("url = '{url}'\nkey = '{}'\nlease_seconds = {lease}", key_text());
        let mut warnings = Vec::new();
        cluster(Some(&raw(&text).unwrap()), &[], &mut warnings).unwrap();
        let found = warnings.iter().any(|warning| warning.contains("cluster.lease_seconds is 11"));
        assert_eq!(found, warned, "{url} {lease}: {warnings:?}");
    }
}

#[test]
fn implausible_settings_are_refused() {
    let url = |url: &str| format!("url = '{url}'\nkey = '{}'", key_text());
    for (text, expected) in [
        (String::new(), "cluster.url is missing"),
        ("url = ''".into(), "cluster.url is missing"),
        ("url = 'redis://a'".into(), "cluster.key is missing: without it"),
        ("url = 'redis://a'".into(), "Make one with `sealcast keys generate`"),
        ("url = 'redis://a'\nkey = 'too short'".into(), "cluster.key: the key is 9 characters"),
        (complete("key_file = '/x'"), "cluster.key and cluster.key_file are both given"),
        (url("nats://a"), "cluster.url names NATS, which this server does not use"),
        (url("redis://a/1"), "cluster.url names a database other than 0"),
        (url("http://a"), "cluster.url has no scheme that this server knows"),
        (complete("engine = 'redis'"), "unknown setting \"engine\" in [cluster]"),
        (complete("when_away = 'wait'"), "must be one of local, refuse, close"),
        (complete("prefix = '{a}'"), "cluster.prefix must be 1 to 64 letters"),
        (complete("prefix = ''"), "cluster.prefix must be 1 to 64 letters"),
        (complete("lease_seconds = 3"), "cluster.lease_seconds is 3, and must be between 4 and"),
        (complete("lease_seconds = 601"), "and must be between 4 and 600"),
        (complete("backlog_bytes = 1000"), "cluster.backlog_bytes is 1000, and must be between"),
        (complete("ca_file = '/x'"), "cluster.ca_file is set, and cluster.url is redis://a:6379"),
        (complete("client_cert_file = '/x'"), "begin the URL with rediss"),
        (
            complete("client_key_file = '/x'").replace("redis:", "rediss:"),
            "cluster.client_key_file is set, but cluster.client_cert_file is not",
        ),
        (
            complete("ca_file = '/nowhere/ca'").replace("redis:", "rediss:"),
            "cluster.ca_file: /nowhere/ca: ",
        ),
    ] {
        let error = resolve(&text).err().unwrap_or_else(|| panic!("{text}"));
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains(key_text().trim_start_matches("base64:")), "{error}");
    }
}

#[test]
fn password_is_in_no_refusal() {
    for url in [
        "redis://u:{}@a/1",
        "redis://u:{}@a@b",
        "nats://u:{}@a",
        "{}",
        "redis://a:{}",
        "redis://u:{}@a",
    ] {
        // The last one is valid, and its key is not.
        let text = format!("url = '{}'\nkey = 'too short'", url.replace("{}", PASSWORD));
        let error = resolve(&text).err().unwrap();
        assert!(!error.contains(PASSWORD), "{error}");
    }
    let plain = format!("url = 'redis://u:{PASSWORD}@a'\nca_file = '/x'\nkey = 'x'");
    let error = resolve(&plain).err().unwrap();
    assert!(error.contains("redis://***@a:6379") && !error.contains(PASSWORD), "{error}");
}

#[test]
fn key_of_the_cluster_serves_nothing_else() {
    let app = App::for_tests("shop").sealed(Derivation::Pusher);
    let ring = app.sealing.keys().unwrap().clone();
    let of_app = ring.table().active().master.as_ref().unwrap().to_text();
    let text = format!("url = 'redis://a'\nkey = '{}'", *of_app);
    let error = resolve_with(&text, &[app]).err().unwrap();
    assert!(error.contains("cluster.key is the master key of app shop"), "{error}");
    assert!(!error.contains(of_app.trim_start_matches("base64:")), "{error}");
}

/// A directory of its own, removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("sealcast-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn write(&self, name: &str, text: &str) -> String {
        use std::io::Write;
        let path = self.0.join(name);
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
        path.display().to_string()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn certificates_are_checked_and_read() {
    let files = Files::new("cluster-tls");
    let pair = || rcgen::generate_simple_self_signed(["redis.internal".to_owned()]).unwrap();
    let (one, other) = (pair(), pair());
    let ca = files.write("ca.pem", &one.cert.pem());
    let certificate = files.write("client.pem", &one.cert.pem());
    let key = files.write("client.key", &one.signing_key.serialize_pem());
    let wrong = files.write("other.key", &other.signing_key.serialize_pem());
    let with = |more: &str| resolve(&complete(more).replace("redis:", "rediss:"));
    let both = |key: &str| format!("client_cert_file = '{certificate}'\nclient_key_file = '{key}'");
    let settings = with(&format!("ca_file = '{ca}'\n{}", both(&key))).unwrap();
    assert_eq!(settings.tls.ca.as_deref().map(Vec::as_slice), Some(one.cert.pem().as_bytes()));
    let client = settings.tls.client.unwrap();
    assert_eq!(*client.chain, one.cert.pem().into_bytes());
    assert_eq!(*client.key, one.signing_key.serialize_pem().into_bytes());
    let error = with(&both(&wrong)).err().unwrap();
    assert!(error.contains("is not that of the first certificate"), "{error}");
    let error = with(&format!("ca_file = '{key}'")).err().unwrap();
    assert!(error.contains("there is no certificate (PEM) in it"), "{error}");
}

#[test]
fn key_may_stand_in_a_file_or_a_variable() {
    let files = Files::new("cluster-key");
    let file = files.write("key", &key_text());
    for text in [
        format!("url = 'redis://a'\nkey_file = '{file}'"),
        format!("url = 'redis://a'\nkey = 'file:{file}'"),
    ] {
        assert!(resolve(&text).is_ok(), "{text}");
    }
    let named: SecretString = "env:CLUSTER_KEY".to_owned().into();
    let raw = RawCluster { key: Some(named), ..RawCluster::default() };
    let mut config = RawConfig { cluster: Some(raw), ..RawConfig::default() };
    assert_eq!(config.named_variables().collect::<Vec<_>>(), ["CLUSTER_KEY"]);
    config.read_variables(&[("CLUSTER_KEY".to_owned(), key_text())].into_iter().collect());
    let key = config.cluster.and_then(|cluster| cluster.key);
    assert_eq!(key.unwrap().expose_secret(), key_text());
    let schema = Schema::new();
    let is_key = |path: &[&str]| schema.at(path).is_some_and(|setting| setting.is_key());
    assert!(is_key(&["cluster", "key"]) && !is_key(&["apps", "cluster", "key"]));
}
