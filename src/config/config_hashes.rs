//! Hashes of the configuration, to detect changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use figment::value::{Dict, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{schema::Schema, source::Source, takes_effect::TakesEffect};
use crate::platform::text_file;

/// Hashes and not values: secrets are among them. A named file counts with its content. The key is
/// a path of names, since an app's id may contain dots.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigHashes {
    hashes: BTreeMap<Vec<String>, Noted>,
    files: BTreeSet<PathBuf>,
}

#[derive(Clone, PartialEq, Eq)]
struct Noted {
    hash: [u8; 32],
    effect: TakesEffect,
}

/// Files that the server writes and does not read.
const NOT_READ: [&str; 1] = ["audit_file"];

/// Watched separately, without reading the whole configuration again.
const WATCHED_ELSEWHERE: [&str; 2] = ["tls_cert_file", "tls_key_file"];

impl ConfigHashes {
    pub fn of(source: &Source) -> Self {
        let mut written = Self { hashes: BTreeMap::new(), files: BTreeSet::new() };
        written.note(&mut Vec::new(), &Value::from(source.values()), source.schema());
        written
    }

    /// The named files without a watcher of their own.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The settings that differ, by path. An app on one side only is a single entry.
    pub fn changes(&self, other: &Self) -> BTreeMap<Vec<String>, TakesEffect> {
        let paths = self.hashes.keys().chain(other.hashes.keys());
        paths
            .filter_map(|path| {
                let (before, after) = (self.hashes.get(path), other.hashes.get(path));
                let changed = before.or(after).filter(|_| before != after)?;
                Some(match path.get(..2) {
                    Some(app) if app[0] == "apps" && !(self.has(app) && other.has(app)) => {
                        (app.to_vec(), TakesEffect::AtOnce)
                    }
                    _ => (path.clone(), changed.effect),
                })
            })
            .collect()
    }

    /// Becomes `other`, except for the settings in `but`, which keep their hashes.
    pub fn take(&mut self, other: Self, but: &BTreeSet<Vec<String>>) {
        let before = std::mem::replace(self, other);
        for path in but {
            self.hashes.remove(path);
            self.hashes
                .extend(before.hashes.get_key_value(path).map(|(k, v)| (k.clone(), v.clone())));
        }
    }

    fn has(&self, app: &[String]) -> bool {
        self.hashes.keys().any(|path| path.starts_with(app))
    }

    fn note(&mut self, path: &mut Vec<String>, value: &Value, schema: &Schema) {
        if let Some(dict) = value.as_dict() {
            for (name, inner) in dict {
                path.push(name.clone());
                self.note(path, inner, schema);
                path.pop();
            }
            return;
        }
        if let Some(entries) = value.as_array().filter(|_| is_channels(path)) {
            return self.note_channels(path, entries, schema);
        }
        self.note_hash(path, value, schema);
    }

    /// The modes of channels count as a setting of their own, since they alone wait for the next
    /// start.
    fn note_channels(&mut self, path: &mut Vec<String>, entries: &[Value], schema: &Schema) {
        let (modes, rest): (Vec<_>, Vec<_>) = entries.iter().map(without_mode).unzip();
        let (modes, rest): (Vec<_>, Vec<_>) =
            (modes.into_iter().flatten().collect(), rest.into_iter().flatten().collect());
        if !rest.is_empty() {
            self.note_hash(path, &Value::from(rest), schema);
        }
        if !modes.is_empty() {
            path.push("mode".into());
            self.note_hash(path, &Value::from(modes), schema);
            path.pop();
        }
    }

    fn note_hash(&mut self, path: &[String], value: &Value, schema: &Schema) {
        let text = Zeroizing::new(serde_json::to_vec(value).unwrap_or_default());
        let mut hash = Sha256::new_with_prefix(text.as_slice());
        self.read_files(&mut path.to_vec(), value, schema, &mut hash);
        // An unknown name is refused before its time of effect counts.
        let effect = effect(path, schema).unwrap_or(TakesEffect::AtOnce);
        self.hashes.insert(path.to_vec(), Noted { hash: hash.finalize().into(), effect });
    }

    /// Reads the files that the value names, directly or within a list.
    fn read_files(
        &mut self,
        path: &mut Vec<String>,
        value: &Value,
        schema: &Schema,
        hash: &mut Sha256,
    ) {
        let mut step = |name: String, inner: &Value, hash: &mut Sha256| {
            path.push(name);
            self.read_files(path, inner, schema, hash);
            path.pop();
        };
        if let Some(dict) = value.as_dict() {
            dict.iter().for_each(|(name, inner)| step(name.clone(), inner, hash));
        } else if let Some(list) = value.as_array() {
            list.iter().enumerate().for_each(|(at, inner)| step(at.to_string(), inner, hash));
        } else if let Some(file) = named_file(path, value, schema) {
            // A missing file differs from any other. A special file, such as a pipe, can be read
            // only once, and that is left to the reader of its content.
            let content = match std::fs::metadata(file) {
                Ok(data) if !data.is_file() => Ok(Zeroizing::default()),
                _ => text_file::read_bytes(file),
            };
            hash.update([u8::from(content.is_ok())]);
            hash.update(content.as_deref().map_or(&[][..], Vec::as_slice));
            if !path.last().is_some_and(|name| WATCHED_ELSEWHERE.contains(&name.as_str())) {
                self.files.insert(file.to_owned());
            }
        }
    }
}

