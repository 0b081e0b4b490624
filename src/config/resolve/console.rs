//! The operator's console.

use super::{
    checks::{ConfigResult, error},
    public_url::PublicUrl,
};
use crate::{
    config::raw::RawConfig,
    web::{ConsoleAccess, ConsoleSettings},
};

pub fn console(raw: &RawConfig, public_url: Option<&PublicUrl>) -> ConfigResult<ConsoleSettings> {
    let shown = match raw.console {
        ConsoleAccess::Off => None,
        ConsoleAccess::Local => Some("local"),
        ConsoleAccess::Anywhere => Some("anywhere"),
    };
    if let Some(shown) = shown
        && raw.ops_listen.is_none()
    {
        return error(
            "console",
            format!(
                "console is {shown:?}, but ops_listen, where the console is served, is not set: set ops_listen = \"127.0.0.1:6002\""
            ),
        );
    }
    if raw.console == ConsoleAccess::Anywhere && !raw.ops_behind_tls {
        return error(
            "console",
            "console is \"anywhere\", but ops_listen speaks no TLS, so that others could read the sign-in on its way: put a proxy with TLS in front of it and set ops_behind_tls = true, or set console = \"local\" and come through a tunnel (ssh -L)",
        );
    }
    Ok(ConsoleSettings {
        access: raw.console,
        reveal: raw.console_reveal,
        behind_tls: raw.ops_behind_tls,
        public_url: public_url.map(PublicUrl::origin),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, Environment, Flags, Source},
        crypto::vectors::example_salt,
        web::RevealPolicy,
    };

    fn development(flags: Flags, variables: &[(&str, &str)]) -> Config {
        let flags = Flags { dev: true, ..flags };
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let source = Source::new(&flags, variables.collect::<Environment>());
        Config::look(&source, example_salt()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn listeners(config: &Config) -> (Option<String>, bool, ConsoleAccess) {
        let addresses = &config.addresses;
        let operations = addresses.operations.as_ref().map(ToString::to_string);
        let access = config.settings.reloadable.console.access;
        (operations, addresses.operations_may_fail, access)
    }

    #[test]
    fn development_opens_a_console_unless_its_port_is_in_use() {
        let (local, off) = (ConsoleAccess::Local, ConsoleAccess::Off);
        let config = development(Flags::default(), &[]);
        assert_eq!(listeners(&config), (Some("127.0.0.1:6002".into()), true, local));
        assert_eq!(config.settings.reloadable.console.reveal, RevealPolicy::Ask);

        let flags = Flags { ops_listen: Some("127.0.0.1:7".into()), ..Flags::default() };
        let config = development(flags, &[]);
        assert_eq!(listeners(&config), (Some("127.0.0.1:7".into()), false, local));

        let flags = Flags { listen: Some("127.0.0.1:6002".into()), ..Flags::default() };
        assert_eq!(listeners(&development(flags, &[])), (None, false, off));

        let config = development(Flags::default(), &[("SEALCAST_CONSOLE", "off")]);
        assert_eq!(listeners(&config), (Some("127.0.0.1:6002".into()), true, off));
    }

    #[test]
    fn without_development_there_is_no_console() {
        assert_eq!(RawConfig::default().console, ConsoleAccess::Off);
        assert_eq!(RawConfig::default().console_reveal, RevealPolicy::Never);
    }
}
