//! The variables that the process was started with, and which of them are settings.
//!
//! Kubernetes makes variables of its own for a service that is called sealcast (`SEALCAST_PORT`,
//! `SEALCAST_SERVICE_HOST`, ...): those are not taken for settings.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

/// In it a secret may stand, so it is wiped when it goes.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, Zeroizing<String>>);

/// In front of every setting.
pub(super) const PREFIX: &str = "SEALCAST_";

/// Where the file is, where a server that runs already is, and whether settings were handed over.
const NO_SETTINGS: [&str; 3] = ["SEALCAST_CONFIG", "SEALCAST_URL", Environment::HANDED_OVER];

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

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    pub fn insert(&mut self, name: String, value: Zeroizing<String>) {
        self.0.insert(name, value);
    }

    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| {
            name.starts_with(PREFIX) && !NO_SETTINGS.contains(name) && !is_kubernetes(name)
        })
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect())
    }
}

fn is_kubernetes(name: &str) -> bool {
    name.starts_with("SEALCAST_PORT") || name.starts_with("SEALCAST_SERVICE_")
}
