//! The listeners for clients and backends, and an app's credentials: from the configuration, or
//! from options for a remote server.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{
    connect::{Connector, Destination, ServerTransport},
    listener::ListenerClient,
};
use crate::{
    cli::{
        exit::{CliResult, CommandError},
        options::{CONFIG, PUBLIC_URL, SERVER},
        source,
    },
    config::{Environment, Flags, PublicUrl, SnippetContext, path},
    crypto::key::read_secret_file,
};

/// Options that select an app's id, key and secret.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct CredentialArgs {
    /// Configuration file with the app
    #[arg(long, value_name = "FILE", env = CONFIG, value_parser = path(), help_heading = SERVER)]
    config: Option<PathBuf>,
    /// The server of `sealcast serve --dev`
    #[arg(long, help_heading = SERVER)]
    dev: bool,
    /// App id; may be left out if the configuration has one app only
    #[arg(long, value_name = "ID", help_heading = SERVER)]
    app: Option<String>,
    /// App key, instead of a configuration
    #[arg(long, value_name = "KEY", conflicts_with = "dev", help_heading = SERVER)]
    key: Option<String>,
    /// File with the app's secret, instead of a configuration
    #[arg(long, value_name = "FILE", requires = "key", help_heading = SERVER)]
    secret_file: Option<PathBuf>,
}

/// Options that select the public listener of a server, and an app.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct PublicArgs {
    /// Address that clients use, http or https, instead of the configured one (or
    /// SEALCAST_PUBLIC_URL)
    #[arg(long, value_name = "URL", help_heading = SERVER)]
    url: Option<String>,
    /// Certificates (PEM) to trust for https, instead of the usual ones
    #[arg(long, value_name = "FILE", help_heading = SERVER)]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    credentials: CredentialArgs,
}

/// An app as a client or a backend knows it.
#[derive(Debug)]
pub struct AppCredentials {
    id: Option<String>,
    pub key: String,
    secret: Option<SecretString>,
    /// The app's list, as it is written in the configuration; empty without one.
    pub origins: Vec<String>,
}

/// A server as clients and backends see it.
pub struct PublicServer {
    /// For WebSockets.
    pub clients: ListenerClient,
    /// For the HTTP API; `None` for a Unix socket.
    pub api: Option<ListenerClient>,
    pub app: AppCredentials,
}

impl AppCredentials {
    pub fn id(&self) -> CliResult<&str> {
        let id = self.id.as_deref();
        id.ok_or_else(|| CommandError::usage("--key also needs --app, the app's id, here"))
    }

    pub fn secret(&self) -> CliResult<&SecretString> {
        let secret = self.secret.as_ref();
        secret.ok_or_else(|| {
            CommandError::usage(
                "--key also needs --secret-file, the file with the app's secret, here",
            )
        })
    }
}

impl From<SnippetContext> for AppCredentials {
    fn from(context: SnippetContext) -> Self {
        let SnippetContext { id, key, secret, origins, .. } = context;
        Self { id: Some(id), key, secret: Some(secret), origins }
    }
}

impl CredentialArgs {
    /// True if an option or the environment names an app.
    pub fn is_given(&self) -> bool {
        let Self { config, dev, app, key, secret_file: _ } = self;
        // As Compose passes the variable if nobody has set it.
        let config = config.as_ref().filter(|path| !path.as_os_str().is_empty());
        config.is_some() || *dev || app.is_some() || key.is_some()
    }

    /// From the options alone, or from the configuration.
    pub fn find(&self) -> CliResult<AppCredentials> {
        match &self.key {
            Some(key) => self.given(key),
            None => Ok(self.configured()?.into()),
        }
    }

    fn given(&self, key: &str) -> CliResult<AppCredentials> {
        let secret = self.secret_file.as_deref().map(read_secret_file).transpose()?;
        let secret = secret.map(|secret| SecretString::from(secret.as_str()));
        let (id, key, origins) = (self.app.clone(), key.to_owned(), Vec::new());
        Ok(AppCredentials { id, key, secret, origins })
    }

    fn configured(&self) -> CliResult<SnippetContext> {
        let flags = Flags { config: self.config.clone(), dev: self.dev, ..Flags::default() };
        Ok(SnippetContext::of(&source(&flags)?, self.app.as_deref(), None)?)
    }
}

impl PublicArgs {
    pub fn server(&self) -> CliResult<PublicServer> {
        let environment = Environment::of_process();
        let ca_file = self.ca_file.as_deref();
        let by_environment = || environment.get(PUBLIC_URL).filter(|_| !self.credentials.dev);
        match self.url.as_deref().or_else(by_environment) {
            Some(url) => {
                let client =
                    ListenerClient::new(Connector::new(ca_file)?, Destination::parse(url)?);
                let app = self.credentials.find()?;
                Ok(PublicServer { clients: client.clone(), api: Some(client), app })
            }
            None => self.configured(ca_file),
        }
    }

    fn configured(&self, ca_file: Option<&Path>) -> CliResult<PublicServer> {
        if self.credentials.key.is_some() {
            return Err(CommandError::usage("--key also needs --url, the address of its server"));
        }
        let context = self.credentials.configured()?;
        let connector = Connector::new(ca_file)?;
        let listener = |url: &PublicUrl, proxy_header| {
            let connector = connector.clone().with_proxy_header(proxy_header);
            ListenerClient::new(connector, destination(url, &context.path_prefix))
        };
        let clients = listener(&context.clients, context.clients_proxy_header);
        let api = context.api.as_ref().map(|url| listener(url, context.api_proxy_header));
        Ok(PublicServer { clients, api, app: context.into() })
    }
}

fn destination(url: &PublicUrl, prefix: &str) -> Destination {
    let host = url.host.trim_matches(['[', ']']).to_owned();
    let transport = ServerTransport::Tcp { host, port: url.port, tls: url.tls };
    Destination { transport, prefix: prefix.to_owned() }
}
