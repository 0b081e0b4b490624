//! The admin API of a running server, for one app.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{
    CliResult,
    http::{CliRequest, CliResponse, addresses},
    source,
};
use crate::{
    config::{Flags, path},
    crypto::key::read_secret_file,
    engine::keys::key_report::KeyReport,
    platform::state_dir::admin_socket_path,
};

#[derive(clap::Args)]
pub struct AppArgs {
    /// App id
    #[arg(long, value_name = "ID")]
    app: String,
    #[command(flatten)]
    server: ServerArgs,
}

/// Options that select a running server.
#[derive(clap::Args)]
pub struct ServerArgs {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE", env = "SEALCAST_CONFIG", value_parser = path())]
    config: Option<PathBuf>,
    /// State directory of the server, with its command socket
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    state_dir: Option<PathBuf>,
    /// Operations listener of a remote server; it needs an admin_token
    #[arg(long, value_name = "http://HOST:PORT", requires = "admin_token_file")]
    url: Option<String>,
    /// File with this admin token
    #[arg(long, value_name = "FILE", requires = "url")]
    admin_token_file: Option<PathBuf>,
}

/// The address of the admin API.
pub enum AdminEndpoint {
    Socket(PathBuf),
    Token { addresses: Vec<SocketAddr>, prefix: String, token: Zeroizing<String> },
}

pub struct Server {
    endpoint: AdminEndpoint,
    app: String,
}

/// Changing keys waits for a disk.
const DEADLINE: Duration = Duration::from_secs(30);
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

impl AppArgs {
    pub fn app(&self) -> &str {
        &self.app
    }

    pub fn server(&self) -> CliResult<Server> {
        Ok(Server { endpoint: self.server.endpoint()?, app: self.app.clone() })
    }
}

impl ServerArgs {
    pub fn endpoint(&self) -> CliResult<AdminEndpoint> {
        Ok(match (&self.url, &self.admin_token_file) {
            (Some(url), Some(file)) => {
                let rest = url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
                let (addresses, prefix) = addresses(rest)?;
                let token = read_secret_file(file)?;
                AdminEndpoint::Token { addresses, prefix: prefix.to_owned(), token }
            }
            _ => AdminEndpoint::Socket(admin_socket_path(&self.state_dir()?)),
        })
    }

    fn state_dir(&self) -> CliResult<PathBuf> {
        let (config, state_dir) = (self.config.clone(), self.state_dir.clone());
        let flags = Flags { config, state_dir, ..Flags::default() };
        Ok(source(&flags)?.state_dir()?)
    }
}

impl Server {
    pub fn report(&self) -> CliResult<KeyReport> {
        self.get("/keys")
    }

    /// `path`: relative to the app.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> CliResult<T> {
        self.ask("GET", path, "")
    }

    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &str) -> CliResult<T> {
        self.ask("POST", path, body)
    }

    fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: &str) -> CliResult<T> {
        let path = format!("/admin/apps/{}{path}", self.app);
        let answer = match &self.endpoint {
            AdminEndpoint::Socket(file) => {
                let host = "localhost";
                let stream = connect(file)?;
                CliRequest { method, path: &path, host, token: None, body }.send(stream)?
            }
            AdminEndpoint::Token { addresses, prefix, token } => {
                let (stream, host) = connect_any(addresses)?;
                let path = format!("{prefix}{path}");
                CliRequest { method, path: &path, host: &host, token: Some(token), body }
                    .send(stream)?
            }
        };
        parse_response(&answer)
    }
}

pub fn no_server_at(file: &Path, error: &io::Error) -> String {
    format!(
        "no server answers at {} ({error}): is it running, as the same user, and is that its state directory (--state-dir or --config)?",
        file.display()
    )
}

fn connect(file: &Path) -> CliResult<UnixStream> {
    let stream = UnixStream::connect(file).map_err(|error| no_server_at(file, &error))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Connects to the first address that answers.
fn connect_any(addresses: &[SocketAddr]) -> CliResult<(TcpStream, String)> {
    let mut failure = String::from("the host has no address");
    for address in addresses {
        match TcpStream::connect_timeout(address, CONNECT_DEADLINE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(DEADLINE))?;
                stream.set_write_timeout(Some(DEADLINE))?;
                return Ok((stream, address.to_string()));
            }
            Err(error) => failure = format!("{address} does not answer: {error}"),
        }
    }
    Err(failure.into())
}

#[derive(serde::Deserialize)]
struct ErrorResponse {
    error: String,
    code: String,
}

fn parse_response<T: DeserializeOwned>(answer: &CliResponse) -> CliResult<T> {
    if answer.status == 200 {
        return Ok(serde_json::from_str(&answer.body)
            .map_err(|e| format!("the server's answer cannot be read: {e}"))?);
    }
    Err(error_message(answer).into())
}

/// The reason of an error response, as a sentence.
pub fn error_message(answer: &CliResponse) -> String {
    match serde_json::from_str::<ErrorResponse>(&answer.body) {
        Ok(ErrorResponse { error, code }) if code == "not_found" => {
            format!("{error}: is that the operations listener of a server with an admin_token?")
        }
        Ok(ErrorResponse { error, .. }) => error,
        Err(_) => format!("the server answers {}", answer.status),
    }
}
