//! The sources of settings: flags override the environment, the environment overrides the file.

mod flags;
mod layer;
mod origin;
mod own_file;
pub mod paths;
mod variable_values;

use std::path::{Path, PathBuf};

use figment::{
    Figment, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Value},
};
use zeroize::Zeroizing;

use super::{
    environment::{Environment, PREFIX},
    faults::{Aim, ConfigError, Fault, Misread, Place, TomlFile, misread, readable_part},
    raw::RawConfig,
    schema::Schema,
};
use crate::platform::address::Address;
pub use flags::{Development, Flags, flag_of, path};
pub use layer::{DEV_APP, DEV_SECRET};
pub use origin::Origin;

use layer::{DEV_OPERATIONS, Layer, dev_app, dev_operations};
use own_file::OwnFile;
use paths::{nearest, path_of};

/// All settings as they are written, and where each comes from.
pub struct Source {
    figment: Figment,
    environment: Environment,
    development: Development,
    schema: Schema,
    /// The file with its text, to show lines of it. `None` without a file.
    file: Option<OwnFile>,
    /// What could not be read at all.
    faults: Vec<Fault>,
    /// Settings on lines of the file that are no TOML.
    lost: Vec<Vec<String>>,
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

impl Source {
    /// Does not fail: what cannot be read is a fault, and the rest is read all the same.
    pub fn new(flags: &Flags, environment: Environment) -> Self {
        let mut source = Self::empty(environment, flags.development());
        if flags.dev {
            source.merge(Layer::new("--dev", [("listen", Value::from("127.0.0.1:6001"))]));
        }
        if let Some(path) = flags.config_file() {
            // Read here and not by figment, which takes a file that is not there for an empty one.
            match OwnFile::read(path) {
                Ok(file) => source.add_file(file),
                Err(message) => source.faults.push(Fault {
                    place: Place::Unknown,
                    path: Vec::new(),
                    message,
                    excerpt: None,
                }),
            }
        }
        source.add_environment();
        if flags.dev && source.app_ids().is_empty() {
            source.merge(dev_app());
        }
        source.merge(flags::layer_of(flags));
        if flags.dev {
            source.add_dev_operations();
        }
        source
    }

    /// A file that is not written yet, without variables and flags.
    pub fn of_text(path: &Path, text: Zeroizing<String>) -> Self {
        let mut source = Self::empty(Environment::default(), Development::Off);
        source.add_file(OwnFile::unwritten(path, text));
        source
    }

    fn empty(environment: Environment, development: Development) -> Self {
        Self {
            figment: Figment::new(),
            environment,
            development,
            schema: Schema::new(),
            file: None,
            faults: Vec::new(),
            lost: Vec::new(),
            warning: None,
        }
    }

    /// Settings whose values are secrets, and not in a file or variable of their own.
    pub fn secrets(&self) -> Vec<String> {
        own_file::secrets(&self.values(), &self.schema)
    }

    /// The console of `--dev`, below all other sources. If another listener has its port, there is
    /// none.
    fn add_dev_operations(&mut self) {
        let address = |name| {
            let value = self.figment.find_value(name).ok()?.into_string()?;
            value.parse::<Address>().ok()
        };
        let others = ["listen", "api_listen"].into_iter().filter_map(address);
        let is_free = || !others.into_iter().any(|other| other.clashes(&DEV_OPERATIONS));
        let is_set = self.figment.contains("ops_listen");
        if is_set || is_free() {
            let layer = dev_operations();
            self.figment = std::mem::take(&mut self.figment).join(layer);
        }
    }

    /// True if `--dev` chose the value of this setting of the server.
    pub fn is_of_development(&self, name: &str) -> bool {
        self.values().get(name).is_some_and(|value| self.origin(value) == Origin::Development)
    }

    /// True if the file could not be read, or a part of it is no TOML.
    pub fn lacks_its_file(&self) -> bool {
        self.faults.iter().any(|it| !matches!(it.place, Place::Variable(_) | Place::Flag(_)))
    }

    fn merge(&mut self, layer: Layer) {
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }

    /// Parsed here, because figment would keep a copy of the text, with its secrets, in memory that
    /// is never wiped.
    fn add_file(&mut self, file: OwnFile) {
        let name = file.name();
        let values = match Toml::from_str(&file.text) {
            Ok(values) => values,
            Err(_) => self.readable_values(&file),
        };
        self.warning = file.warning(&values, &self.schema);
        self.merge(Layer::of_values(name, values));
        self.file = Some(file);
    }

    /// The values on all lines that are TOML. The others are faults.
    fn readable_values(&mut self, file: &OwnFile) -> Dict {
        let (readable, lines) = readable_part(&file.text);
        let values = readable.as_ref().and_then(|text| Toml::from_str::<Dict>(text).ok());
        let whole = TomlFile::new(&file.text, "", &self.schema);
        for line in lines {
            let position = Some(whole.position(line.at.start));
            self.faults.push(Fault {
                place: Place::File { file: file.name(), position },
                excerpt: line.excerpt(&file.text, &self.schema),
                path: line.path.clone(),
                message: line.message,
            });
            self.lost.extend(Some(line.path).filter(|path| !path.is_empty()));
        }
        values.unwrap_or_default()
    }

