//! Options that several commands share: which server, which app.

use std::path::PathBuf;

use super::{
    client::{AdminClient, AppClient},
    exit::{CliResult, CommandError},
    source,
};
use crate::{
    config::{Environment, Flags, path},
    crypto::key::read_secret_file,
};

/// The operations listener.
const URL: &str = "SEALCAST_URL";
/// The setting `public_url`: the address for clients and backends.
pub const PUBLIC_URL: &str = "SEALCAST_PUBLIC_URL";
const ADMIN_TOKEN_FILE: &str = "SEALCAST_ADMIN_TOKEN_FILE";
pub const CONFIG: &str = "SEALCAST_CONFIG";

/// Options that select a running server: by its state directory, or by its address.
#[derive(clap::Args, Debug, Default)]
pub struct ServerArgs {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE", env = CONFIG, value_parser = path(), help_heading = SERVER)]
    config: Option<PathBuf>,
    /// State directory of the server, with its command socket
    #[arg(long, value_name = "DIR", conflicts_with = "url", help_heading = SERVER)]
    state_dir: Option<PathBuf>,
    /// Operations listener of a remote server, http or https (or SEALCAST_URL)
    #[arg(long, value_name = "URL", help_heading = SERVER)]
    url: Option<String>,
    /// File with its admin token (or SEALCAST_ADMIN_TOKEN_FILE)
    #[arg(long, value_name = "FILE", help_heading = SERVER)]
    admin_token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust for https, instead of the usual ones
    #[arg(long, value_name = "FILE", help_heading = SERVER)]
    ca_file: Option<PathBuf>,
}

pub const SERVER: &str = "Which server";

/// Options that select an app of a running server.
#[derive(clap::Args, Debug)]
pub struct AppArgs {
    /// App id; may be left out if the server has one app only
    #[arg(long, value_name = "ID", help_heading = SERVER)]
    app: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Options that select a configuration, for commands that work without a server.
#[derive(clap::Args, Debug)]
pub struct ConfigArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = CONFIG, value_parser = path())]
    config: Option<PathBuf>,
    /// The configuration of `sealcast serve --dev`
    #[arg(long)]
    dev: bool,
}

impl ConfigArgs {
    pub fn flags(&self) -> Flags {
        Flags { config: self.config.clone(), dev: self.dev, ..Flags::default() }
    }
}

/// An operations listener and the file with its admin token.
#[derive(Debug, PartialEq, Eq)]
struct RemoteServer {
    url: String,
    token_file: PathBuf,
}

impl AppArgs {
    /// Asks the server for its app if none is given.
    pub async fn client(&self) -> CliResult<AppClient> {
        let admin = self.server.client()?;
        let app = match &self.app {
            Some(app) => app.clone(),
            None => admin.only_app().await?,
        };
        Ok(AppClient { admin, app })
    }
}

impl ServerArgs {
    pub fn client(&self) -> CliResult<AdminClient> {
        match self.remote(&Environment::of_process())? {
            Some(RemoteServer { url, token_file }) => {
                let token = read_secret_file(&token_file)?;
                AdminClient::remote(&url, token, self.ca_file.as_deref())
            }
            None if self.ca_file.is_some() => Err(CommandError::usage(
                "--ca-file is for https: it needs --url, the address of the operations listener",
            )),
            None => AdminClient::of_state_dir(&self.state_dir()?),
        }
    }

    /// A flag decides before the environment. Both variables together name a server: each alone has
    /// another meaning, for `healthcheck` or for `serve`.
    fn remote(&self, environment: &Environment) -> CliResult<Option<RemoteServer>> {
        let from = |name: &str| environment.get(name).map(str::to_owned);
        let url = self.url.clone();
        let token_file = self.admin_token_file.clone();
        match (url, token_file) {
            (Some(url), file) => match file.or_else(|| from(ADMIN_TOKEN_FILE).map(PathBuf::from)) {
                Some(token_file) => Ok(Some(RemoteServer { url, token_file })),
                None => Err(CommandError::usage(
                    "--url also needs --admin-token-file FILE, the file with the server's admin_token",
                )),
            },
            (None, Some(token_file)) => match from(URL) {
                Some(url) => Ok(Some(RemoteServer { url, token_file })),
                None => Err(CommandError::usage(
                    "--admin-token-file also needs --url, the address of the operations listener",
                )),
            },
            (None, None) if self.names_local_server(environment) => Ok(None),
            (None, None) => Ok(from(URL)
                .zip(from(ADMIN_TOKEN_FILE).map(PathBuf::from))
                .map(|(url, token_file)| RemoteServer { url, token_file })),
        }
    }

    fn names_local_server(&self, environment: &Environment) -> bool {
        let config = self.config.as_ref().and_then(|path| path.to_str());
        self.state_dir.is_some() || config.is_some_and(|path| environment.get(CONFIG) != Some(path))
    }

    fn state_dir(&self) -> CliResult<PathBuf> {
        let (config, state_dir) = (self.config.clone(), self.state_dir.clone());
        let flags = Flags { config, state_dir, ..Flags::default() };
        Ok(source(&flags)?.state_dir()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn remote(
        args: &ServerArgs,
        variables: &[(&str, &str)],
    ) -> Result<Option<(String, String)>, u8> {
        let remote = args.remote(&environment(variables)).map_err(|error| error.exit())?;
        Ok(remote.map(|it| (it.url, it.token_file.display().to_string())))
    }

    #[test]
    fn flags_decide_before_the_environment() {
        let both = [(URL, "http://b:1"), (ADMIN_TOKEN_FILE, "b")];
        let named = |url: &str, file: &str| Ok(Some((url.to_owned(), file.to_owned())));
        let none = ServerArgs::default();
        assert_eq!(remote(&none, &[]), Ok(None));
        assert_eq!(remote(&none, &both), named("http://b:1", "b"));
        // Each alone is a setting of another command.
        assert_eq!(remote(&none, &both[..1]), Ok(None));
        assert_eq!(remote(&none, &both[1..]), Ok(None));

        let url = ServerArgs { url: Some("http://a:1".into()), ..ServerArgs::default() };
        assert_eq!(remote(&url, &both), named("http://a:1", "b"));
        assert_eq!(remote(&url, &[]), Err(2));
        let file = ServerArgs { admin_token_file: Some("a".into()), ..ServerArgs::default() };
        assert_eq!(remote(&file, &both), named("http://b:1", "a"));
        assert_eq!(remote(&file, &[]), Err(2));

        let config = ServerArgs { config: Some("c.toml".into()), ..ServerArgs::default() };
        assert_eq!(remote(&config, &both), Ok(None), "a flag names a local server");
        let with_config = [both[0], both[1], (CONFIG, "c.toml")];
        assert_eq!(remote(&config, &with_config), named("http://b:1", "b"), "no flag");
        let state = ServerArgs { state_dir: Some("s".into()), ..ServerArgs::default() };
        assert_eq!(remote(&state, &both), Ok(None));
    }
}
