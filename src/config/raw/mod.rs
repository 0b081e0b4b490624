//! The written form of the configuration: names, units and defaults. Unknown names are errors.
//!
//! This is the one source of everything that is said about settings. The comment of a field is its
//! description for operators, `Default` gives its default, and the attributes name the rest:
//!
//! * `x-effect`: when a change takes effect; a table gives it to its settings.
//! * `x-unit`: the unit of a number.
//! * `x-see`: the page that explains it, below `docs`.
//! * `x-default`: a default in words, where it is no constant.
//! * `skip_serializing`: a secret. It is masked wherever settings are shown.

pub mod app;
pub mod auth;
pub mod channels;
pub mod cluster;
pub mod mode;
pub mod text;
pub mod units;
pub mod webhooks;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    environment::Environment,
    takes_effect::TakesEffect::{AfterRestart, AtOnce, ForNewConnections},
};
use crate::{
    domain::limits::YEAR,
    platform::address::Address,
    web::{ConsoleAccess, ForwardedHeader, LiveFeedAccess, RevealPolicy},
};
use app::RawApp;
use channels::RawServerHistory;
use cluster::RawCluster;
use text::SecretText;

/// The settings of a Sealcast server.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    /// Address for WebSockets and the HTTP API: `ADDRESS:PORT`, `NAME:PORT`, or `unix:/PATH` for a
    /// Unix socket. Port 0 takes a free one and prints it.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "configuration.md#choose-the-listeners"))]
    pub listen: Address,
    /// Separate address for the HTTP API, in plain HTTP. With it, `listen` does not serve the API.
    #[schemars(
        example = "10.0.0.2:6003",
        extend("x-effect" = AfterRestart, "x-default" = "off", "x-see" = "configuration.md#choose-the-listeners")
    )]
    pub api_listen: Option<Address>,
    /// Address for operators: `/metrics`, `/stats`, and with `admin_token` the admin API. Keep it off
    /// the public network.
    #[schemars(
        example = "127.0.0.1:6002",
        extend("x-effect" = AfterRestart, "x-default" = "off", "x-see" = "metrics.md")
    )]
    pub ops_listen: Option<Address>,
    /// Host names that `ops_listen` answers to, besides addresses, `localhost` and the name of this
    /// machine.
    #[schemars(
        example = ["sealcast.internal"],
        extend("x-effect" = AtOnce, "x-see" = "configuration.md#allow-host-names-on-the-operations-listener")
    )]
    pub ops_hosts: Vec<String>,
    /// A proxy in front of `ops_listen` ends TLS, so that the console's cookie is for HTTPS alone.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "console.md#open-it-from-another-machine"))]
    pub ops_behind_tls: bool,
    /// The operator's console, a page on `ops_listen`.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "console.md"))]
    pub console: ConsoleAccess,
    /// Payloads in the console.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "console.md#reveal-payloads"))]
    pub console_reveal: RevealPolicy,
    /// Mode of the files of Unix sockets, in octal. It decides who may connect.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "configuration.md#listen-on-a-unix-socket"))]
    pub unix_socket_mode: String,
    /// Each connection to `listen` begins with a PROXY header of a load balancer in
    /// `trusted_proxies`.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "proxies.md"))]
    pub proxy_protocol: bool,
    /// The same for `api_listen`.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "proxies.md"))]
    pub api_proxy_protocol: bool,
    /// Certificate of the server and its chain, as PEM. With `tls_key_file`, `listen` speaks TLS and
    /// nothing else.
    #[schemars(
        example = "/etc/sealcast/chain.pem",
        extend("x-effect" = ForNewConnections, "x-see" = "configuration.md#serve-tls")
    )]
    pub tls_cert_file: Option<PathBuf>,
    /// Private key of the certificate, as PEM without a passphrase.
    #[schemars(
        example = "/etc/sealcast/key.pem",
        extend("x-effect" = ForNewConnections, "x-see" = "configuration.md#serve-tls")
    )]
    pub tls_key_file: Option<PathBuf>,
    /// In front of the path of every request, such as `/ws`, if a proxy passes one on.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "proxies.md"))]
    pub path_prefix: String,
    /// The address that clients use, if a proxy is in between: scheme, host and port, without a path.
    /// `"self"` in `origins` stands for it, and `sealcast snippet` uses it.
    #[schemars(example = "https://ws.example.com", extend("x-effect" = AtOnce))]
    pub public_url: Option<String>,
    /// Threads that serve connections. 0: one for each processor.
    #[schemars(extend("x-effect" = AfterRestart, "x-unit" = "threads"))]
    pub workers: usize,
    /// Silence of a client after which the server pings it. Clients are told the value.
    #[schemars(
        range(min = 1, max = YEAR),
        extend("x-effect" = ForNewConnections, "x-unit" = "seconds", "x-see" = "limits.md#deadlines")
    )]
    pub activity_timeout_seconds: u64,
    /// Time in which a client answers this ping. After it the connection is closed with 4201.
    #[schemars(
        range(min = 1, max = YEAR),
        extend("x-effect" = ForNewConnections, "x-unit" = "seconds", "x-see" = "limits.md#deadlines")
    )]
    pub pong_timeout_seconds: u64,
    /// Time in which a client takes at least one waiting byte. After it the connection is closed with
    /// 4100, even if the client keeps sending.
    #[schemars(
        range(min = 1, max = YEAR),
        extend("x-effect" = ForNewConnections, "x-unit" = "seconds", "x-see" = "limits.md#deadlines")
    )]
    pub stalled_seconds: u64,
    /// Time after which an HTTP connection without a request is closed. Set more than a proxy in
    /// front uses.
    #[schemars(
        range(min = 1, max = YEAR),
        extend("x-effect" = AfterRestart, "x-unit" = "seconds", "x-see" = "limits.md#deadlines")
    )]
    pub keep_alive_seconds: u64,
    /// Time for the whole body of a request. After it the answer is 408.
    #[schemars(
        range(min = 1, max = YEAR),
        extend("x-effect" = AtOnce, "x-unit" = "seconds", "x-see" = "limits.md#deadlines")
    )]
    pub body_timeout_seconds: u64,
    /// Refuse connections without a protocol version (4008).
    #[schemars(extend("x-effect" = ForNewConnections))]
    pub strict_protocol: bool,
    /// Time over which a stopping server closes its sockets. 0: all at once.
    #[schemars(
        range(max = 3600),
        extend("x-effect" = AtOnce, "x-unit" = "seconds", "x-see" = "operations.md#stop-the-server")
    )]
    pub drain_seconds: u64,
    /// Share of descriptors, memory or connections in use from which `/capacity` answers 503.
    #[schemars(
        range(min = 1, max = 100),
        extend("x-effect" = AtOnce, "x-unit" = "percent", "x-see" = "operations.md#capacity")
    )]
    pub capacity_percent: u64,
    /// Memory that the server may use. Over three quarters of it, the server protects itself by
    /// degrees; over nine tenths, it refuses new sockets.
    #[schemars(
        range(min = 16_777_216),
        example = 1_073_741_824,
        extend(
            "x-effect" = AfterRestart,
            "x-unit" = "bytes",
            "x-default" = "the limit of the container",
            "x-see" = "operations.md#short-of-memory"
        )
    )]
    pub memory_limit_bytes: Option<usize>,
    /// Largest WebSocket message. A larger one closes the connection with 1009.
    #[schemars(range(min = 1024), extend("x-effect" = ForNewConnections, "x-unit" = "bytes", "x-see" = "limits.md#server-limits"))]
    pub message_bytes: usize,
    /// Largest body of an API request. A larger one is answered with 413. The auth endpoints take 16
    /// KiB.
    #[schemars(range(min = 1024), extend("x-effect" = AtOnce, "x-unit" = "bytes", "x-see" = "limits.md#server-limits"))]
    pub http_body_bytes: usize,
    /// Networks and addresses of proxies whose header with the client's address is believed.
    #[schemars(example = ["10.0.0.0/8"], extend("x-effect" = AtOnce, "x-see" = "proxies.md"))]
    pub trusted_proxies: Vec<String>,
    /// The header that these proxies write.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "proxies.md"))]
    pub forwarded_header: ForwardedHeader,
    /// Most bytes waiting for one socket, beside 256 KiB in the kernel. Over it the connection is
    /// closed with 4100.
    #[schemars(
        range(min = 16_384),
        extend("x-effect" = ForNewConnections, "x-unit" = "bytes", "x-see" = "limits.md#server-limits")
    )]
    pub outbox_bytes: usize,
    /// Most bytes waiting for one worker. Over it triggers get 503 with `Retry-After`.
    #[schemars(
        range(min = 65_536),
        extend("x-effect" = AtOnce, "x-unit" = "bytes", "x-see" = "limits.md#server-limits")
    )]
    pub mailbox_bytes: usize,
    /// Most bytes of the last events of all cache channels of all apps. The oldest go first.
    #[schemars(extend("x-effect" = AtOnce, "x-unit" = "bytes", "x-see" = "limits.md#server-limits"))]
    pub cache_bytes: usize,
    /// Auth requests that rotations of keys may cause on this node.
    #[schemars(
        range(min = 1),
        extend("x-effect" = AtOnce, "x-unit" = "per second", "x-see" = "keys.md#rotate-a-key")
    )]
    pub turns_per_second: u32,
    /// Level of the log, or levels by target, such as `warn,sealcast=debug`.
    #[schemars(extend("x-effect" = AtOnce, "format" = "log-filter", "x-see" = "logging.md"))]
    pub log: String,
    /// Form of the log on standard error.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "logging.md"))]
    pub log_format: LogFormat,
    /// Read the configuration again when its file, or a file that it names, has changed.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "configuration.md#reload-the-configuration"))]
    pub watch_config: bool,
    /// Directory for everything that the server must find again after a restart, and for the socket
    /// `admin.sock` of its own user.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "keys.md#back-up-the-key-file"))]
    pub state_dir: PathBuf,
    /// File for the audit log: authorizations and changes of keys, as a chain of lines.
    #[schemars(
        example = "/var/lib/sealcast/audit.jsonl",
        extend("x-effect" = AfterRestart, "x-default" = "off", "x-see" = "audit.md")
    )]
    pub audit_file: Option<PathBuf>,
    /// Token that opens the admin API on `ops_listen`: at least 16 printable characters.
    #[serde(skip_serializing)]
    #[schemars(
        with = "Option<SecretText>",
        example = "0123456789abcdef0123456789abcdef",
        extend("x-effect" = AtOnce, "x-see" = "keys.md#admin-api")
    )]
    pub admin_token: Option<SecretString>,
    /// File with the admin token.
    #[schemars(example = "/run/secrets/admin_token", extend("x-effect" = AtOnce))]
    pub admin_token_file: Option<PathBuf>,
    /// Machines that may watch the live feed with the admin token.
    #[schemars(extend("x-effect" = AtOnce, "x-see" = "live.md"))]
    pub live_feed: LiveFeedAccess,
    /// Logged events of all channels of the server. Channels get a log by their own settings.
    #[schemars(extend("x-see" = "history.md"))]
    pub history: RawServerHistory,
    /// One Redis or Valkey for several servers, to serve clients as one.
    #[schemars(extend("x-effect" = AfterRestart, "x-see" = "cluster.md"))]
    pub cluster: Option<RawCluster>,
    /// The apps by their ids: letters, digits, `-`, `_` and `.`. The official SDK for Python takes ids
    /// of digits only.
    pub apps: BTreeMap<String, RawApp>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listen: Address::Tcp(SocketAddr::from(([0, 0, 0, 0], 6001))),
            api_listen: None,
            ops_listen: None,
            ops_hosts: Vec::new(),
            ops_behind_tls: false,
            console: ConsoleAccess::default(),
            console_reveal: RevealPolicy::default(),
            unix_socket_mode: "0660".into(),
            proxy_protocol: false,
            api_proxy_protocol: false,
            tls_cert_file: None,
            tls_key_file: None,
            path_prefix: String::new(),
            public_url: None,
            workers: 0,
            activity_timeout_seconds: 120,
            pong_timeout_seconds: 30,
            stalled_seconds: 30,
            keep_alive_seconds: 75,
            body_timeout_seconds: 30,
            strict_protocol: false,
            drain_seconds: 5,
            capacity_percent: 90,
            memory_limit_bytes: None,
            message_bytes: 64 * 1024,
            http_body_bytes: 1024 * 1024,
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            outbox_bytes: 1024 * 1024,
            mailbox_bytes: 64 * 1024 * 1024,
            cache_bytes: 256 * 1024 * 1024,
            turns_per_second: 1000,
            log: "info".into(),
            log_format: LogFormat::Text,
            watch_config: true,
            state_dir: ".sealcast".into(),
            audit_file: None,
            admin_token: None,
            admin_token_file: None,
            live_feed: LiveFeedAccess::default(),
            history: RawServerHistory::default(),
            cluster: None,
            apps: BTreeMap::new(),
        }
    }
}

