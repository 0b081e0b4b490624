//! The text of a new configuration. What most projects change has a comment of its own.

use std::path::Path;

use crate::cli::exit::{CliResult, CommandError};

pub struct Project<'a> {
    pub app: &'a str,
    pub key: &'a str,
    pub app_secret: &'a Path,
    pub master_key: &'a Path,
    pub state_dir: &'a Path,
}

impl Project<'_> {
    pub fn config(&self) -> CliResult<String> {
        let Self { app, key, .. } = self;
        let (app_secret, master_key) = (quoted(self.app_secret)?, quoted(self.master_key)?);
        let state_dir = quoted(self.state_dir)?;
        // An id with a dot would be two tables.
        let table =
            if app.contains('.') { format!("apps.\"{app}\"") } else { format!("apps.{app}") };
        Ok(format!(
            r#"# Sealcast. Check this file with `sealcast config check`. A running server reads it again
# when it has changed. All settings: docs/configuration.md

# This machine only; "0.0.0.0:6001" for all others too.
listen = "127.0.0.1:6001"
# Keys with their states, and the command socket. Back it up.
state_dir = {state_dir}

# Metrics and the admin API for other machines, with a token of at least 16 characters:
# ops_listen = "127.0.0.1:6002"
# admin_token_file = "/path/to/token"

# Serve TLS here, unless a proxy in front does it:
# tls_cert_file = "/etc/sealcast/fullchain.pem"
# tls_key_file = "/etc/sealcast/key.pem"
# With a proxy: believe it whose client it is.
# trusted_proxies = ["10.0.0.0/8"]

# One application; its id is in the name of the table.
[{table}]
# Public: it stands in the page.
key = "{key}"
# Your backend signs with it.
secret_file = {app_secret}
# Seals the channels named private-encrypted-... Publish on private-sealed-NAME in clear:
# subscribers of private-encrypted-NAME get it sealed.
master_key_file = {master_key}
# "hkdf" lets you remove a member for good; backends then cannot encrypt themselves.
# derivation = "hkdf"

# Events with client-... between members of a channel.
client_events = false
# Tell subscribers how many they are.
subscription_count = false

# Pages that may use the auth endpoints of this server:
# origins = ["https://shop.example.com"]

# Who decides about private channels: "deny" leaves it to your backend, "jwt" takes tokens that it
# signs, "forward" asks it. See docs/authorization.md
authorizer = "deny"

# Keep the last events of some channels for clients that come back:
# channels = [{{ pattern = "private-encrypted-room-*", history = {{ events = 200, ttl = "24h" }} }}]

# Tell your backend what happens:
# [[{table}.webhooks]]
# url = "https://shop.example.com/pusher/webhooks"
"#
        ))
    }
}

/// A path as a string of TOML.
fn quoted(path: &Path) -> CliResult<String> {
    let text = path.to_str().ok_or_else(|| {
        CommandError::failed(format_args!(
            "{} is no UTF-8, which a configuration has to be: name another directory with --dir",
            path.display()
        ))
    })?;
    // JSON's escapes are those of TOML.
    Ok(serde_json::to_string(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_template_fit_the_screen() {
        let project = Project {
            app: "1001",
            key: "0123456789abcdef0123",
            app_secret: Path::new("/p/s"),
            master_key: Path::new("/p/m"),
            state_dir: Path::new("/p/state"),
        };
        let text = project.config().expect("UTF-8");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("\n[apps.1001]\n") && text.contains("\nkey = \"0123456789abcdef"));
        let dotted = Project { app: "shop.eu", ..project };
        assert!(dotted.config().is_ok_and(|text| text.contains("\n[apps.\"shop.eu\"]\n")));
    }

    #[test]
    fn odd_paths_stay_strings() {
        assert_eq!(quoted(Path::new("/a \"b\\")).ok(), Some(r#""/a \"b\\""#.into()));
    }
}
