//! Hashes of the configuration, to detect changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use figment::{
    Provider,
    value::{Dict, Value},
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{checks::ConfigError, secrets::is_section_key, source::Source};
use crate::platform::text_file;

/// Hashes and not values: secrets are among them. A named file counts with its content. The key is
/// a path of names, since an app's id may contain dots.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigHashes {
    hashes: BTreeMap<Vec<String>, [u8; 32]>,
    files: BTreeSet<PathBuf>,
}

/// The time when a changed setting takes effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakesEffect {
    Now,
    AtNextStart,
}

/// Settings of the whole server that take effect at once; the others wait for the next start.
const APPLIED_AT_ONCE: [&str; 24] = [
    "activity_timeout_seconds",
    "admin_token",
    "admin_token_file",
    "body_timeout_seconds",
    "cache_bytes",
    "capacity_percent",
    "drain_seconds",
    "forwarded_header",
    "http_body_bytes",
    "live_feed",
    "log",
    "mailbox_bytes",
    "message_bytes",
    "ops_hosts",
    "outbox_bytes",
    "pong_timeout_seconds",
    "public_url",
    "stalled_seconds",
    "strict_protocol",
    "tls_cert_file",
    "tls_key_file",
    "trusted_proxies",
    "turns_per_second",
    "watch_config",
];

/// Settings of an app that wait for the next start: open channels stay sealed or blind.
const AT_NEXT_START: [&str; 2] = ["derivation", "mode"];

/// Files that the server writes and does not read.
const NOT_READ: [&str; 1] = ["audit_file"];

/// Watched separately, without reading the whole configuration again.
const WATCHED_ELSEWHERE: [&str; 2] = ["tls_cert_file", "tls_key_file"];

impl ConfigHashes {
    pub fn of(source: &Source) -> Result<Self, ConfigError> {
        let mut written = Self { hashes: BTreeMap::new(), files: BTreeSet::new() };
        let data = source.figment().data().map_err(|e| ConfigError(e.to_string()))?;
        for dict in data.into_values() {
            written.note(&mut Vec::new(), &Value::from(dict));
        }
        Ok(written)
    }

    /// The named files without a watcher of their own.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The settings that differ, by path. An app on one side only is a single entry.
    pub fn changes(&self, other: &Self) -> BTreeMap<Vec<String>, TakesEffect> {
        let paths = self.hashes.keys().chain(other.hashes.keys());
        paths
            .filter(|path| self.hashes.get(*path) != other.hashes.get(*path))
            .map(|path| match path.get(..2) {
                Some(app) if app[0] == "apps" && !(self.has(app) && other.has(app)) => {
                    (app.to_vec(), TakesEffect::Now)
                }
                _ => (path.clone(), effect(path)),
            })
            .collect()
    }

    /// Becomes `other`, except for the settings in `but`, which keep their hashes.
    pub fn take(&mut self, other: Self, but: &BTreeSet<Vec<String>>) {
        let before = std::mem::replace(self, other);
        for path in but {
            self.hashes.remove(path);
            self.hashes.extend(before.hashes.get_key_value(path).map(|(k, v)| (k.clone(), *v)));
        }
    }

    fn has(&self, app: &[String]) -> bool {
        self.hashes.keys().any(|path| path.starts_with(app))
    }

    fn note(&mut self, path: &mut Vec<String>, value: &Value) {
        if let Some(dict) = value.as_dict() {
            for (name, inner) in dict {
                path.push(name.clone());
                self.note(path, inner);
                path.pop();
            }
            return;
        }
        if let Some(entries) = value.as_array().filter(|_| is_channels(path)) {
            return self.note_channels(path, entries);
        }
        self.note_hash(path, value);
    }

    /// The modes of channels count as a setting of their own, since they alone wait for the next
    /// start.
    fn note_channels(&mut self, path: &mut Vec<String>, entries: &[Value]) {
        let (modes, rest): (Vec<_>, Vec<_>) = entries.iter().map(without_mode).unzip();
        let (modes, rest): (Vec<_>, Vec<_>) =
            (modes.into_iter().flatten().collect(), rest.into_iter().flatten().collect());
        if !rest.is_empty() {
            self.note_hash(path, &Value::from(rest));
        }
        if !modes.is_empty() {
            path.push("mode".into());
            self.note_hash(path, &Value::from(modes));
            path.pop();
        }
    }