impl RawConfig {
    /// Names of the variables that hold keys (`env:NAME`).
    pub fn named_variables(&self) -> impl Iterator<Item = &str> {
        self.keys().filter_map(|key| named_variable(key.as_ref()?))
    }

    fn keys(&self) -> impl Iterator<Item = &Option<SecretString>> {
        let of_apps = self.apps.values().map(|app| &app.master_key);
        let of_cluster = self.cluster.iter().map(|cluster| &cluster.key);
        of_apps.chain([&self.history.key]).chain(of_cluster)
    }

    /// Replaces `env:NAME` by the variable's value. Done here because the variables are no longer
    /// in the process's own environment. A missing one is reported where the key is parsed.
    pub fn read_variables(&mut self, environment: &Environment) {
        let of_apps = self.apps.values_mut().map(|app| &mut app.master_key);
        let of_cluster = self.cluster.iter_mut().map(|cluster| &mut cluster.key);
        for key in of_apps.chain([&mut self.history.key]).chain(of_cluster) {
            let name = key.as_ref().and_then(named_variable);
            if let Some(value) = name.and_then(|name| environment.get(name)) {
                *key = Some(SecretString::from(value));
            }
        }
    }
}

fn named_variable(key: &SecretString) -> Option<&str> {
    key.expose_secret().trim().strip_prefix("env:")
}

#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines to read.
    Text,
    /// One JSON object a line.
    Json,
}
