//! The sources of settings: flags override the environment, the environment overrides the file.

use std::{collections::BTreeMap, path::PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

use super::{
    checks::ConfigError,
    environment::{Environment, PREFIX},
    faults::{describe, without_source},
    own_file::OwnFile,
    raw::RawConfig,
    values,
};
use crate::platform::address::{Address, InvalidAddress};

/// The common options of `serve` and other commands.
#[derive(Clone, Debug, Default, clap::Args)]
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

pub struct Source {
    figment: Figment,
    environment: Environment,
    development: Development,
    /// A warning about the file itself, such as its mode.
    warning: Option<String>,
}

/// The address of the public listener, for the health check.
pub struct PublicEndpoint {
    pub listen: Address,
    pub tls: bool,
    pub proxy_protocol: bool,
    pub path_prefix: String,
}

/// Digits: the official SDK for Python takes no other id.
pub const DEV_APP: &str = "1001";
pub const DEV_SECRET: &str = "app-secret";

impl Source {
    pub fn new(flags: &Flags, environment: Environment) -> Result<Self, ConfigError> {
        let (mut figment, mut warning) = (Figment::new(), None);
        if flags.dev {
            figment =
                figment.merge(Layer::new("--dev", [("listen", Value::from("127.0.0.1:6001"))]));
        }
        if let Some(path) = flags.config_file() {
            // Read here and not by figment, which takes a file that is not there for an empty one.
            let file = OwnFile::read(path)?;
            let layer = Layer::of_file(path.display().to_string(), &file.text)?;
            warning = file.warning(&layer.values);
            figment = figment.merge(layer);
        }
        let in_file: Vec<String> = app_ids(&figment);
        figment = with_environment(figment, &environment, &in_file)?;
        if flags.dev && app_ids(&figment).is_empty() {
            figment = figment.merge(dev_app());
        }
        let figment = figment.merge(flag_layer(flags));
        Ok(Self { figment, environment, development: flags.development(), warning })
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    pub fn into_environment(self) -> Environment {
        self.environment
    }

    /// Names of the variables that the configuration was read from: all settings, so that no list
    /// of secret ones can be incomplete, and the variables with master keys.
    pub fn variables(&self) -> Result<Vec<String>, ConfigError> {
        let raw = self.extract()?;
        let named = raw.named_variables().filter(|name| self.environment.get(name).is_some());
        let settings = self.environment.settings().map(|(name, _)| name);
        Ok(settings.chain(named).map(str::to_owned).collect())
    }

    pub(super) fn development(&self) -> Development {
        self.development
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.warning.clone().into_iter().chain(self.environment.warnings())
    }

    /// All that a command must know which looks for the running server.
    pub fn state_dir(&self) -> Result<PathBuf, ConfigError> {
        Ok(self.extract()?.state_dir)
    }

    pub fn endpoint(&self) -> Result<PublicEndpoint, ConfigError> {
        let raw = self.extract()?;
        Ok(PublicEndpoint {
            listen: raw.listen,
            tls: raw.tls_cert_file.is_some(),
            proxy_protocol: raw.proxy_protocol,
            path_prefix: raw.path_prefix.trim_end_matches('/').to_owned(),
        })
    }

    pub(super) fn figment(&self) -> &Figment {
        &self.figment
    }

    pub(super) fn extract(&self) -> Result<RawConfig, ConfigError> {
        self.figment.extract().map_err(|errors| {
            let lines: Vec<String> = errors.into_iter().map(|error| describe(&error)).collect();
            ConfigError(lines.join("\n"))
        })
    }
}

/// Accepts an empty path as well; clap's own parser refuses it.
pub fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Checked where the value and the flag are named; kept as it is written.
fn address(text: &str) -> Result<String, InvalidAddress> {
    text.parse::<Address>().map(|_| text.to_owned())
}

fn app_ids(figment: &Figment) -> Vec<String> {
    let apps = figment.find_value("apps").ok().and_then(Value::into_dict);
    apps.unwrap_or_default().into_keys().collect()
}

/// Values from one named source.
struct Layer {
    name: String,
    values: Dict,
}

impl Layer {
    fn new<'a>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Self {
        let mut dict = Dict::new();
        values.into_iter().for_each(|(path, value)| insert(&mut dict, path, value));
        Self { name: name.into(), values: dict }
    }

    /// The name appears in errors and in `config show`. Parsed here, because figment would keep a
    /// copy of the text, with its secrets, in memory that is never wiped.
    fn of_file(name: String, text: &str) -> Result<Self, ConfigError> {
        match Toml::from_str(text) {
            Ok(values) => Ok(Self { name, values }),
            Err(error) => {
                Err(ConfigError(format!("{} ({name})", without_source(&error.to_string()))))
            }
        }
    }

    /// A path in parts, since an app's id may contain dots.
    fn at(name: impl Into<String>, path: &[&str], value: Value) -> Self {
        let mut dict = Dict::new();
        insert_at(&mut dict, path, value);
        Self { name: name.into(), values: dict }
    }
}

fn insert(dict: &mut Dict, path: &str, value: Value) {
    insert_at(dict, &path.split('.').collect::<Vec<_>>(), value);
}

fn insert_at(dict: &mut Dict, path: &[&str], value: Value) {
    match path {
        [] => {}
        [name] => {
            dict.insert((*name).to_owned(), value);
        }
        [name, rest @ ..] => {
            let mut inner = dict.remove(*name).and_then(Value::into_dict).unwrap_or_default();
            insert_at(&mut inner, rest, value);
            dict.insert((*name).to_owned(), Value::from(inner));
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

fn dev_app() -> Layer {
    let text = |text: &str| Value::from(text);
    let app: BTreeMap<&str, Value> = BTreeMap::from([
        ("key", text("app-key")),
        ("secret", text(DEV_SECRET)),
        ("authorizer", text("open")),
        ("client_events", Value::from(true)),
        ("subscription_count", Value::from(true)),
        ("watchlist", Value::from(true)),
    ]);
    let app: Dict = app.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    Layer::at("--dev", &["apps", DEV_APP], Value::from(app))
}

fn flag_layer(flags: &Flags) -> Layer {
    let path = |path: &PathBuf| Value::from(path.display().to_string());
    let values = [
        ("listen", flags.listen.clone().map(Value::from)),
        ("api_listen", flags.api_listen.clone().map(Value::from)),
        ("ops_listen", flags.ops_listen.clone().map(Value::from)),
        ("state_dir", flags.state_dir.as_ref().map(path)),
    ];
    Layer::new("flags", values.into_iter().filter_map(|(key, value)| Some((key, value?))))
}

fn with_environment(
    mut figment: Figment,
    environment: &Environment,
    in_file: &[String],
) -> Result<Figment, ConfigError> {
    const APP_ID: &str = "SEALCAST_APP_ID";
    let id = environment.get(APP_ID);
    for (name, text) in environment.settings().filter(|(name, _)| *name != APP_ID) {
        let setting = name[PREFIX.len()..].to_ascii_lowercase();
        let app_setting = match setting.strip_prefix("app_") {
            Some(rest) => Some(rest),
            None => setting.starts_with("master_key").then_some(&*setting),
        };
        let parts: Vec<&str> = match app_setting {
            Some(rest) => {
                let mut parts = vec!["apps", app_of(name, id, in_file)?];
                parts.extend(rest.split("__"));
                parts
            }
            None => setting.split("__").collect(),
        };
        let value = values::of_text(&parts, text);
        figment = figment.merge(Layer::at(format!("environment variable {name}"), &parts, value));
    }
    if let Some(id) = id {
        // The id alone makes an app; the error then names its missing key.
        let empty = Value::from(Dict::new());
        figment =
            figment.join(Layer::at(format!("environment variable {APP_ID}"), &["apps", id], empty));
    }
    Ok(figment)
}

/// The app of the `SEALCAST_APP_*` variables.
fn app_of<'a>(
    name: &str,
    id: Option<&'a str>,
    in_file: &'a [String],
) -> Result<&'a str, ConfigError> {
    match (id, in_file) {
        (Some(id), _) => Ok(id),
        (None, [only]) => Ok(only),
        (None, []) => Err(ConfigError(format!(
            "{name} is set, but SEALCAST_APP_ID is not: set it to the app's id"
        ))),
        (None, several) => Err(ConfigError(format!(
            "{name} is set and the file has {} apps: set SEALCAST_APP_ID to say which one is meant",
            several.len()
        ))),
    }
}
