//! The configuration file itself: how it is read, and whether others may read the secrets in it.

use std::{
    fs::File,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use figment::value::{Dict, Value};
use zeroize::Zeroizing;

use super::{
    checks::ConfigError,
    secrets::{SECRETS, is_cluster_url, is_section_key},
};
use crate::platform::text_file;

pub struct OwnFile {
    pub path: PathBuf,
    pub text: Zeroizing<String>,
    /// The mode of the file that was read; the path may name another one by now.
    mode: u32,
}

impl OwnFile {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let refused = |reason: io::Error| ConfigError(why_unread(path, &reason));
        let file = File::open(path).map_err(refused)?;
        let data = file.metadata().map_err(refused)?;
        if data.is_dir() {
            return Err(ConfigError(format!(
                "the configuration file {0} is a directory: name the file in it, such as {1}",
                path.display(),
                path.join("sealcast.toml").display()
            )));
        }
        let mode = data.permissions().mode() & 0o777;
        let text = text_file::read_open(file).map_err(refused)?;
        Ok(Self { path: path.to_owned(), text, mode })
    }

    /// A warning and no error: the permissions of a mounted file are not always the operator's to
    /// choose.
    pub fn warning(&self, values: &Dict) -> Option<String> {
        let (path, mode) = (self.path.display(), self.mode);
        (mode & 0o007 != 0 && has_secret(&[], values)).then(|| {
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

fn has_secret(path: &[&str], values: &Dict) -> bool {
    values.iter().any(|(name, value)| {
        let path = [path, &[name.as_str()]].concat();
        let inside = |value: &Value| value.as_dict().is_some_and(|inner| has_secret(&path, inner));
        match value {
            Value::Dict(_, inner) => name == "headers" && !inner.is_empty() || inside(value),
            Value::Array(_, list) => list.iter().any(inside),
            Value::String(_, text) => {
                let is_key = SECRETS.contains(&&**name) || is_section_key(&path);
                let has_login = is_cluster_url(&path) && text.contains('@');
                is_key && !stands_elsewhere(text) || has_login
            }
            _ => false,
        }
    })
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
            ("url = 'redis://user:password@a'", true),
            ("url = 'redis://a'", false),
            ("key = 'base64:AAAA'", true),
            ("key = 'file:/run/secrets/key'", false),
            ("prefix = 'a@b'", false),
        ] {
            let values = Toml::from_str(&format!("[cluster]\n{text}")).expect("TOML");
            assert_eq!(has_secret(&[], &values), expected, "{text}");
        }
        let elsewhere: Dict = Toml::from_str("[forward]\nurl = 'http://u@a'").expect("TOML");
        assert!(!has_secret(&[], &elsewhere));
    }
}
