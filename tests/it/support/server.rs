//! A running server and its HTTP clients.

use std::net::{Shutdown, SocketAddr};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::process::{CapturedOutput, address, lock, signal, wait};
use super::{
    APP, App, BoxedStream, Client, DEADLINE, HttpConnection, Launch, Output, Request, Response,
    TempDir, eavesdropper, exchange, nodes::Peers, signed_target, try_tls, two_nodes,
};

/// Closes a connection on drop, also if another handle to the socket exists.
pub struct DisconnectGuard(Option<Arc<std::net::TcpStream>>);

impl DisconnectGuard {
    /// For a connection that ends with its own drop.
    pub fn none() -> Self {
        Self(None)
    }
}

impl Drop for DisconnectGuard {
    fn drop(&mut self) {
        if let Some(line) = &self.0 {
            let _ = line.shutdown(Shutdown::Both);
        }
    }
}

/// A running server. Every test ends with [`TestServer::stop`].
pub struct TestServer {
    child: Option<Child>,
    pub addr: SocketAddr,
    ops: Option<SocketAddr>,
    stdout: CapturedOutput,
    stderr: CapturedOutput,
    lines: Mutex<Vec<Weak<std::net::TcpStream>>>,
    pub prefix: &'static str,
    pub dir: TempDir,
    /// The connector of a server with TLS.
    pub tls: Option<TlsConnector>,
    /// The other nodes behind the same address.
    pub(super) peers: Option<Peers>,
}

impl TestServer {
    pub(super) fn new(
        child: Child,
        addr: SocketAddr,
        ops: Option<SocketAddr>,
        [stdout, stderr]: [CapturedOutput; 2],
        dir: TempDir,
        tls: Option<TlsConnector>,
    ) -> Self {
        let lines = Mutex::new(Vec::new());
        let child = Some(child);
        Self { child, addr, ops, stdout, stderr, lines, prefix: "", dir, tls, peers: None }
    }

    pub async fn start(config: &str) -> Self {
        match two_nodes::are_wanted(config) {
            true => two_nodes::start(config).await,
            false => Launch::serve(config).start().await,
        }
    }

    /// A connection that [`TestServer::stop`] can close.
    pub async fn dial(&self) -> (BoxedStream, DisconnectGuard) {
        let (stream, line) = self.dial_tcp();
        (self.wire(stream).await, line)
    }

    pub fn dial_tcp(&self) -> (TcpStream, DisconnectGuard) {
        let stream =
            std::net::TcpStream::connect(self.addr).expect("the server accepts connections");
        self.adopt(stream)
    }

    /// TLS over this connection if the server uses TLS.
    pub async fn wire(&self, stream: TcpStream) -> BoxedStream {
        match &self.tls {
            None => Box::new(stream),
            Some(connector) => Box::new(try_tls(connector, stream).await.expect("a TLS handshake")),
        }
    }

    /// The same. `None` where the server ends it before the end of the TLS handshake.
    pub async fn try_dial(&self) -> Option<(BoxedStream, DisconnectGuard)> {
        let (stream, line) = self.dial_tcp();
        let wire: BoxedStream = match &self.tls {
            None => Box::new(stream),
            Some(connector) => Box::new(try_tls(connector, stream).await.ok()?),
        };
        Some((wire, line))
    }

    /// A connection for several HTTP requests.
    pub async fn http_connection(&self) -> HttpConnection {
        let stream = TcpStream::connect(self.addr).await.expect("the server accepts connections");
        HttpConnection::over(self.wire(stream).await)
    }

    pub fn adopt(&self, stream: std::net::TcpStream) -> (TcpStream, DisconnectGuard) {
        stream.set_nonblocking(true).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        let copy = Arc::new(stream.try_clone().expect("another handle"));
        lock(&self.lines).push(Arc::downgrade(&copy));
        (TcpStream::from_std(stream).expect("a socket of the runtime"), DisconnectGuard(Some(copy)))
    }

    pub fn socket_path(&self) -> String {
        format!("{}/app/{}?protocol=7&client=js&version=8.6.0&flash=false", self.prefix, APP.key)
    }

    /// A client of [`APP`] with its handshake done.
    pub async fn connect(&self) -> Client {
        Client::connect(self, APP, &self.socket_path(), &[]).await
    }

    pub async fn connect_as(&self, app: App) -> Client {
        Client::connect(self, app, &format!("{}/app/{}?protocol=7", self.prefix, app.key), &[])
            .await
    }

    /// A client of [`APP`] that connects with this query string.
    pub async fn connect_with(&self, query: &str) -> Client {
        Client::connect(self, APP, &format!("{}/app/{}?{query}", self.prefix, APP.key), &[]).await
    }

