//! From an HTTP upgrade request to a connection: the requested app and dialect, and the admission.
//!
//! A refusal is never an HTTP error: browsers hide those, and clients would retry forever. The
//! upgrade is completed, then the error frame and the close code give the reason (protocol.md 1.4).

use std::{rc::Rc, sync::Arc};

use actix_codec::Framed;
use actix_http::{Request, RequestHead, h1, ws};
use actix_web::http::header;
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt;

use super::{
    handshake_rejections::{HandshakeRejections, RejectedHandshake},
    socket::{Connection, ConnectionSetup},
    socket_path,
};
use crate::{
    app::App,
    domain::refusal::RefusalCode,
    engine::AppRuntime,
    hub::{client_names::ClientName, rekey::reauthorization::Reauthorization},
    protocol::{code::Close, dialect::Dialect, version},
    web::{
        carrier::transport::Transport,
        context::worker::Worker,
        http::{
            headers::{DuplicateHeader, single},
            plain_refusal::plain_refusal,
            query::{MAX_BYTES, Query},
        },
    },
};

/// Takes the socket over. The HTTP dispatcher ends here, together with all its state for the
/// connection.
pub async fn take_over<T>(
    worker: Rc<Worker>,
    rejections: Arc<HandshakeRejections>,
    request: Request,
    framed: Framed<T, h1::Codec>,
) -> Result<(), actix_web::Error>
where
    T: Transport,
{
    let mut parts = framed.into_parts();
    let head = request.head();
    if let Err(error) = ws::verify_handshake(head) {
        parts.io.write_all(refusal(error).as_bytes()).await?;
        return Ok(parts.io.shutdown().await?);
    }
    let Ok(query) = Query::of(&head.uri) else {
        parts.io.write_all(too_long().as_bytes()).await?;
        return Ok(parts.io.shutdown().await?);
    };
    let requested = HandshakeRequest::read(head, query);
    let key = socket_path::key(&requested.path, &worker.start_settings.path_prefix);
    let app_closings = worker.engine.hub.app_closings();
    let runtime = key.as_deref().and_then(|key| worker.engine.runtimes().by_key(key).cloned());
    // Before the decision: a refusal is sent in the client's own dialect as well.
    let dialect = requested.dialect(runtime.as_deref());
    let from = || {
        let remote = || parts.io.remote();
        let app = runtime.as_ref().map(|runtime| runtime.app());
        let app = app.as_ref().map(|app| (&app.id, app.limits.connects_per_ip));
        worker.client_rate_limits.check_connect(
            app,
            remote,
            head.headers(),
            &worker.settings().proxies,
        )
    };
    let admission = admit(&worker, &requested, key, runtime.clone(), from);
    if let Err(reason) = &admission {
        let app = runtime.as_ref().map(|runtime| runtime.app());
        let prefix = &worker.start_settings.path_prefix;
        let handshake = requested.handshake(app.as_deref().map(|app| &**app), prefix);
        rejections.note(reason, &handshake, &worker.engine);
    }
    let id = worker.next_socket_id().map_err(std::io::Error::other)?;
    let setup = ConnectionSetup {
        handshake: handshake(head, parts.write_buf),
        early: parts.read_buf,
        id,
        dialect,
        legacy_java: requested.is_legacy_java(),
        reauthorization: Reauthorization::of_client(requested.query.first("client")),
        client: requested.client(),
        app_closings,
        admission,
    };
    drop(request);
    parts.io.begin_websocket();
    Connection::start(worker, parts.io, setup);
    Ok(())
}

/// The relevant parts of the URL and the headers.
struct HandshakeRequest {
    path: String,
    origin: Result<Option<String>, DuplicateHeader>,
    host: Option<String>,
    query: Query,
}

impl HandshakeRequest {
    fn read(head: &RequestHead, query: Query) -> Self {
        // An unreadable value counts as an origin that is on no list.
        let origin = single(head.headers(), header::ORIGIN);
        let origin = origin.map(|origin| origin.map(str::to_owned));
        let host = head.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.map(str::to_owned);
        Self { path: head.uri.path().to_owned(), origin, host, query }
    }

