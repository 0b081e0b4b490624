//! One connection: TCP, TLS, login, and the first questions.

use std::{io, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, PushInfo, RedisConnectionInfo,
    RedisError, Value, aio::MultiplexedConnection,
};
use rustls::{ClientConfig, pki_types::ServerName};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::{
    LinkError, LinkSettings,
    activity::{Activity, WatchedStream},
};
use crate::cluster::{
    redis::{
        checks::{self, Master},
        refusals::Refusal,
    },
    url::{RedisHost, RedisLogin},
};

/// Closed on drop.
pub struct RedisConnection {
    pub multiplexed: MultiplexedConnection,
    pub activity: Activity,
    pub master: Master,
    _driver: Driver,
}

/// The task that reads and writes. It ends with its connection.
struct Driver(JoinHandle<()>);

/// TCP, TLS, login and the first questions: a dozen round trips at most.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// For one question over a connection of its own.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// The pipelines that the connection takes without waiting. More are never outstanding.
pub const MAX_OUTSTANDING: usize = 64;

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RedisConnection {
    /// `push` gets all that arrives without being an answer. It must not wait.
    pub async fn open(
        settings: &LinkSettings,
        host: &RedisHost,
        name: &str,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Self, LinkError> {
        let opening = Self::open_and_check(settings, host, name, push);
        tokio::time::timeout(OPEN_TIMEOUT, opening).await.map_err(|_| LinkError::Silent)?
    }

    async fn open_and_check(
        settings: &LinkSettings,
        host: &RedisHost,
        name: &str,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Self, LinkError> {
        let activity = Activity::starting_now();
        let stream = connect(host, settings.access.tls.as_ref()).await?;
        let stream = WatchedStream { stream, activity: activity.clone() };
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_pipeline_buffer_size(MAX_OUTSTANDING)
            .set_push_sender(move |info| {
                push(info);
                Ok::<_, ()>(())
            });
        let login = login(settings.access.login.as_ref());
        let opened = MultiplexedConnection::new_with_config(&login, stream, config).await;
        let (mut multiplexed, driver) = opened.map_err(|error| login_error(&error))?;
        let driver = Driver(tokio::spawn(driver));
        let questions = pipeline(checks::commands(name));
        let answers = ask(&mut multiplexed, &questions).await?;
        let master = checks::check(answers, settings.address.failover())?;
        Ok(Self { multiplexed, activity, master, _driver: driver })
    }
}

/// Asks one question over a connection of its own, of a server that need not be a master.
pub async fn ask_once(
    host: &RedisHost,
    tls: Option<&Arc<ClientConfig>>,
    given: Option<&RedisLogin>,
    question: redis::Cmd,
) -> Result<Value, LinkError> {
    let asking = ask_unbounded(host, tls, given, question);
    tokio::time::timeout(QUESTION_TIMEOUT, asking).await.map_err(|_| LinkError::Silent)?
}

async fn ask_unbounded(
    host: &RedisHost,
    tls: Option<&Arc<ClientConfig>>,
    given: Option<&RedisLogin>,
    question: redis::Cmd,
) -> Result<Value, LinkError> {
    let stream = connect(host, tls).await?;
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let opened = MultiplexedConnection::new_with_config(&login(given), stream, config).await;
    let (mut multiplexed, driver) = opened.map_err(|error| login_error(&error))?;
    let _driver = Driver(tokio::spawn(driver));
    let answers = ask(&mut multiplexed, &pipeline([question])).await?;
    answers.into_iter().next().ok_or(LinkError::NotRedis)
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connect(
    address: &RedisHost,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Box<dyn Stream>, LinkError> {
    let RedisHost { host, port } = address;
    let unreachable = |error: io::Error| LinkError::Unreachable(error.kind());
    let tcp = TcpStream::connect((&**host, *port)).await.map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    // A connection that is given up is reset: what it still carries must not be done behind what is
    // sent over the next one.
    tcp.set_zero_linger().map_err(unreachable)?;
    let Some(config) = tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(host.to_string()).map_err(|_| LinkError::Tls)?;
    let handshake = TlsConnector::from(config.clone()).connect(name, tcp);
    // A Redis without TLS waits for the end of what it takes for a command.
    let tls = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
    match tls {
        Ok(Ok(tls)) => Ok(Box::new(tls)),
        Ok(Err(_)) | Err(_) => Err(LinkError::Tls),
    }
}

fn login(login: Option<&RedisLogin>) -> RedisConnectionInfo {
    let info =
        RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
    let Some(login) = login else { return info };
    let info = info.set_password(login.password.expose_secret());
    match &login.user {
        Some(user) => info.set_username(user),
        None => info,
    }
}

pub fn pipeline(commands: impl IntoIterator<Item = redis::Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    commands.into_iter().for_each(|command| {
        pipeline.add_command(command);
    });
    pipeline
}

/// Error replies stay in their places.
pub async fn ask(
    connection: &mut MultiplexedConnection,
    pipeline: &Pipeline,
) -> Result<Vec<Value>, LinkError> {
    let answers = connection.send_packed_commands(pipeline, 0, pipeline.len()).await;
    answers.map_err(|error| connection_error(&error))
}

/// An error of the connection, not an error reply.
fn connection_error(error: &RedisError) -> LinkError {
    match error.kind() {
        ErrorKind::Parse => LinkError::NotRedis,
        _ => LinkError::Closed,
    }
}

fn login_error(error: &RedisError) -> LinkError {
    match (error.kind(), Refusal::of_error(error), error.code()) {
        (ErrorKind::RESP3NotSupported, ..) | (_, _, Some("NOPROTO")) => LinkError::NoResp3,
        (_, Some(Refusal::Forbidden), Some("NOPERM")) => LinkError::Forbidden { command: "HELLO" },
        (_, Some(Refusal::Forbidden), _) => LinkError::Login,
        // Such as `max number of clients reached`, or a protected mode.
        (_, Some(Refusal::Broken), _) => LinkError::Closed,
        (_, Some(_), _) => LinkError::Loading,
        (_, None, _) => connection_error(error),
    }
}
