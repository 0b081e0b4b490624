//! The environment variables of the process, and the settings among them.
//!
//! Variables made by Kubernetes (`service_variables`) are no settings, and neither are empty ones:
//! Compose passes `${NAME:-}` on as an empty text for an unset variable.

pub mod service_variables;

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use service_variables::is_service_variable;

/// Wiped on drop: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Zeroizing<String>>);

/// The prefix of every setting.
pub(super) const PREFIX: &str = "SEALCAST_";

/// Variables with the prefix that are no settings: the path of the configuration file, the address
/// of a running server, and the mark of a hand-over.
const NOT_SETTINGS: [&str; 3] = ["SEALCAST_CONFIG", "SEALCAST_URL", Environment::HANDED_OVER];

/// Most other servers read their port from a variable of this form.
const PORT: &str = "SEALCAST_PORT";

impl Environment {
    /// Holds the process id of a hand-over on standard input (`cli::process`).
    pub const HANDED_OVER: &str = "SEALCAST_HANDED_OVER";

    /// The variables of this process. Not with `vars`, which panics on text that is not UTF-8.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os();
        variables
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect()
    }

    /// `None` for a missing or empty variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn insert(&mut self, name: String, value: Zeroizing<String>) {
        self.0.insert(name, value);
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.prefixed().filter(|(name, value)| *name != PORT && !is_service_variable(name, value))
    }

    /// Names with the prefix of settings that describe services of Kubernetes.
    pub fn service_variables(&self) -> Vec<&str> {
        let described = self.prefixed().filter(|(name, value)| is_service_variable(name, value));
        described.map(|(name, _)| name).collect()
    }

    pub(super) fn warnings(&self) -> Option<String> {
        let value = self.get(PORT).filter(|value| !is_service_variable(PORT, value))?;
        let port = value.parse::<u16>().unwrap_or(6001);
        Some(format!(
            "{PORT} is no setting and is not read: set the address and the port in SEALCAST_LISTEN (SEALCAST_LISTEN=0.0.0.0:{port})"
        ))
    }

    fn prefixed(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, value)| {
            name.starts_with(PREFIX) && !value.is_empty() && !NOT_SETTINGS.contains(name)
        })
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
    }
}