    fn note_hash(&mut self, path: &[String], value: &Value) {
        let text = Zeroizing::new(serde_json::to_vec(value).unwrap_or_default());
        let mut hash = Sha256::new_with_prefix(text.as_slice());
        let name = match path {
            path if is_section_key(path) => "master_key",
            path => path.last().map(String::as_str).unwrap_or_default(),
        };
        self.read_files(name, value, &mut hash);
        self.hashes.insert(path.to_vec(), hash.finalize().into());
    }

    /// Reads the files that the value names, directly or within a list.
    fn read_files(&mut self, name: &str, value: &Value, hash: &mut Sha256) {
        if let Some(dict) = value.as_dict() {
            dict.iter().for_each(|(name, inner)| self.read_files(name, inner, hash));
        } else if let Some(list) = value.as_array() {
            list.iter().for_each(|inner| self.read_files(name, inner, hash));
        } else if let Some(file) = named_file(name, value) {
            // A missing file differs from any other. A special file, such as a pipe, can be read
            // only once, and that is left to the reader of its content.
            let content = match std::fs::metadata(file) {
                Ok(data) if !data.is_file() => Ok(Zeroizing::default()),
                _ => text_file::read_bytes(file),
            };
            hash.update([u8::from(content.is_ok())]);
            hash.update(content.as_deref().map_or(&[][..], Vec::as_slice));
            if !WATCHED_ELSEWHERE.contains(&name) {
                self.files.insert(file.to_owned());
            }
        }
    }
}

fn named_file<'a>(name: &str, value: &'a Value) -> Option<&'a Path> {
    let text = value.as_str()?;
    match name {
        "master_key" => text.trim().strip_prefix("file:").map(Path::new),
        name if name.ends_with("_file") && !NOT_READ.contains(&name) => Some(Path::new(text)),
        _ => None,
    }
}

fn is_channels(path: &[String]) -> bool {
    matches!(path, [apps, _, name] if apps == "apps" && name == "channels")
}

/// An entry's mode with its pattern, and the entry without it; each if something is left of it.
fn without_mode(entry: &Value) -> (Option<Value>, Option<Value>) {
    let Some(entry) = entry.as_dict() else { return (None, Some(entry.clone())) };
    let part = |wanted: &dyn Fn(&str) -> bool| {
        let named = entry.iter().filter(|(name, _)| *name == "pattern" || wanted(name));
        let part: Dict = named.map(|(name, value)| (name.clone(), value.clone())).collect();
        (part.len() > 1).then(|| Value::from(part))
    };
    (part(&|name| name == "mode"), part(&|name| name != "mode"))
}

