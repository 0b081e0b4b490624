//! The variables that the process was started with, and which of them are settings.
//!
//! Not those that Kubernetes makes (`service_variables`), and not empty ones: Compose passes
//! `${NAME:-}` on as an empty text, and means that it is not set.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::service_variables::is_service_variable;

/// In it a secret may stand, so it is wiped when it goes.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Zeroizing<String>>);

/// In front of every setting.
pub(super) const PREFIX: &str = "SEALCAST_";

/// Where the file is, where a server that runs already is, and whether settings were handed over.
const NO_SETTINGS: [&str; 3] = ["SEALCAST_CONFIG", "SEALCAST_URL", Environment::HANDED_OVER];

/// The name by which most other servers are told their port.
const PORT: &str = "SEALCAST_PORT";

impl Environment {
    /// Holds the id of the process that finds its settings on standard input (`cli::process`).
    pub const HANDED_OVER: &str = "SEALCAST_HANDED_OVER";

    /// Of this process. Not by `vars`, which panics on what is not UTF-8, and there may be anything.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os();
        variables
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect()
    }

    /// `None` for an empty value, too.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    pub fn insert(&mut self, name: String, value: Zeroizing<String>) {
        self.0.insert(name, value);
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.prefixed().filter(|(name, value)| *name != PORT && !is_service_variable(name, value))
    }

    /// The names that begin like settings and describe services of Kubernetes.
    pub fn service_variables(&self) -> Vec<&str> {
        let described = self.prefixed().filter(|(name, value)| is_service_variable(name, value));
        described.map(|(name, _)| name).collect()
    }

    pub(super) fn warnings(&self) -> Option<String> {
        let value = self.get(PORT).filter(|value| !is_service_variable(PORT, value))?;
        let port = value.parse::<u16>().unwrap_or(6001);
        Some(format!(
            "{PORT} is no setting and is not read: the address and the port stand in SEALCAST_LISTEN (SEALCAST_LISTEN=0.0.0.0:{port})"
        ))
    }

    fn prefixed(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, value)| {
            name.starts_with(PREFIX) && !value.is_empty() && !NO_SETTINGS.contains(name)
        })
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
    }
}