    /// A signed POST to `/apps/it{path}`.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_as(APP, path, body).await
    }

    pub async fn post_as(&self, app: App, path: &str, body: &Value) -> Response {
        eavesdropper::say(body);
        let body = body.to_string();
        let target =
            signed_target(app, "POST", &format!("/apps/{}{path}", app.id), &[], body.as_bytes());
        self.send(Request::new("POST", target).body("application/json", body)).await
    }

    /// A signed GET of `/apps/it{path}` with these parameters.
    pub async fn get(&self, path: &str, params: &[(&str, &str)]) -> Response {
        self.get_as(APP, path, params).await
    }

    /// The answer to a GET once it is as wanted: in a cluster, a change takes a moment to reach all
    /// nodes. On one node the first answer counts.
    pub async fn answer_once(&self, path: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let end = tokio::time::Instant::now() + DEADLINE;
        loop {
            let answer = self.get(path, &[]).await.expect(200, path);
            let is_over = !super::answers_are_late() || tokio::time::Instant::now() > end;
            if is_over || is_wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn get_as(&self, app: App, path: &str, params: &[(&str, &str)]) -> Response {
        let target = signed_target(app, "GET", &format!("/apps/{}{path}", app.id), params, b"");
        self.send(Request::new("GET", target)).await
    }

    /// Sends a request as it is, under the path prefix.
    pub async fn send(&self, mut request: Request) -> Response {
        request.target.insert_str(0, self.prefix);
        self.http_connection().await.send(&request).await
    }

    /// Publishes one event to one channel and expects success.
    pub async fn publish(&self, channel: &str, event: &str, data: &str) {
        let body = serde_json::json!({"name": event, "channels": [channel], "data": data});
        let answer = self.post("/events", &body).await.expect(200, format!("{event} to {channel}"));
        assert_eq!(answer, serde_json::json!({}), "{event} to {channel}");
    }

    /// Expects that the server still accepts events and that an uninvolved client gets them.
    pub async fn still_serves(&self, bystander: &mut Client, input: impl std::fmt::Display) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let data = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let body = serde_json::json!({"name": "still-here", "channel": "bystanders", "data": data});
        let response = self.post("/events", &body).await;
        response.expect(200, &input);
        let event = bystander.next().await;
        assert_eq!(event["event"], "still-here", "{input}: {event}");
        assert_eq!(event["data"], data.as_str(), "{input}: {event}");
    }

    pub async fn bystander(&self) -> Client {
        let mut client = self.connect().await;
        client.subscribe("bystanders").await;
        client
    }

    /// Address of the API's own listener.
    pub fn api(&self) -> SocketAddr {
        self.expect_alone("a listener for the API");
        address(&self.stdout.text(), "API on http://").expect("a listener for the API")
    }

    /// Address of the operations listener.
    pub fn ops(&self) -> SocketAddr {
        self.expect_alone("an operations listener");
        self.own_ops()
    }

    pub(super) fn own_ops(&self) -> SocketAddr {
        self.ops.expect("an operations listener")
    }

    pub(super) async fn own_stats(&self) -> Value {
        exchange(self.own_ops(), &Request::new("GET", "/stats")).await.expect(200, "/stats")
    }

    /// The processes that serve as one.
    pub fn node_count(&self) -> usize {
        self.nodes().count()
    }

    pub fn pid(&self) -> u32 {
        self.expect_alone("a process id");
        self.own_pid()
    }

    pub(super) fn own_pid(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    pub fn signal(&self, name: &str) {
        self.nodes().for_each(|node| signal(node.own_pid(), name));
    }

    /// Makes all writes to files fail, as on a full disk. Pipes and sockets still work.
    pub fn fill_disk(&self) {
        self.limit_files(Some(0));
    }

    pub fn empty_disk(&self) {
        self.limit_files(None);
    }

    fn limit_files(&self, current: Option<u64>) {
        use rustix::process::{Pid, Resource, Rlimit, prlimit};
        let limit = Rlimit { current, maximum: None };
        for node in self.nodes() {
            let pid = i32::try_from(node.own_pid()).ok().and_then(Pid::from_raw);
            prlimit(pid, Resource::Fsize, limit).expect("a limit of our own child");
        }
    }

    /// All output of the server so far.
    pub fn printed(&self) -> String {
        self.nodes().map(|node| node.stdout.text() + &node.stderr.text()).collect()
    }

    /// Closes all connections, expects all counters at zero, and ends the server in order.
    pub async fn stop(self) -> Output {
        self.hang_up_clients();
        for node in self.nodes() {
            node.until_empty().await;
        }
        self.signal("TERM");
        self.exited().await
    }

    pub fn hang_up_clients(&self) {
        for line in lock(&self.lines).iter().filter_map(Weak::upgrade) {
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    async fn until_empty(&self) {
        if self.ops.is_none() {
            return;
        }
        let names = [
            "sockets",
            "subscriptions",
            "channels",
            "members",
            "users",
            "outbox_bytes",
            "mailbox_bytes",
        ];
        let end = Instant::now() + DEADLINE;
        loop {
            let stats = self.own_stats().await;
            if names.iter().all(|name| stats[*name] == 0) {
                return;
            }
            assert!(Instant::now() < end, "left behind when every socket was gone: {stats}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for the end of a server after SIGKILL.
    pub async fn killed(mut self) -> Output {
        let peers = self.peers.take();
        let mut output = self.killed_alone().await;
        for mut peer in peers.into_iter().flat_map(Peers::into_servers) {
            output.append(peer.killed_alone().await);
        }
        output
    }

    async fn killed_alone(&mut self) -> Output {
        let mut child = self.child.take().expect("a running server");
        let status = wait(&mut child).await;
        Output { status, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    /// Waits for the end of the server and expects success.
    pub async fn exited(mut self) -> Output {
        let peers = self.peers.take();
        let mut output = self.exited_alone().await;
        for mut peer in peers.into_iter().flat_map(Peers::into_servers) {
            output.append(peer.exited_alone().await);
        }
        output
    }

    async fn exited_alone(&mut self) -> Output {
        let mut child = self.child.take().expect("a running server");
        let status = wait(&mut child).await;
        let end = Instant::now() + DEADLINE;
        while !(self.stdout.thread.is_finished() && self.stderr.thread.is_finished())
            && Instant::now() < end
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let output = Output { status, stdout: self.stdout.text(), stderr: self.stderr.text() };
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(!output.stderr.contains("panicked at"), "{output:?}");
        output
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = child.kill();
        let _ = child.wait();
        if std::thread::panicking() {
            eprintln!("--- what the server printed ---\n{}", self.printed());
        } else {
            panic!("this test did not stop its server");
        }
    }
}