fn named_file<'a>(path: &[String], value: &'a Value, schema: &Schema) -> Option<&'a Path> {
    let text = value.as_str()?;
    let setting = schema.at(path)?;
    match setting.name() {
        _ if setting.is_key() => text.trim().strip_prefix("file:").map(Path::new),
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

/// The modes of channels are noted as one setting of the list.
fn effect(path: &[String], schema: &Schema) -> Option<TakesEffect> {
    match path {
        [list @ .., mode] if mode == "mode" && is_channels(list) => {
            schema.effect(&[list, &["0".to_owned(), mode.clone()]].concat())
        }
        path => schema.effect(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Vec<String> {
        name.split('/').map(str::to_owned).collect()
    }

    fn written(pairs: &[(&str, u8)]) -> ConfigHashes {
        let schema = Schema::new();
        let noted = |name: &str, n: u8| {
            let path = path(name);
            let effect = effect(&path, &schema).expect("a setting");
            (path, Noted { hash: [n; 32], effect })
        };
        let hashes = pairs.iter().map(|(name, n)| noted(name, *n)).collect();
        ConfigHashes { hashes, files: BTreeSet::new() }
    }

    fn names(before: &ConfigHashes, after: &ConfigHashes) -> Vec<(String, TakesEffect)> {
        before.changes(after).into_iter().map(|(path, effect)| (path.join("."), effect)).collect()
    }

    #[test]
    fn changed_settings_are_named() {
        use TakesEffect::{AfterRestart, AtOnce, ForNewConnections};
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
            ("apps.a.x.jwt.issuer", AtOnce),
            ("apps.a.x.key", ForNewConnections),
            ("apps.a.x.mode", AfterRestart),
            ("apps.b", AtOnce),
            ("apps.c", AtOnce),
            ("log", AtOnce),
            ("workers", AfterRestart),
        ];
        assert_eq!(names(&before, &after), expected.map(|(name, e)| (name.to_owned(), e)));
        assert!(before.changes(&before).is_empty());
        let (mut taken, later) = (before, BTreeSet::from([path("apps/a.x/mode"), path("workers")]));
        taken.take(after.clone(), &later);
        let left = [("apps.a.x.mode", AfterRestart), ("workers", AfterRestart)];
        assert_eq!(names(&taken, &after), left.map(|(name, e)| (name.to_owned(), e)));
    }

    #[test]
    fn modes_of_channels_wait_and_their_other_settings_do_not() {
        use TakesEffect::{AfterRestart, AtOnce};
        let of = |text: &str| {
            let mut written = written(&[]);
            let entries: Vec<Dict> = serde_json::from_str(text).unwrap();
            let app = [("channels", Value::from(entries)), ("key", Value::from("k"))];
            let app: Dict = app.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            written.note(&mut path("apps/a"), &Value::from(app), &Schema::new());
            written
        };
        let before = of(r#"[{"pattern":"a","mode":"blind"},{"pattern":"b","cache_ttl":"1h"}]"#);
        for (after, expected) in [
            (r#"[{"pattern":"a","mode":"blind"},{"pattern":"b","cache_ttl":"2h"}]"#, vec![AtOnce]),
            (
                r#"[{"pattern":"a","mode":"auto"},{"pattern":"b","cache_ttl":"1h"}]"#,
                vec![AfterRestart],
            ),
            (r#"[{"pattern":"b","cache_ttl":"1h"}]"#, vec![AfterRestart]),
            (r#"[{"pattern":"a","mode":"blind"}]"#, vec![AtOnce]),
            (r#"[{"pattern":"b","cache_ttl":"1h"},{"pattern":"a","mode":"blind"}]"#, vec![]),
            ("[]", vec![AtOnce, AfterRestart]),
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
            written.note(&mut path(name), &value, &Schema::new());
            written
        };
        let text = file.display().to_string();
        let nested = Value::from(vec![figment::value::Dict::from([(
            "ca_file".to_owned(),
            Value::from(text.clone()),
        )])]);
        for (name, value, watched) in [
            ("apps/a/secret_file", Value::from(text.clone()), true),
            ("apps/a/master_key", Value::from(format!("file:{text}")), true),
            ("apps/a/webhooks", nested, true),
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
        written.note(&mut path("history/key"), &Value::from("file:/nowhere"), &Schema::new());
        written.note(
            &mut path("apps/history/key"),
            &Value::from("file:/elsewhere"),
            &Schema::new(),
        );
        assert_eq!(written.files().collect::<Vec<_>>(), [Path::new("/nowhere")]);
    }

    #[test]
    fn special_files_are_not_read() {
        // A file without an end.
        let mut written = written(&[]);
        written.note(&mut path("apps/a/secret_file"), &Value::from("/dev/zero"), &Schema::new());
        assert!(written.files().any(|path| path == Path::new("/dev/zero")));
    }
}
