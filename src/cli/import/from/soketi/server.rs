//! The server of soketi.

use super::super::{
    super::{row::Row, take::server},
    changed, lacking, same, unneeded,
};

const METRICS_SWITCH: &str = "SOKETI_METRICS_ENABLED";

pub const ROWS: &[Row] = &[
    same("SOKETI_HOST", "host", "listen", server::host),
    same("SOKETI_PORT", "port", "listen", server::port),
    same("SOKETI_PATH_PREFIX", "pathPrefix", "path_prefix", server::path_prefix),
    same("SOKETI_SSL_CERT", "ssl.certPath", "tls_cert_file", |draft, given| {
        server::tls_file(draft, given, "tls_cert_file", "SOKETI_SSL_KEY")
    }),
    same("SOKETI_SSL_KEY", "ssl.keyPath", "tls_key_file", |draft, given| {
        server::tls_file(draft, given, "tls_key_file", "SOKETI_SSL_CERT")
    }),
    lacking("SOKETI_SSL_PASS", "ssl.passphrase", server::PASSPHRASE),
    lacking("SOKETI_SSL_CA", "ssl.caPath", server::CLIENT_CERTIFICATES),
    changed("SOKETI_DEBUG", "debug", "log", "\"debug\"", server::debug),
    changed(
        "SOKETI_SHUTDOWN_GRACE_PERIOD",
        "shutdownGracePeriod",
        "drain_seconds",
        "milliseconds, rounded up",
        server::drain_ms,
    ),
    changed(
        "SOKETI_HTTP_ACCEPT_TRAFFIC_MEMORY_THRESHOLD",
        "httpApi.acceptTraffic.memoryThreshold",
        "capacity_percent",
        "/accept-traffic is /capacity",
        server::capacity_percent,
    ),
    changed(
        "",
        "httpApi.requestLimitInMb",
        "http_body_bytes",
        "in bytes",
        server::request_megabytes,
    ),
    changed(
        METRICS_SWITCH,
        "metrics.enabled",
        "ops_listen",
        "other metrics; add the host name that Prometheus uses to ops_hosts",
        server::metrics_on,
    ),
    changed("SOKETI_METRICS_HOST", "metrics.host", "ops_listen", "", |draft, given| {
        server::metrics_host(draft, given, METRICS_SWITCH)
    }),
    changed("SOKETI_METRICS_SERVER_PORT", "metrics.port", "ops_listen", "", |draft, given| {
        server::metrics_port(draft, given, METRICS_SWITCH)
    }),
    unneeded("SOKETI_METRICS_DRIVER", "metrics.driver", "Prometheus is the only one"),
    lacking("SOKETI_METRICS_PROMETHEUS_PREFIX", "metrics.prometheus.prefix", server::METRICS),
];
