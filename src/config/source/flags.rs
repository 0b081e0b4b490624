//! The flags that are settings, and those that say where settings are.

use std::path::PathBuf;

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
use figment::value::Value;

use super::layer::Layer;
use crate::platform::address::{Address, InvalidAddress};

/// The common options of `serve` and other commands.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "SEALCAST_CONFIG", value_parser = path())]
    pub config: Option<PathBuf>,
    /// Address for WebSockets and the HTTP API
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH", value_parser = address)]
    pub listen: Option<String>,
    /// Separate address for the HTTP API, instead of --listen
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH", value_parser = address)]
    pub api_listen: Option<String>,
    /// Address of the operations listener (/metrics, /stats); off by default
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH", value_parser = address)]
    pub ops_listen: Option<String>,
    /// Directory for everything the server must find again after a restart
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Development: loopback only, app 1001 with app-key and app-secret, everybody authorized
    #[arg(long)]
    pub dev: bool,
    /// With --dev: allow addresses in reach of other machines, as in a container
    #[arg(long, requires = "dev")]
    pub dev_public: bool,
}

impl Flags {
    /// An empty SEALCAST_CONFIG, as Compose passes it, is ignored; an empty `--config` is an error.
    pub fn config_file(&self) -> Option<&PathBuf> {
        let variable = std::env::var_os("SEALCAST_CONFIG").is_some_and(|value| value.is_empty());
        self.config.as_ref().filter(|path| !(variable && path.as_os_str().is_empty()))
    }

    pub(super) fn development(&self) -> Development {
        match (self.dev, self.dev_public) {
            (false, _) => Development::Off,
            (true, false) => Development::Loopback,
            (true, true) => Development::Public,
        }
    }
}

/// Development mode, in which every client is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Development {
    Off,
    /// Clients on this machine only.
    Loopback,
    Public,
}

/// Accepts an empty path as well; clap's own parser refuses it.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Checked where the value and the flag are named; kept as it is written.
fn address(text: &str) -> Result<String, InvalidAddress> {
    text.parse::<Address>().map(|_| text.to_owned())
}

/// The name of the flag for this setting. A flag for a setting of the server has its name.
pub fn flag_of<S: AsRef<str>>(path: &[S]) -> Option<String> {
    let [name] = path else { return None };
    let flags = Flags::augment_args(clap::Command::new("flags"));
    let flag = flags.get_arguments().find(|flag| flag.get_id() == name.as_ref())?;
    flag.get_long().map(|long| format!("--{long}"))
}

pub fn layer_of(flags: &Flags) -> Layer {
    let path = |path: &PathBuf| Value::from(path.display().to_string());
    let values = [
        ("listen", flags.listen.clone().map(Value::from)),
        ("api_listen", flags.api_listen.clone().map(Value::from)),
        ("ops_listen", flags.ops_listen.clone().map(Value::from)),
        ("state_dir", flags.state_dir.as_ref().map(path)),
    ];
    Layer::new("flags", values.into_iter().filter_map(|(key, value)| Some((key, value?))))
}