    fn add_environment(&mut self) {
        const APP_ID: &str = "SEALCAST_APP_ID";
        let (environment, in_file) = (self.environment.clone(), self.app_ids());
        let id = environment.get(APP_ID);
        for (name, text) in environment.settings().filter(|(name, _)| *name != APP_ID) {
            match path_of_variable(name, id, &in_file) {
                Ok(path) => {
                    let value = variable_values::of_text(&path, text, &self.schema);
                    self.merge(Layer::at(Origin::variable_layer(name), &path, value));
                }
                Err(message) => self.faults.push(Fault {
                    place: Place::Variable(name.to_owned()),
                    path: Vec::new(),
                    message,
                    excerpt: None,
                }),
            }
        }
        if let Some(id) = id {
            // The id alone makes an app; the error then names its missing key.
            let empty = Value::from(Dict::new());
            let layer = Layer::at(Origin::variable_layer(APP_ID), &["apps", id], empty);
            self.figment = std::mem::take(&mut self.figment).join(layer);
        }
    }

    fn app_ids(&self) -> Vec<String> {
        let apps = self.figment.find_value("apps").ok().and_then(Value::into_dict);
        apps.unwrap_or_default().into_keys().collect()
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

    pub fn development(&self) -> Development {
        self.development
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The name of the configuration file.
    pub fn file(&self) -> Option<String> {
        self.file.as_ref().map(OwnFile::name)
    }

    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.warning.clone().into_iter().chain(self.environment.warnings())
    }

    /// Faults that come before all settings.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub fn lost(&self) -> &[Vec<String>] {
        &self.lost
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

    /// All values that are set.
    pub fn values(&self) -> Dict {
        let data = self.figment.data().ok().and_then(|mut data| data.remove(&Profile::Default));
        data.unwrap_or_default()
    }

    pub fn origin(&self, value: &Value) -> Origin {
        let name = self.figment.get_metadata(value.tag()).map(|metadata| metadata.name.as_ref());
        Origin::of_layer(name)
    }

    /// Fails with the first fault alone; `check` finds all.
    pub fn extract(&self) -> Result<RawConfig, ConfigError> {
        if let Some(first) = self.faults.first() {
            return Err(ConfigError::new(first.clone()));
        }
        let values = Value::from(self.values());
        values.deserialize().map_err(|error| {
            let Misread { path, aim, message } = self.misread(&error, &values);
            ConfigError::new(self.fault(path, aim, message))
        })
    }

    pub fn setting_fault(&self, setting: &str, message: String) -> Fault {
        let path = path_of(setting, &Value::from(self.values()));
        self.fault(path, Aim::Value, message)
    }

    /// `values`: the tree that could not be read.
    pub fn misread(&self, error: &figment::Error, values: &Value) -> Misread {
        let origin = nearest(values, &error.path).map(|value| self.origin(value));
        misread(error, origin.as_ref().and_then(Origin::variable), &self.schema)
    }

    /// With the place where the setting, or the nearest table around it, is written.
    pub fn fault(&self, path: Vec<String>, aim: Aim, message: String) -> Fault {
        let origin = nearest(&Value::from(self.values()), &path).map(|value| self.origin(value));
        let (place, excerpt) = match (origin, &self.file) {
            (Some(Origin::File(name)), Some(file)) => {
                let readable = readable_part(&file.text).0.unwrap_or_default();
                let toml = TomlFile::new(&file.text, &readable, &self.schema);
                let found = toml.find(&path, aim);
                let position = found.as_ref().map(|found| toml.position(found.start));
                let place = Place::File { file: name, position };
                (place, found.and_then(|found| toml.excerpt(found)))
            }
            (Some(Origin::Variable(name)), _) => (Place::Variable(name), None),
            (Some(Origin::Flag), _) => (flag_of(&path).map_or(Place::Unknown, Place::Flag), None),
            (Some(Origin::Development), _) => (Place::Flag("--dev".into()), None),
            (Some(Origin::File(_) | Origin::Default) | None, _) => (Place::Unknown, None),
        };
        Fault { place, path, message, excerpt }
    }
}

/// The names of the setting that a variable is for.
fn path_of_variable<'a>(
    variable: &str,
    id: Option<&'a str>,
    in_file: &'a [String],
) -> Result<Vec<String>, String> {
    let setting = variable[PREFIX.len()..].to_ascii_lowercase();
    let of_app = match setting.strip_prefix("app_") {
        Some(rest) => Some(rest),
        None => setting.starts_with("master_key").then_some(&*setting),
    };
    Ok(match of_app {
        Some(rest) => {
            let app = ["apps", app_of(variable, id, in_file)?];
            app.into_iter().chain(rest.split("__")).map(str::to_owned).collect()
        }
        None => setting.split("__").map(str::to_owned).collect(),
    })
}

/// The app of the `SEALCAST_APP_*` variables.
fn app_of<'a>(
    variable: &str,
    id: Option<&'a str>,
    in_file: &'a [String],
) -> Result<&'a str, String> {
    match (id, in_file) {
        (Some(id), _) => Ok(id),
        (None, [only]) => Ok(only),
        (None, []) => {
            Err(format!("{variable} is set, but SEALCAST_APP_ID is not: set it to the app's id"))
        }
        (None, several) => Err(format!(
            "{variable} is set and the file has {} apps: set SEALCAST_APP_ID to say which one is meant",
            several.len()
        )),
    }
}
