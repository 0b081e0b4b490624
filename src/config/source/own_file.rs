//! The configuration file itself: how it is read, and whether others may read the secrets in it.

use std::{
    fs::File,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use figment::value::{Dict, Value};
use zeroize::Zeroizing;

use crate::{config::schema::Schema, platform::text_file};

pub struct OwnFile {
    pub path: PathBuf,
    pub text: Zeroizing<String>,
    /// The mode of the file that was read; the path may name another one by now.
    mode: u32,
}

impl OwnFile {
    /// The error is a sentence.
    pub fn read(path: &Path) -> Result<Self, String> {
        let refused = |reason: io::Error| why_unread(path, &reason);
        let file = File::open(path).map_err(refused)?;
        let data = file.metadata().map_err(refused)?;
        if data.is_dir() {
            return Err(format!(
                "the configuration file {0} is a directory: name the file in it, such as {1}",
                path.display(),
                path.join("sealcast.toml").display()
            ));
        }
        let mode = data.permissions().mode() & 0o777;
        let text = text_file::read_open(file).map_err(refused)?;
        Ok(Self { path: path.to_owned(), text, mode })
    }

    /// A file with the mode that a writer of secrets gives it.
    pub fn unwritten(path: &Path, text: Zeroizing<String>) -> Self {
        Self { path: path.to_owned(), text, mode: 0o600 }
    }

    /// As the operator wrote it.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// A warning and no error: the permissions of a mounted file are not always the operator's to
    /// choose.
    pub fn warning(&self, values: &Dict, schema: &Schema) -> Option<String> {
        let (path, mode) = (self.path.display(), self.mode);
        (mode & 0o007 != 0 && !secrets(values, schema).is_empty()).then(|| {
            format!(
                "the configuration file {path} holds secrets, and every user of this machine has access to it (mode {mode:04o}): `chmod 600 {path}`"
            )
        })
    }
}

fn why_unread(path: &Path, reason: &io::Error) -> String {
    let hint = match reason.kind() {
        io::ErrorKind::NotFound => {
            ": name another with --config or SEALCAST_CONFIG; to try the server without a file, `sealcast serve --dev`"
        }
        _ => "",
    };
    format!("cannot read the configuration file {}: {reason}{hint}", path.display())
}

/// Paths of the settings with a secret in the file itself.
pub fn secrets(values: &Dict, schema: &Schema) -> Vec<String> {
    let mut found = Vec::new();
    collect_secrets(&mut Vec::new(), values, schema, &mut found);
    found
}

fn collect_secrets(
    path: &mut Vec<String>,
    values: &Dict,
    schema: &Schema,
    found: &mut Vec<String>,
) {
    for (name, value) in values {
        path.push(name.clone());
        collect_secret(path, value, schema, found);
        path.pop();
    }
}

fn collect_secret(path: &mut Vec<String>, value: &Value, schema: &Schema, found: &mut Vec<String>) {
    match value {
        Value::Dict(_, inner) => collect_secrets(path, inner, schema, found),
        Value::Array(_, list) => {
            for (index, value) in list.iter().enumerate() {
                path.push(index.to_string());
                collect_secret(path, value, schema, found);
                path.pop();
            }
        }
        Value::String(_, text) => {
            let is_secret = schema.at(path).is_some_and(|setting| {
                let is_open = setting.is_url() && !text.contains('@');
                setting.is_secret() && !is_open && !stands_elsewhere(text)
            });
            found.extend(is_secret.then(|| path.join(".")));
        }
        _ => {}
    }
}

/// The name of a file or a variable, and not the key itself.
fn stands_elsewhere(text: &str) -> bool {
    text.is_empty() || ["file:", "env:"].iter().any(|prefix| text.trim().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use figment::providers::{Format, Toml};

    use super::*;

    #[test]
    fn login_and_key_of_a_cluster_are_secrets_of_the_file() {
        for (text, expected) in [
            ("url = 'redis://user:password@a'", &["cluster.url"][..]),
            ("url = 'redis://a'", &[]),
            ("key = 'base64:AAAA'", &["cluster.key"]),
            ("key = 'file:/run/secrets/key'", &[]),
            ("prefix = 'a@b'", &[]),
        ] {
            let values = Toml::from_str(&format!("[cluster]\n{text}")).expect("TOML");
            assert_eq!(secrets(&values, &Schema::new()), expected, "{text}");
        }
        let elsewhere: Dict = Toml::from_str("[forward]\nurl = 'http://u@a'").expect("TOML");
        assert!(secrets(&elsewhere, &Schema::new()).is_empty());
    }
}