    fn handshake<'a>(
        &'a self,
        app: Option<&'a App>,
        path_prefix: &'a str,
    ) -> RejectedHandshake<'a> {
        let (origin, host) =
            (self.origin.as_ref().ok().and_then(Option::as_deref), self.host.as_deref());
        RejectedHandshake { path: &self.path, origin, host, app, path_prefix }
    }

    fn dialect(&self, runtime: Option<&AppRuntime>) -> Dialect {
        let app = runtime.map_or(Dialect::default(), |runtime| runtime.app().dialect);
        Dialect::choose(self.query.first("dialect"), self.query.first("client"), app)
    }

    fn client(&self) -> ClientName {
        let text = |name| self.query.first(name);
        ClientName::of(text("client"), text("version"), text("protocol"))
    }

    /// See `Audience::NotLegacyJava`.
    fn is_legacy_java(&self) -> bool {
        self.query.first("client") == Some("java-client")
            && self.query.first("protocol") == Some("5")
    }
}

fn admit(
    worker: &Worker,
    requested: &HandshakeRequest,
    key: Option<String>,
    runtime: Option<Arc<AppRuntime>>,
    from: impl FnOnce() -> Result<(), Close>,
) -> Result<Arc<AppRuntime>, Close> {
    if worker.engine.hub.is_draining() {
        return Err(Close::Draining);
    }
    if worker.engine.capacity.short().is_some() {
        return Err(Close::OverCapacity);
    }
    if worker.engine.cluster.is_closed() {
        return Err(Close::ClusterAway);
    }
    from().inspect_err(|_| worker.engine.counts.refused.connects.add())?;
    let prefix = &worker.start_settings.path_prefix;
    let mistake = || socket_path::path_hint(&requested.path, prefix, |_, _| false);
    let key = key.ok_or_else(|| Close::PathNotFound { mistake: mistake() })?;
    let Some(runtime) = runtime else {
        return Err(Close::UnknownApp { key: key.chars().take(100).collect() });
    };
    version::check(requested.query.first("protocol"), worker.settings().strict_protocol)?;
    let app = runtime.app();
    if !app.enabled {
        return Err(Close::AppDisabled);
    }
    let admitted = matches!(&requested.origin, Ok(origin) if app.origins.admits(origin.as_deref()));
    if !admitted {
        let advice = app.explains.then(|| {
            requested.handshake(Some(&app), &worker.start_settings.path_prefix).origin_advice(&app)
        });
        return Err(Close::OriginRefused { advice });
    }
    drop(app);
    Ok(runtime)
}

/// Written after the pending responses to earlier requests.
fn handshake(head: &RequestHead, mut before: BytesMut) -> Bytes {
    let key = head.headers().get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], |key| key.as_bytes());
    let accept = ws::hash_key(key);
    before.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    before.extend_from_slice(&accept);
    let offered = head.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    if let Some(protocol) = version::subprotocol(offered.filter_map(|list| list.to_str().ok())) {
        before.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        before.extend_from_slice(protocol.as_bytes());
    }
    before.extend_from_slice(b"\r\n\r\n");
    before.freeze()
}

/// The request is no WebSocket handshake, so a close code could not be read.
fn refusal(error: ws::HandshakeError) -> String {
    use ws::HandshakeError::*;
    const UPGRADE: &str = "Connection: close, Upgrade\r\nUpgrade: websocket";
    let (status, more) = match error {
        UnsupportedVersion | NoVersionHeader => {
            ("426 Upgrade Required", format!("{UPGRADE}\r\nSec-WebSocket-Version: 13"))
        }
        NoWebsocketUpgrade | NoConnectionUpgrade => ("426 Upgrade Required", UPGRADE.to_owned()),
        GetMethodRequired => {
            ("405 Method Not Allowed", "Connection: close\r\nAllow: GET".to_owned())
        }
        BadWebsocketKey => ("400 Bad Request", "Connection: close".to_owned()),
    };
    let message = format!("This is no WebSocket handshake that can be answered: {error}");
    plain_refusal(status, &more, &message, RefusalCode::BadHandshake)
}

/// No client writes such a request, so a close code could not be read either.
fn too_long() -> String {
    let message = format!(
        "The path and the query are longer than {MAX_BYTES} bytes, or have too many parameters"
    );
    plain_refusal("414 URI Too Long", "Connection: close", &message, RefusalCode::UriTooLong)
}
