//! The admin API of a running server.

use std::path::Path;

use hyper::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use zeroize::Zeroizing;

use super::{
    connect::{Connector, Destination},
    error::ClientError,
    http::{ClientRequest, ClientResponse},
    listener::ListenerClient,
    websocket::WebSocketClient,
};
use crate::{
    cli::exit::{CliResult, CommandError},
    platform::{http::SERVER_VERSION, state_dir::admin_socket_path},
    web::AppList,
};

pub struct AdminClient {
    listener: ListenerClient,
    token: Option<Zeroizing<String>>,
}

/// The admin API of one app.
pub struct AppClient {
    pub admin: AdminClient,
    pub app: String,
}

#[derive(Deserialize)]
struct ErrorResponse {
    error: String,
    code: String,
}

const NOT_FOUND: &str = "not_found";

impl AdminClient {
    /// On the socket of a state directory.
    pub fn of_state_dir(state_dir: &Path) -> CliResult<Self> {
        let destination = Destination::unix(admin_socket_path(state_dir));
        let listener = ListenerClient::new(Connector::new(None)?, destination);
        Ok(Self { listener, token: None })
    }

    /// On an operations listener.
    pub fn remote(url: &str, token: Zeroizing<String>, ca_file: Option<&Path>) -> CliResult<Self> {
        let listener = ListenerClient::new(Connector::new(ca_file)?, Destination::parse(url)?);
        Ok(Self { listener, token: Some(token) })
    }

    /// `path`: from its beginning, such as `/admin/apps`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> CliResult<T> {
        self.ask(ClientRequest::get(path)).await
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> CliResult<T> {
        let body = Zeroizing::new(serde_json::to_string(body)?);
        self.ask(ClientRequest::new(Method::POST, path).json(body)).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: ClientRequest) -> CliResult<T> {
        let request = self.authorized(request)?;
        let sent = self.listener.send(request).await;
        let answer = sent.map_err(|error| self.unreachable(error))?;
        if answer.status != 200 {
            return Err(self.refused(&answer));
        }
        serde_json::from_slice(&answer.body).map_err(|error| unreadable(&answer, &error))
    }

    /// A WebSocket of the admin API. The outer error is one of the arguments, the inner one of the
    /// connection.
    pub async fn websocket(
        &self,
        path: &str,
        max_bytes: usize,
    ) -> CliResult<Result<WebSocketClient, ClientError>> {
        let request = self.authorized(ClientRequest::get(path))?;
        Ok(self.listener.websocket(request, max_bytes).await)
    }

    fn authorized(&self, request: ClientRequest) -> CliResult<ClientRequest> {
        match &self.token {
            None => Ok(request),
            Some(token) => request.bearer(token).ok_or_else(|| {
                CommandError::failed("the admin token has a character that cannot be sent")
            }),
        }
    }

    /// For answers that need no token: a wrong one is told all the same.
    pub async fn confirm_token(&self) -> CliResult<()> {
        if self.token.is_some() {
            let _: AppList = self.get("/admin/apps").await?;
        }
        Ok(())
    }

    /// The only app of the server.
    pub async fn only_app(&self) -> CliResult<String> {
        let AppList { mut apps } = self.get("/admin/apps").await?;
        match (apps.len(), apps.pop()) {
            (1, Some(app)) => Ok(app.id),
            (_, None) => Err(CommandError::usage("the server has no app")),
            (_, Some(last)) => {
                let others = apps.iter().map(|app| &*app.id);
                let ids = others.chain([&*last.id]).collect::<Vec<_>>().join(", ");
                Err(CommandError::usage(format_args!(
                    "the server has several apps, say which with --app: {ids}"
                )))
            }
        }
    }

    pub fn unreachable(&self, error: ClientError) -> CommandError {
        match error {
            ClientError::NoSocket { file, error } => {
                CommandError::unreachable(no_server_at(&file, &error))
            }
            ClientError::NoUpgrade(answer) => self.refused(&answer),
            error => self.listener.unreachable(&error),
        }
    }

    /// The reason of an answer that is none of the wanted ones.
    fn refused(&self, answer: &ClientResponse) -> CommandError {
        match serde_json::from_slice::<ErrorResponse>(&answer.body) {
            Ok(ErrorResponse { error, code }) if code == NOT_FOUND => {
                // The public listener does not say its version.
                let version = answer.header(SERVER_VERSION);
                let message = match version.and_then(|_| is_of_other_version(answer)) {
                    Some(versions) => format!("{error}: {versions}"),
                    None => format!(
                        "{error}: is that the operations listener of a server with an admin_token?"
                    ),
                };
                CommandError::Refused { message, code }
            }
            Ok(ErrorResponse { error, code }) => CommandError::Refused { message: error, code },
            Err(_) => {
                let version =
                    answer.header(SERVER_VERSION).and_then(|_| is_of_other_version(answer));
                let version = version.map_or_else(String::new, |version| format!(": {version}"));
                CommandError::unreachable(format_args!(
                    "{} answers {}, and not as a Sealcast server{version}",
                    self.listener.destination, answer.status
                ))
            }
        }
    }
}

impl AppClient {
    /// `path`: below the app, such as `/keys`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> CliResult<T> {
        self.admin.get(&self.path(path)).await
    }

    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> CliResult<T> {
        self.admin.post(&self.path(path), body).await
    }

    fn path(&self, path: &str) -> String {
        let app =
            percent_encoding::utf8_percent_encode(&self.app, percent_encoding::NON_ALPHANUMERIC);
        format!("/admin/apps/{app}{path}")
    }
}

fn no_server_at(file: &Path, error: &std::io::Error) -> String {
    format!(
        "no server answers at {} ({error}): is it running, as the same user, and is that its state directory (--state-dir or --config)?",
        file.display()
    )
}

/// An answer that this version does not understand.
fn unreadable(answer: &ClientResponse, error: &serde_json::Error) -> CommandError {
    let because = is_of_other_version(answer).unwrap_or_else(|| {
        format!("this is sealcast {OWN_VERSION}, as the server says that it is as well")
    });
    CommandError::unreachable(format_args!(
        "the server's answer cannot be read ({error}): {because}"
    ))
}

const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

fn is_of_other_version(answer: &ClientResponse) -> Option<String> {
    match answer.header(SERVER_VERSION) {
        Some(OWN_VERSION) => None,
        Some(version) => Some(format!(
            "the server has version {version} and this command {OWN_VERSION}: use the sealcast of the server's version"
        )),
        None => Some(format!(
            "the server does not say its version, and this command has {OWN_VERSION}: use the sealcast of the server's version"
        )),
    }
}