fn effect(path: &[String]) -> TakesEffect {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let now = match *path {
        ["apps", _, "channels", name] => name != "mode",
        ["apps", _, name, ..] => !AT_NEXT_START.contains(&name),
        ["history", name] => name == "bytes",
        [name, ..] => APPLIED_AT_ONCE.contains(&name),
        [] => true,
    };
    if now { TakesEffect::Now } else { TakesEffect::AtNextStart }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Vec<String> {
        name.split('/').map(str::to_owned).collect()
    }

    fn written(pairs: &[(&str, u8)]) -> ConfigHashes {
        let hashes = pairs.iter().map(|(name, n)| (path(name), [*n; 32])).collect();
        ConfigHashes { hashes, files: BTreeSet::new() }
    }

    fn names(before: &ConfigHashes, after: &ConfigHashes) -> Vec<(String, TakesEffect)> {
        before.changes(after).into_iter().map(|(path, effect)| (path.join("."), effect)).collect()
    }

    #[test]
    fn changed_settings_are_named() {
        use TakesEffect::{AtNextStart, Now};
        let before = written(&[
            ("apps/a.x/key", 1),
            ("apps/a.x/mode", 1),
            ("apps/b/key", 1),
            ("apps/b/mode", 1),
            ("log", 1),
        ]);
        let after = written(&[
            ("apps/a.x/key", 2),
            ("apps/c/key", 1),
            ("apps/a.x/jwt/issuer", 1),
            ("log", 2),
            ("workers", 1),
        ]);
        let expected = [
            ("apps.a.x.jwt.issuer", Now),
            ("apps.a.x.key", Now),
            ("apps.a.x.mode", AtNextStart),
            ("apps.b", Now),
            ("apps.c", Now),
            ("log", Now),
            ("workers", AtNextStart),
        ];
        assert_eq!(names(&before, &after), expected.map(|(name, e)| (name.to_owned(), e)));
        assert!(before.changes(&before).is_empty());
        let (mut taken, later) = (before, BTreeSet::from([path("apps/a.x/mode"), path("workers")]));
        taken.take(after.clone(), &later);
        let left = [("apps.a.x.mode", AtNextStart), ("workers", AtNextStart)];
        assert_eq!(names(&taken, &after), left.map(|(name, e)| (name.to_owned(), e)));
    }

    #[test]
    fn modes_of_channels_wait_and_their_other_settings_do_not() {
        use TakesEffect::{AtNextStart, Now};
        let of = |text: &str| {
            let mut written = written(&[]);
            let entries: Vec<Dict> = serde_json::from_str(text).unwrap();
            let app = [("channels", Value::from(entries)), ("key", Value::from("k"))];
            let app: Dict = app.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            written.note(&mut path("apps/a"), &Value::from(app));
            written
        };
        let before = of(r#"[{"pattern":"a","mode":"blind"},{"pattern":"b","cache_ttl":"1h"}]"#);
        for (after, expected) in [
            (r#"[{"pattern":"a","mode":"blind"},{"pattern":"b","cache_ttl":"2h"}]"#, vec![Now]),
            (
                r#"[{"pattern":"a","mode":"auto"},{"pattern":"b","cache_ttl":"1h"}]"#,
                vec![AtNextStart],
            ),
            (r#"[{"pattern":"b","cache_ttl":"1h"}]"#, vec![AtNextStart]),
            (r#"[{"pattern":"a","mode":"blind"}]"#, vec![Now]),
            (r#"[{"pattern":"b","cache_ttl":"1h"},{"pattern":"a","mode":"blind"}]"#, vec![]),
            ("[]", vec![Now, AtNextStart]),
        ] {
            let names = names(&before, &of(after));
            let effects: Vec<_> = names.iter().map(|(_, effect)| *effect).collect();
            assert_eq!(effects, expected, "{after}: {names:?}");
        }
    }

    #[test]
    fn the_content_of_a_file_is_hashed() {
        let file = std::env::temp_dir().join(format!("sealcast-written-{}", std::process::id()));
        let of = |name: &str, value: Value| {
            let mut written = written(&[]);
            written.note(&mut vec![name.to_owned()], &value);
            written
        };
        let text = file.display().to_string();
        let nested = Value::from(vec![figment::value::Dict::from([(
            "ca_file".to_owned(),
            Value::from(text.clone()),
        )])]);
        for (name, value, watched) in [
            ("secret_file", Value::from(text.clone()), true),
            ("master_key", Value::from(format!("file:{text}")), true),
            ("webhooks", nested, true),
            ("tls_key_file", Value::from(text.clone()), false),
        ] {
            let missing = of(name, value.clone());
            std::fs::write(&file, "").unwrap();
            let empty = of(name, value.clone());
            std::fs::write(&file, "x").unwrap();
            let full = of(name, value.clone());
            assert!(missing != empty && empty != full && full == of(name, value), "{name}");
            assert_eq!(full.files().any(|path| path == file), watched, "{name}");
            std::fs::remove_file(&file).unwrap();
        }
        assert_eq!(of("audit_file", Value::from(text)).files().count(), 0);
    }

    #[test]
    fn history_key_from_a_file_is_watched() {
        let mut written = written(&[]);
        written.note(&mut path("history/key"), &Value::from("file:/nowhere"));
        written.note(&mut path("apps/history/key"), &Value::from("file:/elsewhere"));
        assert_eq!(written.files().collect::<Vec<_>>(), [Path::new("/nowhere")]);
    }

    #[test]
    fn special_files_are_not_read() {
        // A file without an end.
        let mut written = written(&[]);
        written.note(&mut vec!["secret_file".to_owned()], &Value::from("/dev/zero"));
        assert!(written.files().any(|path| path == Path::new("/dev/zero")));
    }
}
