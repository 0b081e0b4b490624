//! What was written in the configuration, as far as it takes to tell whether it has changed.

use std::collections::{BTreeMap, BTreeSet};

use figment::{Provider, value::Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{ConfigError, Source};

/// A hash of each value, and not the values: secrets are among them. By path, since an app's id may
/// contain dots.
pub struct Written(BTreeMap<Vec<String>, [u8; 32]>);

/// They have a way of their own from one to the next.
const KEYS: [&str; 2] = ["master_key", "master_key_file"];

impl Written {
    pub fn of(source: &Source) -> Result<Self, ConfigError> {
        let mut hashes = BTreeMap::new();
        let data = source.figment().data().map_err(|e| ConfigError(e.to_string()))?;
        for dict in data.into_values() {
            note(&mut Vec::new(), &Value::from(dict), &mut hashes);
        }
        Ok(Self(hashes))
    }

    /// The names of settings that are not the same in the other, master keys apart. An app that
    /// only one of them has is named once.
    pub fn differing(&self, other: &Self) -> BTreeSet<String> {
        let paths = self.0.keys().chain(other.0.keys());
        paths
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .map(|path| match path.get(..2) {
                Some(app) if app[0] == "apps" && !(self.has(app) && other.has(app)) => {
                    app.join(".")
                }
                _ => path.join("."),
            })
            .collect()
    }

    fn has(&self, app: &[String]) -> bool {
        self.0.keys().any(|path| path.starts_with(app))
    }
}

fn note(path: &mut Vec<String>, value: &Value, hashes: &mut BTreeMap<Vec<String>, [u8; 32]>) {
    if let Some(dict) = value.as_dict() {
        for (name, inner) in dict {
            path.push(name.clone());
            note(path, inner, hashes);
            path.pop();
        }
        return;
    }
    if path.last().is_some_and(|name| KEYS.contains(&name.as_str())) {
        return;
    }
    let text = Zeroizing::new(serde_json::to_vec(value).unwrap_or_default());
    hashes.insert(path.clone(), Sha256::digest(text.as_slice()).into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(pairs: &[(&str, u8)]) -> Written {
        let path = |name: &str| name.split('/').map(str::to_owned).collect();
        Written(pairs.iter().map(|(name, n)| (path(name), [*n; 32])).collect())
    }

    #[test]
    fn what_differs_is_named() {
        let before =
            written(&[("apps/a.x/key", 1), ("apps/b/key", 1), ("apps/b/x", 1), ("log", 1)]);
        let after = written(&[("apps/a.x/key", 2), ("apps/c/key", 1), ("log", 1), ("workers", 1)]);
        let names = before.differing(&after).into_iter().collect::<Vec<_>>();
        assert_eq!(names, ["apps.a.x.key", "apps.b", "apps.c", "workers"]);
        assert!(before.differing(&before).is_empty());
    }
}
