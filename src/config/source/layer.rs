//! Values from one named source.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
};

use figment::{
    Metadata, Profile, Provider,
    value::{Dict, Map, Value},
};

use super::paths::insert;
use crate::platform::address::Address;

/// The id, key and secret of `--dev`. Digits: the official SDK for Python takes no other id.
pub const DEV_APP: &str = "1001";
pub const DEV_SECRET: &str = "app-secret";

/// The operations listener of `--dev`.
pub const DEV_OPERATIONS: Address =
    Address::Tcp(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 6002)));

/// Values from one named source.
pub struct Layer {
    name: String,
    pub values: Dict,
}

impl Layer {
    /// Settings of the server itself, by their names.
    pub fn new<'a>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { name: name.into(), values }
    }

    pub fn of_values(name: impl Into<String>, values: Dict) -> Self {
        Self { name: name.into(), values }
    }

    /// A path in parts, since an app's id may contain dots.
    pub fn at<S: AsRef<str>>(name: impl Into<String>, path: &[S], value: Value) -> Self {
        let mut values = Value::from(Dict::new());
        insert(&mut values, path, value);
        Self { name: name.into(), values: values.into_dict().unwrap_or_default() }
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

/// The app of a server that is started with `--dev` and without one.
pub fn dev_app() -> Layer {
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

/// The console of a server that is started with `--dev`, and its listener.
pub fn dev_operations() -> Layer {
    let text = |text: &str| Value::from(text);
    let values = [
        ("ops_listen", Value::from(DEV_OPERATIONS.to_string())),
        ("console", text("local")),
        ("console_reveal", text("ask")),
    ];
    Layer::new("--dev", values)
}
