//! The values of an app for a snippet: the addresses for clients and backends, and the app's
//! credentials.
//!
//! Taken from the written form, so that a snippet needs no key file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use secrecy::{ExposeSecret, SecretString};

use super::{
    faults::ConfigError,
    raw::{
        RawConfig,
        app::{RawApp, RawAuthorizer},
        mode::RawMode,
    },
    resolve::{
        checks::{ConfigResult, SettingError, error},
        public_url::{PublicUrl, public_url},
        secrets::secret,
    },
    source::{DEV_APP, DEV_SECRET, Development, Source},
};
use crate::platform::address::{Address, HostName};

pub struct SnippetContext {
    pub id: String,
    pub key: String,
    pub secret: SecretString,
    pub clients: PublicUrl,
    /// `None` for a Unix socket: no SDK connects to one.
    pub api: Option<PublicUrl>,
    /// True if connections to `clients` and to `api` begin with a PROXY header: there is no proxy
    /// in front that would send it.
    pub clients_proxy_header: bool,
    pub api_proxy_header: bool,
    pub path_prefix: String,
    pub auth_endpoint: AuthEndpoint,
    /// As they are written.
    pub origins: Vec<String>,
    /// The example channel for clients to join and for backends to publish on; if the server seals,
    /// an encrypted channel and its alias.
    pub subscribed: &'static str,
    pub published: String,
}

const ENCRYPTED: &str = "private-encrypted-demo";
const PRIVATE: &str = "private-demo";

/// The place where clients ask for an authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthEndpoint {
    Server,
    /// The server, with a token.
    ServerWithToken,
    /// The application's own endpoint.
    Backend,
}

/// The listen addresses of a running server, with real port numbers.
pub struct BoundAddresses<'a> {
    pub public: &'a Address,
    pub api: Option<&'a Address>,
}

impl SnippetContext {
    /// `id` selects the app if there are several.
    pub fn of(
        source: &Source,
        id: Option<&str>,
        bound: Option<BoundAddresses<'_>>,
    ) -> Result<Self, ConfigError> {
        let mut raw = source.extract()?;
        raw.read_variables(source.environment());
        if let Some(BoundAddresses { public, api }) = bound {
            (raw.listen, raw.api_listen) = (public.clone(), api.cloned());
        }
        let (id, app) = select_app(&raw, id)?;
        let name = format!("apps.{id}.secret");
        let (Some(key), Some(secret)) = (&app.key, secret(&name, &app.secret, &app.secret_file)?)
        else {
            let (setting, says) = (format!("apps.{id}"), "has no key or no secret");
            return Err(SettingError::new(setting.clone(), format!("{setting} {says}")).into());
        };
        let clients = clients(&raw)?;
        let dev_app = source.development() != Development::Off && id == DEV_APP;
        let seals = app.mode != Some(RawMode::Blind)
            && (dev_app || app.master_key.is_some() || app.master_key_file.is_some());
        let (subscribed, published) = match &*app.sealing_alias {
            alias if seals && !alias.is_empty() => (ENCRYPTED, format!("{alias}demo")),
            _ => (PRIVATE, PRIVATE.to_owned()),
        };
        let clients_proxy_header = raw.proxy_protocol && raw.public_url.is_none();
        Ok(Self {
            id: id.to_owned(),
            key: key.clone(),
            secret,
            api: api(&raw, &clients)?,
            clients,
            clients_proxy_header,
            api_proxy_header: match &raw.api_listen {
                None => clients_proxy_header,
                Some(_) => raw.api_proxy_protocol,
            },
            path_prefix: raw.path_prefix.trim_end_matches('/').to_owned(),
            auth_endpoint: match app.authorizer {
                RawAuthorizer::Deny => AuthEndpoint::Backend,
                RawAuthorizer::Jwt => AuthEndpoint::ServerWithToken,
                RawAuthorizer::Open | RawAuthorizer::Forward => AuthEndpoint::Server,
            },
            origins: app.origins.clone(),
            subscribed,
            published,
        })
    }

    /// For the terminal of a server, which may be logged: shows no secret but the public one of
    /// `--dev`.
    pub fn without_secret(self) -> Self {
        let known = self.secret.expose_secret() == DEV_SECRET;
        let secret = if known { self.secret } else { "YOUR_APP_SECRET".into() };
        Self { secret, ..self }
    }
}

fn select_app<'a>(raw: &'a RawConfig, id: Option<&str>) -> ConfigResult<(&'a str, &'a RawApp)> {
    let mut apps = raw.apps.iter().map(|(id, app)| (id.as_str(), app));
    let ids = || raw.apps.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let found = match (id, raw.apps.len()) {
        (_, 0) => {
            return error(
                "apps",
                "there is no app in the configuration: name it with --config, or try --dev",
            );
        }
        (Some(id), _) => apps.find(|(other, _)| *other == id),
        (None, 1) => apps.next(),
        (None, _) => {
            return error(
                "apps",
                format!("there are several apps, say which with --app: {}", ids()),
            );
        }
    };
    match (found, id) {
        (Some(found), _) => Ok(found),
        (None, id) => {
            error("apps", format!("there is no app {:?}, but {}", id.unwrap_or_default(), ids()))
        }
    }
}

fn clients(raw: &RawConfig) -> ConfigResult<PublicUrl> {
    if let Some(url) = public_url(raw)? {
        return Ok(url);
    }
    match &raw.listen {
        Address::Tcp(address) => url_of_address("listen", address, raw.tls_cert_file.is_some()),
        Address::Name(name) => url_of_name("listen", name, raw.tls_cert_file.is_some()),
        Address::Unix(_) => error(
            "listen",
            "listen is a Unix socket: set public_url to the address that clients use, such as \"https://ws.example.com\"",
        ),
    }
}

fn api(raw: &RawConfig, clients: &PublicUrl) -> ConfigResult<Option<PublicUrl>> {
    match &raw.api_listen {
        None => Ok(Some(clients.clone())),
        Some(Address::Tcp(address)) => url_of_address("api_listen", address, false).map(Some),
        Some(Address::Name(name)) => url_of_name("api_listen", name, false).map(Some),
        Some(Address::Unix(_)) => Ok(None),
    }
}

fn url_of_name(setting: &str, name: &HostName, tls: bool) -> ConfigResult<PublicUrl> {
    refuse_any_port(setting, name.port())?;
    Ok(PublicUrl { tls, host: name.host().to_owned(), port: name.port() })
}

fn refuse_any_port(setting: &str, port: u16) -> ConfigResult<()> {
    if port == 0 {
        return error(
            setting,
            format!(
                "{setting} has port 0, so that its port is known when the server runs: set public_url, or name the address with a flag"
            ),
        );
    }
    Ok(())
}

/// A client cannot connect to an unspecified address: a local one takes its place.
fn url_of_address(setting: &str, address: &SocketAddr, tls: bool) -> ConfigResult<PublicUrl> {
    refuse_any_port(setting, address.port())?;
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V6(ip) if ip.is_unspecified() => "localhost".into(),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Ok(PublicUrl { tls, host, port: address.port() })
}
