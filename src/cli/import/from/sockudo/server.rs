//! The server of Sockudo.

use super::super::{
    super::{
        draft::Draft,
        row::{GivenSetting, Remark, Row, TakeResult, unneeded as as_unneeded},
        take::{app, server},
    },
    changed, lacking, same, unneeded,
};

const TLS: &str = "SSL_ENABLED";
const METRICS: &str = "METRICS_ENABLED";
const UNIX: &str = "UNIX_SOCKET_ENABLED";

pub const ROWS: &[Row] = &[
    same("HOST", "host", "listen", server::host),
    same("PORT", "port", "listen", server::port),
    same("", "path_prefix", "path_prefix", server::path_prefix),
    changed("DEBUG_MODE", "debug", "log", "\"debug\"", server::debug),
    changed("DEBUG", "", "log", "\"debug\"", server::debug),
    same("SSL_CERT_PATH", "ssl.cert_path", "tls_cert_file", |draft, given| {
        tls_file(draft, given, "tls_cert_file", "SSL_KEY_PATH")
    }),
    same("SSL_KEY_PATH", "ssl.key_path", "tls_key_file", |draft, given| {
        tls_file(draft, given, "tls_key_file", "SSL_CERT_PATH")
    }),
    changed(TLS, "ssl.enabled", "tls_cert_file, tls_key_file", "", tls),
    Row {
        take: app::feature,
        ..lacking("SSL_REDIRECT_HTTP", "ssl.redirect_http", "have a proxy redirect plain HTTP")
    },
    unneeded("SSL_HTTP_PORT", "ssl.http_port", "only for the redirect of plain HTTP"),
    changed(UNIX, "unix_socket.enabled", "listen", "unix:PATH", |draft, given| {
        if !given.boolean()? {
            return as_unneeded("off");
        }
        let path = given.other_text("UNIX_SOCKET_PATH");
        draft.listen.unix = Some(path.unwrap_or_else(|| "/var/run/sockudo/sockudo.sock".into()));
        draft.listen.add_unix_origin(given);
        Ok(Remark::AsDocumented)
    }),
    changed("UNIX_SOCKET_PATH", "unix_socket.path", "listen", "unix:PATH", |draft, given| {
        if !given.is_on(UNIX) {
            return as_unneeded("off");
        }
        draft.listen.add_unix_origin(given);
        Ok(Remark::AsDocumented)
    }),
    same(
        "UNIX_SOCKET_PERMISSION_MODE",
        "unix_socket.permission_mode",
        "unix_socket_mode",
        |draft, given| {
            if !given.is_on(UNIX) {
                return as_unneeded("off");
            }
            draft.server.set("unix_socket_mode", format!("0{}", given.text()?), given);
            Ok(Remark::AsDocumented)
        },
    ),
    same(
        "ACTIVITY_TIMEOUT",
        "activity_timeout",
        "activity_timeout_seconds",
        server::activity_timeout,
    ),
    same("SHUTDOWN_GRACE_PERIOD", "shutdown_grace_period", "drain_seconds", server::drain_seconds),
    changed(
        "WEBSOCKET_MAX_PAYLOAD_KB",
        "websocket_max_payload_kb",
        "message_bytes",
        "in bytes",
        |draft, given| {
            draft.server.set("message_bytes", given.bytes(1024)?.max(1024), given);
            Ok(Remark::AsDocumented)
        },
    ),
    changed(
        "",
        "http_api.request_limit_in_mb",
        "http_body_bytes",
        "in bytes",
        server::request_megabytes,
    ),
    changed(
        "",
        "http_api.accept_traffic.memory_threshold",
        "capacity_percent",
        "a share there, percent here",
        |draft, given| {
            let share = given.decimal()?;
            let percent = if share <= 1.0 { share * 100.0 } else { share };
            if !(1.0..=100.0).contains(&percent) {
                return Err("capacity_percent is from 1 to 100".into());
            }
            draft.server.set("capacity_percent", percent.round() as i64, given);
            Ok(Remark::AsDocumented)
        },
    ),
    changed(
        METRICS,
        "metrics.enabled",
        "ops_listen",
        "other metrics; add the host name that Prometheus uses to ops_hosts",
        server::metrics_on,
    ),
    changed("METRICS_HOST", "metrics.host", "ops_listen", "", |draft, given| {
        server::metrics_host(draft, given, METRICS)
    }),
    changed("METRICS_PORT", "metrics.port", "ops_listen", "", |draft, given| {
        server::metrics_port(draft, given, METRICS)
    }),
    unneeded("METRICS_DRIVER", "metrics.driver", "Prometheus is the only one"),
    lacking("METRICS_PROMETHEUS_PREFIX", "metrics.prometheus.prefix", server::METRICS),
    Row {
        take: app::feature,
        ..lacking(
            "METRICS_TCP_EXPORTER_ENABLED",
            "metrics.tcp_exporter.**",
            "metrics are read over HTTP: see ops_listen",
        )
    },
    unneeded("METRICS_TCP_EXPORTER_*", "", "metrics are read over HTTP"),
    changed(
        "CORS_ORIGINS",
        "cors.origin",
        "app.origins",
        "decides who may connect as well, which theirs does not",
        app::origins,
    ),
];

fn tls(draft: &mut Draft, given: &GivenSetting<'_>) -> TakeResult {
    if !given.boolean()? {
        return as_unneeded("without TLS");
    }
    if ["SSL_CERT_PATH", "SSL_KEY_PATH"].iter().any(|name| given.other(name).is_none()) {
        return Err("TLS needs both files: set SSL_CERT_PATH and SSL_KEY_PATH".into());
    }
    for name in ["tls_cert_file", "tls_key_file"] {
        draft.server.credit(name, given);
    }
    Ok(Remark::AsDocumented)
}

fn tls_file(
    draft: &mut Draft,
    given: &GivenSetting<'_>,
    name: &'static str,
    with: &str,
) -> TakeResult {
    match given.is_on(TLS) {
        true => server::tls_file(draft, given, name, with),
        false => as_unneeded("without TLS"),
    }
}
